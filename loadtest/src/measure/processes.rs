//! What processes use, as `/proc` tells it: proc(5).

use std::collections::HashMap;
use std::{fs, io};

use anyhow::{Context, ensure};
use rustix::param::clock_ticks_per_second;

/// How far the count in clock ticks may be off: a tick for user and one for system time.
const TICKS_OFF: u64 = 2;

/// The processes under test.
#[derive(Clone, Debug)]
pub struct Processes(Vec<u32>);

/// What the processes and their children have used up to one moment.
#[derive(Clone, Debug)]
pub struct Sample {
    by_pid: HashMap<u32, Process>,
    /// What they have in memory now, in bytes.
    pub rss_bytes: u64,
    /// The sum of the most that each has had in memory, in bytes.
    pub peak_rss_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Process {
    /// CPU time of the threads that there are, in nanoseconds: precise, but it ends with a thread.
    threads_ns: u64,
    /// CPU time of all threads that there ever were, in nanoseconds, by clock ticks.
    total_ns: u64,
}

impl Processes {
    /// The processes with these ids.
    pub fn new(pids: Vec<u32>) -> Self {
        Self(pids)
    }

    /// Reads what they have used.
    ///
    /// # Errors
    ///
    /// When one of them is not there.
    pub fn sample(&self) -> anyhow::Result<Sample> {
        let mut sample = Sample { by_pid: HashMap::new(), rss_bytes: 0, peak_rss_bytes: 0 };
        for pid in &self.0 {
            sample.add(*pid).with_context(|| format!("cannot measure process {pid}"))?;
        }
        if self.0.is_empty() {
            return Ok(sample);
        }
        let parents = parents()?;
        let is_below = |pid: u32| {
            let mut above = parents.get(&pid);
            while let Some(parent) = above {
                if self.0.contains(parent) {
                    return true;
                }
                above = parents.get(parent);
            }
            false
        };
        for child in parents.keys().copied().filter(|pid| is_below(*pid)) {
            // One that has ended meanwhile is not an error.
            let _ = sample.add(child);
        }
        Ok(sample)
    }
}

impl Sample {
    fn add(&mut self, pid: u32) -> anyhow::Result<()> {
        if self.by_pid.contains_key(&pid) {
            return Ok(());
        }
        let process = Process::read(pid)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        self.rss_bytes += bytes(&status, "VmRSS:")?;
        self.peak_rss_bytes += bytes(&status, "VmHWM:")?;
        self.by_pid.insert(pid, process);
        Ok(())
    }

    /// How much CPU time was used since `earlier`, user and system, in nanoseconds. What a process used that has ended
    /// since is not known.
    pub fn cpu_ns_since(&self, earlier: &Self) -> u64 {
        let used = |(pid, now): (&u32, &Process)| {
            now.cpu_ns_since(&earlier.by_pid.get(pid).copied().unwrap_or_default())
        };
        self.by_pid.iter().map(used).sum()
    }
}

impl Process {
    fn read(pid: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let ticks = stat_field(&stat, 14)? + stat_field(&stat, 15)?;
        let mut threads_ns = 0;
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread that ends is not there any more.
            let Ok(schedstat) = fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            let running = schedstat.split(' ').next().context("an empty schedstat")?;
            threads_ns += running.parse::<u64>().context("a schedstat without a number")?;
        }
        Ok(Self { threads_ns, total_ns: ticks * tick_ns() })
    }

    /// The sum over threads, unless some have ended: then the count in ticks says more.
    fn cpu_ns_since(self, earlier: &Self) -> u64 {
        let precise = self.threads_ns.saturating_sub(earlier.threads_ns);
        let coarse = self.total_ns.saturating_sub(earlier.total_ns);
        if coarse > precise + TICKS_OFF * tick_ns() { coarse } else { precise }
    }
}

fn tick_ns() -> u64 {
    1_000_000_000 / clock_ticks_per_second()
}

/// Each process and the one that started it.
fn parents() -> io::Result<HashMap<u32, u32>> {
    let pids = fs::read_dir("/proc")?.flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids
        .filter_map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, u32::try_from(stat_field(&stat, 4).ok()?).ok()?))
        })
        .collect())
}

/// A number of `/proc/PID/stat`, whose second field is a name in parentheses that may hold anything.
fn stat_field(stat: &str, number: usize) -> anyhow::Result<u64> {
    let (_, rest) = stat.rsplit_once(") ").context("a stat without a name")?;
    let field = rest.split(' ').nth(number - 3).context("a short stat")?;
    field.parse().with_context(|| format!("field {number} of stat is {field:?}"))
}

/// A size of `/proc/PID/status`. A process that has ended but was not waited for has none.
fn bytes(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let line = line.with_context(|| format!("it has ended: no {name}"))?;
    let kibibytes = line.trim().strip_suffix(" kB").with_context(|| format!("{name} in kB"))?;
    ensure!(!kibibytes.is_empty(), "{name} has no number");
    Ok(kibibytes.parse::<u64>()? * 1024)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};
    use std::thread;

    use super::*;

    /// Uses so much CPU time.
    fn burn(milliseconds: u64) {
        let own = || fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
        let running = || own().split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
        let until: u64 = running() + milliseconds * 1_000_000;
        while running() < until {}
    }

    #[test]
    fn time_of_threads_counts_while_they_live_and_when_they_have_ended() {
        let this = Processes::new(vec![id()]);
        let before = this.sample().expect("this process");
        burn(20);
        thread::spawn(|| burn(100)).join().expect("a thread that ends");
        let after = this.sample().expect("this process");
        let used = after.cpu_ns_since(&before) / 1_000_000;
        // Other tests run in this process, and ticks are coarse.
        assert!(used >= 100, "{used} ms");
        assert!(after.peak_rss_bytes >= after.rss_bytes && after.rss_bytes > 100_000);
    }

    #[test]
    fn children_are_measured_with_their_parents() {
        let mut shell = Command::new("sh");
        let mut shell = shell.args(["-c", "sleep 60 & wait"]).spawn().expect("a shell");
        let parent = Processes::new(vec![shell.id()]);
        let processes = || parent.sample().expect("the shell").by_pid.len();
        while processes() < 2 {
            thread::yield_now();
        }
        let sample = parent.sample().expect("the shell");
        assert_eq!(sample.by_pid.len(), 2);
        for pid in sample.by_pid.keys() {
            let pid = i32::try_from(*pid).ok().and_then(rustix::process::Pid::from_raw);
            let kill = rustix::process::Signal::KILL;
            rustix::process::kill_process(pid.expect("a pid"), kill).expect("it runs");
        }
        shell.wait().expect("it has ended");
        assert!(parent.sample().is_err());
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 50 60 0 0";
        assert_eq!(stat_field(stat, 4).expect("a number"), 1);
        assert_eq!(stat_field(stat, 14).expect("a number"), 50);
        assert_eq!(stat_field(stat, 15).expect("a number"), 60);
        assert!(stat_field(stat, 3).is_err());
        assert!(stat_field(stat, 99).is_err());
    }
}

//! A child process on a clean environment, which does not outlive its handle.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// The longest a start may take: servers in Python need seconds, and more where others build at the same time.
const DEADLINE: Duration = Duration::from_mins(2);
/// How often a starting process is looked at.
const TICK: Duration = Duration::from_millis(5);
/// How much of what a process wrote stands in an error.
const SHOWN_BYTES: usize = 8 * 1024;

/// A running process with what it starts, all in one process group that is killed on drop.
pub(super) struct Process {
    name: String,
    child: Child,
    /// Its stdout and stderr: a file without a name, which is gone with the last process that has it open.
    output: File,
}

/// The command of a program that inherits nothing but the places where programs are.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

impl Process {
    /// Starts `command`; `name` stands in errors.
    ///
    /// # Errors
    /// When there is no such program, or no file for what it writes.
    pub(super) fn start(name: &str, command: Command) -> anyhow::Result<Self> {
        Self::start_with(name, command, Stdio::null())
    }

    /// The same with something to listen on as stdin.
    pub(super) fn start_with(
        name: &str,
        mut command: Command,
        stdin: Stdio,
    ) -> anyhow::Result<Self> {
        let output = tempfile::tempfile().context("no file for what a process writes")?;
        command.stdin(stdin).stdout(output.try_clone()?).stderr(output.try_clone()?);
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { name: name.to_owned(), child, output })
    }

    /// Waits until `look` finds something; what it says otherwise stands in the error.
    ///
    /// # Errors
    /// When the process ends before, or the deadline passes; the message has what the process wrote.
    pub(super) async fn until<T>(
        &mut self,
        what: &str,
        mut look: impl AsyncFnMut(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let start = Instant::now();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let error = match look(self).await {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            let ended = self.child.try_wait()?;
            if ended.is_none() && start.elapsed() < DEADLINE {
                continue;
            }
            let (name, output) = (&self.name, self.last_words());
            match ended {
                Some(status) => bail!("{name} ended with {status}, before {what}\n{output}"),
                None => bail!("{name}: no {what} within {DEADLINE:?}: {error:#}\n{output}"),
            }
        }
    }

    /// Waits for the address that it says to listen on.
    ///
    /// # Errors
    /// As [`Process::until`].
    pub(super) async fn address(&mut self) -> anyhow::Result<SocketAddr> {
        self.until("line `listening on`", async |process| {
            let output = process.output(0);
            let (_, rest) = output.split_once("listening on ").context("it says nothing of it")?;
            let (line, _) = rest.split_once('\n').context("a line without an end")?;
            let address = line.trim().trim_start_matches("http://").trim_end_matches("/mcp");
            address.parse().with_context(|| format!("{address:?} is no address"))
        })
        .await
    }

    /// The process and what it has started.
    pub(super) fn pids(&self) -> Vec<u32> {
        let group = self.child.id();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| group_of(*pid) == Some(group)).collect()
    }

    /// What it has written to stdout and stderr from `offset` on, as far as it is shown.
    fn output(&self, offset: u64) -> String {
        let mut bytes = vec![0; SHOWN_BYTES];
        let mut filled = 0;
        while let Ok(read @ 1..) = self.output.read_at(&mut bytes[filled..], offset + filled as u64)
        {
            filled += read;
        }
        String::from_utf8_lossy(&bytes[..filled]).into_owned()
    }

    /// The last of it.
    fn last_words(&self) -> String {
        let written = self.output.metadata().map_or(0, |metadata| metadata.len());
        self.output(written.saturating_sub(SHOWN_BYTES as u64))
    }

    fn group(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Only fails when the whole group is gone already.
        let _ = kill_process_group(self.group(), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// The process group of any process: proc(5), `/proc/pid/stat`, field 5. The second one, a name in brackets, may hold
/// anything.
fn group_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(2)?.parse().ok()
}

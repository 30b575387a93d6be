//! A child process whose output is read all the time and which does not outlive its handle.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, kill_process, kill_process_group};
use tokio::sync::watch;

pub use rustix::process::Signal;

use crate::DEADLINE;

/// What the process has written so far.
#[derive(Default)]
struct Output {
    stdout: Vec<String>,
    stderr: Vec<String>,
    open_pipes: u8,
}

impl Output {
    fn all(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", self.stdout.join("\n"), self.stderr.join("\n"))
    }
}

/// A running process, in a process group of its own; the whole group is killed on drop.
pub struct Process {
    name: String,
    child: Child,
    output: watch::Receiver<Output>,
}

impl Process {
    /// Starts `command` with no stdin. `name` stands in the messages of failures.
    pub fn spawn(name: &str, command: Command) -> Self {
        Self::spawn_with(name, command, Stdio::null())
    }

    /// Starts `command` and gives its stdin to the caller, who closes it by dropping it.
    pub fn spawn_to_talk(name: &str, command: Command) -> (Self, ChildStdin) {
        let mut process = Self::spawn_with(name, command, Stdio::piped());
        let stdin = process.child.stdin.take().expect("the pipe was asked for");
        (process, stdin)
    }

    /// As [`Process::spawn`], with something to read from or to listen on.
    pub fn spawn_with(name: &str, mut command: Command, stdin: Stdio) -> Self {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{name}: {command:?}: {error}"));
        let (sender, output) = watch::channel(Output { open_pipes: 2, ..Output::default() });
        drain(child.stdout.take(), sender.clone(), |output| &mut output.stdout);
        drain(child.stderr.take(), sender, |output| &mut output.stderr);
        Self { name: name.to_owned(), child, output }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first line, on stdout or stderr, in which `find` finds something. `what` says what that is.
    pub async fn line<T>(&self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
        let mut output = self.output.clone();
        let mut found = None;
        let waited = tokio::time::timeout(
            DEADLINE,
            output.wait_for(|output| {
                found = output.stdout.iter().chain(&output.stderr).find_map(|line| find(line));
                found.is_some() || output.open_pipes == 0
            }),
        )
        .await;
        drop(waited);
        found.unwrap_or_else(|| panic!("{}: no {what}\n{}", self.name, self.output()))
    }

    /// Waits for line `number` of stdout, counted from 0; `None` if there are not so many.
    pub async fn stdout_line(&self, number: usize) -> Option<String> {
        let mut output = self.output.clone();
        let is_there = |output: &Output| output.stdout.len() > number || output.open_pipes == 0;
        let is_in_time = tokio::time::timeout(DEADLINE, output.wait_for(is_there)).await.is_ok();
        assert!(is_in_time, "{}: no line {number}\n{}", self.name, self.output());
        output.borrow().stdout.get(number).cloned()
    }

    /// Waits until the process has ended and closed its output.
    pub async fn finished(&mut self, deadline: Duration) -> ExitStatus {
        let mut output = self.output.clone();
        let ended =
            tokio::time::timeout(deadline, output.wait_for(|output| output.open_pipes == 0)).await;
        assert!(ended.is_ok(), "{}: not done after {deadline:?}\n{}", self.name, self.output());
        self.child.wait().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// All it has written to stdout, as lines.
    pub fn stdout(&self) -> Vec<String> {
        self.output.borrow().stdout.clone()
    }

    /// All it has written to stderr, as lines.
    pub fn stderr(&self) -> Vec<String> {
        self.output.borrow().stderr.clone()
    }

    /// All it has written, for a person.
    pub fn output(&self) -> String {
        self.output.borrow().all()
    }

    /// Sends a signal to the process, not to its children.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.group(), signal).unwrap_or_else(|error| panic!("{}: {error}", self.name));
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

/// `kill -9` of a process that the test did not start itself.
pub fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, Signal::KILL).unwrap_or_else(|error| panic!("kill {pid:?}: {error}"));
}

/// The processes that a process has started.
pub fn children(parent: u32) -> Vec<u32> {
    let parent = parent.to_string();
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat.rsplit(") ").next().unwrap_or_default();
        rest.split(' ').nth(1) == Some(&*parent)
    })
    .collect()
}

/// A variable that somebody exported must not decide what a test shows, whether the gateway is a child of the test or of
/// a client.
pub(crate) fn inherit_nothing_of_ours(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTCULLIS_") {
            command.env_remove(name);
        }
    }
}

/// Whether a process exists and is more than a zombie.
pub fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state stands behind the name, which may hold anything but ends with the last bracket.
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Reads a pipe to its end on a thread of its own: a process whose pipe is full would hang.
fn drain(
    pipe: Option<impl Read + Send + 'static>,
    output: watch::Sender<Output>,
    lines: fn(&mut Output) -> &mut Vec<String>,
) {
    let mut pipe = BufReader::new(pipe.expect("the pipe was asked for"));
    thread::spawn(move || {
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            output.send_modify(|output| lines(output).push(text));
            line.clear();
        }
        output.send_modify(|output| output.open_pipes -= 1);
    });
}

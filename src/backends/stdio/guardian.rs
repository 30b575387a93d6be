//! A process that outlives ours and ends the children we left behind.
//!
//! Whoever is killed with SIGKILL sends no signals. Most children read the end of their standard
//! input then and go; for those that do not, a guardian process holds the other end of a pipe of
//! ours, knows the process groups of our children, and ends them when the pipe closes.

use std::collections::HashSet;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// How long children have, once we are gone, to go by themselves, and then after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The pipe to the guardian. A process has one death, so this is the process's own.
static GUARDIAN: OnceLock<Mutex<ChildStdin>> = OnceLock::new();

/// Starts the guardian, `program` with `args`, which must call [`watch`] with its standard input.
///
/// Only the first call of a process starts one.
///
/// # Errors
/// When the program cannot be started; children then depend on reading the end of their input.
pub fn start(program: &Path, args: &[&str]) -> io::Result<()> {
    if GUARDIAN.get().is_some() {
        return Ok(());
    }
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::null());
    // A group of its own: Ctrl-C on the terminal is meant for us.
    let mut guardian = command.process_group(0).spawn()?;
    let pipe = guardian.stdin.take().expect("standard input is piped");
    let _ = GUARDIAN.set(Mutex::new(pipe));
    Ok(())
}

/// A process group that the guardian ends if we die; until this is dropped.
#[derive(Debug)]
pub(super) struct Ward(u32);

impl Ward {
    /// Entrusts the process group of that number to the guardian, if there is one.
    pub(super) fn new(group: u32) -> Self {
        tell('+', group);
        Self(group)
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        tell('-', self.0);
    }
}

fn tell(sign: char, group: u32) {
    if let Some(pipe) = GUARDIAN.get() {
        // A guardian that is gone leaves us no worse than without one.
        let _ = writeln!(pipe.lock(), "{sign}{group}");
    }
}

/// The guardian's work: learns process groups from `input` and, at its end, ends those left.
///
/// # Errors
/// When `input` cannot be read.
pub fn watch(input: impl BufRead) -> io::Result<()> {
    let mut groups = HashSet::new();
    for line in input.lines() {
        let line = line?;
        let (sign, number) = line.split_at_checked(1).unwrap_or_default();
        let Some(group) = number.parse().ok().and_then(Pid::from_raw) else { continue };
        match sign {
            "+" => groups.insert(group),
            _ => groups.remove(&group),
        };
    }
    for signal in [Signal::TERM, Signal::KILL] {
        wait_until_gone(&groups);
        for group in &groups {
            let _ = kill_process_group(*group, signal); // most are gone by now
        }
    }
    Ok(())
}

fn wait_until_gone(groups: &HashSet<Pid>) {
    let is_there = |group: &Pid| test_kill_process_group(*group).is_ok();
    let looks = GRACE.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..looks {
        if !groups.iter().any(is_there) {
            return;
        }
        thread::sleep(LOOK_EVERY);
    }
}

//! A target beside a command.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const LOADTEST: &str = env!("CARGO_BIN_EXE_portcullis-loadtest");

#[test]
fn a_command_can_call_the_target_by_its_environment_and_how_it_ends_is_passed_on() {
    let calling = r#""$0" call --url "$LOADTEST_URL" --tool "$LOADTEST_TOOL" --pid "$LOADTEST_PID" --calls 64"#;
    for (script, succeeds) in [(calling, true), ("exit 3", false)] {
        let mut command = Command::new(LOADTEST);
        command.args(["start", "plain", "sh", "-c", script, LOADTEST]).stdout(Stdio::null());
        let status = command.status().expect("it runs");
        assert_eq!(status.success(), succeeds, "{script}");
    }
}

#[test]
fn what_was_started_ends_with_whoever_is_told_to_end() {
    let mut command = Command::new(LOADTEST);
    command.args(["start", "plain", "sh", "-c", r#"echo "$LOADTEST_PID"; exec cat"#]);
    let mut run = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut line = String::new();
    let output = run.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("the command says which process it is");
    let target = PathBuf::from("/proc").join(line.trim());
    assert!(target.is_dir(), "{}", target.display());
    kill_process(Pid::from_child(&run), Signal::TERM).expect("it still runs");
    assert_eq!(run.wait().expect("it ends").code(), Some(143));
    assert!(!target.exists(), "{} goes on", target.display());
}

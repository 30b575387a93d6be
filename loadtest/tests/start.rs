//! A target beside a command.

use std::process::{Command, Stdio};

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

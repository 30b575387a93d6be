//! Children do not outlive the gateway, however it ends.

use std::path::Path;

use portcullis_test_support::{ConfigDir, Gateway, Signal, within};
use serde_json::json;

/// An MCP server that answers `initialize`, says who it is, and then ignores everything.
const STUBBORN: &str = r#"
trap '' TERM HUP INT PIPE
read -r line
echo $$ > "$PID_FILE"
echo '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"stubborn","version":"0"}}}'
while :; do sleep 0.1; done
"#;

async fn gone(pid: &str) {
    let command_line = Path::new("/proc").join(pid).join("cmdline");
    // What has ended and was not waited for by anybody has an empty one.
    let is_there = || std::fs::read(&command_line).is_ok_and(|line| !line.is_empty());
    within("end of the child", async {
        while is_there() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_child_that_ignores_everything_goes_when_the_gateway_is_killed() {
    let config = ConfigDir::new();
    let pid_file = config.path().join("pid");
    let config = config.server(
        "stubborn",
        &json!({
            "type": "stdio",
            "autoStart": true,
            "command": "sh",
            "args": ["-c", STUBBORN],
            "env": { "PID_FILE": pid_file },
        }),
    );
    let gateway = Gateway::start(env!("CARGO_BIN_EXE_portcullis"), config.path()).await;
    let pid = within("start of the child", async {
        loop {
            match std::fs::read_to_string(&pid_file) {
                Ok(pid) if pid.ends_with('\n') => return pid.trim().to_owned(),
                _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    })
    .await;
    gateway.process().signal(Signal::KILL);
    gone(&pid).await;
}

//! The container image, as far as it can be tried without building it: the binary runs as the image's user, in a
//! read-only root that holds only what the image holds, with the commands of the Dockerfile.

use std::fs;
use std::path::Path;

use portcullis_test_support::{ConfigDir, DEADLINE, ImageRoot, Process, Signal};
use serde_json::json;

/// The example for containers, with its key beside it.
fn settings() -> ConfigDir {
    let key = "${SESSION_KEY_FILE:-/run/secrets/session.key}";
    let example = include_str!("../config/container/config.yaml");
    assert!(example.contains(key), "{example}");
    ConfigDir::new()
        .config(&example.replace(key, "session.key"))
        .file("session.key", &"0f".repeat(32))
}

fn image() -> Option<ImageRoot> {
    let dockerfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile");
    ImageRoot::build(Path::new(env!("CARGO_BIN_EXE_portcullis")), &dockerfile)
}

#[tokio::test]
async fn the_binary_runs_in_the_root_of_the_image() {
    let Some(image) = image() else { return };
    let mut process = Process::spawn("portcullis --version", image.run_with(&["--version".into()]));
    let status = process.finished(DEADLINE).await;
    assert!(status.success(), "{}", process.output());
    assert_eq!(process.stdout(), [format!("portcullis {}", env!("CARGO_PKG_VERSION"))]);
}

#[tokio::test]
async fn a_container_serves_and_passes_its_health_check() {
    let Some(image) = image() else { return };
    let demo = ["portcullis".to_owned(), "demo-server".to_owned()];
    image.add_config(settings().stdio("demo", &demo, &json!({})).path());

    let mut gateway = Process::spawn("portcullis serve", image.run());
    for address in ["listening on http://0.0.0.0:8090/mcp", "metrics on http://0.0.0.0:9464/"] {
        gateway.line(address, |line| line.contains(address).then_some(())).await;
    }
    let status =
        fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("the process");
    assert!(status.contains("\nUid:\t65532\t65532\t65532\t65532\n"), "{status}");

    let mut health = Process::spawn("portcullis health", image.healthcheck(&gateway));
    let status = health.finished(DEADLINE).await;
    assert!(status.success(), "{}\n{}", health.output(), gateway.output());

    gateway.signal(Signal::TERM);
    let status = gateway.finished(DEADLINE).await;
    assert!(status.success(), "{}", gateway.output());
}

#[tokio::test]
async fn the_health_check_fails_when_nobody_listens() {
    let Some(image) = image() else { return };
    let mut health = Process::spawn("portcullis health", image.run_with(&["health".into()]));
    let status = health.finished(DEADLINE).await;
    assert_eq!(status.code(), Some(1), "{}", health.output());
}

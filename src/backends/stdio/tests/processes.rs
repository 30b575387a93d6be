//! How children are started and how they end.

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::Command;

use super::super::process::{Grace, Process, ending};
use super::*;

fn plain(command: &str, args: &[&str]) -> Stdio {
    Stdio {
        command: command.to_owned(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: BTreeMap::new(),
        cwd: None,
    }
}

async fn failure(stdio: Stdio) -> String {
    open_config(config_of(stdio, Isolation::Shared)).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_named_with_what_to_do() {
    let missing_directory = Stdio { cwd: Some("/nowhere".into()), ..plain("sh", &[]) };
    for (name, stdio, text) in [
        ("a name", plain("no-such-program", &[]), "set spec.command to its full path"),
        ("a path", plain("/no/such/program", &[]), "there is no such file"),
        ("a directory", plain("/tmp", &[]), "is it an executable file?"),
        ("a working directory", missing_directory, "the directory /nowhere does not exist"),
    ] {
        let error = failure(stdio).await;
        assert!(error.contains(text), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_child_that_ends_or_says_nonsense_before_it_is_initialised_is_reported() {
    let answer = |result: &str| {
        format!(r#"read -r line; echo '{{"jsonrpc":"2.0","id":1,{result}}}'; read -r line"#)
    };
    for (script, text) in [
        (
            "echo 'no token set' >&2; exit 2".to_owned(),
            "its process exited with status 2; the end of its standard error: no token set",
        ),
        (answer(r#""result":{}"#), "missing field `protocolVersion`"),
        (answer(r#""result":{"protocolVersion":"1999-01-01"}"#), "\"1999-01-01\" is unknown"),
        (answer(r#""error":{"code":-32600,"message":"not today"}"#), "not today"),
    ] {
        let error = failure(plain("sh", &["-c", &script])).await;
        assert!(error.contains(text), "{error}");
    }
}

#[tokio::test]
async fn a_child_that_does_not_answer_initialize_is_given_up_and_stopped() {
    let background = background();
    let mut config = config_of(plain("sh", &["-c", "cat >&2"]), Isolation::Shared);
    config.connect_timeout = Duration::from_millis(50);
    let config = Arc::new(config);
    let opening = super::super::open(&config, &background, Capabilities::NONE, false);
    assert!(matches!(opening.await.unwrap_err(), OpenError::Timeout { .. }));
    background.tasks.close();
    soon(background.tasks.wait()).await;
}

#[tokio::test]
async fn a_child_has_a_clean_environment_and_what_the_configuration_names() {
    let script =
        r#"next; names=$(env | cut -d= -f1 | tr '\n' ' '); result 2 "\"$names$TOKEN\""; next"#;
    let mut stdio = stdio(script);
    stdio.env.insert("TOKEN".to_owned(), "from-configuration".into());
    let opened = open_config(config_of(stdio, Isolation::Shared)).await.unwrap();
    let answer = message_of(call(&opened.connection).await.unwrap());
    let text = std::str::from_utf8(&answer).unwrap();
    assert!(text.contains("PATH ") && text.contains("from-configuration"), "{text}");
    assert!(!text.contains("CARGO"), "{text}");
}

#[tokio::test]
async fn closing_ends_a_child_by_the_end_of_its_input() {
    let opened = open("while read -r line; do :; done; exit 0").await;
    let started = tokio::time::Instant::now();
    soon(opened.connection.close()).await;
    assert!(started.elapsed() < Grace::default().after_eof);
    soon(opened.connection.close()).await;
}

#[tokio::test]
async fn dropping_the_connection_stops_the_child() {
    let opened = open(ANSWER_ALL).await;
    let closed = opened.connection.closed();
    drop(opened);
    soon(closed.cancelled()).await;
}

#[tokio::test]
async fn a_stubborn_child_is_asked_then_killed_with_all_it_started() {
    let grace =
        Grace { after_eof: Duration::from_millis(20), after_sigterm: Duration::from_millis(100) };
    for (name, script, expected) in [
        ("asked", "echo up; read -r line; sleep 1000", "was killed by signal 15"),
        (
            "asked, and says so",
            "trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done",
            "exited with status 5",
        ),
        ("killed", "trap '' TERM; echo up; while :; do sleep 1000; done", "was killed by signal 9"),
    ] {
        let (mut process, mut pipes) =
            Process::start(&plain("sh", &["-c", script]), &background()).unwrap();
        let mut up = [0; 3];
        pipes.stdout.read_exact(&mut up).await.unwrap();
        drop(pipes.stdin);
        let status = soon(process.stop(grace)).await;
        assert!(ending(&status).ends_with(expected), "{name}: {}", ending(&status));
        // Whoever still lived would hold this open.
        soon(pipes.stdout.read_to_end(&mut Vec::new())).await.unwrap();
    }
}

/// Set for a run of this test binary that plays a gateway which is killed.
const ROLE: &str = "PORTCULLIS_TEST_FIFO";

#[tokio::test]
async fn the_gateway_that_is_killed_in_another_test_has_a_child() {
    let Some(fifo) = std::env::var_os(ROLE) else { return };
    let fifo = fifo.into_string().unwrap();
    let opened = open(&format!("exec 3>'{fifo}'; echo up >&3; {ANSWER_ALL}")).await;
    opened.connection.closed().cancelled().await;
}

#[tokio::test]
async fn no_child_outlives_a_gateway_that_was_killed() {
    let directory = TempDir::new().unwrap();
    let fifo = directory.path().join("alive");
    assert!(Command::new("mkfifo").arg(&fifo).status().await.unwrap().success());
    let mut alive = pipe::OpenOptions::new().read_write(true).open_receiver(&fifo).unwrap();
    let this_file = module_path!().split_once("::").unwrap().1;
    let role = format!("{this_file}::the_gateway_that_is_killed_in_another_test_has_a_child");
    let mut gateway = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &role])
        .env(ROLE, &fifo)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut up = [0; 3];
    soon(alive.read_exact(&mut up)).await.unwrap();
    // From here on the child is the only writer, and its end is the end of the pipe.
    let mut alive_still = pipe::OpenOptions::new().open_receiver(&fifo).unwrap();
    drop(alive);
    gateway.kill().await.unwrap();
    let rest = soon(alive_still.read_to_end(&mut Vec::new())).await;
    assert_eq!(rest.unwrap(), 0);
}

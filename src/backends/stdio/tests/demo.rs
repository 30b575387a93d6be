//! A whole MCP server that is not a script: the demo server, played by this test binary.

use super::*;
use crate::demo;

/// Set for a run of this test binary that is the demo server. The harness prints lines of its
/// own, which the connection drops as garbage.
const ROLE: &str = "PORTCULLIS_TEST_DEMO";

#[tokio::test]
async fn the_demo_server_of_another_test() {
    if std::env::var_os(ROLE).is_some() {
        demo::run(None).await.unwrap();
    }
}

async fn open_demo() -> Opened<Connection> {
    let this_file = module_path!().split_once("::").unwrap().1;
    let role = format!("{this_file}::the_demo_server_of_another_test");
    let stdio = Stdio {
        command: std::env::current_exe().unwrap().into_os_string().into_string().unwrap(),
        args: vec!["--exact".to_owned(), role, "--nocapture".to_owned()],
        env: BTreeMap::from([(ROLE.to_owned(), "1".into())]),
        cwd: None,
    };
    open_config(config_of(stdio, Isolation::Shared)).await.unwrap()
}

fn call_of(tool: &str, arguments: &str) -> Request {
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":"{tool}","method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{{"progressToken":"p"}}}}}}"#
    );
    Request::new(Message::parse(Bytes::from(text)).unwrap()).unwrap()
}

#[tokio::test]
async fn the_demo_server_answers_many_calls_at_once() {
    let opened = open_demo().await;
    let (connection, target) = (&opened.connection, Target::default());
    let calls = (0..100).map(|number| async move {
        let target = Target::default();
        let call = call_of("echo", &format!(r#"{{"message":"number {number}"}}"#));
        let bytes = message_of(connection.call(&call, &target).await.unwrap());
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.contains(&format!(r#""text":"number {number}""#)), "{text}");
    });
    soon(futures_util::future::join_all(calls)).await;

    let call = call_of("slow", r#"{"ms":20}"#);
    let events = events_of(connection.call(&call, &target).await.unwrap()).await;
    assert_eq!(events.len(), 11, "ten steps and the response");
    assert!(events.iter().all(Result::is_ok));
    soon(connection.close()).await;
}

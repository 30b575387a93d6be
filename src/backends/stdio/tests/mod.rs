//! Real children: short shell scripts. Ids are predictable: `initialize` is 1, what follows 2, 3, …

mod asking;
mod calls;
mod demo;
mod failures;
mod processes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio_util::task::TaskTracker;

use crate::backends::duplex::Connection;
use crate::backends::relay::Target;
use crate::backends::{Background, Config, Isolation, OpenError, Opened, Stdio, Transport};
use crate::call::{Body, Error, Event, Reply, Request};
use crate::mcp::{Capabilities, Message};

/// Functions for the scripts, and the answer to `initialize`.
const PRELUDE: &str = r#"
say() { printf '%s\n' "$1"; }
result() { say "{\"jsonrpc\":\"2.0\",\"id\":$1,\"result\":$2}"; }
log() { say "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":$1}}"; }
progress() { say "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":$1,\"progress\":$2}}"; }
ask() { say "{\"jsonrpc\":\"2.0\",\"id\":\"ask\",\"method\":\"$1\",\"params\":{}}"; }
next() { read -r line || exit 0; }
next
result 1 '{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"t","version":"1"}}'
next
"#;

/// Answers every request with `{}`.
const ANSWER_ALL: &str =
    r#"exec sed -un 's/.*"id":\([0-9]*\).*/{"jsonrpc":"2.0","id":\1,"result":{}}/p'"#;

fn background() -> Background {
    Background { runtime: tokio::runtime::Handle::current(), tasks: TaskTracker::new() }
}

fn stdio(script: &str) -> Stdio {
    Stdio {
        command: "sh".to_owned(),
        args: vec!["-c".to_owned(), format!("{PRELUDE}{script}")],
        env: BTreeMap::new(),
        cwd: None,
    }
}

fn config_of(stdio: Stdio, isolation: Isolation) -> Config {
    Config {
        name: "test".into(),
        transport: Transport::Stdio(stdio),
        isolation,
        connect_timeout: Duration::from_secs(20),
        call_timeout: Duration::from_secs(20),
        max_in_flight: None,
        trust_annotations: false,
    }
}

async fn open_config(config: Config) -> Result<Opened<Connection>, OpenError> {
    super::open(&Arc::new(config), &background(), Capabilities::NONE, false).await
}

/// A shared connection to a child that runs the script.
async fn open(script: &str) -> Opened<Connection> {
    open_config(config_of(stdio(script), Isolation::Shared)).await.unwrap()
}

/// A connection to a child that serves one session.
async fn open_session(script: &str) -> Opened<Connection> {
    open_config(config_of(stdio(script), Isolation::Session)).await.unwrap()
}

fn call_with(params: &str) -> Request {
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{{"name":"t","_meta":{{"progressToken":"p"}},"arguments":{params}}}}}"#
    );
    Request::new(Message::parse(Bytes::from(text)).unwrap()).unwrap()
}

async fn call(connection: &Arc<Connection>) -> Result<Reply, Error> {
    connection.call(&call_with("{}"), &Target::default()).await
}

/// The response of a reply that has no other events.
fn message_of(reply: Reply) -> Bytes {
    match reply.into_body() {
        Body::Message(response) => response.bytes,
        Body::Stream(_) => panic!("the reply is a stream"),
    }
}

/// All events of a reply, as text; requests are dropped.
async fn events_of(reply: Reply) -> Vec<Result<Bytes, Error>> {
    let Body::Stream(events) = reply.into_body() else { panic!("the reply is a message") };
    let texts = events.map(|event| {
        event.map(|event| match event {
            Event::Notification(bytes) | Event::Request(bytes, _) => bytes,
            Event::Response(response) => response.bytes,
        })
    });
    texts.collect().await
}

/// Waits for something that comes unless the code is wrong.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(15);
    tokio::time::timeout(patience, future).await.expect("comes soon")
}

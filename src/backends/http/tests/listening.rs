//! The GET stream.

use super::*;
use crate::outbound::scripted::{open_sse, sse};

fn is_get(seen: &Seen) -> bool {
    seen.method == Method::GET
}

/// A backend whose GET streams the test writes to, and which answers a call when it is told.
async fn listening() -> (Fixture, Log, mpsc::Receiver<mpsc::Sender<String>>, Server) {
    let (streams, receiver) = mpsc::channel(8);
    let (fixture, log, server) = connected(move |seen| {
        let streams = streams.clone();
        async move {
            if !is_get(&seen) {
                return None;
            }
            let (sender, answer) = open_sse();
            streams.send(sender).await.unwrap();
            Some(answer)
        }
    })
    .await;
    (fixture, log, receiver, server)
}

#[tokio::test]
async fn what_comes_on_the_get_stream_goes_to_the_inbox() {
    let (mut fixture, log, mut streams, _server) = listening().await;
    let stream = streams.recv().await.unwrap();
    let get = log.wait_for(is_get).await;
    assert_eq!(get.session(), Some("s1"));
    assert_eq!(get.header("accept"), Some("text/event-stream"));
    assert_eq!(get.header("content-type"), None);
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#.to_owned();
    let question = r#"{"jsonrpc":"2.0","id":3,"method":"roots/list"}"#.to_owned();
    let ping = r#"{"jsonrpc":"2.0","id":4,"method":"ping"}"#.to_owned();
    stream.send(events([changed, ping, question])).await.unwrap();
    let Unsolicited::Notification(message) = fixture.unsolicited().await else { panic!() };
    assert_eq!(message.method_name(), "notifications/tools/list_changed");
    let Unsolicited::Request(message, responder) = fixture.unsolicited().await else { panic!() };
    assert_eq!(message.method_name(), "roots/list");
    responder.refuse("set isolation: session");
    let answer = log.wait_for(|seen| seen.message["id"] == 3).await;
    assert_eq!(answer.message["error"]["message"], "set isolation: session");
    log.wait_for(|seen| seen.message["id"] == 4 && seen.message["result"] == json!({})).await;

    fixture.connection.close().await;
    stream.closed().await;
    fixture.background.tasks.close();
    fixture.background.tasks.wait().await;
}

#[tokio::test]
async fn progress_on_the_get_stream_finds_its_call() {
    let (answer_now, wait) = tokio::sync::watch::channel(false);
    let (streams, mut receiver) = mpsc::channel(8);
    let (fixture, log, _server) = connected(move |seen| {
        let (streams, mut wait) = (streams.clone(), wait.clone());
        async move {
            if is_call(&seen) {
                wait.wait_for(|now| *now).await.unwrap();
            }
            if !is_get(&seen) {
                return None;
            }
            let (sender, answer) = open_sse();
            streams.send(sender).await.unwrap();
            Some(answer)
        }
    })
    .await;
    let stream = receiver.recv().await.unwrap();
    let backend = async {
        let call = log.wait_for(is_call).await;
        let progress = |token: &Value| {
            let params = json!({ "progressToken": token, "progress": 1 });
            json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })
                .to_string()
        };
        let ping = r#"{"jsonrpc":"2.0","id":"after","method":"ping"}"#.to_owned();
        let wire_id = &call.message["id"];
        stream.send(events([progress(&json!(99)), progress(wire_id), ping])).await.unwrap();
        log.wait_for(|seen| seen.message["id"] == "after").await;
        answer_now.send(true).unwrap();
    };
    let (reply, ()) = tokio::join!(fixture.call(CALL), backend);
    let mut stream = Stream::of(reply.unwrap());
    assert_eq!(stream.notification().await["params"]["progressToken"], "token");
    assert_eq!(stream.response().await["result"]["of"], "t");
}

#[tokio::test]
async fn a_server_without_a_get_stream_is_asked_once() {
    for status in [405, 404, 400, 501] {
        let (fixture, log, _server) = connected(move |seen| async move {
            is_get(&seen).then(|| answer(status, "text/plain", "no session here"))
        })
        .await;
        // The task that listens has come to its end.
        fixture.background.tasks.close();
        time::timeout(PATIENCE, fixture.background.tasks.wait()).await.unwrap();
        assert_eq!(log.count(is_get), 1, "{status}");
        assert_eq!(log.initializations(), 1, "{status}");
        fixture.call(CALL).await.unwrap();
    }
}

#[tokio::test]
async fn a_get_stream_that_ends_is_opened_again_where_it_ended() {
    let (mut fixture, log, _server) = connected(|seen| async move {
        let note = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
        match seen.header("last-event-id") {
            _ if !is_get(&seen) => None,
            None => Some(sse(format!("id: 7\nretry: 1\ndata: {note}\n\n"))),
            Some("7") => Some(sse(format!("id: 8\ndata: {note}\n\n"))),
            Some(_) => std::future::pending().await,
        }
    })
    .await;
    for _ in 0..2 {
        assert!(matches!(fixture.unsolicited().await, Unsolicited::Notification(_)));
    }
    log.wait_for(|seen| seen.header("last-event-id") == Some("8")).await;
}

#[tokio::test]
async fn a_restarted_server_is_noticed_by_its_get_stream() {
    let (mut fixture, log, _server) = connected(|seen| async move {
        match (is_get(&seen), seen.header("last-event-id"), seen.session()) {
            (true, None, Some("s1")) => Some(sse("id: 1\nretry: 1\ndata:\n\n")),
            (true, Some(_), Some("s1")) => Some(answer(404, "text/plain", "Session not found")),
            (true, ..) => std::future::pending().await,
            _ => None,
        }
    })
    .await;
    assert!(matches!(fixture.unsolicited().await, Unsolicited::Reinitialized));
    log.wait_for(|seen| is_get(seen) && seen.session() == Some("s2")).await;
    fixture.call(CALL).await.unwrap();
    assert_eq!(log.initializations(), 2);
}

#[tokio::test]
async fn a_full_inbox_drops_notifications_and_refuses_requests() {
    let (fixture, log, mut streams, _server) = listening().await;
    let stream = streams.recv().await.unwrap();
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#.to_owned();
    let question = r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#.to_owned();
    let many = std::iter::repeat_n(note, crate::backends::INBOX_CAPACITY + 10);
    stream.send(events(many.chain([question]))).await.unwrap();
    let answer = log.wait_for(|seen| seen.message["id"] == "q").await;
    assert_eq!(answer.message["error"]["code"], -32603);
    assert_eq!(fixture.inbox.len(), crate::backends::INBOX_CAPACITY);
}

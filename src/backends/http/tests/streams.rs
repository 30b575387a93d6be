//! What happens while a call is under way.

use super::*;
use crate::outbound::scripted::{open_sse, sse};

/// A backend whose calls are streams that the test writes to.
async fn streaming() -> (Fixture, Log, mpsc::Receiver<(Seen, mpsc::Sender<String>)>, Server) {
    let (calls, receiver) = mpsc::channel(8);
    let (fixture, log, server) = connected(move |seen| {
        let calls = calls.clone();
        async move {
            if !is_call(&seen) {
                return None;
            }
            let (sender, answer) = open_sse();
            calls.send((seen, sender)).await.unwrap();
            Some(answer)
        }
    })
    .await;
    (fixture, log, receiver, server)
}

async fn say(to: &mpsc::Sender<String>, message: &Value) {
    to.send(events([message.to_string()])).await.unwrap();
}

fn notification(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

#[tokio::test]
async fn progress_logs_and_questions_travel_on_the_calls_stream() {
    let (fixture, log, mut calls, _server) = streaming().await;
    let backend = async {
        let (call, stream) = calls.recv().await.unwrap();
        let token = &call.message["params"]["_meta"]["progressToken"];
        let progress = json!({ "progressToken": token, "progress": 1 });
        say(&stream, &notification("notifications/progress", &progress)).await;
        say(&stream, &notification("notifications/message", &json!({ "level": "info" }))).await;
        say(&stream, &json!({ "jsonrpc": "2.0", "id": "q", "method": "roots/list" })).await;
        let answer = log.wait_for(|seen| seen.message["id"] == "q").await;
        assert_eq!(answer.message["result"], json!({ "roots": [] }));
        assert_eq!(answer.session(), Some("s1"));
        stream.send(events([call.result_text(&json!("done"))])).await.unwrap();
    };
    let caller = async {
        let mut stream = Stream::of(fixture.call(CALL).await.unwrap());
        assert_eq!(stream.notification().await["params"]["progressToken"], "token");
        assert_eq!(stream.notification().await["params"]["level"], "info");
        let (question, responder) = stream.request().await;
        assert_eq!(question["id"], "q", "the backend's own id");
        let answer = r#"{"jsonrpc":"2.0","id":"gateway-7","result":{"roots":[]}}"#;
        responder.respond(Message::parse(Bytes::from(answer)).unwrap());
        let response = stream.response().await;
        assert_eq!((&response["id"], &response["result"]), (&json!("caller"), &json!("done")));
        assert!(stream.0.next().await.is_none());
    };
    tokio::join!(backend, caller);
}

#[tokio::test]
async fn a_call_that_takes_its_time_on_a_stream_is_a_stream() {
    let (fixture, _log, mut calls, _server) = streaming().await;
    let (reply, (call, stream)) =
        tokio::join!(fixture.call(CALL), async { calls.recv().await.unwrap() });
    let mut events = Stream::of(reply.unwrap());
    stream.send(super::events([call.result_text(&json!(1))])).await.unwrap();
    assert_eq!(events.response().await["result"], 1);
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_refused() {
    let (fixture, log, mut calls, _server) = streaming().await;
    let backend = async {
        let (call, stream) = calls.recv().await.unwrap();
        say(&stream, &json!({ "jsonrpc": "2.0", "id": 5, "method": "elicitation/create" })).await;
        let answer = log.wait_for(|seen| seen.message["id"] == 5).await;
        assert_eq!(answer.message["error"]["code"], -32603);
        stream.send(events([call.result_text(&json!(1))])).await.unwrap();
    };
    let caller = async {
        let mut stream = Stream::of(fixture.call(CALL).await.unwrap());
        drop(stream.request().await);
        stream.response().await;
    };
    tokio::join!(backend, caller);
}

#[tokio::test]
async fn an_answer_goes_out_also_when_the_reply_is_gone() {
    let (fixture, log, mut calls, _server) = streaming().await;
    let (call, received) = tokio::join!(fixture.call(CALL), async {
        let (_, stream) = calls.recv().await.unwrap();
        say(&stream, &json!({ "jsonrpc": "2.0", "id": 5, "method": "roots/list" })).await;
        stream
    });
    let mut stream = Stream::of(call.unwrap());
    let (_, responder) = stream.request().await;
    drop(stream);
    responder.refuse("the client left");
    let answer = log.wait_for(|seen| seen.message["id"] == 5).await;
    assert_eq!(answer.message["error"]["message"], "the client left");
    received.closed().await;
}

#[tokio::test]
async fn a_dropped_reply_closes_the_stream_and_tells_the_backend() {
    let (fixture, log, mut calls, _server) = streaming().await;
    let (reply, (call, stream)) = tokio::join!(fixture.call(CALL), async {
        let (call, stream) = calls.recv().await.unwrap();
        say(&stream, &notification("notifications/message", &json!({}))).await;
        (call, stream)
    });
    drop(reply.unwrap());
    stream.closed().await;
    let cancelled = log.wait_for(|seen| seen.is("notifications/cancelled")).await;
    assert_eq!(cancelled.message["params"]["requestId"], call.message["id"]);
}

#[tokio::test]
async fn a_call_dropped_before_its_answer_begins_is_cancelled() {
    let (fixture, log, _server) = connected(|seen| async move {
        if is_call(&seen) { std::future::pending().await } else { None }
    })
    .await;
    tokio::select! {
        _ = fixture.call(CALL) => panic!("it never answers"),
        _ = log.wait_for(is_call) => {}
    }
    log.wait_for(|seen| seen.is("notifications/cancelled")).await;
}

#[tokio::test]
async fn an_answered_call_is_not_cancelled() {
    let (fixture, log, mut calls, _server) = streaming().await;
    let (reply, ()) = tokio::join!(fixture.call(CALL), async {
        let (call, stream) = calls.recv().await.unwrap();
        stream.send(events([call.result_text(&json!(1))])).await.unwrap();
    });
    drop(reply.unwrap());
    fixture.connection.close().await;
    fixture.background.tasks.close();
    fixture.background.tasks.wait().await;
    assert_eq!(log.count(|seen| seen.is("notifications/cancelled")), 0);
}

#[tokio::test]
async fn a_stream_that_ends_after_its_response_does_not_cost_its_connection() {
    let (fixture, _log, mut calls, server) = streaming().await;
    for _ in 0..20 {
        let (reply, ()) = tokio::join!(fixture.call(CALL), async {
            let (call, stream) = calls.recv().await.unwrap();
            stream.send(events([call.result_text(&json!(1))])).await.unwrap();
        });
        assert_eq!(message(reply.unwrap())["result"], 1);
    }
    let connections = server.connections();
    assert!(connections <= 5, "{connections}: a stream may end while the next call begins");
}

#[tokio::test]
async fn what_concerns_everybody_leaves_the_calls_stream() {
    let (mut fixture, log, mut calls, _server) = streaming().await;
    let backend = async {
        let (call, stream) = calls.recv().await.unwrap();
        say(&stream, &notification("notifications/tools/list_changed", &json!({}))).await;
        say(&stream, &notification("notifications/resources/updated", &json!({ "uri": "a:b" })))
            .await;
        say(&stream, &notification("notifications/cancelled", &json!({ "requestId": 1 }))).await;
        say(&stream, &json!({ "jsonrpc": "2.0", "id": "p", "method": "ping" })).await;
        let pong = log.wait_for(|seen| seen.message["id"] == "p").await;
        assert_eq!(pong.message["result"], json!({}));
        stream.send(events([call.result_text(&json!(1))])).await.unwrap();
    };
    let (reply, ()) = tokio::join!(fixture.call(CALL), backend);
    assert_eq!(message(reply.unwrap())["result"], 1);
    for expected in ["notifications/tools/list_changed", "notifications/resources/updated"] {
        let Unsolicited::Notification(message) = fixture.unsolicited().await else { panic!() };
        assert_eq!(message.method_name(), expected);
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_is_taken_up_where_it_ended() {
    let (fixture, log, _server) = connected(|seen| async move {
        if is_call(&seen) {
            let note = notification("notifications/message", &json!({ "part": 1 }));
            return Some(sse(format!("id: e1\nretry: 60\ndata: {note}\n\nid: e2\ndata:\n\n")));
        }
        match seen.header("last-event-id") {
            Some("e2") => Some(sse("id: e3\ndata:\n\n")),
            Some("e3") => {
                let response = json!({ "jsonrpc": "2.0", "id": 1, "result": "late" });
                Some(sse(events([response.to_string()])))
            }
            _ => None,
        }
    })
    .await;
    let began = time::Instant::now();
    let mut stream = Stream::of(fixture.call(CALL).await.unwrap());
    assert_eq!(stream.notification().await["params"]["part"], 1);
    let response = stream.response().await;
    assert_eq!((&response["id"], &response["result"]), (&json!("caller"), &json!("late")));
    assert!(began.elapsed() >= Duration::from_millis(120), "the server's wish, twice");
    let resumed = log.wait_for(|seen| seen.header("last-event-id") == Some("e2")).await;
    assert_eq!(resumed.header("accept"), Some("text/event-stream"));
    assert_eq!(resumed.session(), Some("s1"));
}

#[tokio::test]
async fn a_stream_that_cannot_be_taken_up_is_a_lost_call() {
    for (stream, said) in [
        ("", "ended without a response"),
        (": nothing\n\n", "ended without a response"),
        ("id: e1\nretry: 1\ndata:\n\n", "cannot be resumed: HTTP 405"),
    ] {
        let (fixture, log, _server) =
            connected(move |seen| async move { is_call(&seen).then(|| sse(stream)) }).await;
        let error = fixture.call(CALL).await.unwrap_err();
        assert!(matches!(error, Error::ConnectionLost { .. }), "{stream}: {error}");
        assert!(error.to_string().contains(said), "{stream}: {error}");
        assert_eq!(log.count(is_call), 1, "it may have been processed");
    }
}

#[tokio::test]
async fn a_server_that_vanishes_in_mid_call_is_a_lost_call() {
    let (fixture, _log, mut calls, server) = streaming().await;
    let (reply, stream) = tokio::join!(fixture.call(CALL), async {
        let (_, stream) = calls.recv().await.unwrap();
        say(&stream, &notification("notifications/message", &json!({}))).await;
        stream
    });
    let mut events = Stream::of(reply.unwrap());
    events.notification().await;
    drop((server, stream));
    let error = events.next().await.unwrap_err();
    assert!(matches!(error, Error::ConnectionLost { .. }), "{error}");
}

#[tokio::test]
async fn a_stream_may_be_silent_no_longer_than_a_call() {
    let (server, log) = backend(|seen| async move {
        if !is_call(&seen) {
            return None;
        }
        let (sender, answer) = open_sse();
        say(&sender, &notification("notifications/message", &json!({}))).await;
        tokio::task::spawn_blocking(move || {
            tokio::runtime::Handle::current().block_on(sender.closed());
        });
        Some(answer)
    })
    .await;
    let config = Config { call_timeout: Duration::from_millis(500), ..config(&server) };
    let fixture = Fixture::open(config).await.unwrap();
    let mut stream = Stream::of(fixture.call(CALL).await.unwrap());
    stream.notification().await;
    let error = stream.next().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    drop(stream);
    log.wait_for(|seen| seen.is("notifications/cancelled")).await;
}

#[tokio::test]
async fn a_slow_reader_holds_its_backend_back_and_nobody_else() {
    let (fixture, _log, mut calls, _server) = streaming().await;
    let (reply, (call, stream)) = tokio::join!(fixture.call(CALL), async {
        let (call, stream) = calls.recv().await.unwrap();
        say(&stream, &notification("notifications/message", &json!({}))).await;
        (call, stream)
    });
    let mut slow = Stream::of(reply.unwrap());
    let params = json!({ "level": "info", "data": "x".repeat(256 << 10) });
    let log = super::events([notification("notifications/message", &params).to_string()]);
    let mut sent = 0;
    // Nobody reads: at some point the buffers on the way are full.
    while time::timeout(Duration::from_millis(300), stream.send(log.clone())).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 200, "50 MB would be more than the system buffers");

    let (reply, ()) = tokio::join!(fixture.call(CALL), async {
        let (call, stream) = calls.recv().await.unwrap();
        stream.send(super::events([call.result_text(&json!("quick"))])).await.unwrap();
    });
    assert_eq!(message(reply.unwrap())["result"], "quick");

    let finish = async {
        stream.send(super::events([call.result_text(&json!("slow"))])).await.unwrap();
    };
    let read = async {
        for _ in 0..=sent {
            assert_eq!(slow.notification().await["method"], "notifications/message");
        }
        assert_eq!(slow.response().await["result"], "slow");
    };
    tokio::join!(finish, read);
}

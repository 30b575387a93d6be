//! Servers that break the rules, or break.

use super::*;

#[tokio::test]
async fn a_post_that_fails_ends_its_call_and_no_other() {
    let error = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32600,"message":"no such tool"}}"#;
    let general = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"gone"}}"#;
    for (status, body, expected) in [
        (404, "Session not found", "gave no valid answer: HTTP 404: Session not found"),
        (
            401,
            "",
            "gave no valid answer: HTTP 401 (it wants credentials: set them in spec.headers)",
        ),
        (500, "<html><body>oops</body></html>", "gave no valid answer: HTTP 500: oops"),
        (307, "", "gave no valid answer: HTTP 307"),
        (400, error, r#""message":"no such tool""#),
        (404, general, "backend test gave no valid answer: HTTP 404: gone"),
    ] {
        let fixture = open(Isolation::Shared, move |seen| async move {
            let is_bad = seen.message["params"]["name"] == "bad";
            is_bad.then(|| answers(answer(status, "", body)))
        })
        .await;
        let said = match fixture.call("bad").await {
            Err(error) => error.to_string(),
            Ok(reply) => match reply.into_body() {
                Body::Message(response) => String::from_utf8_lossy(&response.bytes).into_owned(),
                Body::Stream(_) => panic!("the reply is a stream"),
            },
        };
        assert!(said.contains(expected), "{status}: {said}");
        assert_eq!(fixture.answer("good").await["result"], json!({}), "after {status}");
        assert_eq!(fixture.state.count(is_call), 2, "nothing is sent twice");
    }
}

#[tokio::test]
async fn the_end_of_the_stream_ends_every_call_and_nothing_is_sent_twice() {
    let mut fixture = open(Isolation::Shared, |seen| async move {
        let is_last = seen.message["params"]["name"] == "last";
        is_call(&seen).then(|| Reaction { ends: is_last, ..says("data: {\"jsonrpc\":\"2.0\",") })
    })
    .await;
    let last = async {
        fixture.state.wait_for(is_call).await;
        fixture.call("last").await
    };
    let (one, last) = tokio::join!(fixture.call("one"), last);
    for error in [one.unwrap_err(), last.unwrap_err()] {
        assert!(matches!(error, Error::ConnectionLost { .. }), "{error}");
        let expected = "backend test went away before it answered: its event stream ended";
        assert_eq!(error.to_string(), expected);
    }
    soon(fixture.connection.closed().cancelled()).await;
    assert_eq!(fixture.connection.end_reason().unwrap().as_ref(), "its event stream ended");
    assert!(soon(fixture.inbox.recv()).await.is_none(), "the inbox is closed");
    assert!(matches!(fixture.call("later").await, Err(Error::ConnectionLost { .. })));
    assert_eq!(fixture.state.count(is_call), 2);
    assert_eq!(fixture.state.count(|seen| seen.method == Method::GET), 1);
}

#[tokio::test]
async fn garbage_is_passed_over() {
    let fixture = open(Isolation::Shared, |seen| async move {
        let garbage = "data: hello\n\nevent: endpoint\ndata: http://evil.test/\n\ndata: {\"a\":1}\n\n\
            data:\n\nid: 5\n\n\u{0}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}\n\n";
        is_call(&seen).then(|| says(garbage.to_owned() + &seen.result(&json!(1))))
    })
    .await;
    for _ in 0..2 {
        assert_eq!(fixture.answer("t").await["result"], 1);
    }
}

#[tokio::test]
async fn silence_ends_a_call() {
    let script = |seen: Seen| async move { is_call(&seen).then(|| says("")) };
    let (server, _state) = server(HEAD, script).await;
    let mut config = config(&server, Isolation::Shared);
    config.call_timeout = Duration::from_millis(50);
    let opened = open_config(config).await.unwrap();
    let (connection, inbox) = (opened.connection, opened.inbox);
    let fixture = Fixture { connection, inbox, state: Arc::default(), server };
    let error = fixture.call("t").await.unwrap_err().to_string();
    assert_eq!(error, "backend test was silent for 0.05 s");
}

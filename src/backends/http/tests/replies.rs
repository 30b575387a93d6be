//! What comes back for a request.

use super::*;
use crate::outbound::scripted::{json as json_answer, sse};

#[tokio::test]
async fn a_json_answer_is_a_message_under_the_callers_id() {
    let (fixture, log, server) = connected(nothing).await;
    let reply = fixture.call(CALL).await.unwrap();
    assert_eq!(
        message(reply),
        json!({ "jsonrpc": "2.0", "id": "caller", "result": { "of": "t" } })
    );
    let call = log.wait_for(is_call).await;
    assert_eq!(call.message["id"], call.message["params"]["_meta"]["progressToken"]);
    assert_eq!(call.session(), Some("s1"));
    for _ in 0..3 {
        fixture.call(CALL).await.unwrap();
    }
    assert!(server.connections() <= 2, "one, and one for the GET stream that there is not");
}

#[tokio::test]
async fn a_stream_that_begins_with_the_response_is_a_message() {
    let (fixture, _log, server) = connected(|seen| async move {
        is_call(&seen).then(|| {
            let response = events([seen.result_text(&json!(1))]);
            sse(format!(": hi\n\nid: 1\nretry: 10\ndata:\n\nevent: x\ndata: y\n\n{response}"))
        })
    })
    .await;
    for _ in 0..4 {
        assert_eq!(message(fixture.call(CALL).await.unwrap())["result"], 1);
    }
    assert!(server.connections() <= 2, "streams read to their end do not cost their connection");
}

#[tokio::test]
async fn a_json_rpc_error_is_the_response_whatever_its_status() {
    for (status, id) in [(400, "null"), (413, "null"), (500, "\"server-error\""), (200, "null")] {
        let (fixture, log, _server) = connected(move |seen| async move {
            let error = r#""error":{"code":-32600,"message":"no","data":{"a":1}}"#;
            is_call(&seen).then(|| {
                answer(
                    status,
                    "application/json",
                    format!(r#"{{"jsonrpc":"2.0","id":{id},{error}}}"#),
                )
            })
        })
        .await;
        let response = message(fixture.call(CALL).await.unwrap());
        assert_eq!(response["id"], "caller", "{status}");
        assert_eq!(response["error"]["data"]["a"], 1, "{status}");
        assert_eq!(log.initializations(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_error_status_with_the_id_of_the_request_is_its_response() {
    let (fixture, log, _server) = connected(|seen| async move {
        is_call(&seen).then(|| {
            let id = &seen.message["id"];
            let error = json!({ "code": -32601, "message": "no such method" });
            let error = json!({ "jsonrpc": "2.0", "id": id, "error": error });
            answer(404, "application/json", error.to_string())
        })
    })
    .await;
    assert_eq!(message(fixture.call(CALL).await.unwrap())["error"]["code"], -32601);
    assert_eq!(log.initializations(), 1, "an understood request is no session loss");
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_that_says_what_came() {
    const JSON: &str = "application/json";
    for (status, content_type, body, said) in [
        (202, "", "", "HTTP 202 without a response"),
        (200, JSON, "", "HTTP 200 without a response"),
        (200, JSON, "{", "HTTP 200: {"),
        (200, JSON, r#"{"jsonrpc":"2.0","id":99,"result":1}"#, "there is no response"),
        (200, JSON, "[]", "there is no response"),
        (200, "text/html", "<html><title>Login</title></html>", "HTTP 200: Login"),
        (
            400,
            "text/html",
            "<pre>SyntaxError: at JSON.parse</pre>",
            "HTTP 400: SyntaxError: at JSON.parse",
        ),
        (413, "text/plain", "Payload Too Large", "HTTP 413: Payload Too Large"),
        (413, "text/html", "<h1>413</h1>too large", "HTTP 413: 413 too large"),
        (502, "text/html", "<h1>Bad Gateway</h1><hr>nginx", "HTTP 502: Bad Gateway nginx"),
        (503, "", "", "HTTP 503"),
        (
            401,
            JSON,
            r#"{"error":"invalid_token"}"#,
            "HTTP 401 (it wants credentials: set them in spec.headers)",
        ),
        (
            403,
            JSON,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"Invalid Host"}}"#,
            "spec.headers): Invalid Host",
        ),
        (
            500,
            JSON,
            r#"{"jsonrpc":"2.0","id":99,"error":{"code":1,"message":"other"}}"#,
            "HTTP 500: other",
        ),
    ] {
        let (fixture, log, _server) = connected(move |seen| async move {
            is_call(&seen).then(|| answer(status, content_type, body))
        })
        .await;
        let error = fixture.call(CALL).await.expect_err(body);
        assert!(matches!(error, Error::BadAnswer { .. }), "{status} {body}: {error}");
        assert!(error.to_string().contains(said), "{status} {body}: {error}");
        assert_eq!(log.initializations(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn a_batch_is_taken_apart() {
    for is_stream in [false, true] {
        let (fixture, _log, _server) = connected(move |seen| async move {
            is_call(&seen).then(|| {
                let note = json!({ "jsonrpc": "2.0", "method": "notifications/message" });
                let batch = format!("[{note}, {}]", seen.result_text(&json!(1)));
                if is_stream { sse(events([batch])) } else { json_answer(batch) }
            })
        })
        .await;
        let mut stream = Stream::of(fixture.call(CALL).await.unwrap());
        assert_eq!(stream.notification().await["method"], "notifications/message");
        assert_eq!(stream.response().await["id"], "caller");
    }
}

#[tokio::test]
async fn garbage_strangers_answers_and_second_answers_do_no_harm() {
    let (fixture, _log, server) = connected(|seen| async move {
        is_call(&seen).then(|| {
            let stranger = r#"{"jsonrpc":"2.0","id":99,"result":"stranger"}"#.to_owned();
            let (first, second) = (seen.result_text(&json!(1)), seen.result_text(&json!(2)));
            sse(events(["not json".to_owned(), stranger, first, second]))
        })
    })
    .await;
    for _ in 0..3 {
        assert_eq!(message(fixture.call(CALL).await.unwrap())["result"], 1);
    }
    assert!(server.connections() <= 4);
}

#[tokio::test]
async fn an_event_that_never_ends_is_given_up() {
    let (fixture, _log, _server) = connected(|seen| async move {
        if !is_call(&seen) {
            return None;
        }
        let (sender, answer) = scripted::open_sse();
        tokio::task::spawn_blocking(move || {
            sender.blocking_send("data: ".to_owned()).unwrap();
            let much = "x".repeat(4 << 20);
            while sender.blocking_send(much.clone()).is_ok() {}
        });
        Some(answer)
    })
    .await;
    let mut stream = match fixture.call(CALL).await {
        Ok(reply) => Stream::of(reply),
        Err(error) => return assert!(error.to_string().contains("more than 67108864 bytes")),
    };
    let error = stream.next().await.unwrap_err();
    assert!(error.to_string().contains("more than 67108864 bytes"), "{error}");
}

#[tokio::test]
async fn silence_is_a_timeout_and_the_backend_hears_of_it() {
    let (server, log) =
        backend(
            |seen| async move { if is_call(&seen) { std::future::pending().await } else { None } },
        )
        .await;
    let config = Config { call_timeout: Duration::from_millis(50), ..config(&server) };
    let fixture = Fixture::open(config).await.unwrap();
    let error = fixture.call(CALL).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    let call = log.wait_for(is_call).await;
    let cancelled = log.wait_for(|seen| seen.is("notifications/cancelled")).await;
    assert_eq!(cancelled.message["params"]["requestId"], call.message["id"]);
    assert_eq!(cancelled.session(), Some("s1"));
}

#[tokio::test]
async fn a_request_of_our_own_gives_the_raw_response() {
    let (fixture, log, _server) = connected(|seen| async move {
        let bad = seen.is("bad").then(|| {
            answer(
                400,
                "application/json",
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}"#,
            )
        });
        if seen.is("pending") { std::future::pending().await } else { bad }
    })
    .await;
    let ask = |method: &'static str, deadline| {
        let params = json!({ "cursor": "c" });
        let (connection, client) = (Arc::clone(&fixture.connection), fixture.client.clone());
        async move { connection.request(&client, method, Some(&params), deadline).await }
    };
    let response = ask("tools/list", PATIENCE).await.unwrap();
    assert_eq!(response.result().unwrap(), r#"{"of":null}"#);
    let seen = log.wait_for(|seen| seen.is("tools/list")).await;
    assert_eq!(seen.message["params"]["cursor"], "c");
    assert!(ask("bad", PATIENCE).await.unwrap().is_error());
    let error = ask("pending", Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

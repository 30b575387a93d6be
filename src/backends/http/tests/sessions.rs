//! A backend that forgets its sessions.

use super::*;

/// How a server says that it does not know a session.
fn forgotten(status: u16) -> Answer {
    let (code, text) = match status {
        400 => (-32000, "Bad Request: No valid session ID provided"),
        _ => (-32600, "Session not found"),
    };
    let error = json!({ "code": code, "message": text });
    let error = json!({ "jsonrpc": "2.0", "id": null, "error": error });
    answer(status, "application/json", error.to_string())
}

/// Whether this is a call in the first session, which has been forgotten.
fn is_stale_call(seen: &Seen) -> bool {
    is_call(seen) && seen.session() == Some("s1")
}

#[tokio::test]
async fn a_forgotten_session_is_made_again_and_the_call_goes_through() {
    for status in [404, 400] {
        let (mut fixture, log, _server) =
            connected(move |seen| async move { is_stale_call(&seen).then(|| forgotten(status)) })
                .await;
        let reply = fixture.call(CALL).await.unwrap();
        assert_eq!(message(reply)["result"]["of"], "t", "{status}");
        assert!(matches!(fixture.unsolicited().await, Unsolicited::Reinitialized));
        assert_eq!(log.initializations(), 2);
        let in_second = |seen: &Seen| seen.session() == Some("s2");
        log.wait_for(|seen| seen.is("notifications/initialized") && in_second(seen)).await;
        let old = log.wait_for(|seen| seen.method == Method::DELETE).await;
        assert_eq!(old.session(), Some("s1"));
        assert_eq!(log.count(is_call), 2);
        fixture.call(CALL).await.unwrap();
        assert_eq!(log.initializations(), 2);
    }
}

#[tokio::test]
async fn servers_that_answer_in_plain_text_are_understood() {
    for (status, text) in [
        (404, "Session not found"),
        (404, "<pre>Cannot POST /mcp</pre>"),
        (400, "Bad Request: No valid session ID provided"),
        (400, "Bad Request: Server not initialized"),
    ] {
        let (fixture, _log, _server) = connected(move |seen| async move {
            is_stale_call(&seen).then(|| answer(status, "text/plain", text))
        })
        .await;
        let reply = fixture.call(CALL).await.unwrap();
        assert_eq!(message(reply)["result"]["of"], "t", "{status} {text}");
    }
}

#[tokio::test]
async fn many_callers_make_one_new_session() {
    let (fixture, log, _server) =
        connected(|seen| async move { is_stale_call(&seen).then(|| forgotten(404)) }).await;
    let calls = (0..20).map(|_| fixture.call(CALL));
    for reply in futures_util::future::join_all(calls).await {
        assert_eq!(message(reply.unwrap())["result"]["of"], "t");
    }
    assert_eq!(log.initializations(), 2);
}

#[tokio::test]
async fn a_call_is_sent_again_once_at_most() {
    let (fixture, log, _server) =
        connected(|seen| async move { is_call(&seen).then(|| forgotten(404)) }).await;
    let response = message(fixture.call(CALL).await.unwrap());
    assert_eq!(response["error"]["message"], "Session not found");
    assert_eq!(response["id"], "caller");
    assert_eq!(log.count(is_call), 2);
    assert_eq!(log.initializations(), 2);
}

#[tokio::test]
async fn a_400_that_a_new_session_does_not_help_against_is_no_session_loss() {
    let (fixture, log, _server) =
        connected(|seen| async move { is_call(&seen).then(|| forgotten(400)) }).await;
    for _ in 0..3 {
        let response = message(fixture.call(CALL).await.unwrap());
        assert_eq!(response["error"]["code"], -32000);
    }
    assert_eq!(log.initializations(), 2, "once for the first call, then no more");
    assert_eq!(log.count(is_call), 4);
}

#[tokio::test]
async fn a_session_id_on_an_error_is_not_taken_for_ours() {
    let (fixture, log, _server) = connected(|seen| async move {
        (is_call(&seen) && seen.message["params"]["name"] == "t").then(|| {
            let error =
                r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"bad"}}"#;
            let mut answer = answer(400, "application/json", error);
            answer.headers_mut().insert("mcp-session-id", "fresh".parse().unwrap());
            answer
        })
    })
    .await;
    assert_eq!(message(fixture.call(CALL).await.unwrap())["error"]["message"], "bad");
    fixture.call(&CALL.replace(r#""name":"t""#, r#""name":"u""#)).await.unwrap();
    let second = log.wait_for(|seen| seen.message["params"]["name"] == "u").await;
    assert_eq!(second.session(), Some("s1"));
    assert_eq!(log.initializations(), 1);
}

#[tokio::test]
async fn without_a_session_a_404_is_what_it_is() {
    let (fixture, log, _server) = connected(|seen| async move {
        if seen.is("initialize") {
            return Some(seen.result(&initialize_result("2025-11-25")));
        }
        is_call(&seen).then(|| answer(404, "text/plain", "no such page"))
    })
    .await;
    let error = fixture.call(CALL).await.unwrap_err();
    assert!(error.to_string().contains("HTTP 404: no such page"), "{error}");
    assert_eq!(log.initializations(), 1);
}

#[tokio::test]
async fn a_session_that_cannot_be_renewed_fails_all_who_wait_for_it_at_once() {
    let sick = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_sick = Arc::clone(&sick);
    let (fixture, log, _server) = connected(move |seen| {
        let is_sick = is_sick.load(Ordering::SeqCst);
        async move {
            match is_sick {
                true if seen.is("initialize") => Some(answer(503, "", "")),
                true => Some(forgotten(404)),
                false => None,
            }
        }
    })
    .await;
    sick.store(true, Ordering::SeqCst);
    let calls = (0..10).map(|_| fixture.call(CALL));
    for result in futures_util::future::join_all(calls).await {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("its session was lost and cannot be renewed"), "{error}");
    }
    assert_eq!(log.initializations(), 2, "one failure stands for all");
}

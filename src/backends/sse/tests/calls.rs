//! What a call gets back, and what the server hears of it.

use super::*;
use crate::outbound::scripted::json as json_answer;

#[tokio::test]
async fn answers_come_on_the_stream_in_any_order_and_what_a_post_brings_is_ignored() {
    // The first call is answered behind the second.
    let held = Arc::new(Mutex::new(String::new()));
    let fixture = open(Isolation::Shared, move |seen| {
        let held = Arc::clone(&held);
        async move {
            if !is_call(&seen) {
                return None;
            }
            let body = json!({"jsonrpc": "2.0", "id": seen.message["id"], "result": "not this"});
            let result = seen.result(&seen.message["params"]["name"]);
            let mut held = held.lock();
            let says = if held.is_empty() { String::new() } else { result.clone() + &held };
            *held = result;
            Some(Reaction { says, ..answers(json_answer(body.to_string())) })
        }
    })
    .await;
    let (one, two) = tokio::join!(fixture.answer("one"), fixture.answer("two"));
    assert_eq!(one, json!({"jsonrpc": "2.0", "id": "one", "result": "one"}));
    assert_eq!(two, json!({"jsonrpc": "2.0", "id": "two", "result": "two"}));
}

#[tokio::test]
async fn progress_comes_under_the_callers_token_and_data_over_several_lines() {
    let script = |seen: Seen| async move {
        let progress = "event: message\r\ndata: {\"jsonrpc\":\"2.0\",\r\ndata: \"method\":\
            \"notifications/progress\",\r\ndata: \"params\":{\"progressToken\":2,\"progress\":1}}\
            \r\n\r\n: keep-alive\r\n\r\nevent: private\r\ndata: {}\r\n\r\n";
        is_call(&seen).then(|| says(progress.to_owned() + &seen.result(&json!({}))))
    };
    let fixture = open(Isolation::Shared, script).await;
    let Body::Stream(events) = fixture.call("t").await.unwrap().into_body() else {
        panic!("progress makes it a stream")
    };
    let events: Vec<_> = events.collect().await;
    let [Ok(Event::Notification(progress)), Ok(Event::Response(_))] = &events[..] else {
        panic!("progress and the response: {events:?}")
    };
    let expected = "{\"jsonrpc\":\"2.0\",\n\"method\":\"notifications/progress\",\n\
        \"params\":{\"progressToken\":\"p\",\"progress\":1}}";
    assert_eq!(progress, expected);
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_also_at_a_server_that_answers_posts_late() {
    for is_late in [false, true] {
        let fixture = open(Isolation::Shared, move |seen| async move {
            is_call(&seen).then(|| Reaction { hangs: is_late, ..says("") })
        })
        .await;
        let calling = fixture.call("t");
        tokio::select! {
            _ = calling => panic!("there is no answer"),
            seen = fixture.state.wait_for(is_call) => assert_eq!(seen.message["id"], 2),
        }
        let cancelled = |seen: &Seen| seen.is("notifications/cancelled");
        let seen = fixture.state.wait_for(cancelled).await;
        assert_eq!(seen.message["params"]["requestId"], 2);
        let response = fixture.connection.request("ping", None, Duration::from_secs(10)).await;
        assert_eq!(response.unwrap().result().unwrap(), "{}", "it goes on");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_a_post_can_be_called_on_and_on() {
    let script = |seen: Seen| async move {
        is_call(&seen).then(|| Reaction { hangs: true, ..says(seen.result(&json!({}))) })
    };
    let (server, state) = server(HEAD, script).await;
    let mut config = config(&server, Isolation::Shared);
    config.connect_timeout = Duration::from_secs(2);
    let opened = open_config(config).await.unwrap();
    let (connection, inbox) = (opened.connection, opened.inbox);
    let fixture = Fixture { connection, inbox, state, server };
    // More than may be on their way at one time.
    for _ in 0..300 {
        assert_eq!(fixture.answer("t").await["result"], json!({}));
    }
}

#[tokio::test]
async fn a_ping_is_answered_and_a_shared_server_that_asks_is_told_what_to_set() {
    let ask = |method: &str| event(&json!({"jsonrpc": "2.0", "id": method, "method": method}));
    let fixture = open(Isolation::Shared, nothing).await;
    fixture.state.say(ask("ping") + &ask("roots/list")).await;
    let pong = fixture.state.wait_for(|seen| seen.message["id"] == "ping").await;
    assert_eq!(pong.message["result"], json!({}));
    let refusal = fixture.state.wait_for(|seen| seen.message["id"] == "roots/list").await;
    let text = refusal.message["error"]["message"].as_str().unwrap();
    assert!(text.contains("set spec.gateway.isolation: session"), "{text}");
}

#[tokio::test]
async fn in_a_session_a_request_takes_the_stream_of_the_only_call_and_its_answer_is_posted() {
    let fixture = open(Isolation::Session, |seen| async move {
        let ask =
            json!({"jsonrpc": "2.0", "id": "a", "method": "elicitation/create", "params": {}});
        let is_answer = seen.message["id"] == "a" && seen.message.get("result").is_some();
        if is_answer {
            let done = json!({"jsonrpc": "2.0", "id": 2, "result": seen.message["result"]});
            return Some(says(event(&done)));
        }
        is_call(&seen).then(|| says(event(&ask)))
    })
    .await;
    let Body::Stream(mut events) = fixture.call("t").await.unwrap().into_body() else {
        panic!("it asks")
    };
    let Some(Ok(Event::Request(_, responder))) = events.next().await else {
        panic!("the request comes first")
    };
    let answer = r#"{"jsonrpc":"2.0","id":9,"result":{"action":"accept"}}"#;
    responder.respond(Message::parse(Bytes::from(answer)).unwrap());
    let Some(Ok(Event::Response(response))) = soon(events.next()).await else { panic!("it ends") };
    assert!(response.bytes.ends_with(br#""result":{"action":"accept"}}"#), "{:?}", response.bytes);
}

#[tokio::test]
async fn what_belongs_to_no_call_goes_to_the_inbox() {
    let mut fixture = open(Isolation::Shared, nothing).await;
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    fixture.state.say(event(&changed)).await;
    let Some(Unsolicited::Notification(message)) = soon(fixture.inbox.recv()).await else {
        panic!("a notification")
    };
    assert_eq!(message.method_name(), "notifications/tools/list_changed");
}

#[tokio::test]
async fn closing_and_dropping_end_the_stream() {
    for is_closed in [true, false] {
        let fixture = open(Isolation::Shared, nothing).await;
        let stream = fixture.state.stream.lock().clone().unwrap();
        let closed = fixture.connection.closed();
        if is_closed {
            soon(fixture.connection.close()).await;
        }
        let (state, server) = (fixture.state, fixture.server);
        drop(fixture.connection);
        soon(closed.cancelled()).await;
        soon(stream.closed()).await;
        drop((state, server));
    }
}

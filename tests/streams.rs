//! What comes on which stream, how streams live on, and how they end.

use portcullis_test_support::scenes::{QUICK, demo, listener, odd_gateway, rest};
use portcullis_test_support::wire::Response;
use portcullis_test_support::{
    Backend, ConfigDir, Event, Gateway, Peers, RawClient, member, until, within,
};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// The next message of a stream.
async fn message(stream: &mut Response) -> String {
    within("a message on the stream", async {
        loop {
            let event = stream.event().await.expect("the stream goes on");
            if let Some(message) = event.message() {
                return message.to_owned();
            }
        }
    })
    .await
}

fn is_notification(message: &str, method: &str) -> bool {
    member(message, "method") == Some(&*format!("\"{method}\""))
}

#[tokio::test]
async fn listeners_hear_that_tools_changed_where_it_concerns_them() {
    let Some(peers) = Peers::installed() else { return };
    let gateway = odd_gateway(BINARY, &peers).await;
    let (client, mut all) = listener(gateway.url()).await;
    let (_odd, mut one) = listener(&gateway.server_url("odd")).await;

    let grown = client.call_tool("x_odd_grow", &json!({})).await;
    assert!(grown.contains("extra_1"), "{grown}");
    for stream in [&mut all, &mut one] {
        while !is_notification(&message(stream).await, "notifications/tools/list_changed") {}
    }
    gateway.client_that_sees(&["x_odd_extra_1"]).await;
}

async fn next_update(stream: &mut Response) -> String {
    loop {
        let message = message(stream).await;
        if is_notification(&message, "notifications/resources/updated") {
            return message;
        }
    }
}

#[tokio::test]
async fn only_subscribers_hear_that_a_resource_was_updated() {
    let Some(peers) = Peers::installed() else { return };
    let gateway = odd_gateway(BINARY, &peers).await;
    let (subscriber, mut heard) = listener(gateway.url()).await;
    let (stranger, mut unheard) = listener(gateway.url()).await;
    for uri in ["memo://a", "memo://b"] {
        let answer = subscriber.call("resources/subscribe", &json!({"uri": uri})).await;
        assert!(member(&answer, "result").is_some(), "{answer}");
    }
    stranger.call_tool("x_odd_update", &json!({"uri": "memo://a"})).await;
    let update = next_update(&mut heard).await;
    assert!(update.contains("memo://a"), "{update}");

    subscriber.call("resources/unsubscribe", &json!({"uri": "memo://a"})).await;
    for uri in ["memo://a", "memo://b"] {
        stranger.call_tool("x_odd_update", &json!({"uri": uri})).await;
    }
    let update = next_update(&mut heard).await;
    assert!(update.contains("memo://b"), "not subscribed any more: {update}");
    assert_eq!(stranger.close().await, 200);
    assert_eq!(rest(&mut unheard).await, Vec::<String>::new());
}

#[tokio::test]
async fn progress_comes_on_the_stream_of_its_own_call_only() {
    let Some(peers) = Peers::installed() else { return };
    let gateway = odd_gateway(BINARY, &peers).await;
    let (client, mut listening) = listener(gateway.url()).await;
    let other = RawClient::connect(gateway.url(), &json!({})).await;
    let params = |ms: u64| json!({"name": "x_demo_slow", "arguments": {"ms": ms}, "_meta": {"progressToken": "p"}});
    let mut streams = [
        client.start("tools/call", &params(300)).await,
        client.start("tools/call", &params(400)).await,
        other.start("tools/call", &params(500)).await,
    ];
    for (stream, ms) in streams.iter_mut().zip([300, 400, 500]) {
        let messages = stream.messages().await;
        let (answer, progress) = messages.split_last().expect("an answer");
        assert!(answer.contains(&format!("took {ms} ms")), "{answer}");
        let seen: Vec<_> = progress
            .iter()
            .filter_map(|message| {
                let value: serde_json::Value = serde_json::from_str(message).ok()?;
                assert_eq!(value["params"]["progressToken"], "p", "{message}");
                value["params"]["progress"].as_f64()
            })
            .collect();
        assert!(seen.is_sorted_by(|a, b| a < b), "of one call, in its order: {seen:?}");
        assert!(seen.len() <= 10 && !seen.is_empty(), "{seen:?}");
    }
    assert_eq!(client.close().await, 200);
    assert_eq!(rest(&mut listening).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_silent_call_becomes_a_stream_that_comments_keep_alive() {
    let config = ConfigDir::new().config(QUICK).stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_demo_slow"]).await;
    let params = json!({"name": "x_demo_slow", "arguments": {"ms": 3500}});
    let mut call = client.start("tools/call", &params).await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("x-accel-buffering", "no"),
        ("cache-control", "no-cache, no-transform"),
    ] {
        assert_eq!(call.response.header(name), Some(value), "{name}");
    }
    let mut events: Vec<Event> = Vec::new();
    while let Some(event) = within("the answer", call.response.event()).await {
        events.push(event);
    }
    let comments = events.iter().filter(|event| !event.comments.is_empty()).count();
    assert!(comments >= 2, "{events:?}");
    let messages: Vec<_> = events.iter().filter_map(Event::message).collect();
    assert!(matches!(messages[..], [answer] if answer.contains("took 3500 ms")), "{messages:?}");

    let mut listening = client.listen().await;
    let comment =
        async { while listening.event().await.expect("the stream goes on").comments.is_empty() {} };
    within("a comment on the GET stream", comment).await;

    let quick = client
        .start("tools/call", &json!({"name": "x_demo_echo", "arguments": {"message": "m"}}))
        .await;
    assert_eq!(quick.response.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_call_goes_on_without_its_client_who_can_come_back_for_the_rest() {
    let config = ConfigDir::new().config(QUICK).stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_demo_slow"]).await;
    for meta in [json!({"progressToken": "p"}), json!({})] {
        let params = json!({"name": "x_demo_slow", "arguments": {"ms": 1500}, "_meta": meta});
        let mut call = client.start("tools/call", &params).await;
        let last = within("an event with an id", async {
            loop {
                let event = call.response.event().await.expect("the stream goes on");
                if let Some(id) = event.id {
                    return id;
                }
            }
        })
        .await;
        drop(call); // the connection is cut in mid-call

        let mut resumed = client.resume(&last).await;
        let messages = rest(&mut resumed).await;
        let (answer, progress) = messages.split_last().expect("an answer");
        assert!(answer.contains("took 1500 ms"), "{messages:?}");
        assert!(
            progress.iter().all(|m| is_notification(m, "notifications/progress")),
            "{messages:?}"
        );

        let again = rest(&mut client.resume(&last).await).await;
        assert_eq!(again, messages, "what was fetched once can be fetched again");
    }
    let stranger = RawClient::connect(gateway.url(), &json!({})).await;
    let mut nothing = stranger.resume("1-0").await;
    assert_eq!(nothing.status, 200);
    assert_eq!(stranger.close().await, 200);
    assert_eq!(
        rest(&mut nothing).await,
        Vec::<String>::new(),
        "another session's events stay there"
    );
}

#[tokio::test]
async fn a_cancelled_call_stops_at_the_backend_and_has_no_answer() {
    let Some(peers) = Peers::installed() else { return };
    let gateway = odd_gateway(BINARY, &peers).await;
    let client = RawClient::connect(gateway.url(), &json!({})).await;
    let mut hanging = client.start("tools/call", &json!({"name": "x_odd_hang"})).await;
    assert_eq!(hanging.response.header("content-type"), Some("text/event-stream"));
    let stranger = RawClient::connect(gateway.url(), &json!({})).await;
    let cancel = json!({"requestId": hanging.id, "reason": "changed my mind"});
    stranger.notify("notifications/cancelled", &cancel).await;
    let heard = client.call_tool("x_odd_heard", &json!({})).await;
    assert!(!heard.contains("notifications/cancelled"), "a stranger cancels nothing: {heard}");

    client.notify("notifications/cancelled", &cancel).await;
    assert_eq!(rest(&mut hanging.response).await, Vec::<String>::new());
    within("the cancellation at the backend", async {
        while !client.call_tool("x_odd_heard", &json!({})).await.contains("notifications/cancelled")
        {
        }
    })
    .await;
    gateway.until_metric(r#"portcullis_calls_total{method="tools/call",tool="x_odd_hang",backend="odd",outcome="cancelled""#, |n| n > 0.5).await;
}

#[tokio::test]
async fn a_silent_call_is_cancelled_at_a_backend_over_http_too() {
    let Some(peers) = Peers::installed() else { return };
    let web = Backend::misbehave_http(&peers, &[]).await;
    let config = ConfigDir::new().http("web", web.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_web_hang"]).await;
    let client = RawClient::connect(gateway.url(), &json!({})).await;
    let params = json!({"name": "x_web_hang"});
    let silent = client.start("tools/call", &params);
    let cancel = async {
        // One that is cancelled on its way never gets to the backend, which then hears nothing.
        let hangs = || web.process().stderr().iter().any(|line| line.contains("hanging"));
        until("the call at the backend", hangs).await;
        client.notify("notifications/cancelled", &json!({"requestId": 2})).await;
        within("the cancellation at the backend", async {
            while !client
                .call_tool("x_web_heard", &json!({}))
                .await
                .contains("notifications/cancelled")
            {}
        })
        .await;
    };
    assert_eq!(member(client.hello(), "id"), Some("1"), "so the call is the second request");
    let (mut silent, ()) = tokio::join!(silent, cancel);
    assert_eq!(rest(&mut silent.response).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_calls_of_a_batch_share_one_stream() {
    let config = ConfigDir::new().stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_demo_slow"]).await;
    let client = RawClient::connect_at(gateway.url(), "2025-03-26", &json!({})).await;
    let call = |id: u64, ms: u64| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
            "name": "x_demo_slow", "arguments": {"ms": ms}, "_meta": {"progressToken": id},
        }})
    };
    let ping = json!({"jsonrpc": "2.0", "id": 12, "method": "ping"});
    let batch = json!([call(10, 600), call(11, 400), ping]);
    let mut response = client.post(batch.to_string()).await;
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    let messages = rest(&mut response).await;
    for (id, says) in [("10", "took 600 ms"), ("11", "took 400 ms"), ("12", "{}")] {
        let answers: Vec<_> =
            messages.iter().filter(|message| member(message, "id") == Some(id)).collect();
        assert!(matches!(answers[..], [answer] if answer.contains(says)), "{id}: {messages:?}");
    }
    for token in [10, 11] {
        let progress = format!(r#""progressToken":{token}"#);
        assert!(messages.iter().any(|message| message.contains(&progress)), "{messages:?}");
    }
}

#[tokio::test]
async fn a_question_goes_to_the_client_that_caused_it_whose_answer_alone_counts() {
    let Some(peers) = Peers::installed() else { return };
    let web = Backend::misbehave_http(&peers, &[]).await;
    let old = Backend::misbehave_sse(&peers, &[]).await;
    let config = ConfigDir::new()
        .http("web", web.url(), &json!({}))
        .stdio("own", &peers.misbehave_stdio(), &json!({"isolation": "session"}))
        .stdio("shared", &peers.misbehave_stdio(), &json!({}))
        .sse("ownold", old.url(), &json!({"isolation": "session"}))
        .sse("sharedold", old.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let tools = ["web", "own", "shared", "ownold", "sharedold"].map(|name| format!("x_{name}_ask"));
    gateway.client_that_sees(&tools.each_ref().map(String::as_str)).await;
    let sampling = json!({"sampling": {}});
    let client = RawClient::connect(gateway.url(), &sampling).await;
    let stranger = RawClient::connect(gateway.url(), &sampling).await;
    for backend in ["web", "own", "ownold"] {
        let params = json!({"name": format!("x_{backend}_ask")});
        let mut mine = client.start("tools/call", &params).await;
        let question = mine.message().await.expect("a question");
        assert_eq!(member(&question, "method"), Some(r#""sampling/createMessage""#));
        stranger.answer(&question, &json!({"said": "by a stranger"})).await;
        client.answer(&question, &json!({"said": "by me"})).await;
        let answer = mine.response_message().await;
        assert!(answer.contains("by me"), "{backend}: {answer}");

        // With a question open on either side, each has its own answer.
        let mut mine = client.start("tools/call", &params).await;
        let mut theirs = stranger.start("tools/call", &params).await;
        for (asked, stream, said) in
            [(&stranger, &mut theirs, "by them"), (&client, &mut mine, "by me again")]
        {
            let question = stream.message().await.expect("a question");
            asked.answer(&question, &json!({"said": said})).await;
            let answer = stream.response_message().await;
            assert!(answer.contains(said), "{backend}: {answer}");
        }
    }
    for tool in ["x_shared_ask", "x_sharedold_ask"] {
        let answer = client.call("tools/call", &json!({"name": tool})).await;
        assert!(answer.contains("isolation: session"), "nobody else's client is asked: {answer}");
    }
    client.answer(r#"{"id":"nobody asked"}"#, &json!({})).await;
    gateway.until_metric(r#"portcullis_dropped_total{reason="unknown_answer""#, |n| n > 2.5).await;
}

#[tokio::test]
async fn a_question_may_be_worked_on_aloud_and_be_withdrawn() {
    let Some(peers) = Peers::installed() else { return };
    let web = Backend::misbehave_http(&peers, &[]).await;
    let config = ConfigDir::new().http("web", web.url(), &json!({})).stdio(
        "own",
        &peers.misbehave_stdio(),
        &json!({"isolation": "session"}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_web_withdraw", "x_own_withdraw"]).await;
    let client = RawClient::connect(gateway.url(), &json!({"sampling": {}})).await;
    for (backend, progress) in [("web", 7), ("own", 8)] {
        let params = json!({"name": format!("x_{backend}_withdraw")});
        let mut call = client.start("tools/call", &params).await;
        let question = call.message().await.expect("a question");
        let id = member(&question, "id").expect("an id").to_owned();
        let asked: Value = serde_json::from_str(&question).expect("JSON");
        let token = &asked["params"]["_meta"]["progressToken"];
        assert_ne!(*token, json!("mine"), "two backends may choose the same token");
        let report = json!({"progressToken": token, "progress": progress});
        client.notify("notifications/progress", &report).await;
        let said = call.messages().await;
        assert!(said.iter().any(|it| it.contains(&format!("heard {progress}"))), "{said:?}");
        let withdrawn = said.iter().find(|it| it.contains("notifications/cancelled"));
        let withdrawn = withdrawn.unwrap_or_else(|| panic!("{backend}: {said:?}"));
        assert!(withdrawn.contains(&format!(r#""requestId":{id}"#)), "{withdrawn}");
    }
}

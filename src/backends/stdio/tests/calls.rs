//! What a call gets back.

use super::*;
use crate::backends::Unsolicited;

#[tokio::test]
async fn a_single_answer_is_a_message_under_the_callers_id() {
    let opened = open(ANSWER_ALL).await;
    assert!(opened.initialized.starts_with(br#"{"protocolVersion":"2025-11-25""#));
    let reply = call(&opened.connection).await.unwrap();
    assert_eq!(message_of(reply), r#"{"jsonrpc":"2.0","id":"mine","result":{}}"#);
}

#[tokio::test]
async fn progress_comes_under_the_callers_token_in_order_and_before_the_response() {
    let script = "next; progress 2 1; progress 7 1; progress 2 2; result 2 '{}'; next";
    let events = events_of(call(&open(script).await.connection).await.unwrap()).await;
    let texts: Vec<_> = events.into_iter().map(|event| event.unwrap()).collect();
    let progress = |number: u8| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":"p","progress":{number}}}}}"#
        )
    };
    let response = r#"{"jsonrpc":"2.0","id":"mine","result":{}}"#.to_owned();
    assert_eq!(texts, [progress(1), progress(2), response]);
}

#[tokio::test]
async fn a_slow_reader_of_500_progress_events_gets_the_newest_and_stalls_nobody() {
    let script = "next; i=0; while [ $i -lt 500 ]; do i=$((i+1)); progress 2 $i; done
        result 2 '{}'; next; result 3 '{}'; next";
    let opened = open(script).await;
    let slow = call(&opened.connection).await.unwrap();
    // The child answers this one after it has written all of that.
    soon(opened.connection.request("ping", None, Duration::from_secs(10))).await.unwrap();
    let events = events_of(slow).await;
    assert!(events.len() <= 2 + crate::backends::duplex::MAX_MESSAGES, "{}", events.len());
    let newest = events[events.len() - 2].as_ref().unwrap();
    assert!(newest.ends_with(br#""progress":500}}"#), "{newest:?}");
}

#[tokio::test]
async fn a_message_of_5_mib_passes_both_ways() {
    let script = r#"next; [ ${#line} -gt 5242880 ] || exit 9
        big=$(head -c 5242880 /dev/zero | tr '\0' x); result 2 "\"$big\""; next"#;
    let opened = open(script).await;
    let request = call_with(&format!(r#"{{"a":"{}"}}"#, "x".repeat(5 << 20)));
    let reply = opened.connection.call(&request, &Target::default()).await.unwrap();
    assert!(message_of(reply).len() > 5 << 20);
}

#[tokio::test]
async fn requests_reach_the_child_on_one_line_and_in_their_order() {
    let script = r#"next; a=$line; next; b=$line; result 3 "$b"; result 2 "$a"; next"#;
    let opened = open(script).await;
    let (spread, target) = (call_with("{\r\n\"a\":\n1}"), Target::default());
    let (first, second) = tokio::join!(
        opened.connection.call(&spread, &target),
        opened.connection.request("second", None, Duration::from_secs(10)),
    );
    let first = message_of(first.unwrap());
    assert!(first.ends_with(br#""arguments":{  "a": 1}}}}"#), "{first:?}");
    assert_eq!(second.unwrap().result().unwrap(), r#"{"jsonrpc":"2.0","id":3,"method":"second"}"#);
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_at_the_child_and_its_late_response_is_ignored() {
    let script = r#"next; progress 2 1; next; log "$line"; result 2 '{}'
        next; result 3 '"third"'; next"#;
    let mut opened = open(script).await;
    drop(call(&opened.connection).await.unwrap());
    let Some(Unsolicited::Notification(log)) = soon(opened.inbox.recv()).await else {
        panic!("the child tells what it got")
    };
    let text = std::str::from_utf8(log.raw()).unwrap();
    assert!(text.contains(r#""method":"notifications/cancelled","params":{"requestId":2"#));
    let reply = call(&opened.connection).await.unwrap();
    assert_eq!(message_of(reply), r#"{"jsonrpc":"2.0","id":"mine","result":"third"}"#);
}

#[tokio::test]
async fn logs_go_to_the_only_call_of_a_session_and_to_the_inbox_of_a_shared_child() {
    let script = r#"log '"early"'; next; log '"in between"'; result 2 '{}'; next"#;
    let mut opened = open_session(script).await;
    assert!(matches!(soon(opened.inbox.recv()).await, Some(Unsolicited::Notification(_))));
    assert_eq!(events_of(call(&opened.connection).await.unwrap()).await.len(), 2);

    let mut opened = open(script).await;
    message_of(call(&opened.connection).await.unwrap());
    for _ in ["early", "in between"] {
        assert!(matches!(soon(opened.inbox.recv()).await, Some(Unsolicited::Notification(_))));
    }
}

#[tokio::test]
async fn a_batch_is_split() {
    let script = r#"next; next; say '[{"jsonrpc":"2.0","id":3,"result":3}, {"jsonrpc":"2.0","id":2,"result":2}]'; next"#;
    let opened = open(script).await;
    let ask = || opened.connection.request("m", None, Duration::from_secs(10));
    let (two, three) = tokio::join!(ask(), ask());
    assert_eq!(two.unwrap().result().unwrap(), "2");
    assert_eq!(three.unwrap().result().unwrap(), "3");
}

#[tokio::test]
async fn silence_ends_a_call_and_what_happens_starts_the_time_anew() {
    let script = "next; progress 2 1; next; next";
    let mut config = config_of(stdio(script), Isolation::Shared);
    config.call_timeout = Duration::from_millis(50);
    let opened = open_config(config).await.unwrap();
    let error = match call(&opened.connection).await {
        Ok(reply) => events_of(reply).await.pop().unwrap().unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.to_string(), "backend test was silent for 0.05 s");
}

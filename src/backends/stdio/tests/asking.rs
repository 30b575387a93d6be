//! Requests of a child to the client.

use super::*;
use crate::backends::Unsolicited;

/// Asks in mid-call and gives the answer it got as the call's result.
const ASKS: &str = r#"next; ask elicitation/create; next; result 2 "$line"; next"#;

#[tokio::test]
async fn a_ping_of_the_child_is_answered_at_once() {
    let opened = open(r#"next; ask ping; next; result 2 "$line"; next"#).await;
    let answer = message_of(call(&opened.connection).await.unwrap());
    assert!(answer.ends_with(br#""result":{"jsonrpc":"2.0","id":"ask","result":{}}}"#));
}

#[tokio::test]
async fn a_shared_child_that_asks_is_told_what_to_set() {
    let opened = open(ASKS).await;
    let answer = message_of(call(&opened.connection).await.unwrap());
    let text = std::str::from_utf8(&answer).unwrap();
    assert!(text.contains(r#""id":"ask","error":{"code":-32603"#), "{text}");
    assert!(text.contains("set spec.gateway.isolation: session"), "{text}");
}

#[tokio::test]
async fn a_request_takes_the_stream_of_the_only_call_and_its_answer_goes_back() {
    let opened = open_session(ASKS).await;
    let reply = call(&opened.connection).await.unwrap();
    let Body::Stream(mut events) = reply.into_body() else { panic!("it asks") };
    let Some(Ok(Event::Request(bytes, responder))) = events.next().await else {
        panic!("the request comes first")
    };
    assert_eq!(bytes, r#"{"jsonrpc":"2.0","id":"ask","method":"elicitation/create","params":{}}"#);
    let answer = r#"{"jsonrpc":"2.0","id":77,"result":{"action":"accept"}}"#;
    responder.respond(Message::parse(Bytes::from(answer)).unwrap());
    let Some(Ok(Event::Response(response))) = events.next().await else { panic!("then it ends") };
    let expected = br#""result":{"jsonrpc":"2.0","id":"ask","result":{"action":"accept"}}}"#;
    assert!(response.bytes.ends_with(expected), "{:?}", response.bytes);
}

#[tokio::test]
async fn a_responder_that_is_dropped_answers_with_an_error() {
    let opened = open_session(ASKS).await;
    let events = events_of(call(&opened.connection).await.unwrap()).await;
    let response = events.last().unwrap().as_ref().unwrap();
    let text = std::str::from_utf8(response).unwrap();
    assert!(text.contains("the client did not answer"), "{text}");
}

#[tokio::test]
async fn with_several_calls_a_request_waits_in_the_inbox_and_can_be_given_to_the_newest() {
    let script = r#"next; next; ask roots/list; next; result 3 "$line"; result 2 '{}'; next"#;
    let mut opened = open_session(script).await;
    let older = call(&opened.connection);
    let newer = async {
        let reply = call(&opened.connection).await.unwrap();
        let Body::Stream(mut events) = reply.into_body() else { panic!("it is asked") };
        let Some(Ok(Event::Request(_, responder))) = events.next().await else {
            panic!("the request comes first")
        };
        responder.refuse("no roots");
        let Some(Ok(Event::Response(response))) = events.next().await else { panic!("ends") };
        response.bytes
    };
    let inbox = async {
        let Some(Unsolicited::Request(message, responder)) = opened.inbox.recv().await else {
            panic!("the request comes here first")
        };
        assert!(opened.connection.offer_to_newest_call(message, responder).is_none());
    };
    let (older, newer, ()) = soon(async { tokio::join!(older, newer, inbox) }).await;
    message_of(older.unwrap());
    assert!(String::from_utf8_lossy(&newer).contains("no roots"));
}

#[tokio::test]
async fn without_a_call_a_request_cannot_be_given_to_one() {
    let mut opened = open_session("ask roots/list; next; next").await;
    let Some(Unsolicited::Request(message, responder)) = soon(opened.inbox.recv()).await else {
        panic!("the request comes here")
    };
    let given_back = opened.connection.offer_to_newest_call(message, responder);
    assert!(given_back.is_some_and(|(message, _)| message.method_name() == "roots/list"));
}

#[tokio::test]
async fn a_child_that_asks_too_much_at_once_is_refused() {
    let script = r#"i=0; while [ $i -lt 257 ]; do i=$((i+1)); ask roots/list; done
        next; first=$line; next; result 2 "[$first,$line]"; next"#;
    let opened = open_session(script).await;
    let response = soon(opened.connection.request("m", None, Duration::from_secs(10))).await;
    let result = response.unwrap().result().unwrap();
    assert!(String::from_utf8_lossy(&result).contains("too many requests"), "{result:?}");
}

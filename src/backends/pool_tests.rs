use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join;
use parking_lot::Mutex as Lock;
use serde_json::json;

use super::*;
use crate::backends::scripted::{Backend, client, config, context, context_with, http_config};
use crate::backends::{BackendState, Handle, Isolation, Offer, SessionSink, Unsolicited, relay};
use crate::call::{self, Answer, Event, Request, Responder};
use crate::mcp::{Capabilities, Message};

const ONE: SessionId = SessionId::from_bytes([1; 16]);
const TWO: SessionId = SessionId::from_bytes([2; 16]);

fn shared(capabilities: Capabilities) -> Key {
    Key { owner: Owner::Shared, capabilities }
}

fn of_session(session: SessionId) -> Key {
    Key { owner: Owner::Session(session), capabilities: Capabilities::NONE }
}

fn message(text: &serde_json::Value) -> Message {
    Message::parse(Bytes::from(text.to_string())).unwrap()
}

/// A request of the backend, and what it is answered with.
fn request() -> (Unsolicited, tokio::sync::oneshot::Receiver<Answer>) {
    let (answer, answered) = tokio::sync::oneshot::channel();
    let responder = Responder::new(move |given| drop(answer.send(given)));
    let roots = json!({ "jsonrpc": "2.0", "id": 1, "method": "roots/list" });
    (Unsolicited::Request(message(&roots), responder), answered)
}

#[tokio::test(start_paused = true)]
async fn callers_at_the_same_time_share_one_opening_that_outlives_them() {
    let backend = Backend::new();
    backend.hold_opening();
    let handle = backend.handle(http_config("web", Isolation::Shared), &context());
    let key = shared(Capabilities::NONE);
    // The first caller leaves before the connection is open.
    let left = tokio::time::timeout(Duration::from_secs(1), handle.pool().connection(key)).await;
    assert!(left.is_err());
    backend.let_open(1);
    let (one, two) = join(handle.pool().connection(key), handle.pool().connection(key)).await;
    assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()));
    assert_eq!(backend.connections().len(), 1);
    assert!(handle.pool().get(shared(Capabilities::ALL)).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_is_replaced() {
    let backend = Backend::new();
    let handle = backend.handle(http_config("web", Isolation::Shared), &context());
    let key = shared(Capabilities::NONE);
    handle.pool().connection(key).await.unwrap();
    backend.connections()[0].die();
    assert!(handle.pool().get(key).is_none());
    handle.pool().connection(key).await.unwrap();
    tokio::task::yield_now().await; // the task of the dead one must not remove its successor
    assert!(handle.pool().get(key).is_some());
    assert_eq!(backend.connections().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_remembered_for_a_moment_only() {
    let backend = Backend::new();
    let handle = backend.handle(http_config("web", Isolation::Shared), &context());
    let key = shared(Capabilities::NONE);
    backend.refuse(Some(OpenError::Status { status: 500 }));
    assert!(handle.pool().connection(key).await.is_err());
    backend.refuse(None);
    assert!(handle.pool().connection(key).await.is_err(), "within the moment");
    tokio::time::advance(FAILURE_MEMORY * 2).await;
    tokio::task::yield_now().await;
    assert!(handle.pool().connection(key).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_closes_its_connections_and_no_others() {
    let backend = Backend::new();
    let handle = backend.handle(config("s", Isolation::Session), &context());
    handle.pool().connection(of_session(ONE)).await.unwrap();
    let two = handle.pool().connection(of_session(TWO)).await.unwrap();
    handle.pool().evict_session(ONE);
    backend.connections()[0].closed().cancelled().await;
    assert!(handle.pool().get(of_session(ONE)).is_none());
    assert!(!two.closed().is_cancelled());
    handle.pool().close_all().await;
    assert!(two.closed().is_cancelled());
    assert!(handle.pool().connection(of_session(TWO)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn requests_that_cannot_be_tied_to_a_client_are_refused_with_the_way_out() {
    let backend = Backend::new();
    let handle = backend.handle(config("s", Isolation::Shared), &context());
    handle.pool().start().await.unwrap();
    let (request, answered) = request();
    backend.connections()[0].say(request);
    let Answer::Refused(reason) = answered.await.unwrap() else { panic!("refused") };
    assert!(reason.contains("spec.gateway.isolation: session"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn updates_of_resources_say_which_connection_they_came_on() {
    let (backend, context) = (Backend::new(), context());
    let handle = backend.handle(http_config("web", Isolation::Shared), &context);
    let mut updates = context.updates.subscribe();
    handle.pool().connection(shared(Capabilities::ROOTS)).await.unwrap();
    let notification = json!({
        "jsonrpc": "2.0", "method": "notifications/resources/updated",
        "params": { "uri": "demo://readme" },
    });
    backend.connections()[0].say(Unsolicited::Notification(message(&notification)));
    let update = updates.recv().await.unwrap();
    assert_eq!((&*update.backend, &*update.uri), ("web", "demo://readme"));
    assert_eq!(update.connection, shared(Capabilities::ROOTS));
}

/// Keeps notifications, gives requests back.
#[derive(Default)]
struct Sink(Lock<Vec<(SessionId, String)>>);

impl SessionSink for Sink {
    fn deliver(
        &self,
        session: SessionId,
        _: &Arc<str>,
        message: Unsolicited,
    ) -> Result<(), Unsolicited> {
        match message {
            Unsolicited::Notification(message) => {
                self.0.lock().push((session, message.method_name().to_owned()));
                Ok(())
            }
            other => Err(other),
        }
    }

    fn elicited(&self, _: &Arc<str>, _: &Message) -> bool {
        false
    }

    fn expects(&self, _: &Arc<str>, _: Key) -> bool {
        false
    }

    fn subscribed(&self, _: &Arc<str>, _: Key) -> Vec<Box<str>> {
        Vec::new()
    }

    fn has_ended(&self, _: SessionId) -> bool {
        false
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_sessions_own_connection_says_goes_to_that_session() {
    let sink = Arc::new(Sink::default());
    let backend = Backend::new();
    let handle = backend.handle(config("s", Isolation::Session), &context_with(sink.clone()));
    handle.pool().connection(of_session(ONE)).await.unwrap();
    let log = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": {} });
    backend.connections()[0].say(Unsolicited::Notification(message(&log)));
    let (request, answered) = request();
    backend.connections()[0].say(request);
    assert!(matches!(answered.await.unwrap(), Answer::Refused(_)), "nobody has a stream");
    assert_eq!(*sink.0.lock(), [(ONE, "notifications/message".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn notifications_reach_the_owner_of_their_connection_and_nobody_else() {
    let log =
        json!({ "method": "notifications/message", "params": { "level": "info", "data": 1 } });
    let resource =
        json!({ "method": "notifications/resources/updated", "params": { "uri": "demo://a" } });
    let elicited = json!({ "method": "notifications/elicitation/complete", "params": { "elicitationId": "e" } });
    let changed = json!({ "method": "notifications/tools/list_changed" });
    let progress = json!({ "method": "notifications/progress", "params": { "progressToken": 1 } });
    let gateway = Key { owner: Owner::Gateway, capabilities: Capabilities::ALL };
    let (one, two) = (of_session(ONE), of_session(TWO));
    let (none, roots) = (shared(Capabilities::NONE), shared(Capabilities::ROOTS));
    // Which session hears it, and on which connection subscribers are looked for.
    for (on, said, session, subscribers) in [
        (one, &log, Some(ONE), None),
        (two, &log, Some(TWO), None),
        (none, &log, None, None),
        (gateway, &log, None, None),
        (one, &resource, Some(ONE), None),
        (two, &resource, Some(TWO), None),
        (none, &resource, None, Some(none)),
        (roots, &resource, None, Some(roots)),
        (gateway, &resource, None, Some(gateway)),
        (one, &elicited, Some(ONE), None),
        (two, &elicited, Some(TWO), None),
        (roots, &elicited, None, None),
        (one, &progress, Some(ONE), None),
        (roots, &progress, None, None),
        (one, &changed, None, None), // it is listed again, and clients hear of what is different
        (two, &changed, None, None),
        (roots, &changed, None, None),
    ] {
        let sink = Arc::new(Sink::default());
        let context = context_with(sink.clone());
        let mut updates = context.updates.subscribe();
        let backend = Backend::new();
        let handle = backend.handle(http_config("web", Isolation::Session), &context);
        let keys = [one, two, none, roots, gateway];
        for key in keys {
            handle.pool().connection(key).await.unwrap();
        }
        let at = keys.iter().position(|key| *key == on).unwrap();
        let mut text = said.clone();
        text["jsonrpc"] = "2.0".into();
        backend.connections()[at].say(Unsolicited::Notification(message(&text)));
        sleep(Duration::from_millis(1)).await;
        let heard: Vec<_> = sink.0.lock().iter().map(|(session, _)| *session).collect();
        assert_eq!(heard, Vec::from_iter(session), "{said} on {on:?}");
        let update = updates.try_recv().ok().map(|update| update.connection);
        assert_eq!(update, subscribers, "{said} on {on:?}");
    }
}

fn call_of(session: Option<SessionId>) -> (Request, call::Client) {
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {} });
    let capabilities = Capabilities::NONE;
    (Request::new(message(&ping)).unwrap(), call::Client { capabilities, log_level: None, session })
}

async fn call(handle: &Handle, session: Option<SessionId>) -> Result<call::Reply, call::Error> {
    let (request, caller) = call_of(session);
    handle.call(&client(), &request, &relay::Target::default(), &caller).await
}

fn running() -> BackendState {
    let lists = [vec![], vec![], vec![], vec![]];
    BackendState::Running(Arc::new(Offer::new(Bytes::new(), lists)))
}

#[tokio::test(start_paused = true)]
async fn a_call_fails_at_once_where_its_backend_cannot_be_called() {
    let backend = Backend::new();
    let handle = backend.handle(config("s", Isolation::Shared), &context());
    let error = call(&handle, None).await.unwrap_err();
    assert_eq!(error.to_string(), "backend s is not available (stopped)");
    // Nobody but the supervisor starts a shared process.
    handle.publish(running());
    assert!(matches!(call(&handle, None).await, Err(call::Error::Unavailable { .. })));
    assert!(backend.connections().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_bulkhead_is_held_until_the_reply_ends() {
    let backend = Backend::new();
    let config = Config { max_in_flight: Some(1), ..http_config("web", Isolation::Shared) };
    let handle = backend.handle(config, &context());
    handle.publish(running());
    backend.answer(crate::backends::scripted::Answer::Never);
    let stuck = call(&handle, None).await.unwrap();
    assert!(matches!(call(&handle, None).await, Err(call::Error::Busy { limit: 1, .. })));
    drop(stuck);
    backend.cancelled(1).await;
    assert!(call(&handle, None).await.is_ok());
    assert_eq!(backend.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_isolated_backend_has_a_connection_for_each_session() {
    let backend = Backend::new();
    let handle = backend.handle(config("s", Isolation::Session), &context());
    handle.publish(running());
    for session in [ONE, TWO, ONE] {
        call(&handle, Some(session)).await.unwrap();
    }
    assert_eq!(backend.connections().len(), 2);
    assert!(matches!(call(&handle, None).await, Err(call::Error::InvalidParams(_))));
}

#[tokio::test(start_paused = true)]
async fn a_streamed_reply_is_relayed_as_it_comes() {
    let backend = Backend::new();
    let handle = backend.handle(http_config("web", Isolation::Shared), &context());
    handle.publish(running());
    let (say, events) = tokio::sync::mpsc::channel(8);
    backend.answer(crate::backends::scripted::Answer::Events(events));
    let lost = call::Error::ConnectionLost { backend: "web".into(), detail: "reset".into() };
    backend.answer(crate::backends::scripted::Answer::Error(lost));
    let call::Body::Stream(mut events) = call(&handle, None).await.unwrap().into_body() else {
        panic!("a stream");
    };
    say.send(Event::Notification(Bytes::from_static(b"{}"))).await.unwrap();
    assert!(matches!(events.next().await, Some(Ok(Event::Notification(_)))));
    say.send(Event::Response(call::Response::ok(Bytes::new()))).await.unwrap();
    assert!(matches!(events.next().await, Some(Ok(Event::Response(_)))));
    assert!(events.next().await.is_none());
    assert!(call(&handle, None).await.is_err());
}

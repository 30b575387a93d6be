//! Calls on their way back to clients that stay, leave, cancel or read slowly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::call::{Answer, Aside, Error, Event, Outcome, Reply, Responder, Response};
use crate::mcp::{LogLevel, Message, RequestId};

const LEGACY: ProtocolVersion = ProtocolVersion::V2025_11_25;
const MODERN: ProtocolVersion = ProtocolVersion::V2026_07_28;

fn sessions() -> Arc<Sessions> {
    let keys = Keys::new(&[]).unwrap();
    Arc::new(Sessions::new(keys, Duration::from_hours(24)).unwrap())
}

fn token(sessions: &Sessions, whose: &Principal, capabilities: Capabilities) -> String {
    let session = sessions.open(whose, LEGACY, capabilities).unwrap();
    sessions.seal(&session).unwrap()
}

fn render(id: Option<&RequestId>, error: &Error) -> Bytes {
    crate::mcp::response::error(id, -1, &error.to_string(), None)
}

/// A reply whose events the test sends one by one.
fn scripted() -> (mpsc::Sender<Result<Event, Error>>, Reply) {
    let (sender, receiver) = mpsc::channel(8);
    let events = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|event| (event, receiver))
    });
    (sender, Reply::stream(events))
}

fn relay(sessions: &Arc<Sessions>, version: ProtocolVersion, reply: Reply) -> (SessionId, Relay) {
    let id = SessionId::from_bytes(seal::random().unwrap());
    let has_session = !version.is_modern();
    let listener = Listener {
        version,
        capabilities: Capabilities::ROOTS,
        session: has_session.then(|| (Arc::clone(sessions), id)),
        log_level: Some(LogLevel::Warning),
        notes: Arc::default(),
        claim: has_session.then(|| sessions.running().claim(id, RequestId::from(1))),
    };
    (id, Relay::new(Box::pin(async { Ok(reply) }), RequestId::from(1), render, listener))
}

async fn frame(relay: &mut Relay) -> String {
    let frame = std::future::poll_fn(|cx| relay.poll_frame(cx)).await;
    String::from_utf8(frame.unwrap_or_default().to_vec()).unwrap()
}

fn response() -> Response {
    Response::ok(Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#))
}

fn progress() -> Event {
    Event::Notification(Bytes::from_static(
        br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}"#,
    ))
}

fn log(level: &str) -> Event {
    Event::Notification(Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":1}}}}"#
    )))
}

fn question(answers: oneshot::Sender<Answer>) -> Event {
    let request = Bytes::from_static(br#"{"jsonrpc":"2.0","id":77,"method":"roots/list"}"#);
    Event::Request(request, Responder::new(move |answer| drop(answers.send(answer))))
}

#[tokio::test]
async fn a_message_stays_a_message_and_a_stream_a_stream() {
    let sessions = sessions();
    let (_, mut message) = relay(&sessions, LEGACY, Reply::message(response()));
    let head = std::future::poll_fn(|cx| message.poll_head(cx)).await;
    assert!(matches!(head, Head::Message(bytes) if bytes == response().bytes));

    let (sender, reply) = scripted();
    let (_, mut streamed) = relay(&sessions, LEGACY, reply);
    let head = std::future::poll_fn(|cx| streamed.poll_head(cx)).await;
    assert!(matches!(head, Head::Stream));
    streamed.open_stream();
    sender.send(Ok(progress())).await.unwrap();
    assert!(frame(&mut streamed).await.contains("notifications/progress"));
    sender.send(Ok(Event::Response(response()))).await.unwrap();
    assert!(frame(&mut streamed).await.contains(r#""result":{}"#));
    assert_eq!(frame(&mut streamed).await, "", "the stream ends with the response");
}

#[tokio::test]
async fn the_client_gets_the_log_levels_it_asked_for() {
    let sessions = sessions();
    let (sender, reply) = scripted();
    let (_, mut relay) = relay(&sessions, LEGACY, reply);
    relay.open_stream();
    for event in [log("debug"), log("warning"), Event::Response(response())] {
        sender.send(Ok(event)).await.unwrap();
    }
    assert!(frame(&mut relay).await.contains("warning"));
    assert!(frame(&mut relay).await.contains("result"));
}

#[tokio::test]
async fn a_question_in_mid_stream_is_answered_under_an_id_of_ours() {
    let sessions = sessions();
    let (sender, reply) = scripted();
    let (session, mut relay) = relay(&sessions, LEGACY, reply);
    relay.open_stream();
    let (answers, answer) = oneshot::channel();
    sender.send(Ok(question(answers))).await.unwrap();
    let asked = frame(&mut relay).await;
    let data = asked.split_once("data: ").unwrap().1.trim_end();
    let id = Message::parse(Bytes::from(data.to_owned())).unwrap().id().unwrap();
    assert_ne!(id.as_bytes(), b"77");
    let said = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"roots":[]}}}}"#);
    let state = sessions.existing_state(session).unwrap();
    assert!(state.asked().answer(state.home(), Message::parse(said.into()).unwrap()));
    let Ok(Answer::Response(message)) = answer.await else { panic!("no answer") };
    assert_eq!(message.result().unwrap(), r#"{"roots":[]}"#);
}

#[tokio::test]
async fn what_is_withdrawn_before_the_response_is_told_before_it() {
    let sessions = sessions();
    let (sender, reply) = scripted();
    let (_, mut relay) = relay(&sessions, LEGACY, reply);
    relay.open_stream();
    let aside = Aside::new(|_| {});
    let responder = Responder::new(|_| {}).with_aside(Some(Arc::clone(&aside)));
    let request = Bytes::from_static(br#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#);
    sender.send(Ok(Event::Request(request, responder))).await.unwrap();
    frame(&mut relay).await;
    sender.send(Ok(Event::Response(response()))).await.unwrap();
    aside.withdraw();
    assert!(frame(&mut relay).await.contains("notifications/cancelled"));
    assert!(frame(&mut relay).await.contains("result"));
}

#[tokio::test]
async fn a_question_nobody_can_answer_is_refused() {
    let sessions = sessions();
    let (sender, reply) = scripted();
    let (_, mut relay) = relay(&sessions, MODERN, reply);
    relay.open_stream();
    let (answers, answer) = oneshot::channel();
    sender.send(Ok(question(answers))).await.unwrap();
    sender.send(Ok(Event::Response(response()))).await.unwrap();
    frame(&mut relay).await;
    assert!(matches!(answer.await, Ok(Answer::Refused(_))), "the responder was dropped");
}

#[tokio::test]
async fn a_question_that_is_open_when_the_call_ends_is_refused() {
    let sessions = sessions();
    let (sender, reply) = scripted();
    let (_, mut relay) = relay(&sessions, LEGACY, reply);
    relay.open_stream();
    let (answers, answer) = oneshot::channel();
    sender.send(Ok(question(answers))).await.unwrap();
    frame(&mut relay).await;
    drop(relay);
    assert!(matches!(answer.await, Ok(Answer::Refused(_))));
}

#[tokio::test]
async fn a_client_is_not_asked_what_it_did_not_declare() {
    let sessions = sessions();
    let (sender, reply) = scripted();
    let (_, mut relay) = relay(&sessions, LEGACY, reply);
    relay.open_stream();
    let (answers, mut answer) = oneshot::channel();
    let Event::Request(_, responder) = question(answers) else { panic!() };
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#;
    sender.send(Ok(Event::Request(request.into(), responder))).await.unwrap();
    sender.send(Ok(Event::Response(response()))).await.unwrap();
    assert!(frame(&mut relay).await.contains("result"), "the client sees the response alone");
    assert!(matches!(answer.try_recv(), Ok(Answer::Refused(_))));
}

#[tokio::test]
async fn a_question_that_is_open_when_the_session_ends_is_refused() {
    let sessions = sessions();
    let token = token(&sessions, &Principal::anonymous(), Capabilities::ROOTS);
    let session = sessions.find(token.as_bytes(), &Principal::anonymous()).unwrap();
    let (answers, mut answer) = oneshot::channel();
    let Event::Request(request, responder) = question(answers) else { panic!() };
    let state = sessions.state(session.id).unwrap();
    state.asked().register(state.home(), request, responder).unwrap();
    sessions.delete(&session);
    assert!(matches!(answer.try_recv(), Ok(Answer::Refused(_))), "a call may hold the state");
}

#[tokio::test]
async fn a_modern_client_that_leaves_cancels_and_a_legacy_one_is_kept() {
    for (version, kept) in [(MODERN, false), (LEGACY, true)] {
        let sessions = sessions();
        let keeper = Keeper::new(TaskTracker::new(), CancellationToken::new());
        let (sender, mut reply) = scripted();
        let (ended, end) = oneshot::channel();
        reply.on_end(move |outcome| ended.send(outcome).unwrap());
        let (session, relay) = relay(&sessions, version, reply);
        let mut guarded = Guarded::new(Box::new(relay), keeper.clone());
        assert!(matches!(guarded.head().await, Head::Stream));
        guarded.open_stream();
        drop(guarded);
        let sent = sender.send(Ok(Event::Response(response()))).await;
        assert_eq!(sent.is_ok(), kept, "{version}");
        let outcome = if kept { Outcome::Ok } else { Outcome::Cancelled };
        assert_eq!(end.await, Ok(outcome), "{version}");
        if kept {
            let state = sessions.existing_state(session).unwrap();
            let log = state.stream(state.own_stream().stream().wrapping_add(1)).unwrap();
            let replayed = Box::pin(log.read(Some(0))).next().await.unwrap();
            assert!(String::from_utf8_lossy(&replayed).contains("result"));
        }
    }
}

#[tokio::test]
async fn a_cancelled_call_ends_without_an_answer() {
    let sessions = sessions();
    let (_sender, mut reply) = scripted();
    let ended = Arc::new(Mutex::new(None));
    let end = Arc::clone(&ended);
    reply.on_end(move |outcome| *end.lock() = Some(outcome));
    let (session, mut relay) = relay(&sessions, LEGACY, reply);
    relay.open_stream();
    let task = async { frame(&mut relay).await };
    let cancel = async {
        tokio::task::yield_now().await;
        assert!(sessions.running().cancel(session, RequestId::from(1)));
    };
    let (last, ()) = tokio::join!(task, cancel);
    assert_eq!(last, "");
    assert_eq!(*ended.lock(), Some(Outcome::Cancelled));
}

#[tokio::test]
async fn what_a_reply_holds_is_held_until_it_ends_and_not_only_until_it_begins() {
    struct Permit(Arc<AtomicBool>);
    impl Drop for Permit {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let sessions = sessions();
    let released = Arc::new(AtomicBool::new(false));
    let (sender, mut reply) = scripted();
    reply.hold(Permit(Arc::clone(&released)));
    let (_, mut relay) = relay(&sessions, LEGACY, reply);
    let head = std::future::poll_fn(|cx| relay.poll_head(cx)).await;
    assert!(matches!(head, Head::Stream));
    relay.open_stream();
    sender.send(Ok(progress())).await.unwrap();
    frame(&mut relay).await;
    assert!(!released.load(Ordering::Relaxed));
    sender.send(Ok(Event::Response(response()))).await.unwrap();
    frame(&mut relay).await;
    assert!(released.load(Ordering::Relaxed));
}

#[tokio::test]
async fn an_error_in_mid_stream_becomes_the_last_message() {
    let sessions = sessions();
    let (sender, reply) = scripted();
    let (_, mut relay) = relay(&sessions, LEGACY, reply);
    relay.open_stream();
    sender.send(Err(Error::Cancelled)).await.unwrap();
    assert!(frame(&mut relay).await.contains("the call was cancelled"));
    assert_eq!(frame(&mut relay).await, "");
}

#[test]
fn a_session_belongs_to_its_principal_and_ends_when_deleted() {
    let sessions = sessions();
    let me = Principal::anonymous();
    let other = Principal { subject: "mallory".into(), ..Principal::default() };
    let token = token(&sessions, &me, Capabilities::ROOTS);
    let session = sessions.find(token.as_bytes(), &me).unwrap();
    assert_eq!((session.version, session.capabilities), (LEGACY, Capabilities::ROOTS));
    assert_eq!(sessions.find(token.as_bytes(), &other), Err(Gone));
    assert_eq!(sessions.place(&session), Place::Here);
    sessions.delete(&session);
    assert_eq!(sessions.find(token.as_bytes(), &me), Err(Gone));
}

#[test]
fn a_session_is_good_for_its_maximum_age() {
    for (max_age, is_good) in [(Duration::ZERO, false), (Duration::from_mins(1), true)] {
        let sessions = Sessions::new(Keys::new(&[]).unwrap(), max_age).unwrap();
        let me = Principal::anonymous();
        let token = token(&sessions, &me, Capabilities::NONE);
        assert_eq!(sessions.find(token.as_bytes(), &me).is_ok(), is_good, "{max_age:?}");
    }
}

#[test]
fn a_session_of_another_boot_is_not_at_home_here() {
    let key = [[5; 32]];
    let boot = || Sessions::new(Keys::new(&key).unwrap(), Duration::from_hours(1)).unwrap();
    let (one, two) = (boot(), boot());
    let me = Principal::anonymous();
    let token = token(&one, &me, Capabilities::NONE);
    let session = two.find(token.as_bytes(), &me).unwrap();
    assert_eq!(two.place(&session), Place::There);
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_loses_its_state_and_its_subscriptions() {
    use crate::backends::scripted::{Backend, config, context};
    use crate::backends::{Isolation, Key, Owner as Whose};
    let sessions = sessions();
    let backend = Backend::new().handle(config("b", Isolation::Shared), &context());
    let key = Key { owner: Whose::Shared, capabilities: Capabilities::NONE };
    let (idle, busy) = (SessionId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
    for session in [idle, busy] {
        sessions.state(session).unwrap();
        assert_eq!(sessions.subscriptions().add(&backend, key, "demo://a", session), Added::New);
    }
    let later = Instant::now() + MAX_IDLE;
    let _log = sessions.state(busy).unwrap().new_stream();
    assert_eq!(sessions.reap(later, MAX_IDLE), [idle]);
    assert!(sessions.existing_state(idle).is_none());
    assert!(sessions.existing_state(busy).is_some());
    assert!(!sessions.subscriptions().remove(backend.name(), key, "demo://a", idle));
    assert!(sessions.subscriptions().remove(backend.name(), key, "demo://a", busy));
}

#[test]
fn an_event_id_of_a_state_that_is_gone_names_no_stream_of_the_next() {
    let sessions = sessions();
    let id = SessionId::from_bytes([1; 16]);
    let state = sessions.state(id).unwrap();
    let post = state.new_stream();
    post.end();
    let gone = [state.own_stream().stream(), post.stream()];
    drop((state, post));
    sessions.reap(Instant::now() + 2 * MAX_IDLE, MAX_IDLE);
    assert!(sessions.existing_state(id).is_none());
    let next = sessions.state(id).unwrap();
    next.new_stream();
    assert!(gone.into_iter().all(|number| next.stream(number).is_none()));
}

#[tokio::test(start_paused = true)]
async fn no_more_sessions_than_may_be_have_state_and_calls_go_on_without() {
    let keys = Keys::new(&[]).unwrap();
    let mut sessions = Sessions::new(keys, Duration::from_hours(24)).unwrap();
    sessions.max_states = 2;
    let sessions = Arc::new(sessions);
    let [one, two, three] = [1, 2, 3].map(|it| SessionId::from_bytes([it; 16]));
    let used = [one, two].map(|it| sessions.state(it).unwrap().new_stream());
    let refused = sessions.state(three).err().expect("both others are in use");
    assert_eq!(refused, TooManySessions(2));
    assert!(refused.to_string().contains("for 2 sessions; try again soon"), "{refused}");
    assert!(sessions.state(one).is_ok(), "who has state keeps it");

    let (sender, reply) = scripted();
    let (_, mut relay) = relay(&sessions, LEGACY, reply);
    assert!(relay.open_stream().is_none());
    sender.send(Ok(Event::Response(response()))).await.unwrap();
    let answer = frame(&mut relay).await;
    assert!(answer.contains("result") && !answer.contains("id: "), "{answer}");

    used[0].end();
    time::advance(Duration::from_mins(6)).await; // for that long a client may come back to a stream
    assert!(sessions.state(three).is_ok());
    assert!(sessions.existing_state(one).is_none() && sessions.existing_state(two).is_some());
}

#[test]
fn a_session_that_ends_leaves_its_place_to_another() {
    let mut sessions = Sessions::new(Keys::new(&[]).unwrap(), Duration::from_hours(24)).unwrap();
    sessions.max_states = 1;
    let [one, two] = [1, 2].map(|it| SessionId::from_bytes([it; 16]));
    let _stream = sessions.state(one).unwrap().new_stream();
    assert_eq!(sessions.state(two).err(), Some(TooManySessions(1)));
    sessions.end(one);
    assert!(sessions.state(two).is_ok());
    sessions.close();
    assert!(sessions.state(one).is_ok() && sessions.state(two).is_err());
}

#[tokio::test(start_paused = true)]
async fn whoever_sweeps_hears_of_sessions_that_nobody_used_for_an_hour() {
    let sessions = sessions();
    let id = SessionId::from_bytes([1; 16]);
    sessions.state(id).unwrap();
    let expired: Mutex<Vec<SessionId>> = Mutex::default();
    for (minutes, heard) in [(59, &[][..]), (3, &[id])] {
        let sweep = Arc::clone(&sessions).sweep(|id| expired.lock().push(id));
        assert!(time::timeout(Duration::from_mins(minutes), sweep).await.is_err());
        assert_eq!(*expired.lock(), heard);
    }
}

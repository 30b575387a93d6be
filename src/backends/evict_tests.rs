use bytes::Bytes;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use parking_lot::Mutex;
use tokio::time::{advance, sleep};

use super::*;
use crate::backends::connection::Dialer;
use crate::backends::scripted::{self, Backend, client, config, context, context_with};
use crate::backends::{
    BackendState, Claim, Config, Isolation, Offer, OpenError, SessionSink, Unsolicited, relay,
};
use crate::call::{self, Request};
use crate::mcp::{Capabilities, Message};

const ONE: Key = of_session(1);
const TWO: Key = of_session(2);
const THREE: Key = of_session(3);
const NONE: Capabilities = Capabilities::NONE;
const GATEWAY: Key = Key { owner: Owner::Gateway, capabilities: Capabilities::ALL };
const SHARED: Key = Key { owner: Owner::Shared, capabilities: NONE };

const fn of_session(number: u8) -> Key {
    Key { owner: Owner::Session(SessionId::from_bytes([number; 16])), capabilities: NONE }
}

/// A sink whose clients wait for what comes on these connections.
#[derive(Default)]
struct Expecting(Mutex<Vec<Key>>);

impl SessionSink for Expecting {
    fn deliver(&self, _: SessionId, _: &Arc<str>, it: Unsolicited) -> Result<(), Unsolicited> {
        Err(it)
    }

    fn elicited(&self, _: &Arc<str>, _: &Message) -> bool {
        false
    }

    fn expects(&self, _: &Arc<str>, connection: Key) -> bool {
        self.0.lock().contains(&connection)
    }

    fn subscribed(&self, _: &Arc<str>, _: Key) -> Vec<Box<str>> {
        Vec::new()
    }

    fn has_ended(&self, _: SessionId) -> bool {
        false
    }
}

fn http(isolation: Isolation) -> Config {
    scripted::http_config("web", isolation)
}

/// A pool for that many connections.
fn pool(backend: &Arc<Backend>, max_connections: usize) -> Arc<Pool> {
    let dialer = Dialer::Scripted(Arc::clone(backend));
    Pool::new(Arc::new(http(Isolation::Session)), context(), dialer, max_connections)
}

/// Which of the connections opened so far are still open, after what was to happen has happened.
async fn open(backend: &Backend) -> Vec<bool> {
    sleep(Duration::from_millis(1)).await;
    backend.connections().iter().map(|connection| !connection.is_closed()).collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Used {
    Not,
    ByGet,
    ByAnEndedCall,
    ByACall,
    ByAQuestion,
    ByAWaitingClient,
}

#[tokio::test(start_paused = true)]
async fn a_connection_goes_when_it_was_idle_for_an_hour() {
    let (session, shared) = (http(Isolation::Session), http(Isolation::Shared));
    let pipe = config("pipe", Isolation::Shared);
    for (config, key, used, goes) in [
        (&session, ONE, Used::Not, true),
        (&session, ONE, Used::ByGet, false),
        (&session, ONE, Used::ByAnEndedCall, false),
        (&session, ONE, Used::ByACall, false),
        (&session, ONE, Used::ByAQuestion, false),
        (&session, ONE, Used::ByAWaitingClient, false),
        (&session, GATEWAY, Used::Not, false),
        (&shared, GATEWAY, Used::Not, false),
        (&shared, SHARED, Used::Not, true),
        (&shared, SHARED, Used::ByACall, false),
        (&shared, SHARED, Used::ByAWaitingClient, false),
        (&pipe, SHARED, Used::Not, false), // it is the supervisor's
    ] {
        let (backend, sink) = (Backend::new(), Arc::new(Expecting::default()));
        let handle = backend.handle(config.clone(), &context_with(sink.clone()));
        let pool = handle.pool();
        pool.connection(key).await.unwrap();
        advance(MAX_IDLE / 2).await;
        let (mut held, mut asked): (Option<Claim>, _) = (None, None);
        match used {
            Used::Not => {}
            Used::ByGet => drop(pool.get(key).unwrap()),
            Used::ByAnEndedCall => drop(pool.claim(key).unwrap()),
            Used::ByACall => held = pool.claim(key),
            Used::ByAQuestion => asked = Some(backend.connections()[0].ask(1)),
            Used::ByAWaitingClient => sink.0.lock().push(key),
        }
        advance(MAX_IDLE / 2).await;
        pool.reap(Instant::now().checked_sub(Duration::from_nanos(1)).unwrap());
        assert_eq!(open(&backend).await, [true], "{key:?} {used:?}: not before an hour");
        pool.reap(Instant::now());
        assert_eq!(open(&backend).await, [!goes], "{key:?} {used:?}");
        assert_eq!(pool.get(key).is_none(), goes, "{key:?} {used:?}");
        drop((held, asked));
        sink.0.lock().clear();
        advance(MAX_IDLE).await;
        pool.reap(Instant::now());
        let stays = pool.is_supervisors(key);
        assert_eq!(open(&backend).await, [stays], "{key:?} {used:?}: an hour after its last use");
    }
}

/// Measures what this thread does.
fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().build_recorder()
}

#[tokio::test(start_paused = true)]
async fn whatever_ends_a_connection_ends_no_other_and_is_counted() {
    type Evict = fn(&Pool);
    let session: Evict = |pool| pool.evict_session(SessionId::from_bytes([1; 16]));
    let idle: Evict = |pool| pool.reap(Instant::now() + MAX_IDLE);
    let full: Evict = |pool| pool.make_room().unwrap();
    let keys = [GATEWAY, ONE, TWO, SHARED];
    for (reason, evict, stay) in [
        ("session", session, [true, false, true, true]),
        ("server", Pool::evict_all, [false; 4]),
        ("idle", idle, [true, false, false, false]),
        ("full", full, [true, false, true, true]),
    ] {
        let recorder = recorder();
        let _measures = metrics::set_default_local_recorder(&recorder);
        let backend = Backend::new();
        let pool = pool(&backend, 10);
        for key in keys {
            pool.connection(key).await.unwrap();
            advance(Duration::from_secs(1)).await;
        }
        evict(&pool);
        assert_eq!(open(&backend).await, stay, "{reason}");
        assert_eq!(keys.map(|key| pool.get(key).is_some()), stay, "{reason}");
        let left = stay.iter().filter(|stays| **stays).count();
        let page = recorder.handle().render();
        for line in [
            format!(r#"portcullis_backend_connections{{backend="web"}} {left}"#),
            format!(
                r#"portcullis_backend_evictions_total{{backend="web",reason="{reason}"}} {}"#,
                4 - left
            ),
        ] {
            assert!(page.contains(&line), "{line} is missing in\n{page}");
        }
        pool.connection(ONE).await.unwrap();
        assert!(pool.get(ONE).is_some(), "{reason}: it is opened again when it is needed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_gives_up_what_was_unused_for_longest() {
    // Used last, from the oldest on; in use still; what gives way to a third one.
    for (used, claimed, gives_way) in [
        ([ONE, TWO], &[][..], Some(ONE)),
        ([TWO, ONE], &[], Some(TWO)),
        ([ONE, TWO], &[ONE], Some(TWO)),
        ([TWO, ONE], &[TWO], Some(ONE)),
        ([ONE, TWO], &[ONE, TWO], None),
    ] {
        let backend = Backend::new();
        let pool = pool(&backend, 2);
        pool.start().await.unwrap();
        for key in used {
            pool.connection(key).await.unwrap();
            advance(Duration::from_secs(1)).await;
        }
        let claims: Vec<_> = claimed.iter().map(|key| pool.claim(*key).unwrap()).collect();
        let third = pool.connection(THREE).await;
        assert_eq!(third.is_ok(), gives_way.is_some(), "{used:?} {claimed:?}");
        if let Err(error) = third {
            assert_eq!(error.to_string(), "it already has 2 connections, all in use");
        }
        for key in used {
            let stays = Some(key) != gives_way;
            assert_eq!(pool.get(key).is_some(), stays, "{key:?} {used:?} {claimed:?}");
        }
        assert!(pool.get(GATEWAY).is_some(), "the supervisor's stays");
        drop(claims);
        assert!(pool.connection(THREE).await.is_ok(), "there is room when calls have ended");
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_left_the_pool_needs_room_until_it_is_closed() {
    let backend = Backend::new();
    let pool = pool(&backend, 1);
    let call = pool.claim_opened(ONE).await.unwrap();
    pool.evict_all();
    let waiting = timeout(Duration::from_secs(10), pool.connection(TWO)).await;
    assert!(waiting.is_err(), "one call is under way on the only connection there may be");
    assert!(pool.start().await.is_ok(), "the supervisor needs no room");
    drop(call);
    assert!(pool.connection(TWO).await.is_ok());
    assert_eq!(open(&backend).await, [false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn a_call_says_that_all_connections_are_in_use() {
    let backend = Backend::new();
    let handle = backend.handle(http(Isolation::Session), &context());
    let lists = [vec![], vec![], vec![], vec![]];
    handle.publish(BackendState::Running(Arc::new(Offer::new(Bytes::new(), lists))));
    let mut claims = Vec::new();
    for number in 0..1024u16 {
        let [high, low] = number.to_be_bytes();
        let mut id = [9; 16];
        (id[0], id[1]) = (high, low);
        let key = Key { owner: Owner::Session(SessionId::from_bytes(id)), capabilities: NONE };
        claims.push(handle.pool().claim_opened(key).await.unwrap());
    }
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#;
    let request = Request::new(Message::parse(Bytes::from(text)).unwrap()).unwrap();
    let session = Some(SessionId::from_bytes([1; 16]));
    let caller = call::Client { capabilities: NONE, log_level: None, session };
    let (http, target) = (client(), relay::Target::default());
    let error = handle.call(&http, &request, &target, &caller).await.unwrap_err();
    assert!(matches!(error, call::Error::Full { limit: 1024, .. }), "{error}");

    claims.pop();
    backend.answer(scripted::Answer::Never);
    let reply = handle.call(&http, &request, &target, &caller).await.unwrap();
    let pooled = handle.pool().get(ONE).unwrap();
    assert!(pooled.usage.is_claimed(), "the call has begun, and its reply goes on");
    drop(reply);
    assert!(!pooled.usage.is_claimed());
}

#[tokio::test(start_paused = true)]
async fn a_replaced_connection_finishes_its_calls_and_takes_no_new_ones() {
    let second = Duration::from_secs(1);
    for (name, call_ends, closes) in [
        ("idle", None, Duration::ZERO),
        ("busy", Some(second * 10), second * 10),
        ("stuck", Some(second * 1000), FINISH_WITHIN),
    ] {
        let backend = Backend::new();
        let pool = pool(&backend, 10);
        let old = pool.connection(ONE).await.unwrap();
        let call = call_ends.map(|after| (old.claim().unwrap(), after));
        let new = pool.replace(ONE).await.unwrap();
        let began = Instant::now();
        assert!(!Arc::ptr_eq(&old, &new), "{name}");
        assert!(old.claim().is_none(), "{name}: it takes no new calls");
        assert!(Arc::ptr_eq(&new, &pool.get(ONE).unwrap()), "{name}");
        drop(pool.claim(ONE).expect("the new one does"));
        let ending = async {
            if let Some((claim, after)) = call {
                sleep(after).await;
                drop(claim);
            }
        };
        let ended = async {
            old.closed().cancelled().await;
            began.elapsed()
        };
        let (took, ()) = tokio::join!(ended, ending);
        assert!(took >= closes && took < closes + second, "{name}: {took:?}");
        assert_eq!(open(&backend).await, [false, true], "{name}");
        assert!(pool.get(ONE).is_some(), "{name}: the end of the old one leaves the new one alone");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_replaced_stays_and_what_is_evicted_does_not_come_back() {
    let backend = Backend::new();
    let pool = pool(&backend, 10);
    pool.connection(ONE).await.unwrap();
    backend.refuse(Some(OpenError::Status { status: 500 }));
    assert!(pool.replace(ONE).await.is_err());
    assert!(pool.get(ONE).is_some(), "the new one cannot be opened");

    backend.refuse(None);
    backend.hold_opening();
    let evicted = async {
        sleep(Duration::from_secs(1)).await;
        pool.evict_session(SessionId::from_bytes([1; 16]));
        backend.let_open(1);
    };
    let (replaced, ()) = tokio::join!(pool.replace(ONE), evicted);
    assert!(matches!(replaced, Err(ConnectError::Closed)));
    assert_eq!(open(&backend).await, [false, false], "the session ended in the meantime");

    backend.let_open(1);
    let two = pool.connection(TWO).await.unwrap();
    assert!(timeout(Duration::from_secs(1), pool.replace(TWO)).await.is_err(), "not opened yet");
    backend.let_open(1);
    assert_eq!(open(&backend).await[..3], [false, false, true]);
    assert!(open(&backend).await[3..].iter().all(|is_open| !is_open), "who gave up opens nothing");
    assert!(Arc::ptr_eq(&two, &pool.get(TWO).unwrap()), "and replaces nothing");
}

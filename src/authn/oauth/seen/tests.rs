use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderValue, Uri};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::*;
use crate::authn::{Fault, Origin};

const SECOND: Duration = Duration::from_secs(1);

/// An issuer whose tokens say who they are for; it counts how often one is looked at.
struct Issuer {
    seen: Seen,
    epoch: Epoch,
    looks: Arc<AtomicUsize>,
    start: SystemTime,
}

/// One connection.
#[derive(Default)]
struct Connection(Mutex<Extensions>);

impl Issuer {
    fn new() -> Self {
        let epoch = Epoch::default();
        let seen = Seen::new(epoch.clone());
        Self { seen, epoch, looks: Arc::default(), start: SystemTime::now() }
    }

    /// Who sends `token` to `path` so long after the start: tokens hold for 100 s, unless they are
    /// bad. Several stand on lines.
    fn answer(&self, connection: &Connection, path: &str, token: &str, after: Duration) -> Answer {
        let mut headers = HeaderMap::new();
        for token in token.split('\n') {
            let line = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
            headers.append(AUTHORIZATION, line);
        }
        let (uri, now) = (Uri::try_from(path).unwrap(), self.start + after);
        let asked = Asked {
            headers: &headers,
            uri: &uri,
            address: None,
            is_proxied: false,
            certificate: None,
            memory: Some(&connection.0),
            origin: Origin { scheme: "http", authority: "localhost" },
        };
        let (looks, expires) = (Arc::clone(&self.looks), self.start + 100 * SECOND);
        let resource = || uri.path().to_owned();
        self.seen.answer(&asked, now, resource, move |token, _| async move {
            looks.fetch_add(1, Ordering::Relaxed);
            let subject = std::str::from_utf8(&token).unwrap().into();
            match &*token {
                b"bad" => Verdict::negative(Refusal::Invalid(Fault::new("bad", "no")), now),
                b"later" => {
                    let (issuer, retry_after) = ("https://login".into(), SECOND);
                    Verdict::passing(Refusal::Unavailable { issuer, retry_after }, now)
                }
                _ => {
                    let expires = Some(expires);
                    Verdict::positive(
                        Principal { subject, expires, ..Principal::default() },
                        now,
                        None,
                    )
                }
            }
        })
    }

    async fn ask(
        &self,
        connection: &Connection,
        token: &str,
        after: u32,
    ) -> Result<String, Refusal> {
        let found = match self.answer(connection, "/mcp", token, after * SECOND) {
            Answer::Now(found) => found,
            Answer::Later(found) => found.await,
        };
        found.map(|principal| principal.subject.to_string())
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_token_is_looked_at_once_until_it_expires_whichever_connection_it_comes_by() {
    let (issuer, connection, other) = (Issuer::new(), Connection::default(), Connection::default());
    for after in [0, 1, 50, 99] {
        assert_eq!(issuer.ask(&connection, "alice", after).await.unwrap(), "alice");
        assert_eq!(issuer.ask(&other, "alice", after).await.unwrap(), "alice");
    }
    assert_eq!(issuer.looks(), 1);
    // What is remembered of a connection is over, and what is known for all is.
    for (count, connection) in [&connection, &other, &Connection::default()].iter().enumerate() {
        issuer.ask(connection, "alice", 100).await.unwrap();
        assert_eq!(issuer.looks(), count + 2);
    }
    assert_eq!(issuer.ask(&connection, "alice", 99).await.unwrap(), "alice");
}

#[tokio::test]
async fn nothing_is_remembered_beyond_a_revocation() {
    let (issuer, connection) = (Issuer::new(), Connection::default());
    for round in 1..4 {
        for _ in 0..3 {
            issuer.ask(&connection, "alice", 1).await.unwrap();
        }
        assert_eq!(issuer.looks(), round);
        issuer.epoch.advance();
    }
}

#[tokio::test]
async fn what_a_look_began_before_a_revocation_found_out_is_not_remembered_after_it() {
    let (issuer, connection) = (Issuer::new(), Connection::default());
    let Answer::Later(early) = issuer.answer(&connection, "/mcp", "alice", SECOND) else {
        panic!("nobody has seen it")
    };
    issuer.epoch.advance();
    early.await.unwrap();
    issuer.ask(&connection, "alice", 1).await.unwrap();
    assert_eq!(issuer.looks(), 2);
}

#[tokio::test]
async fn tokens_that_alternate_on_one_connection_are_told_apart() {
    let (issuer, connection) = (Issuer::new(), Connection::default());
    let people = ["alice", "clara", "alicf", "bob", "a", "eve", "mallory"];
    for _ in 0..5 {
        for person in people {
            assert_eq!(issuer.ask(&connection, person, 1).await.unwrap(), person);
        }
        assert!(issuer.ask(&connection, "bad", 1).await.is_err());
    }
    assert_eq!(issuer.looks(), people.len() + 1);
}

#[tokio::test]
async fn a_token_for_one_endpoint_says_nothing_about_another() {
    let (issuer, connection) = (Issuer::new(), Connection::default());
    for path in ["/mcp", "/servers/a/mcp", "/mcp", "/servers/a/mcp"] {
        if let Answer::Later(found) = issuer.answer(&connection, path, "alice", SECOND) {
            found.await.unwrap();
        }
    }
    assert_eq!(issuer.looks(), 2);
}

#[tokio::test]
async fn a_refusal_holds_for_ten_seconds_and_is_not_the_connections() {
    let (issuer, connection) = (Issuer::new(), Connection::default());
    for (after, looks) in [(0, 1), (5, 1), (9, 1), (10, 2), (15, 2), (20, 3)] {
        assert!(issuer.ask(&connection, "bad", after).await.is_err());
        assert_eq!(issuer.looks(), looks, "after {after} s");
    }
    assert!(connection.0.lock().get::<Memory>().is_none());
}

#[tokio::test]
async fn what_cannot_be_told_is_asked_again_at_once() {
    let (issuer, connection) = (Issuer::new(), Connection::default());
    for looks in 1..4 {
        let found = issuer.ask(&connection, "later", 1).await;
        assert!(matches!(found, Err(Refusal::Unavailable { .. })));
        assert_eq!(issuer.looks(), looks);
    }
}

#[tokio::test]
async fn nothing_is_looked_at_before_the_answer_is_waited_for() {
    let (issuer, connection) = (Issuer::new(), Connection::default());
    let answer = issuer.answer(&connection, "/mcp", "alice", SECOND);
    assert!(matches!(answer, Answer::Later(_)));
    drop(answer);
    assert_eq!(issuer.looks(), 0);
}

#[tokio::test]
async fn many_who_come_with_one_new_token_share_one_look() {
    let verdicts = Verdicts::new();
    let (key, now) = (Key::of(b"alice", "", 0), SystemTime::now());
    let (looks, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let ask = || {
        let (looks, open) = (Arc::clone(&looks), Arc::clone(&open));
        verdicts.known_or(key, now, async move {
            looks.fetch_add(1, Ordering::Relaxed);
            open.notified().await;
            Verdict::positive(Principal::anonymous(), now, None)
        })
    };
    // Whoever asks first goes away, and the others go on with the same look.
    let mut first = Box::pin(ask());
    assert!(first.as_mut().now_or_never().is_none());
    let mut others = Box::pin(join_all((0..20).map(|_| ask())));
    assert!(others.as_mut().now_or_never().is_none());
    drop(first);
    open.notify_one();
    assert!(others.await.iter().all(Result::is_ok));
    assert_eq!(looks.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_second_header_or_a_token_in_the_url_is_refused_although_the_first_is_remembered() {
    let (issuer, connection) = (Issuer::new(), Connection::default());
    for _ in 0..3 {
        issuer.ask(&connection, "alice", 1).await.unwrap();
    }
    for (path, tokens) in [("/mcp?access_token=alice", "alice"), ("/mcp", "alice\nalice")] {
        let answer = issuer.answer(&connection, path, tokens, SECOND);
        assert!(matches!(answer, Answer::Now(Err(Refusal::Malformed(_)))), "{path} {tokens}");
    }
}

#[tokio::test]
async fn only_a_bearer_token_is_looked_at() {
    let (issuer, connection) = (Issuer::new(), Connection::default());
    for token in ["", "two words", "{}", "\u{e4}"] {
        let found = issuer.ask(&connection, token, 1).await;
        assert!(matches!(found, Err(Refusal::Malformed(_))), "{token:?}");
    }
    assert_eq!(issuer.looks(), 0);
}

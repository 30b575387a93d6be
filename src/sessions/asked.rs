//! Requests of backends that a client has been asked and has not answered yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::session::Home;
use crate::call::Responder;
use crate::mcp::{Message, RequestId};

/// How many questions one client may have open; more are refused.
const MAX_OPEN: usize = 64;
/// How long a client may take to answer: a person may have to think.
const ANSWER_TIME: Duration = Duration::from_mins(10);

/// The questions a client has open, under ids that are ours.
#[derive(Default)]
pub struct Asked {
    next: AtomicU64,
    open: Mutex<HashMap<u64, (Responder, Instant)>>,
}

impl Asked {
    /// Takes in a backend's request and returns it under the id the client will answer to; `None`
    /// if the client has too many open or the request is none, which refuses it.
    pub fn register(
        &self,
        home: Home,
        request: Bytes,
        responder: Responder,
    ) -> Option<(u64, Bytes)> {
        let message = Message::parse(request).ok()?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.lock();
        if open.len() >= MAX_OPEN {
            drop(open);
            metrics::counter!("portcullis_dropped_total", "reason" => "too_many_questions")
                .increment(1);
            responder.refuse("the client has too many unanswered requests");
            return None;
        }
        open.insert(number, (responder, Instant::now() + ANSWER_TIME));
        Some((number, message.with_id(wire_id(home, number).as_bytes())))
    }

    /// Hands the client's response to whoever asked; whether anybody did.
    pub fn answer(&self, home: Home, response: Message) -> bool {
        let Some(number) = response.id().and_then(|id| parse_wire_id(home, &id)) else {
            return false;
        };
        let asked = self.open.lock().remove(&number);
        match asked {
            Some((responder, _)) => {
                responder.respond(response);
                true
            }
            None => false,
        }
    }

    /// Nobody waits for this answer any more.
    pub fn forget(&self, number: u64) {
        let forgotten = self.open.lock().remove(&number);
        drop(forgotten); // its responder acts when dropped, which must not happen under the lock
    }

    /// Refuses everything that is open: the client will not answer any more.
    pub fn close(&self) {
        let open = std::mem::take(&mut *self.open.lock());
        for (_, (responder, _)) in open {
            responder.refuse("the client ended its session");
        }
    }

    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.open.lock().is_empty()
    }

    /// Refuses what has not been answered in time.
    pub fn expire(&self, now: Instant) {
        let late: Vec<_> = self.open.lock().extract_if(|_, (_, until)| *until <= now).collect();
        for (_, (responder, _)) in late {
            responder.refuse("the client did not answer in time");
        }
    }
}

/// The JSON of an id that names the replica which asked and the question.
fn wire_id(home: Home, number: u64) -> String {
    format!("\"{}.{number}\"", home.short())
}

fn parse_wire_id(home: Home, id: &RequestId) -> Option<u64> {
    let text: String = serde_json::from_slice(id.as_bytes()).ok()?;
    let (replica, number) = text.split_once('.')?;
    (replica == home.short()).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;
    use crate::call::Answer;

    const HOME: Home = Home([7; 16]);

    fn responder() -> (Responder, mpsc::Receiver<Answer>) {
        let (sender, receiver) = mpsc::channel();
        (Responder::new(move |answer| drop(sender.send(answer))), receiver)
    }

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    const QUESTION: Bytes =
        Bytes::from_static(br#"{"jsonrpc":"2.0","id":0,"method":"roots/list"}"#);

    #[test]
    fn an_answer_reaches_whoever_asked_once() {
        let asked = Asked::default();
        let (responder, answers) = responder();
        let (_, sent) = asked.register(HOME, QUESTION, responder).unwrap();
        let id = message(std::str::from_utf8(&sent).unwrap()).id().unwrap();
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert!(asked.answer(HOME, message(&answer)));
        assert!(matches!(answers.recv(), Ok(Answer::Response(_))));
        assert!(!asked.answer(HOME, message(&answer)), "a second answer goes nowhere");
    }

    #[test]
    fn answers_to_what_nobody_asked_go_nowhere() {
        let asked = Asked::default();
        for id in ["0", "\"0\"", "\"x.0\"", "\"0707070707070707.0\""] {
            let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
            assert!(!asked.answer(HOME, message(&answer)), "{id}");
        }
    }

    #[test]
    fn a_client_cannot_be_asked_without_bound() {
        let asked = Asked::default();
        for _ in 0..MAX_OPEN {
            assert!(asked.register(HOME, QUESTION, responder().0).is_some());
        }
        let (responder, answers) = responder();
        assert!(asked.register(HOME, QUESTION, responder).is_none());
        assert!(matches!(answers.recv(), Ok(Answer::Refused(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_answered_in_time_is_refused() {
        let asked = Arc::new(Asked::default());
        let (responder, answers) = responder();
        asked.register(HOME, QUESTION, responder).unwrap();
        asked.expire(Instant::now());
        assert!(!asked.is_empty());
        asked.expire(Instant::now() + ANSWER_TIME);
        assert!(asked.is_empty());
        assert!(matches!(answers.try_recv(), Ok(Answer::Refused(_))));
    }
}

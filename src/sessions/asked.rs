//! Requests of backends that a client has been asked and has not answered yet.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::session::Home;
use crate::call::Responder;
use crate::mcp::params::progress_token_of;
use crate::mcp::splice::splice;
use crate::mcp::{Message, Params, RequestId, Span};

/// How many questions one client may have open; more are refused.
const MAX_OPEN: usize = 64;
/// How long a client may take to answer: a person may have to think.
const ANSWER_TIME: Duration = Duration::from_mins(10);

/// The questions a client has open, under ids that are ours.
#[derive(Default)]
pub struct Asked {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Question>>,
}

struct Question {
    responder: Responder,
    until: Instant,
    /// The backend's own progress token, if it wants to hear how far the client is.
    token: Option<Bytes>,
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
        let token = Params::parse(&message).ok().and_then(|params| params.progress_token);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.lock();
        if open.len() >= MAX_OPEN {
            drop(open);
            metrics::counter!("portcullis_dropped_total", "reason" => "too_many_questions")
                .increment(1);
            responder.refuse("the client has too many unanswered requests");
            return None;
        }
        let until = Instant::now() + ANSWER_TIME;
        let own_token = token.map(|span| message.slice(span));
        open.insert(number, Question { responder, until, token: own_token });
        Some((number, outgoing(&message, home, number, token)))
    }

    /// Tells `tell` when the backend withdraws a question, with the notification for the client.
    pub fn on_withdrawn(
        self: &Arc<Self>,
        home: Home,
        number: u64,
        tell: impl FnOnce(Bytes) + Send + 'static,
    ) {
        let aside = self.open.lock().get(&number).and_then(|it| it.responder.aside().cloned());
        let Some(aside) = aside else { return };
        let asked = Arc::downgrade(self);
        aside.on_withdrawn(move || {
            let Some(asked) = asked.upgrade() else { return };
            let question = asked.open.lock().remove(&number);
            if question.is_some() {
                tell(withdrawn(home, number));
            }
        });
    }

    /// Passes the client's word on how far it is to whoever asked; whether anybody did.
    pub fn progress(&self, notification: &Message) -> bool {
        let Some(ours) = progress_token_of(notification) else { return false };
        let number =
            std::str::from_utf8(notification.bytes(ours)).ok().and_then(|n| n.parse().ok());
        let open = self.open.lock();
        let question = number.and_then(|number: u64| open.get(&number));
        let Some((token, aside)) =
            question.and_then(|it| Some((it.token.clone()?, it.responder.aside()?.clone())))
        else {
            return false;
        };
        drop(open);
        aside.report(splice(notification.raw(), &[(ours, &token)]));
        true
    }

    /// Hands the client's response to whoever asked; whether anybody did.
    pub fn answer(&self, home: Home, response: Message) -> bool {
        let Some(number) = response.id().and_then(|id| parse_wire_id(home, &id)) else {
            return false;
        };
        let asked = self.open.lock().remove(&number);
        match asked {
            Some(question) => {
                question.responder.respond(response);
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
        for (_, question) in open {
            question.responder.refuse("the client ended its session");
        }
    }

    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.open.lock().is_empty()
    }

    /// Refuses what has not been answered in time.
    pub fn expire(&self, now: Instant) {
        let late: Vec<_> = self.open.lock().extract_if(|_, it| it.until <= now).collect();
        for (_, question) in late {
            question.responder.refuse("the client did not answer in time");
        }
    }
}

/// The question as the client gets it: under ids of ours, for two backends may choose the same.
fn outgoing(question: &Message, home: Home, number: u64, token: Option<Span>) -> Bytes {
    let (id, number) = (wire_id(home, number), number.to_string());
    let mut edits = vec![(question.id_span().expect("a request has an id"), id.as_bytes())];
    edits.extend(token.map(|span| (span, number.as_bytes())));
    edits.sort_unstable_by_key(|(span, _)| span.start);
    splice(question.raw(), &edits)
}

/// `notifications/cancelled` for a question that the client was asked.
fn withdrawn(home: Home, number: u64) -> Bytes {
    let id = wire_id(home, number);
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"the server gave the request up"}}}}"#
    ))
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
    use crate::call::{Answer, Aside};

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
    fn progress_on_an_answer_reaches_the_backend_under_its_own_token() {
        let asked = Asked::default();
        let (sender, reports) = mpsc::channel();
        let aside = Aside::new(move |report| drop(sender.send(report)));
        let question = Bytes::from_static(
            br#"{"jsonrpc":"2.0","id":0,"method":"roots/list","params":{"_meta":{"progressToken":"t"}}}"#,
        );
        let responder = responder().0.with_aside(Some(aside));
        let (number, sent) = asked.register(HOME, question, responder).unwrap();
        assert!(
            sent.ends_with(format!(r#"{{"progressToken":{number}}}}}}}"#).as_bytes()),
            "{sent:?}"
        );
        let progress = |token: &str| {
            message(&format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progress":1,"progressToken":{token}}}}}"#
            ))
        };
        assert!(asked.progress(&progress(&number.to_string())));
        assert!(reports.recv().unwrap().ends_with(br#"{"progress":1,"progressToken":"t"}}"#));
        for stranger in ["\"t\"", "99", "-1"] {
            assert!(!asked.progress(&progress(stranger)), "{stranger}");
        }
    }

    #[test]
    fn a_withdrawn_question_is_told_to_the_client_and_not_answered_any_more() {
        let asked = Arc::new(Asked::default());
        let aside = Aside::new(|_| {});
        let responder = responder().0.with_aside(Some(Arc::clone(&aside)));
        let (number, sent) = asked.register(HOME, QUESTION, responder).unwrap();
        let id = Message::parse(sent).unwrap().id().unwrap();
        let (sender, told) = mpsc::channel();
        asked.on_withdrawn(HOME, number, move |word| sender.send(word).unwrap());
        aside.withdraw();
        let word = Message::parse(told.recv().unwrap()).unwrap();
        assert_eq!(crate::mcp::params::cancelled_request(&word), Some(id.clone()));
        let answer = message(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        assert!(!asked.answer(HOME, answer));
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

//! What a session keeps in memory at its home, made when it is first needed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::asked::Asked;
use super::log::{Budget, Log};
use super::outbox::Outbox;
use super::session::Home;
use crate::call::{Endpoint, Responder, SessionId};
use crate::catalogue::View;
use crate::mcp::LogLevel;

/// How many streams of one session are kept for a client that comes back, and for how long after
/// their end.
const MAX_KEPT_STREAMS: usize = 64;
const KEEP_ENDED: Duration = Duration::from_mins(5);

/// Soft state of one session.
pub struct State {
    /// Whose it is.
    pub id: SessionId,
    home: Home,
    level: AtomicU8,
    asked: Arc<Asked>,
    budget: Arc<Budget>,
    listen: Arc<Log>,
    /// Where everything goes if the client's transport has but one stream.
    only: OnceLock<Arc<Outbox>>,
    listening: Mutex<Option<(Endpoint, View)>>,
    open_streams: AtomicUsize,
    posts: Mutex<Posts>,
    touched: Mutex<Instant>,
}

struct Posts {
    last: u64,
    logs: HashMap<u64, Arc<Log>>,
}

/// A GET stream is open as long as this lives.
pub struct Listening(Arc<State>);

impl State {
    /// `first` is the number of its GET stream; those of POST streams follow. Numbers are used once:
    /// an event id from before a state was dropped, or the gateway restarted, names no stream.
    pub(super) fn new(id: SessionId, home: Home, first: u64, budget: Arc<Budget>) -> Self {
        Self {
            id,
            home,
            level: AtomicU8::new(u8::MAX),
            asked: Arc::default(),
            listen: Log::new(first, budget.clone()),
            budget,
            only: OnceLock::new(),
            listening: Mutex::default(),
            open_streams: AtomicUsize::new(0),
            posts: Mutex::new(Posts { last: first, logs: HashMap::new() }),
            touched: Mutex::new(Instant::now()),
        }
    }

    /// The least severe log messages the client wants, if it said so.
    pub fn level(&self) -> Option<LogLevel> {
        LogLevel::ALL.get(usize::from(self.level.load(Ordering::Relaxed))).copied()
    }

    /// `logging/setLevel`.
    pub fn set_level(&self, level: LogLevel) {
        self.level.store(level as u8, Ordering::Relaxed);
        self.touch();
    }

    /// The log of a new POST stream; the oldest ended one gives way if there are too many.
    pub fn new_stream(&self) -> Arc<Log> {
        let mut posts = self.posts.lock();
        if posts.logs.len() >= MAX_KEPT_STREAMS {
            let oldest = posts.logs.iter().filter_map(|(n, log)| Some((log.ended()?, *n))).min();
            if let Some((_, number)) = oldest {
                posts.logs.remove(&number);
            }
        }
        posts.last = posts.last.wrapping_add(1);
        let log = Log::new(posts.last, self.budget.clone());
        let number = posts.last;
        posts.logs.insert(number, Arc::clone(&log));
        log
    }

    /// The stream an event id speaks of.
    pub fn stream(&self, number: u64) -> Option<Arc<Log>> {
        if number == self.listen.stream() {
            return Some(Arc::clone(&self.listen));
        }
        self.posts.lock().logs.get(&number).cloned()
    }

    /// The stream that GET opens.
    pub fn own_stream(&self) -> &Arc<Log> {
        &self.listen
    }

    /// A GET stream opens at an endpoint, for a client that sees the catalogue in some way.
    pub fn listen(self: &Arc<Self>, endpoint: Endpoint, view: View) -> Listening {
        *self.listening.lock() = Some((endpoint, view));
        self.open_streams.fetch_add(1, Ordering::Relaxed);
        Listening(Arc::clone(self))
    }

    /// As [`State::listen`], for a client whose transport has one stream for everything.
    pub fn listen_only_on(
        self: &Arc<Self>,
        outbox: Arc<Outbox>,
        endpoint: Endpoint,
        view: View,
    ) -> Listening {
        let _ = self.only.set(outbox); // a session has one connection
        self.listen(endpoint, view)
    }

    /// Whether a GET stream was opened at such an endpoint by a client with such a view.
    pub fn listens(&self, at: impl Fn(&Endpoint, &View) -> bool) -> bool {
        self.listening.lock().as_ref().is_some_and(|(endpoint, view)| at(endpoint, view))
    }

    /// Whether a GET stream is open.
    pub fn is_listening(&self) -> bool {
        self.open_streams.load(Ordering::Relaxed) > 0
    }

    /// Says something to the client on its GET stream; false if it never opened one.
    pub fn notify(&self, message: &Bytes) -> bool {
        if let Some(only) = self.only.get() {
            only.tell(message.clone());
            return true;
        }
        let was_read = self.listen.was_read();
        if was_read {
            self.listen.push(message);
        }
        was_read
    }

    /// Asks the client on its GET stream, or gives the question back if it has none open.
    ///
    /// # Errors
    /// With the request and its responder, for another way.
    pub fn ask(&self, request: Bytes, responder: Responder) -> Result<(), (Bytes, Responder)> {
        if !self.is_listening() {
            return Err((request, responder));
        }
        if let Some((number, request)) = self.asked.register(self.home, request, responder) {
            let only = self.only.get().cloned();
            let listen = Arc::clone(&self.listen);
            let say = move |message: Bytes| match &only {
                Some(only) => only.tell(message),
                None => drop(listen.push(&message)),
            };
            say(request);
            self.asked.on_withdrawn(self.home, number, say);
        }
        Ok(())
    }

    /// The questions the client has open.
    pub fn asked(&self) -> &Arc<Asked> {
        &self.asked
    }

    /// The replica that holds this state.
    pub fn home(&self) -> Home {
        self.home
    }

    /// Somebody used it.
    pub fn touch(&self) {
        *self.touched.lock() = Instant::now();
    }

    /// Drops what is over at `now`. Answers backends, so nobody may call it under a lock.
    pub(super) fn expire(&self, now: Instant) {
        self.asked.expire(now);
        let is_over = |log: &Log| log.ended().is_some_and(|ended| now >= ended + KEEP_ENDED);
        self.posts.lock().logs.retain(|_, log| !is_over(log));
    }

    /// Whether nobody has used it for that long and nothing in it is worth keeping.
    pub(super) fn is_idle(&self, now: Instant, max_idle: Duration) -> bool {
        !self.is_listening()
            && self.asked.is_empty()
            && self.posts.lock().logs.is_empty()
            && now >= *self.touched.lock() + max_idle
    }

    /// Ends all streams: the session was deleted, or we stop.
    pub(super) fn close(&self) {
        self.asked.close();
        self.listen.end();
        if let Some(only) = self.only.get() {
            only.finish(None);
        }
        for log in self.posts.lock().logs.values() {
            log.end();
        }
    }
}

impl Listening {
    /// The state of the session that listens.
    pub fn state(&self) -> &Arc<State> {
        &self.0
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.open_streams.fetch_sub(1, Ordering::Relaxed);
        self.0.touch();
    }
}

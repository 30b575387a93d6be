//! MCP sessions of legacy clients: sealed ids, and the little that lives in memory.
//!
//! A session costs nothing until it streams, subscribes, sets a level or is asked something.

mod asked;
mod config;
mod connections;
mod deleted;
mod elicited;
mod keeper;
mod log;
mod outbox;
mod relay;
mod running;
mod seal;
mod session;
mod shards;
mod sink;
mod state;
mod states;
mod subscriptions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{self, Instant};

pub use asked::Asked;
pub use config::Config;
pub use connections::{Connections, Open};
use deleted::Deleted;
use elicited::Elicited;
pub use keeper::{Guarded, Keeper};
use log::Budget;
pub use log::{Log, parse_event_id};
pub use outbox::Outbox;
pub use relay::{Head, Listener, Relay, Render, Working};
pub use running::{Claim, Running};
pub use seal::{Keys, NoRandomness};
pub use session::{Home, Owner, Session};
pub use state::{Listening, State};
use states::States;
pub use subscriptions::{Added, Subscriptions};

use crate::call::{Endpoint, Principal, SessionId};
use crate::catalogue::View;
use crate::mcp::{Capabilities, ProtocolVersion};

/// How long unused soft state is kept.
const MAX_IDLE: Duration = Duration::from_hours(1);
/// How often it is looked through.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How many sessions may have soft state; those that do not use theirs give way.
const MAX_STATES: usize = 100_000;

/// How often room is made at the most.
const MAKE_ROOM_EVERY: Duration = Duration::from_secs(1);
/// Stream numbers set apart for one state; far more than anybody opens.
const STREAMS_OF_A_STATE: u64 = 1 << 24;

/// All sessions this replica knows something about.
pub struct Sessions {
    keys: Keys,
    home: Home,
    max_age: Duration,
    deleted: Deleted,
    states: States,
    max_states: usize,
    replay: Arc<Budget>,
    running: Arc<Running>,
    subscriptions: Subscriptions,
    elicited: Elicited,
    /// How many states were made: the streams of each have numbers of their own.
    made: AtomicU64,
    /// When room may be made again.
    next_room: Mutex<Option<Instant>>,
}

/// The session does not exist: never did, has expired, was deleted, or is somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("session not found: it is unknown, has expired or was ended; initialize again")]
pub struct Gone;

/// As many sessions stream, subscribe or have set a level as may do so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway already keeps streams or subscriptions for {0} sessions; try again soon")]
pub struct TooManySessions(pub usize);

/// Where a session's soft state lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Here.
    Here,
    /// In another replica, or in this one before it was restarted.
    There,
}

impl Sessions {
    /// Sessions sealed by `keys` that live for at most `max_age`.
    ///
    /// # Errors
    /// When the system gives no random bytes for the boot nonce.
    pub fn new(keys: Keys, max_age: Duration) -> Result<Self, NoRandomness> {
        Ok(Self {
            keys,
            home: Home(seal::random()?),
            max_age,
            deleted: Deleted::default(),
            states: States::default(),
            max_states: MAX_STATES,
            replay: Arc::default(),
            running: Arc::default(),
            subscriptions: Subscriptions::default(),
            elicited: Elicited::default(),
            made: AtomicU64::new(0),
            next_room: Mutex::default(),
        })
    }

    /// Opens a session. It lives until it is [deleted](Self::delete), or [ended](Self::end) if
    /// nothing but its connection names it.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn open(
        &self,
        principal: &Principal,
        version: ProtocolVersion,
        capabilities: Capabilities,
    ) -> Result<Session, NoRandomness> {
        let id = SessionId::from_bytes(seal::random()?);
        let owner = Owner::of(principal);
        Ok(Session { id, version, capabilities, owner, issued: now_seconds(), home: self.home })
    }

    /// What the client gets as `Mcp-Session-Id`.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn seal(&self, session: &Session) -> Result<String, NoRandomness> {
        self.keys.seal(session)
    }

    /// The session that a client names.
    ///
    /// # Errors
    /// [`Gone`], also when it is another principal's: that it exists is nobody else's business.
    pub fn find(&self, token: &[u8], principal: &Principal) -> Result<Session, Gone> {
        let session = self.keys.open(token).ok_or(Gone)?;
        if session.owner != Owner::of(principal) {
            return Err(Gone);
        }
        self.check(session)
    }

    /// A session that was found before, unless it is over by now.
    ///
    /// # Errors
    /// [`Gone`] if it is.
    pub fn check(&self, session: Session) -> Result<Session, Gone> {
        let expired = now_seconds() >= session.issued.saturating_add(self.max_age.as_secs());
        if expired || self.deleted.contains(session.id) { Err(Gone) } else { Ok(session) }
    }

    /// Where the soft state of a session lives.
    pub fn place(&self, session: &Session) -> Place {
        if session.home == self.home { Place::Here } else { Place::There }
    }

    /// Ends a session: its calls, its streams, its open questions, its id.
    pub fn delete(&self, session: &Session) {
        self.deleted.insert(session.id);
        self.end(session.id);
    }

    /// Ends a session whose id was never sealed, so that nobody can come back with it.
    pub fn end(&self, id: SessionId) {
        self.running.cancel_all(id);
        self.subscriptions.forget(id);
        if let Some(state) = self.states.remove(id) {
            state.close();
        }
    }

    /// The soft state of a session, made if there is none.
    ///
    /// # Errors
    /// When there is none, and as many other sessions use theirs as may.
    pub fn state(&self, id: SessionId) -> Result<Arc<State>, TooManySessions> {
        let make = || {
            let before = self.made.fetch_add(1, Ordering::Relaxed);
            let first = self.home.first_number().wrapping_add(before * STREAMS_OF_A_STATE);
            State::new(id, self.home, first, self.replay.clone())
        };
        let state = self.states.get_or_make(id, self.max_states, make).or_else(|| {
            self.make_room(Instant::now());
            self.states.get_or_make(id, self.max_states, make)
        });
        state.ok_or(TooManySessions(self.max_states))
    }

    /// The soft state of a session, if there is any.
    pub fn existing_state(&self, id: SessionId) -> Option<Arc<State>> {
        self.states.get(id)
    }

    /// The calls under way.
    pub fn running(&self) -> &Arc<Running> {
        &self.running
    }

    /// Who subscribed to what.
    pub fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// Says something to every client that listens at one of the endpoints.
    pub fn broadcast(&self, message: &Bytes, is_for: impl Fn(&Endpoint, &View) -> bool) {
        for state in self.states.all() {
            if state.listens(&is_for) {
                state.notify(message);
            }
        }
    }

    /// Drops what nobody needs any more, now and then, for ever; `expired` hears of sessions that
    /// nobody has used for long.
    pub async fn sweep(self: Arc<Self>, expired: impl Fn(SessionId) + Send + Sync) {
        let mut interval = time::interval(SWEEP_EVERY);
        loop {
            let now = interval.tick().await;
            self.reap(now, MAX_IDLE).into_iter().for_each(&expired);
        }
    }

    /// Drops whatever is not in use, but not for each new state: where all are in use that would
    /// make every call look through all of them.
    fn make_room(&self, now: Instant) {
        let due = {
            let mut next = self.next_room.lock();
            let due = next.is_none_or(|next| next <= now);
            if due {
                *next = Some(now + MAKE_ROOM_EVERY);
            }
            due
        };
        if due {
            self.reap(now, Duration::ZERO);
        }
    }

    /// Drops what is over, and the states that nobody has used for that long; whose they were.
    fn reap(&self, now: Instant, max_idle: Duration) -> Vec<SessionId> {
        for state in self.states.all() {
            state.expire(now);
        }
        let idle = self.states.take(|state| state.is_idle(now, max_idle));
        let idle: Vec<_> = idle.into_iter().map(|state| state.id).collect();
        for id in &idle {
            self.subscriptions.forget(*id);
        }
        idle
    }

    /// Ends all streams: we stop.
    pub fn close(&self) {
        for state in self.states.take(|_| true) {
            state.close();
        }
    }
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;

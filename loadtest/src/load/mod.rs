//! What endpoints are put under: [`run`] opens sessions, lets connections call until time or calls are used up and checks
//! every answer, [`hold`] keeps sessions and streams open.

mod braces;
mod descriptors;
mod drive;
mod endpoint;
mod hold;
mod progress;
mod run;
mod schedule;
mod shares;
mod tally;
mod timer;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

pub use braces::expand;
pub use descriptors::use_all_descriptors;
pub use endpoint::{Bearer, Endpoint};
pub use hold::{Hold, hold};
pub use run::run;

/// How an endpoint is called.
#[derive(Clone, Debug)]
pub struct Load {
    /// How many connections call at the same time.
    pub connections: NonZeroUsize,
    /// How many sessions are open; each connection uses its share of them in turn. There are at least as many as connections.
    pub sessions: usize,
    /// When calls are sent.
    pub pace: Pace,
    /// When it is over.
    pub end: End,
    /// How long to call beforehand without counting.
    pub warmup: Duration,
    /// What is called.
    pub method: Method,
    /// How long the `message` of a call is at least, in bytes.
    pub request_size: usize,
    /// The processes under test; their children are measured with them.
    pub processes: Vec<u32>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            connections: const { NonZeroUsize::new(32).expect("not 0") },
            sessions: 0,
            pace: Pace::Closed { think: Duration::ZERO },
            end: End::After(Duration::from_secs(5)),
            warmup: Duration::ZERO,
            method: Method::Call,
            request_size: 0,
            processes: Vec::new(),
        }
    }
}

/// When calls are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Each connection sends its next call when the last one has been answered and it has thought.
    Closed {
        /// How long to think.
        think: Duration,
    },
    /// Calls are due at a constant rate, however long answers take. Latency counts from when a call was due, so that a
    /// stall is seen by every call that it held up and not by one alone.
    Open {
        /// The rate of all connections together.
        per_second: NonZeroU32,
    },
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After so long; calls under way are still waited for.
    After(Duration),
    /// After so many calls.
    Calls(u64),
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Method {
    /// `tools/call` with the tool's name
    Call,
    /// `tools/call` of `call_tool`, which calls the tool
    CallTool,
    /// The first page of `tools/list`
    List,
}

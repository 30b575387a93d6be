//! The log: to standard error, readable on a terminal and JSON otherwise.

use std::io::{self, IsTerminal};
use std::panic;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;

use super::call_log;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For machines: one JSON object per line.
    Json,
}

impl Format {
    /// Text if standard error is a terminal, else JSON.
    pub fn auto() -> Self {
        if io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Standard error, where the lines about calls stand that this thread wrote before.
fn behind_calls() -> io::Stderr {
    call_log::write_before_others();
    io::stderr()
}

/// Starts to log, and logs panics. What other crates say counts from `warn` on.
///
/// A second call changes nothing.
pub fn init(level: LevelFilter, format: Format) {
    let filter = Targets::new()
        .with_target(env!("CARGO_PKG_NAME"), level)
        .with_default(level.min(LevelFilter::WARN));
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Text => {
            let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            fmt::layer().with_writer(behind_calls).with_ansi(colours).with_target(false).boxed()
        }
        Format::Json => fmt::layer()
            .with_writer(behind_calls)
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed(),
    };
    let initialised = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    if initialised.is_ok() {
        panic::set_hook(Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or("no message");
            let at = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(message = "panic", panic = message, at);
        }));
    }
}

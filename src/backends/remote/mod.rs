//! What all transports over HTTP have in common: where requests go, and how answers are read.

mod endpoint;
mod events;
mod excerpt;
mod messages;
mod refusal;

pub(super) use endpoint::{Endpoint, Media, media, pass_over, path_of};
pub(super) use events::{Broken, Events, message_in};
pub(super) use excerpt::excerpt;
pub(super) use messages::{Cursor, Messages, parse_into};
pub(super) use refusal::{Refusal, words};

/// Counts a message that goes nowhere.
fn dropped(reason: &'static str) {
    metrics::counter!("portcullis_dropped_total", "reason" => reason).increment(1);
}

//! The life of one stream: from its endpoint until everybody knows that it is over.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::poster::Poster;
use super::stream::how;
use crate::backends::duplex::{Demux, Life, Wire};
use crate::backends::remote::{Events, message_in};
use crate::backends::{Background, Config, Unsolicited};
use crate::call::Error;

/// What a server should do that says what is no message.
const ADVICE: &str = "each event of kind message has to be one JSON-RPC message";

/// Starts the task that reads the stream and sends the POSTs.
pub(super) fn start(
    config: &Config,
    background: &Background,
    events: Events,
    poster: &Arc<Poster>,
    inbox: mpsc::Sender<Unsolicited>,
) -> Life {
    let life = Life::default();
    let (closing, closed) = (life.closing.clone(), life.closed.clone().drop_guard());
    let poster = Arc::clone(poster);
    let demux = Demux::new(Arc::clone(&poster.wire), config.isolation, inbox, ADVICE);
    background.spawn(async move {
        let detail = tokio::select! {
            detail = read(demux, events) => Some(detail),
            never = poster.run() => match never {},
            () = closing.cancelled() => None,
        };
        end(&poster.wire, detail);
        drop(closed);
    });
    life
}

/// Hands on what comes; gives the reason when nothing more does.
async fn read(mut demux: Demux, mut events: Events) -> String {
    loop {
        match events.next().await {
            Ok(Some(event)) => {
                if let Some(message) = message_in(&event.event, event.data) {
                    demux.take(&message);
                }
            }
            Ok(None) => return "its event stream ended".to_owned(),
            Err(broken) => return format!("its event stream broke: {}", how(broken)),
        }
    }
}

/// Ends all calls; without a reason it was us who closed the connection.
fn end(wire: &Wire, reason: Option<String>) {
    let backend = Arc::clone(&wire.backend);
    let detail = if let Some(reason) = reason {
        tracing::warn!(%backend, "{reason}");
        reason
    } else {
        tracing::debug!(%backend, "closed its event stream");
        "its connection was closed".to_owned()
    };
    wire.end(&Error::ConnectionLost { backend, detail: detail.into() });
}

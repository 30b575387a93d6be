//! What a connection says outside of calls, and who hears it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use super::key::Owner;
use super::pool::Pool;
use super::{Context, Pooled, Unsolicited, Updated};
use crate::call::SessionId;
use crate::mcp::method::notification;
use crate::mcp::{Capabilities, LogLevel, Message};

const CANNOT_TELL_WHO: &str = "the gateway cannot tell which client this request is for; \
     set spec.gateway.isolation: session";
const NO_CLIENT: &str = "this connection is the gateway's own: no client stands behind it";
const NO_STREAM: &str = "the client has no stream open on which it could be asked";

/// How long a backend may take to take one subscription again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(10);

/// Reads everything that comes, until the connection ends.
pub(super) async fn read(pool: &Pool, pooled: &Pooled, mut inbox: mpsc::Receiver<Unsolicited>) {
    while let Some(message) = inbox.recv().await {
        if matches!(message, Unsolicited::Reinitialized) {
            pooled.told.forget();
            subscribe_again(pool, pooled);
        }
        if changes_lists(&message) {
            pooled.list_again();
            if pooled.key().owner == Owner::Shared {
                // It may be the only stream on which the backend says so.
                pool.list_again_for_supervisor(pooled.key());
            }
            continue;
        }
        match pooled.key().owner {
            Owner::Session(session) => to_session(pool, pooled, session, message),
            Owner::Shared | Owner::Gateway => to_nobody_in_particular(pool, pooled, message),
        }
    }
}

/// A backend that has lost its session forgot what was subscribed to in it.
fn subscribe_again(pool: &Pool, pooled: &Pooled) {
    let Context { background, client, sessions, .. } = pool.context().clone();
    let uris = sessions.subscribed(pooled.backend(), pooled.key());
    let (connection, backend) = (pooled.connection.clone(), pooled.backend().clone());
    background.spawn(async move {
        for uri in uris {
            let params = serde_json::json!({ "uri": uri });
            let method = "resources/subscribe";
            let request = connection.request(&client, method, Some(&params), SUBSCRIBE_AGAIN);
            if let Err(error) = request.await {
                warn!(%backend, %error, "lost subscriptions with the backend's session");
                return;
            }
        }
    });
}

fn changes_lists(message: &Unsolicited) -> bool {
    match message {
        Unsolicited::Reinitialized => true,
        Unsolicited::Request(..) => false,
        Unsolicited::Notification(message) => matches!(
            message.method_name(),
            notification::TOOLS_CHANGED
                | notification::PROMPTS_CHANGED
                | notification::RESOURCES_CHANGED
        ),
    }
}

fn to_session(pool: &Pool, pooled: &Pooled, session: SessionId, message: Unsolicited) {
    let message = match message {
        Unsolicited::Request(request, responder) if !pooled.key().capabilities.allow(&request) => {
            return responder.refuse(Capabilities::NOT_DECLARED);
        }
        message => message,
    };
    match pool.context().sessions.deliver(session, pooled.backend(), message) {
        Ok(()) | Err(Unsolicited::Reinitialized) => {}
        Err(Unsolicited::Notification(_)) => dropped("no_stream"),
        Err(Unsolicited::Request(request, responder)) => {
            if let Err(responder) = pooled.connection.ask_newest_call(request, responder) {
                responder.refuse(NO_STREAM);
            }
        }
    }
}

fn to_nobody_in_particular(pool: &Pool, pooled: &Pooled, message: Unsolicited) {
    match message {
        Unsolicited::Request(request, responder) => {
            let is_shared = pooled.key().owner == Owner::Shared;
            let reason = if is_shared { CANNOT_TELL_WHO } else { NO_CLIENT };
            debug!(
                backend = &**pooled.backend(),
                method = request.method_name(),
                reason,
                "refused"
            );
            responder.refuse(reason);
        }
        Unsolicited::Notification(message) => match message.method_name() {
            notification::MESSAGE => log(pooled.backend(), &message),
            notification::RESOURCE_UPDATED => updated(pool, pooled, &message),
            notification::ELICITATION_COMPLETE => {
                if !pool.context().sessions.elicited(pooled.backend(), &message) {
                    dropped("no_stream");
                }
            }
            _ => dropped("unsolicited"),
        },
        Unsolicited::Reinitialized => {}
    }
}

fn updated(pool: &Pool, pooled: &Pooled, message: &Message) {
    #[derive(Deserialize)]
    struct Params {
        uri: Box<str>,
    }
    let params = message.params().and_then(|raw| serde_json::from_slice::<Params>(raw).ok());
    let Some(Params { uri }) = params else { return dropped("garbage") };
    let update = Updated {
        backend: pooled.backend().clone(),
        connection: pooled.key(),
        uri,
        message: message.raw().clone(),
    };
    // Nobody may be listening, which is no loss.
    let _ = pool.context().updates.send(update);
}

/// How much of a log message of a backend is written to our log.
const MAX_LOG_CHARS: usize = 2000;

/// A log message that no client can be shown: it may speak of another client's call.
fn log(backend: &str, message: &Message) {
    #[derive(Deserialize)]
    struct Params<'a> {
        level: Box<str>,
        #[serde(default)]
        logger: Option<Box<str>>,
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let Some(params) = message.params().and_then(|raw| serde_json::from_slice(raw).ok()) else {
        return dropped("garbage");
    };
    let Params { level, logger, data } = params;
    let logger = logger.as_deref().unwrap_or_default();
    let text: Result<String, _> = serde_json::from_str(data.get());
    let text = text.unwrap_or_else(|_| data.get().to_owned());
    let text: String = text.chars().take(MAX_LOG_CHARS).collect();
    match LogLevel::parse(&level) {
        Some(LogLevel::Debug) | None => debug!(target: "backend", backend, logger, "{text}"),
        Some(LogLevel::Info | LogLevel::Notice) => {
            info!(target: "backend", backend, logger, "{text}");
        }
        Some(LogLevel::Warning) => warn!(target: "backend", backend, logger, "{text}"),
        Some(_) => error!(target: "backend", backend, logger, "{text}"),
    }
}

fn dropped(reason: &'static str) {
    metrics::counter!("portcullis_dropped_total", "reason" => reason).increment(1);
}

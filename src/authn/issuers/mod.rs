//! Authorization servers: their metadata, their keys, and what they say of opaque tokens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::keys::KeySet;
use super::{Issuer, Jwks, Surroundings};

/// An issuer cannot be asked, and what is known of it is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unavailable {
    /// When it is asked again.
    pub(super) retry_after: Duration,
}

/// An authorization server as we know it. It keeps itself up to date in the background.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) config: Issuer,
}

/// What an introspection endpoint says of a token (RFC 7662 §2.2): the members of its answer, whose
/// `active` was true.
pub(super) type Introspected = serde_json::Map<String, serde_json::Value>;

impl Server {
    /// Begins to ask for its keys.
    pub(super) fn start(config: &Issuer, _jwks: Jwks, _around: &Surroundings) -> Arc<Self> {
        Arc::new(Self { config: config.clone() })
    }

    /// Its keys as they are known now.
    pub(super) fn keys(&self) -> Result<Arc<KeySet>, Unavailable> {
        Err(Unavailable { retry_after: Duration::from_secs(1) })
    }

    /// Its keys after asking for them anew, which happens once for all who wait and not more often
    /// than the cool-down allows; otherwise what is known.
    pub(super) fn renewed_keys(
        self: &Arc<Self>,
    ) -> BoxFuture<'static, Result<Arc<KeySet>, Unavailable>> {
        let this = Arc::clone(self);
        Box::pin(async move { this.keys() })
    }

    /// What it says of a token; `None` if that is not active.
    pub(super) fn introspect(
        self: &Arc<Self>,
        _token: Vec<u8>,
    ) -> BoxFuture<'static, Result<Option<Introspected>, Unavailable>> {
        Box::pin(async move { Err(Unavailable { retry_after: Duration::from_secs(1) }) })
    }

    /// Changes whenever a key that was good is not any more, also because it is too old.
    pub(super) fn revocations(&self) -> watch::Receiver<u64> {
        watch::Sender::new(0).subscribe()
    }
}

//! Why nothing is learnt from an issuer.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::authn::keys::BadKeySet;
use crate::outbound::FetchError;

/// Why nothing is learnt from an issuer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No document came.
    #[error("cannot get {url}")]
    Fetch {
        url: Url,
        #[source]
        error: Box<FetchError>,
    },
    /// The document is no metadata.
    #[error("{url} is no metadata of an authorization server: {what}")]
    Metadata { url: Url, what: &'static str },
    /// The metadata is somebody else's (RFC 8414 §3.3).
    #[error("{url} is the metadata of {named:?}")]
    OtherIssuer { url: Url, named: Box<str> },
    /// The metadata does not say where the keys are.
    #[error("{url} has no jwks_uri")]
    NoKeys { url: Url },
    /// The document is no set of keys.
    #[error("{place}")]
    Keys {
        place: Box<str>,
        #[source]
        error: BadKeySet,
    },
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    /// The answer of the introspection endpoint does not say whether a token is active.
    #[error("{url} does not say whether a token is active")]
    Introspection { url: Url },
    /// It is not known where to ask about tokens.
    #[error("the metadata names no introspection_endpoint")]
    NoIntrospection,
    /// All of it took too long.
    #[error("it takes longer than {} s", .0.as_secs_f64())]
    Slow(Duration),
}

impl Failure {
    /// One word for metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Fetch { error, .. } => fetch_word(error),
            Self::Slow(_) => "timeout",
            Self::Metadata { .. } | Self::NoKeys { .. } | Self::NoIntrospection => "metadata",
            Self::OtherIssuer { .. } => "issuer",
            Self::Keys { .. } => "keys",
            Self::File { .. } => "file",
            Self::Introspection { .. } => "answer",
        }
    }

    /// What whoever operates the gateway can do about it.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Fetch { error, .. } if error.is_for_being_private() => {
                "if it belongs there, name its host in allowPrivateIPJWKSHosts of this issuer"
            }
            Self::OtherIssuer { .. } => "write issuer exactly as the metadata has it",
            Self::Metadata { .. } | Self::NoKeys { .. } => {
                "check that issuer is right, or say with jwksUrl where its keys are"
            }
            Self::Keys { .. } | Self::File { .. } => "check jwksUrl or jwksFile",
            Self::Fetch { error, .. } if matches!(**error, FetchError::Status(_)) => {
                "check that issuer, or jwksUrl, is right"
            }
            Self::NoIntrospection => "set introspection.endpoint of this issuer",
            Self::Introspection { .. } => "check introspection.endpoint (RFC 7662)",
            Self::Fetch { .. } | Self::Slow(_) => "check that it runs and can be reached from here",
        }
    }

    /// What failed and why, down to the first cause, on one line.
    pub(super) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let separator = if matches!(self, Self::Keys { .. }) { " " } else { ": " };
            text.push_str(separator);
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

fn fetch_word(error: &FetchError) -> &'static str {
    match error {
        FetchError::Status(_) | FetchError::Redirect(_) => "status",
        FetchError::TooManyRedirects => "redirects",
        FetchError::Deadline(_) => "timeout",
        FetchError::Body(_) => "body",
        error if error.is_for_being_private() => "private",
        _ => "connect",
    }
}

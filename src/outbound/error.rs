//! Why a request has no response.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{AddressKind, Fault};

/// Why a request has no response.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL names nothing that can be connected to.
    #[error("{url:?} is no http or https URL with a host")]
    Url {
        /// The URL.
        url: String,
    },
    /// A file with certificates or a key is of no use.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate, key and server name do not make a TLS client.
    #[error("TLS for {authority}: {reason}")]
    Tls {
        /// Host and port.
        authority: String,
        /// What is wrong.
        reason: String,
    },
    /// Resolving, connecting or the TLS handshake failed; nothing was sent.
    #[error("cannot connect to {authority}")]
    Connect {
        /// Host and port.
        authority: String,
        /// What failed.
        source: io::Error,
    },
    /// The host has an address that it may not have; nothing was sent.
    #[error("{authority} is at {address}, {kind}")]
    OutOfReach {
        /// Host and port.
        authority: String,
        /// Where it is.
        address: IpAddr,
        /// What that address is for.
        kind: AddressKind,
    },
    /// Connecting took too long; nothing was sent.
    #[error("cannot connect to {authority} within {} s", after.as_secs_f64())]
    ConnectTimeout {
        /// Host and port.
        authority: String,
        /// How long it had.
        after: Duration,
    },
    /// The connection ended before the response came.
    #[error("the connection to {authority} ended before an answer came")]
    Lost {
        /// Host and port.
        authority: String,
        /// How it ended.
        source: Fault,
        /// Whether the server may have seen the request.
        sent: bool,
    },
}

impl Error {
    /// What failed and why, down to the first cause, on one line.
    pub fn chain(&self) -> String {
        chain(self)
    }

    /// Whether the server may have seen the request.
    pub const fn may_have_been_processed(&self) -> bool {
        matches!(self, Self::Lost { sent: true, .. })
    }
}

pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

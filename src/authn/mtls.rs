//! Identity in client certificates.

use std::sync::Arc;

use super::{Asked, Mtls, Refusal};
use crate::call::Principal;

/// Reads who a verified certificate is for.
#[derive(Debug)]
pub(super) struct Certificates {
    config: Mtls,
}

impl Certificates {
    pub(super) fn new(config: &Mtls) -> Self {
        Self { config: config.clone() }
    }

    pub(super) fn find(&self, _asked: &Asked<'_>) -> Result<Arc<Principal>, Refusal> {
        let _ = &self.config;
        Err(Refusal::Unidentified("auth.mode mtls is not supported yet"))
    }
}

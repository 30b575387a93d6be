//! How every object of the configuration is.

use crate::definitions::Quarantined;
use crate::supervise::{Registry, Status};

/// How every object of the configuration is, also those that are wrong.
pub(super) fn status(registry: &Registry, quarantined: &[Status]) -> Vec<Status> {
    let mut all = registry.status();
    all.extend_from_slice(quarantined);
    all
}

/// How an object is that is wrong.
pub(super) fn in_quarantine(object: &Quarantined) -> Status {
    let error = Some(object.error().into());
    Status { name: object.name().into(), state: "quarantined", error }
}

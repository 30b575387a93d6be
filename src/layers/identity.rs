//! Principals as the keys of limits.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::call::Principal;

/// A principal, told apart from others by issuer and subject alone: whoever comes with another
/// client or another token is still the same.
#[derive(Clone, Debug)]
pub(super) struct Identity(pub(super) Arc<Principal>);

impl Identity {
    fn parts(&self) -> (&str, &str) {
        (&self.0.issuer, &self.0.subject)
    }

    /// Whether nobody knows who it is.
    pub(super) fn is_anonymous(&self) -> bool {
        self.parts() == ("", "")
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_and_subject_make_an_identity() {
        let identity = |issuer: &str, subject: &str, client: &str| {
            Identity(Arc::new(Principal {
                issuer: issuer.into(),
                subject: subject.into(),
                client: client.into(),
                ..Principal::anonymous()
            }))
        };
        assert_eq!(identity("i", "s", "a"), identity("i", "s", "b"));
        assert_ne!(identity("i", "s", ""), identity("j", "s", ""));
        assert_ne!(identity("i", "s", ""), identity("i", "t", ""));
        assert_ne!(identity("is", "", ""), identity("i", "s", ""));
        assert!(identity("", "", "").is_anonymous());
        assert!(!identity("", "s", "").is_anonymous());
    }
}

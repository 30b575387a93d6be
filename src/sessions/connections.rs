//! Connections that a client names in its requests, beside the one stream that answers them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::seal::{NoRandomness, random};
use super::session::Owner;
use crate::call::Principal;

type Id = [u8; 16];

/// The open connections of all clients, and what leads to each.
///
/// An id is random, so that nobody finds another one's connection, and it leads nowhere for another
/// principal.
#[derive(Debug)]
pub struct Connections<T>(Arc<Mutex<HashMap<Id, (Owner, T)>>>);

/// The connection is found as long as this lives.
#[derive(Debug)]
#[must_use = "the connection is forgotten when this is dropped"]
pub struct Open<T> {
    all: Connections<T>,
    id: Id,
}

impl<T> Default for Connections<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Connections<T> {
    /// Opens one for `principal`.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn open(&self, principal: &Principal, way: T) -> Result<Open<T>, NoRandomness> {
        let id = random()?;
        self.0.lock().insert(id, (Owner::of(principal), way));
        Ok(Open { all: Self(Arc::clone(&self.0)), id })
    }
}

impl<T: Clone> Connections<T> {
    /// What leads to the connection that `principal` calls `id`, if it is theirs.
    pub fn find(&self, id: &str, principal: &Principal) -> Option<T> {
        let id = parse(id)?;
        let connections = self.0.lock();
        let (owner, way) = connections.get(&id)?;
        (*owner == Owner::of(principal)).then(|| way.clone())
    }
}

impl<T> Open<T> {
    /// What the client calls it: 32 hexadecimal digits.
    pub fn id(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.id))
    }
}

impl<T> Drop for Open<T> {
    fn drop(&mut self) {
        self.all.0.lock().remove(&self.id);
    }
}

fn parse(id: &str) -> Option<Id> {
    let is_ours = id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_ours.then(|| u128::from_str_radix(id, 16).ok().map(u128::to_be_bytes))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_found_by_its_owner_until_it_ends() {
        let connections = Connections::default();
        let me = Principal::anonymous();
        let stranger = Principal { subject: "somebody else".into(), ..Principal::anonymous() };
        let (one, two) = (connections.open(&me, 1).unwrap(), connections.open(&me, 2).unwrap());
        assert_eq!(connections.find(&one.id(), &me), Some(1));
        assert_eq!(connections.find(&two.id(), &me), Some(2));
        assert_eq!(connections.find(&one.id(), &stranger), None);
        let id = one.id();
        drop(one);
        assert_eq!(connections.find(&id, &me), None);
    }

    #[test]
    fn garbage_names_no_connection() {
        let connections = Connections::default();
        let me = Principal::anonymous();
        let open = connections.open(&me, ()).unwrap();
        let id = open.id();
        for garbage in ["", "0", &id[1..], &format!("+{}", &id[1..]), &format!("{id}0"), "\u{e4}"] {
            assert_eq!(connections.find(garbage, &me), None, "{garbage}");
        }
    }
}

//! Faces that were built already: most clients see one that others see too.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::face::Names;
use super::{Face, Visibility};

/// How many faces are kept; the oldest goes first, and is built again if somebody asks for it.
const MAX_FACES: usize = 128;

/// What a face is made of. Offers count by their content, so that connections that offer the same
/// share one face.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FaceKey {
    pub(super) names: Names,
    pub(super) visibility: Visibility,
    /// Which edition of Portcullis' own entries.
    pub(super) own: u64,
    /// The backends by their place in the catalogue, each with the digest of its offer.
    pub(super) offers: Vec<(usize, [u8; 32])>,
}

#[derive(Debug, Default)]
pub(super) struct Faces(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By a quick hash: nobody outside chooses keys, for a digest is a digest.
    faces: HashMap<FaceKey, Arc<Face>, RandomState>,
    oldest_first: VecDeque<FaceKey>,
    /// The newest edition that somebody asked for.
    edition: Edition,
}

/// Of Portcullis' own entries, and of the rules. Both only grow.
type Edition = (u64, u64);

impl FaceKey {
    fn edition(&self) -> Edition {
        (self.own, self.visibility.edition)
    }
}

impl Kept {
    /// Nobody asks any more for what was seen before the entries or the rules changed.
    fn forget_what_is_older_than(&mut self, edition: Edition) {
        if self.edition < edition {
            self.edition = edition;
            self.faces.retain(|key, _| key.edition() >= edition);
            self.oldest_first.retain(|key| key.edition() >= edition);
        }
    }
}

impl Faces {
    /// The face of that key, built if nobody did before.
    pub(super) fn get_or_build(&self, key: &FaceKey, build: impl FnOnce() -> Face) -> Arc<Face> {
        if let Some(face) = self.0.read().faces.get(key) {
            return face.clone();
        }
        // Built outside of the lock: two may do it at the same time, and the second one wins.
        let face = Arc::new(build());
        let kept = &mut *self.0.write();
        kept.forget_what_is_older_than(key.edition());
        if kept.faces.insert(key.clone(), face.clone()).is_none() {
            kept.oldest_first.push_back(key.clone());
        }
        if kept.oldest_first.len() > MAX_FACES
            && let Some(oldest) = kept.oldest_first.pop_front()
        {
            kept.faces.remove(&oldest);
        }
        face
    }
}

#[cfg(test)]
mod tests {
    use super::super::gather::Offers;
    use super::super::{Exposure, Visibility};
    use super::*;

    fn face() -> Face {
        let nothing = Offers { members: Vec::new(), own: &[], shows: &|_| true, prefix: "" };
        Face::new(&nothing, Names::Own, Exposure::Native)
    }

    fn key(own: u64, edition: u64, class: u64) -> FaceKey {
        let visibility = Visibility { class, edition };
        FaceKey { names: Names::Exposed, visibility, own, offers: Vec::new() }
    }

    #[test]
    fn a_face_is_built_once_and_kept_until_the_rules_or_our_own_entries_change() {
        let faces = Faces::default();
        let first = faces.get_or_build(&key(1, 1, 0), face);
        assert!(Arc::ptr_eq(&first, &faces.get_or_build(&key(1, 1, 0), || panic!("it is there"))));
        for newer in [key(1, 2, 0), key(2, 2, 0)] {
            faces.get_or_build(&newer, face);
            faces.get_or_build(&FaceKey { names: Names::Own, ..newer }, face);
            let kept = faces.0.read();
            assert_eq!((kept.faces.len(), kept.oldest_first.len()), (2, 2));
        }
    }

    #[test]
    fn of_many_faces_the_oldest_goes_first() {
        let faces = Faces::default();
        for class in 0..=u64::try_from(MAX_FACES).unwrap() {
            faces.get_or_build(&key(1, 1, class), face);
        }
        let kept = faces.0.read();
        assert_eq!((kept.faces.len(), kept.oldest_first.len()), (MAX_FACES, MAX_FACES));
        assert!(!kept.faces.contains_key(&key(1, 1, 0)));
    }
}

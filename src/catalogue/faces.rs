//! Faces that were built already: most clients see one that others see too.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

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
    faces: HashMap<FaceKey, Arc<Face>>,
    oldest_first: VecDeque<FaceKey>,
}

impl Faces {
    /// The face of that key, built if nobody did before.
    pub(super) fn get_or_build(&self, key: FaceKey, build: impl FnOnce() -> Face) -> Arc<Face> {
        if let Some(face) = self.0.read().faces.get(&key) {
            return face.clone();
        }
        // Built outside of the lock: two may do it at the same time, and the second one wins.
        let face = Arc::new(build());
        let kept = &mut *self.0.write();
        if kept.faces.insert(key.clone(), face.clone()).is_none() {
            kept.oldest_first.push_back(key);
        }
        if kept.oldest_first.len() > MAX_FACES
            && let Some(oldest) = kept.oldest_first.pop_front()
        {
            kept.faces.remove(&oldest);
        }
        face
    }
}

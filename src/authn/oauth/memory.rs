//! What a connection's requests have proven before: most clients send the same token again.

use std::sync::Arc;
use std::time::SystemTime;

use constant_time_eq::constant_time_eq;

use super::verdict::Verdict;
use crate::authn::{Asked, Origin};
use crate::call::Principal;

/// A client has one token; a proxy with many sends them over few connections.
const MOST: usize = 4;

/// What is remembered of one connection, in its extensions: only who was let in.
#[derive(Clone, Default)]
pub(super) struct Memory {
    known: Vec<Known>,
    next: usize,
}

/// It has a token in it, so it cannot be printed.
#[derive(Clone)]
struct Known {
    /// The `Authorization` header. A copy: hyper's would keep the whole head of the request.
    line: Box<[u8]>,
    place: Place,
    epoch: u64,
    verdict: Verdict,
}

/// What decides which endpoint's resource it was.
#[derive(Clone)]
struct Place {
    scheme: Box<str>,
    authority: Box<str>,
    path: Box<str>,
}

impl Place {
    fn of(asked: &Asked<'_>) -> Self {
        let Origin { scheme, authority } = asked.origin;
        let path = asked.uri.path().into();
        Self { scheme: scheme.into(), authority: authority.into(), path }
    }

    fn is_of(&self, asked: &Asked<'_>) -> bool {
        *self.path == *asked.uri.path()
            && *self.authority == *asked.origin.authority
            && *self.scheme == *asked.origin.scheme
    }
}

impl Memory {
    /// Whoever was let in with this header, to the same endpoint, and would be again.
    pub(super) fn find(
        &self,
        line: &[u8],
        asked: &Asked<'_>,
        epoch: u64,
        now: SystemTime,
    ) -> Option<&Arc<Principal>> {
        let same = |known: &&Known| known.place.is_of(asked) && constant_time_eq(&known.line, line);
        let known = self.known.iter().find(same)?;
        let is_good = known.epoch == epoch && known.verdict.holds(now);
        known.verdict.found.as_ref().ok().filter(|_| is_good)
    }

    /// Remembers a verdict that lets somebody in, instead of what it knew of this header.
    pub(super) fn keep(&mut self, line: &[u8], asked: &Asked<'_>, epoch: u64, verdict: &Verdict) {
        let place = Place::of(asked);
        let known = Known { line: line.into(), place, epoch, verdict: verdict.clone() };
        let same = |old: &Known| old.place.is_of(asked) && constant_time_eq(&old.line, line);
        if let Some(old) = self.known.iter_mut().find(|old| same(old)) {
            *old = known;
        } else if self.known.len() < MOST {
            self.known.push(known);
        } else {
            self.known[self.next] = known;
            self.next = (self.next + 1) % MOST;
        }
    }
}

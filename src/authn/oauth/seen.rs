//! Tokens that were seen before: they cost a comparison, or a digest, instead of a look.

use std::sync::Arc;
use std::time::SystemTime;

use metrics::{Counter, counter};

use super::epoch::Epoch;
use super::memory::Memory;
use super::verdict::Verdict;
use super::verdicts::{Key, Verdicts};
use crate::authn::{Answer, Asked, Refusal, bearer};
use crate::call::Principal;

/// Remembers verdicts, by connection and for all.
#[derive(Debug)]
pub(super) struct Seen {
    verdicts: Verdicts,
    epoch: Epoch,
    count: Count,
}

impl Seen {
    /// Nothing is remembered beyond an epoch.
    pub(super) fn new(epoch: Epoch) -> Self {
        Self { verdicts: Verdicts::new(), epoch, count: Count::new() }
    }

    /// Who sends a request, by its token: what is remembered at this time, else what `look` finds
    /// out. A verdict is on a token and a `resource`, its endpoint's identifier.
    pub(super) fn answer<L>(
        &self,
        asked: &Asked<'_>,
        now: SystemTime,
        resource: impl FnOnce() -> String,
        look: impl FnOnce(Box<[u8]>, String) -> L,
    ) -> Answer
    where
        L: Future<Output = Verdict> + Send + 'static,
    {
        let epoch = self.epoch.now();
        match self.at_once(asked, epoch, now) {
            Ok(Found::Principal(principal)) => Answer::Now(Ok(principal)),
            Err(refusal) => Answer::Now(Err(refusal)),
            Ok(Found::Token { token, line }) => {
                let resource = resource();
                let key = Key::of(token, &resource, epoch);
                let Some(verdict) = self.verdicts.known(&key, now) else {
                    self.count.misses.increment(1);
                    let (look, verdicts) = (look(token.into(), resource), self.verdicts.clone());
                    return Answer::Later(Box::pin(async move {
                        verdicts.known_or(key, now, look).await
                    }));
                };
                self.count.cached.increment(1);
                if let (Some(memory), Ok(_)) = (asked.memory, &verdict.found) {
                    let mut memory = memory.lock();
                    let memory = memory.get_or_insert_default::<Memory>();
                    memory.keep(line, asked, epoch, &verdict);
                }
                Answer::Now(verdict.found)
            }
        }
    }

    /// Whoever the connection remembers, else the token to look at.
    fn at_once<'a>(
        &self,
        asked: &Asked<'a>,
        epoch: u64,
        now: SystemTime,
    ) -> Result<Found<'a>, Refusal> {
        let line = bearer::line(asked)?;
        let memory = asked.memory.map(|memory| memory.lock());
        let known = memory.as_ref().and_then(|memory| memory.get::<Memory>());
        if let Some(principal) = known.and_then(|known| known.find(line, asked, epoch, now)) {
            self.count.remembered.increment(1);
            return Ok(Found::Principal(Arc::clone(principal)));
        }
        Ok(Found::Token { token: bearer::within(line)?, line })
    }
}

enum Found<'a> {
    Principal(Arc<Principal>),
    Token { token: &'a [u8], line: &'a [u8] },
}

/// Where verdicts came from.
struct Count {
    remembered: Counter,
    cached: Counter,
    misses: Counter,
}

impl Count {
    fn new() -> Self {
        let count = |result| counter!("portcullis_authn_cache_total", "result" => result);
        Self { remembered: count("memory"), cached: count("cache"), misses: count("miss") }
    }
}

impl std::fmt::Debug for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Count")
    }
}

#[cfg(test)]
mod tests;

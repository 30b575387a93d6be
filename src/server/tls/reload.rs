//! Follows the files of a listener.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{self, MissedTickBehavior};
use tracing::{info, warn};

use super::files::{Digest, Pair, Unusable};
use super::{Acceptor, Shared};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// What came of a look at the files.
pub(super) enum Look {
    Same,
    Changed(Box<Pair>),
    /// They cannot be used; what they hold, if they can be read.
    Unusable(Option<Digest>, Unusable),
}

impl Acceptor {
    /// Takes what the files hold whenever that changes and is of use, and otherwise goes on with
    /// what there was; for ever. `listener` names it in the log, and `renewed` is told when the new
    /// certificate ceases to be valid, in seconds since 1970.
    pub async fn follow(self, listener: &'static str, renewed: impl Fn(i64) + Send) {
        let mut ticks = time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut used, mut refused) = (self.0.first, Refusals::default());
        loop {
            ticks.tick().await;
            let shared = Arc::clone(&self.0);
            let Ok(look) = spawn_blocking(move || shared.look(used)).await else {
                continue; // it panicked, which has been said
            };
            match look {
                Look::Same => refused = Refusals::default(),
                Look::Changed(pair) => {
                    let Pair { config, digest, not_after } = *pair;
                    self.0.config.store(Arc::new(config));
                    (used, refused) = (digest, Refusals::default());
                    renewed(not_after);
                    info!(listener, "the TLS files have changed; new connections use them");
                }
                Look::Unusable(digest, error) => {
                    if refused.is_news(digest) {
                        warn!(
                            listener, key = error.key, %error,
                            "the TLS files have changed and cannot be used; the listener goes on \
                             with what it had"
                        );
                    }
                }
            }
        }
    }
}

impl Shared {
    pub(super) fn look(&self, used: Digest) -> Look {
        let contents = match self.files.read() {
            Ok(contents) => contents,
            Err(error) => return Look::Unusable(None, error),
        };
        let digest = contents.digest();
        if digest == used {
            return Look::Same;
        }
        match contents.pair() {
            Ok(pair) => Look::Changed(Box::new(pair)),
            Err(error) => Look::Unusable(Some(digest), error),
        }
    }
}

/// What has been refused. Files are written one after the other, so that what does not fit together
/// is told only when it is still there at the next look, and once.
#[derive(Default)]
struct Refusals {
    last: Option<Seen>,
    is_told: bool,
}

/// What the files held, if they could be read.
#[derive(PartialEq)]
struct Seen(Option<Digest>);

impl Refusals {
    fn is_news(&mut self, digest: Option<Digest>) -> bool {
        let seen = Some(Seen(digest));
        if self.last != seen {
            *self = Self { last: seen, is_told: false };
            return false;
        }
        !std::mem::replace(&mut self.is_told, true)
    }
}

#[cfg(test)]
mod tests {
    use super::Refusals;

    #[test]
    fn what_cannot_be_used_is_told_once_and_not_while_it_is_being_written() {
        let mut refusals = Refusals::default();
        let (one, other) = (Some([1; 32]), Some([2; 32]));
        for (seen, is_told) in [
            (one, false),
            (one, true),
            (one, false),
            (other, false),
            (one, false),
            (one, true),
            (None, false),
            (None, true),
            (None, false),
        ] {
            assert_eq!(refusals.is_news(seen), is_told, "{seen:?}");
        }
    }
}

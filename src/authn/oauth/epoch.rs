//! How often something that was good has ceased to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::authn::Surroundings;

/// Counts revocations. What was found out in an earlier epoch has to be found out anew.
///
/// An atomic number, because it is read for every request, and a watch is a lock.
#[derive(Clone, Debug, Default)]
pub(super) struct Epoch(Arc<AtomicU64>);

impl Epoch {
    /// The present one. Read it before the keys: a verdict must not be newer than what it rests on.
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Begins another one whenever one of `revocations` changes.
    pub(super) fn follow(
        revocations: impl IntoIterator<Item = watch::Receiver<u64>>,
        around: &Surroundings,
    ) -> Self {
        let epoch = Self::default();
        for mut revocations in revocations {
            let (epoch, stop) = (epoch.clone(), around.stop.clone());
            let follow = async move {
                while let Some(Ok(())) = stop.run_until_cancelled(revocations.changed()).await {
                    epoch.advance();
                }
            };
            around.tasks.spawn_on(follow, &around.runtime);
        }
        epoch
    }

    pub(super) fn advance(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime::Handle;
    use tokio::time;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::outbound::Trust;

    #[tokio::test(start_paused = true)]
    async fn every_issuers_revocation_begins_an_epoch() {
        let around = Surroundings {
            trust: Arc::new(Trust::new(&[]).unwrap()),
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let issuers = [watch::Sender::new(0), watch::Sender::new(7)];
        let epoch = Epoch::follow(issuers.iter().map(watch::Sender::subscribe), &around);
        assert_eq!(epoch.now(), 0);
        for (before, issuer) in issuers.iter().enumerate() {
            issuer.send_modify(|count| *count += 1);
            // The clock stands still until nothing is left to do.
            time::sleep(Duration::from_millis(1)).await;
            assert_eq!(epoch.now(), before as u64 + 1);
        }
        around.stop.cancel();
        around.tasks.close();
        around.tasks.wait().await;
    }
}

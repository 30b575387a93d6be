//! Access tokens of authorization servers.

mod epoch;
mod look;
mod looks;
mod memory;
mod seen;
mod verdict;
mod verdicts;

use std::sync::Arc;
use std::time::SystemTime;

use super::issuers::Server;
use super::{Answer, Asked, Config, Resources, Surroundings};

use epoch::Epoch;
use look::Looker;
use seen::Seen;

/// The authorization servers whose tokens count, and the tokens that were seen.
#[derive(Debug)]
pub(super) struct Oauth {
    looker: Arc<Looker>,
    seen: Seen,
    resources: Arc<Resources>,
}

impl Oauth {
    pub(super) fn new(config: &Config, resources: Arc<Resources>, around: &Surroundings) -> Self {
        let start = |issuer| Server::start(issuer, config.jwks, around);
        let servers: Box<[_]> = config.issuers.iter().map(start).collect();
        let epoch = Epoch::follow(servers.iter().map(|server| server.revocations()), around);
        let looker = Arc::new(Looker::new(servers, config.leeway));
        Self { looker, seen: Seen::new(epoch), resources }
    }

    pub(super) fn authenticate(&self, asked: &Asked<'_>) -> Answer {
        // Where all issuers have audiences of their own, one verdict does for all endpoints.
        let resource = || {
            if self.looker.is_about_resources() {
                // No audience is ours where nobody can tell our own address.
                let audience = self.resources.audience(asked.origin, asked.uri.path());
                audience.unwrap_or_default()
            } else {
                String::new()
            }
        };
        self.seen.answer(asked, SystemTime::now(), resource, |token, resource| {
            let looker = Arc::clone(&self.looker);
            async move { looker.look(&token, &resource).await }
        })
    }
}

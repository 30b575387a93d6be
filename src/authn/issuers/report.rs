//! What is told of an issuer: a log line when its state changes, and metrics.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, counter, gauge};
use tracing::{debug, info, warn};

use super::failure::Failure;
use crate::config::write_duration;

/// How an issuer was when it was last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Unknown,
    Good,
    /// It fails, and what is known of it still holds.
    Failing,
    /// It fails, and nothing is known that holds.
    Useless,
}

/// Tells of one issuer.
pub(super) struct Report {
    issuer: Arc<str>,
    standing: Standing,
    age: Gauge,
}

impl Report {
    pub(super) fn new(issuer: &Arc<str>) -> Self {
        let age = gauge!("portcullis_jwks_age_seconds", "issuer" => Arc::clone(issuer));
        Self { issuer: Arc::clone(issuer), standing: Standing::Unknown, age }
    }

    /// Its keys are of now.
    pub(super) fn succeeded(&mut self) {
        self.count("ok");
        match std::mem::replace(&mut self.standing, Standing::Good) {
            Standing::Good => {}
            Standing::Unknown => debug!(issuer = %self.issuer, "the issuer's keys are known"),
            Standing::Failing | Standing::Useless => {
                info!(issuer = %self.issuer, "the issuer's keys are up to date again");
            }
        }
    }

    /// Its keys could not be had; those that are known hold for `left`.
    pub(super) fn failed(&mut self, failure: &Failure, left: Option<Duration>) {
        self.count(failure.word());
        let (issuer, advice) = (&self.issuer, failure.advice());
        let failure = failure.chain();
        let standing = if left.is_some() { Standing::Failing } else { Standing::Useless };
        if self.standing == standing {
            debug!(%issuer, failure, "the issuer's keys cannot be had yet");
        } else if let Some(left) = left {
            let left = write_duration(Duration::from_secs(left.as_secs()));
            warn!(%issuer, failure, advice, holds_for = left, "the issuer's keys cannot be had; those that are known hold on");
        } else {
            warn!(%issuer, failure, advice, "the issuer's keys cannot be had; its tokens get 503 until they can");
        }
        self.standing = standing;
    }

    /// Its keys do not hold any more.
    pub(super) fn expired(&mut self) {
        if self.standing != Standing::Useless {
            warn!(issuer = %self.issuer, "the issuer's keys are too old; its tokens get 503 until it answers");
        }
        self.standing = Standing::Useless;
    }

    /// A key of it is gone.
    pub(super) fn revoked(&self) {
        info!(issuer = %self.issuer, "the issuer has taken a key back; every token is checked anew");
    }

    pub(super) fn age(&self, age: Duration) {
        self.age.set(age.as_secs_f64());
    }

    fn count(&self, outcome: &'static str) {
        let issuer = Arc::clone(&self.issuer);
        counter!("portcullis_jwks_fetches_total", "issuer" => issuer, "outcome" => outcome)
            .increment(1);
    }
}

//! The first look at a token: whose it is, and whether they say that it holds.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::verdict::{ASKED, Verdict};
use crate::authn::claims::{Disbelief, Expected};
use crate::authn::issuers::{Server, Unavailable};
use crate::authn::jwt::Jwt;
use crate::authn::{Fault, Refusal, introspected};
use crate::call::Principal;

/// Looks at tokens that nothing is remembered of.
#[derive(Debug)]
pub(super) struct Looker {
    servers: Box<[Arc<Server>]>,
    leeway: Duration,
}

/// What is found out about a token, as long as nobody has said how long that is so.
type Found = Result<Principal, Unknown>;

/// Why a token gets nobody in.
enum Unknown {
    /// It is not good, whenever one looks.
    For(Fault),
    /// It is not good as far as is known now; another key may say otherwise at once.
    Now(Fault),
    /// It cannot be told.
    Unavailable(Refusal),
}

impl Looker {
    pub(super) fn new(servers: Box<[Arc<Server>]>, leeway: Duration) -> Self {
        Self { servers, leeway }
    }

    /// Whether what an endpoint is called decides about some tokens.
    pub(super) fn is_about_resources(&self) -> bool {
        self.servers.iter().any(|server| server.config.allowed_audiences.is_empty())
    }

    /// Looks at a token that was sent to the endpoint with the identifier `resource`.
    pub(super) async fn look(&self, token: &[u8], resource: &str) -> Verdict {
        let (found, most) = if Jwt::is_one(token) {
            (self.read(token, resource).await, None)
        } else {
            (self.ask(token, resource).await, Some(ASKED))
        };
        let now = SystemTime::now();
        match found {
            Ok(principal) => Verdict::positive(principal, now, most),
            Err(Unknown::For(fault)) => Verdict::negative(Refusal::Invalid(fault), now),
            Err(Unknown::Now(fault)) => Verdict::passing(Refusal::Invalid(fault), now),
            Err(Unknown::Unavailable(refusal)) => Verdict::passing(refusal, now),
        }
    }

    /// Verifies a JWT with the keys of whoever it says has issued it.
    async fn read(&self, token: &[u8], resource: &str) -> Found {
        let jwt = Jwt::read(token).map_err(Unknown::For)?;
        let named = |server: &&Arc<Server>| jwt.issuer() == Some(&*server.config.issuer);
        let server = self.servers.iter().find(named).ok_or(Unknown::For(STRANGER))?;
        let unavailable = |fault| unavailable(server, fault);
        let first =
            jwt.verify(&self.expected(server, resource), &*server.keys().map_err(unavailable)?);
        let last = match first {
            // The issuer may have new keys.
            Err(Disbelief::UnknownKey) => jwt.verify(
                &self.expected(server, resource),
                &*server.renewed_keys().await.map_err(unavailable)?,
            ),
            known => known,
        };
        last.map_err(|disbelief| match disbelief {
            Disbelief::Fault(fault) => Unknown::For(fault.of(&server.config.issuer)),
            disbelief @ Disbelief::UnknownKey => Unknown::Now(disbelief.into_fault(&server.config)),
        })
    }

    /// Asks about a token that says nothing itself, one issuer after the other: who knows it
    /// decides. That nobody does is certain only if all have answered.
    async fn ask(&self, token: &[u8], resource: &str) -> Found {
        let mut last = Unknown::For(OPAQUE);
        for server in self.servers.iter().filter(|server| server.config.introspection.is_some()) {
            match server.introspect(token.to_vec()).await {
                Ok(Some(answer)) => {
                    let found = introspected::principal(&answer, &self.expected(server, resource));
                    return found.map_err(Unknown::For);
                }
                Ok(None) if matches!(last, Unknown::Unavailable(_)) => {}
                Ok(None) => last = Unknown::For(INACTIVE),
                Err(fault) => last = unavailable(server, fault),
            }
        }
        Err(last)
    }

    fn expected<'a>(&self, server: &'a Server, resource: &'a str) -> Expected<'a> {
        let (issuer, leeway) = (&server.config, self.leeway);
        Expected { issuer, resource, leeway, now: SystemTime::now() }
    }
}

fn unavailable(server: &Server, Unavailable { retry_after }: Unavailable) -> Unknown {
    let issuer = Arc::clone(&server.config.issuer);
    Unknown::Unavailable(Refusal::Unavailable { issuer, retry_after })
}

const STRANGER: Fault = Fault::new("issuer", "it is from none of auth.issuers");
const OPAQUE: Fault = Fault::new("opaque", "it is no JWT, and no issuer can be asked about it");
const INACTIVE: Fault = Fault::new("inactive", "no issuer says that it is active");

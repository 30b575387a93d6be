//! Who is calling: proof goes in, a [`Principal`] or a [`Refusal`] comes out.
//!
//! It knows headers and certificates, and nothing of what the caller wants.

mod bearer;
mod challenge;
mod claims;
mod config;
mod explain;
mod header;
mod identifier;
mod introspected;
mod issuers;
mod jwt;
mod keys;
mod mtls;
mod oauth;
mod refusal;
mod resource;
#[cfg(test)]
mod test_keys;
mod tokens;
mod trial;

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{Extensions, HeaderMap, HeaderName, Uri};
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::{Names, Principal};
use crate::outbound::Trust;

pub use challenge::challenge;
pub use config::{
    Algorithm, Config, Digest, HeaderNames, Introspection, Issuer, Jwks, Mode, Mtls, Token, name,
};
pub use explain::{Against, Explanation, explain};
pub use refusal::{Fault, Refusal};
pub use resource::{Origin, Resources, WELL_KNOWN};
pub use trial::try_token;

use header::Headers;
use mtls::Certificates;
use oauth::Oauth;
use tokens::Tokens;

/// What a request brings along that may tell who sends it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// What it asks for; a token in it is refused.
    pub uri: &'a Uri,
    /// Where it comes from.
    pub address: Option<IpAddr>,
    /// Whether a trusted proxy has sent it.
    pub is_proxied: bool,
    /// The certificate its connection has proven to own.
    pub certificate: Option<&'a CertificateDer<'static>>,
    /// What is remembered of its connection.
    pub memory: Option<&'a Mutex<Extensions>>,
    /// What the client connected to.
    pub origin: Origin<'a>,
}

/// Without what it brings along: credentials are in headers and in the URL.
impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, is_proxied, .. } = self;
        f.debug_struct("Asked")
            .field("address", address)
            .field("is_proxied", is_proxied)
            .finish_non_exhaustive()
    }
}

/// What a request's proof comes to.
pub enum Answer {
    /// It has been looked at before, or needed no more than a look.
    Now(Result<Arc<Principal>, Refusal>),
    /// It takes work, or a question to somebody. Nothing happens before it is polled.
    Later(BoxFuture<'static, Result<Arc<Principal>, Refusal>>),
}

/// Tells who sends a request. One for the whole process.
#[derive(Debug)]
pub struct Authenticator {
    way: Way,
    proofs: Box<[HeaderName]>,
    required: Arc<Names>,
    resources: Arc<Resources>,
}

/// What counts as proof.
#[derive(Debug)]
enum Way {
    /// Nothing has to be proven.
    Everybody(Arc<Principal>),
    Oauth(Oauth),
    Tokens(Tokens),
    Header(Headers),
    Mtls(Certificates),
}

/// What authentication works with outside of itself.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Whose certificates are believed.
    pub trust: Arc<Trust>,
    /// Where questions to issuers run, whichever thread waits for the answer.
    pub runtime: Handle,
    /// What runs there.
    pub tasks: TaskTracker,
    /// Ends what would run for ever.
    pub stop: CancellationToken,
}

impl Authenticator {
    /// What the configuration says; whoever comes needs `required` scopes to get in.
    pub fn new(
        config: &Config,
        required: &Names,
        resources: Arc<Resources>,
        around: &Surroundings,
    ) -> Self {
        let way = match config.mode {
            Mode::None => Way::Everybody(Arc::new(Principal::anonymous())),
            Mode::Oauth => Way::Oauth(Oauth::new(config, Arc::clone(&resources), around)),
            Mode::Tokens => Way::Tokens(Tokens::new(&config.tokens)),
            Mode::Header => Way::Header(Headers::new(&config.header)),
            Mode::Mtls => Way::Mtls(Certificates::new(&config.mtls)),
        };
        let mut proofs = config.header.all();
        proofs.extend([AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE]);
        Self { way, proofs: proofs.into(), required: Arc::new(required.clone()), resources }
    }

    /// Takes out of a request what proves who sends it, or says so: once that is known, nobody else
    /// has a use for it.
    pub fn strip(&self, headers: &mut HeaderMap) {
        for name in &self.proofs {
            // To look through the few names of a request costs less than hashing one that is not there.
            if headers.keys().any(|there| there == name) {
                headers.remove(name);
            }
        }
    }

    /// Who sends a request.
    pub fn authenticate(&self, asked: &Asked<'_>) -> Answer {
        let found = match &self.way {
            Way::Everybody(anonymous) => return Answer::Now(Ok(Arc::clone(anonymous))),
            Way::Oauth(oauth) => match oauth.authenticate(asked) {
                Answer::Now(found) => found,
                Answer::Later(answer) => {
                    let required = Arc::clone(&self.required);
                    let answer = answer.map(move |found| found.and_then(|it| enter(it, &required)));
                    return Answer::Later(Box::pin(answer));
                }
            },
            Way::Tokens(tokens) => bearer::token(asked).and_then(|token| tokens.find(token)),
            Way::Header(headers) => headers.find(asked),
            Way::Mtls(certificates) => certificates.find(asked),
        };
        Answer::Now(found.and_then(|principal| enter(principal, &self.required)))
    }

    /// What the gateway is to clients that ask for a token.
    pub fn resources(&self) -> &Arc<Resources> {
        &self.resources
    }

    /// What a proof has to be granted for in any case.
    pub fn required(&self) -> &Names {
        &self.required
    }
}

/// Lets in whoever has the scopes that everybody needs.
fn enter(principal: Arc<Principal>, required: &Arc<Names>) -> Result<Arc<Principal>, Refusal> {
    if required.iter().all(|scope| principal.scopes.contains(scope)) {
        Ok(principal)
    } else {
        Err(Refusal::Scope { required: Arc::clone(required) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_request_brings_along_is_shown() {
        let headers = [(AUTHORIZATION, "sesame"), (COOKIE, "sesame")];
        let headers = headers.map(|(name, value)| (name, http::HeaderValue::from_static(value)));
        let asked = Asked {
            headers: &HeaderMap::from_iter(headers),
            uri: &Uri::from_static("/mcp?access_token=sesame"),
            address: None,
            is_proxied: true,
            certificate: Some(&CertificateDer::from_slice(b"sesame")),
            memory: None,
            origin: Origin { scheme: "http", authority: "sesame" },
        };
        assert_eq!(format!("{asked:?}"), "Asked { address: None, is_proxied: true, .. }");
    }
}

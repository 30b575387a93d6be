//! An authorization server for tests that answers as it is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use parking_lot::Mutex;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Server;
use crate::authn::keys::KeySet;
use crate::authn::{Issuer, Jwks, Surroundings};
use crate::outbound::scripted::{self, Answer, answer};
use crate::outbound::{Bounds, Trust};

pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server";
pub(super) const OPENID: &str = "/.well-known/openid-configuration";
pub(super) const KEYS: &str = "/keys";

pub(super) type Say = Arc<dyn Fn(&Request<Bytes>) -> Answer + Send + Sync>;

#[derive(Default)]
struct Script {
    paths: Mutex<HashMap<String, Say>>,
    asked: Mutex<Vec<String>>,
}

/// An authorization server on loopback, with its metadata at `METADATA` and its keys at `KEYS`.
pub(super) struct Idp {
    pub(super) server: scripted::Server,
    script: Arc<Script>,
}

impl Idp {
    /// One that publishes `keys`.
    pub(super) async fn start(keys: &[&str]) -> Self {
        let script = Arc::new(Script::default());
        let told = Arc::clone(&script);
        let server = scripted::Server::start(move |request| {
            let path = request.uri().path().to_owned();
            told.asked.lock().push(path.clone());
            let say = told.paths.lock().get(&path).cloned();
            async move { say.map_or_else(|| answer(404, "", ""), |say| say(&request)) }
        })
        .await;
        let idp = Self { server, script };
        idp.say_json(METADATA, &idp.metadata());
        idp.publish(keys);
        idp
    }

    pub(super) fn issuer(&self) -> String {
        format!("http://localhost:{}", self.server.address.port())
    }

    pub(super) fn metadata(&self) -> serde_json::Value {
        let issuer = self.issuer();
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}{KEYS}"),
            "introspection_endpoint": format!("{issuer}/introspect"),
        })
    }

    pub(super) fn publish(&self, keys: &[&str]) {
        self.say_json(KEYS, &jwks(keys));
    }

    pub(super) fn say_json(&self, path: &str, document: &serde_json::Value) {
        let text = document.to_string();
        self.say(path, move |_| scripted::json(text.clone()));
    }

    pub(super) fn say(
        &self,
        path: &str,
        say: impl Fn(&Request<Bytes>) -> Answer + Send + Sync + 'static,
    ) {
        self.script.paths.lock().insert(path.to_owned(), Arc::new(say));
    }

    /// How often `path` was asked for.
    pub(super) fn asked(&self, path: &str) -> usize {
        self.script.asked.lock().iter().filter(|asked| *asked == path).count()
    }

    pub(super) fn config(&self) -> Issuer {
        config(&self.issuer())
    }
}

/// An issuer that may be on this machine.
pub(super) fn config(issuer: &str) -> Issuer {
    let hosts = vec!["localhost".into()];
    Issuer { issuer: issuer.into(), allow_private_ip_jwks_hosts: hosts, ..Issuer::default() }
}

/// A set of Ed25519 keys with these ids; each is the same key whenever it is asked for.
pub(super) fn jwks(ids: &[&str]) -> serde_json::Value {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use base64::Engine as _;
    let key = |id: &&str| {
        let mut seed = [7; 32];
        seed[..id.len()].copy_from_slice(id.as_bytes());
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "use": "sig", "x": x})
    };
    json!({"keys": ids.iter().map(key).collect::<Vec<_>>()})
}

/// Whether `keys` are those and no others.
pub(super) fn are(keys: &KeySet, ids: &[&str]) -> bool {
    let expected = KeySet::parse(jwks(ids).to_string().as_bytes()).unwrap();
    keys.is_within(&expected) && expected.is_within(keys)
}

pub(super) const OFTEN: Jwks = Jwks {
    refresh: Duration::from_millis(50),
    grace: Duration::from_hours(1),
    cool_down: Duration::from_hours(1),
};
pub(super) const RARELY: Jwks = Jwks { refresh: Duration::from_hours(1), ..OFTEN };

/// A gateway that knows one issuer.
pub(super) struct Gateway {
    pub(super) server: Arc<Server>,
    stop: CancellationToken,
}

impl Gateway {
    pub(super) fn start(config: &Issuer, jwks: Jwks) -> Self {
        Self::start_within(Bounds::default(), config, jwks)
    }

    pub(super) fn start_within(bounds: Bounds, config: &Issuer, jwks: Jwks) -> Self {
        let stop = CancellationToken::new();
        let around = Surroundings {
            trust: Arc::new(Trust::new(&[]).unwrap()),
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
        };
        Self { server: Server::start_within(bounds, config, jwks, &around), stop }
    }

    /// Waits until the known keys are exactly those.
    pub(super) async fn until_keys(&self, ids: &[&str]) {
        self.until("the keys", |it| it.keys().is_ok_and(|keys| are(&keys, ids))).await;
    }

    /// Waits until there was a failure and no success since.
    pub(super) async fn until_failing(&self) {
        self.until("a failure", |it| it.state.borrow().is_failing()).await;
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Server) -> bool) {
        let mut state: watch::Receiver<_> = self.server.state.clone();
        portcullis_test_support::within(what, async {
            while !is_so(&self.server) {
                state.changed().await.unwrap();
            }
        })
        .await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

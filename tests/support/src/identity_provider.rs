//! A real authorization server (npm `oidc-provider`), and a way to make it fail.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::peers::command;
use crate::wire::Request;
use crate::{Peers, Process};

/// A running authorization server on a free port of loopback; see `tests/peers/idp/main.mjs`.
pub struct IdentityProvider {
    _process: Process,
    url: String,
    control: String,
}

/// What became of a login.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// What gets another one.
    pub refresh: String,
}

/// How an issuer fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Every answer is 503.
    Busy,
    /// Nobody listens.
    Gone,
    /// Requests are read and never answered.
    Mute,
}

impl IdentityProvider {
    /// A client with credentials of its own, which is a service of the same name.
    pub const SERVICE: &str = "service";
    /// Another one.
    pub const ROBOT: &str = "robot";
    /// A client of people, who log in in their browser.
    pub const APP: &str = "app";
    /// Another one.
    pub const EDITOR: &str = "editor";
    /// The algorithms that it can sign with.
    pub const ALGORITHMS: [&str; 3] = ["RS256", "ES256", "EdDSA"];

    /// One that signs with RS256.
    pub async fn start(peers: &Peers) -> Self {
        Self::with(peers, "RS256").await
    }

    /// One that signs with this algorithm.
    pub async fn with(peers: &Peers, algorithm: &str) -> Self {
        let mut command = command(&peers.script("", "idp/main.mjs"));
        command.env("ALG", algorithm);
        let process = Process::spawn("idp/main.mjs", command);
        let [control, url] = ["control ", "listening "].map(|marker| {
            let process = &process;
            async move {
                process.line(marker, |line| line.strip_prefix(marker).map(str::to_owned)).await
            }
        });
        let (control, url) = (control.await, url.await);
        Self { _process: process, url, control }
    }

    /// Its issuer identifier.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The secret of a client that has one.
    pub fn secret(client: &str) -> String {
        format!("{client}-secret")
    }

    fn credentials(client: &str) -> String {
        let pair = format!("{client}:{}", Self::secret(client));
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    /// An access token by client credentials, for `resource`; an opaque one if that is empty.
    pub async fn token(&self, client: &str, scopes: &str, resource: &str) -> String {
        let scope = scopes.replace(' ', "+");
        let mut form = format!("grant_type=client_credentials&scope={scope}");
        if !resource.is_empty() {
            form = format!("{form}&resource={}", resource.replace(':', "%3A").replace('/', "%2F"));
        }
        let request = Request::new("POST", &format!("{}/token", self.url))
            .header("Authorization", &Self::credentials(client))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form);
        let text = request.send().await.text().await;
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let token = answer["access_token"].as_str();
        token.unwrap_or_else(|| panic!("no token: {text}")).to_owned()
    }

    /// Tokens of a person, who logs in through a client.
    pub async fn user_token(
        &self,
        user: &str,
        client: &str,
        scopes: &str,
        resource: &str,
    ) -> Tokens {
        let wanted = json!({"user": user, "client": client, "scope": scopes, "resource": resource});
        Tokens::read(&self.tell("login", &wanted).await)
    }

    /// New tokens for old ones of the same client.
    pub async fn refresh(&self, client: &str, tokens: &Tokens, resource: &str) -> Tokens {
        let wanted = json!({"client": client, "token": tokens.refresh, "resource": resource});
        Tokens::read(&self.tell("refresh", &wanted).await)
    }

    /// How many seconds access tokens live that are made from now on.
    pub async fn lifetime(&self, seconds: u64) {
        self.tell("lifetime", &json!({"seconds": seconds})).await;
    }

    /// Makes access tokens from now on that only it can read.
    pub async fn opaque(&self) {
        self.tell("format", &json!({"name": "opaque"})).await;
    }

    /// Takes back a token of a client that has a secret (RFC 7009).
    pub async fn revoke(&self, client: &str, token: &str) {
        let request = Request::new("POST", &format!("{}/token/revocation", self.url))
            .header("Authorization", &Self::credentials(client))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(format!("token={token}"));
        let mut response = request.send().await;
        let text = response.text().await;
        assert_eq!(response.status, 200, "{text}");
    }

    /// Signs with a new key from now on. With `drop`, the old ones are taken out of its JWKS.
    pub async fn rotate(&self, drop: bool) {
        self.tell("rotate", &json!({"drop": drop})).await;
    }

    /// Takes all keys but the one that signs out of its JWKS.
    pub async fn retire(&self) {
        self.tell("retire", &json!({})).await;
    }

    /// Fails until it is healed.
    pub async fn fail(&self, how: Failure) {
        let how = match how {
            Failure::Busy => "busy",
            Failure::Gone => "gone",
            Failure::Mute => "mute",
        };
        self.tell("fail", &json!({"how": how})).await;
    }

    /// Is well again, on the same port.
    pub async fn heal(&self) {
        self.tell("heal", &json!({})).await;
    }

    /// How many requests each of its paths has had, failed ones included.
    pub async fn requests(&self) -> BTreeMap<String, u64> {
        let counts = self.tell("requests", &json!({})).await;
        serde_json::from_value(counts).expect("numbers by path")
    }

    async fn tell(&self, what: &str, how: &Value) -> Value {
        let request = Request::new("POST", &format!("{}/{what}", self.control));
        let mut response = request.body(how.to_string()).send().await;
        let text = response.text().await;
        assert_eq!(response.status, 200, "{what}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

impl Tokens {
    fn read(answer: &Value) -> Self {
        let [access, refresh] = ["access_token", "refresh_token"].map(|name| {
            answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}")).to_owned()
        });
        Self { access, refresh }
    }
}

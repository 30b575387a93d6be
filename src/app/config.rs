//! `config.yaml`, composed of what each module wants to know.

mod check;

use std::sync::Arc;

use ipnet::IpNet;
use serde_json::{Value as Json, json};

use crate::config::{Fields, Section, Shown};
use crate::layers::call::tool_limits::ToolLimit;
use crate::layers::http::authenticate::FailureLimit;
use crate::layers::http::client_address::trusted_proxy;
use crate::layers::rate::Rate;
use crate::{authn, catalogue, observe, policy, server, sessions};

/// The whole of `config.yaml`, checked: nothing in here waits to be parsed.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `aggregator`.
    pub aggregator: server::Aggregator,
    /// `http`.
    pub http: server::Http,
    /// `trustedProxies`: the networks of proxies that say where a request came from.
    pub trusted_proxies: Vec<IpNet>,
    /// `rateLimit`: how often a caller may ask.
    pub rate_limit: Option<Rate>,
    /// `toolLimits`: how often, and how many at a time, tools may be called.
    pub tool_limits: Vec<ToolLimit>,
    /// `sessions`.
    pub sessions: sessions::Config,
    /// `catalogue`.
    pub catalogue: catalogue::Config,
    /// `denylist`.
    pub denylist: policy::Config,
    /// `metrics`.
    pub metrics: observe::Metrics,
    /// `metrics.tls`: what the metrics listener is secured with.
    pub metrics_tls: server::Tls,
    /// `logging`.
    pub logging: observe::Logging,
    /// `auth`: how callers prove who they are.
    pub auth: authn::Config,
    /// `auth.failureLimit`: how often wrong proofs may come from one address.
    pub failure_limit: FailureLimit,
    /// `auth.scopes`.
    pub scopes: policy::Scopes,
    /// `auth.admin`.
    pub admin: policy::Admin,
}

impl Section for Config {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.section("aggregator", &mut self.aggregator);
        fields.section("http", &mut self.http);
        fields.set_list("trustedProxies", &mut self.trusted_proxies, trusted_proxy);
        self.rate_limit = fields.within("rateLimit", Rate::read);
        if let Some(limits) = fields.sections("toolLimits") {
            self.tool_limits = limits;
        }
        fields.section("sessions", &mut self.sessions);
        fields.section("catalogue", &mut self.catalogue);
        fields.section("denylist", &mut self.denylist);
        fields.within("metrics", |metrics| {
            self.metrics.read(metrics);
            metrics.section("tls", &mut self.metrics_tls);
        });
        fields.section("logging", &mut self.logging);
        fields.within("auth", |auth| {
            self.auth.read(auth);
            auth.section("failureLimit", &mut self.failure_limit);
            auth.section("scopes", &mut self.scopes);
            auth.section("admin", &mut self.admin);
            self.check_auth(auth);
        });
        fields.later("kubernetes", &json!(false));
        fields.later("stateDir", &json!(""));
        // Where muster keeps its objects in a cluster, and a key that nothing has ever read.
        fields.get::<String>("namespace");
        fields.accept(&["events"]);
        fields.moved("mcpServers", "is not a key of config.yaml; run `portcullis import` on it");
        fields.moved("servers", "is not a key of config.yaml; run `portcullis import` on it");
        self.check(fields);
    }
}

impl Shown for Config {
    fn shown(&self) -> Json {
        let (per_second, burst) = self.rate_limit.map(Rate::shown).unwrap_or_default();
        json!({
            "aggregator": self.aggregator.shown(),
            "http": self.http.shown(),
            "trustedProxies": self.trusted_proxies.iter().map(IpNet::to_string).collect::<Vec<_>>(),
            "rateLimit": { "perSecond": per_second, "burst": burst },
            "toolLimits": self.tool_limits.iter().map(Shown::shown).collect::<Vec<_>>(),
            "sessions": self.sessions.shown(),
            "catalogue": self.catalogue.shown(),
            "denylist": self.denylist.shown(),
            "metrics": self.metrics_shown(),
            "logging": self.logging.shown(),
            "auth": self.auth_shown(),
        })
    }
}

impl Config {
    /// `auth` is one section to whoever writes it.
    fn auth_shown(&self) -> Json {
        let mut auth = self.auth.shown();
        auth["failureLimit"] = self.failure_limit.shown();
        auth["scopes"] = self.scopes.shown();
        auth["admin"] = self.admin.shown();
        auth
    }

    /// So is `metrics`.
    fn metrics_shown(&self) -> Json {
        let mut metrics = self.metrics.shown();
        metrics["tls"] = self.metrics_tls.shown();
        metrics
    }

    /// What the gateway is to clients that ask for a token; `loopback` is its port if only this
    /// machine can connect.
    pub(crate) fn resources(&self, loopback: Option<u16>) -> authn::Resources {
        let main = self.aggregator.transport.path().unwrap_or_default();
        let issuers = self.auth.issuers.iter().map(|it| Arc::clone(&it.issuer));
        authn::Resources::new(self.aggregator.public_url.clone())
            .at(main, loopback, &self.http.allowed_hosts)
            .guarded_by(issuers, &self.scopes.required)
    }
}

//! `config.yaml`, composed of what each module wants to know.

use serde_json::{Value as Json, json};

use crate::config::{Fields, Section};
use crate::{authn, catalogue, observe, server, sessions};

/// The whole of `config.yaml`, checked: nothing in here waits to be parsed.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `aggregator`.
    pub aggregator: server::Aggregator,
    /// `http`.
    pub http: server::Http,
    /// `sessions`.
    pub sessions: sessions::Config,
    /// `catalogue`.
    pub catalogue: catalogue::Config,
    /// `metrics`.
    pub metrics: observe::Metrics,
    /// `logging`.
    pub logging: observe::Logging,
    /// `auth`.
    pub auth: authn::Config,
}

impl Section for Config {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.section("aggregator", &mut self.aggregator);
        fields.section("http", &mut self.http);
        fields.section("sessions", &mut self.sessions);
        fields.section("catalogue", &mut self.catalogue);
        fields.section("metrics", &mut self.metrics);
        fields.section("logging", &mut self.logging);
        fields.section("auth", &mut self.auth);
        fields.later("kubernetes", &json!(false));
        fields.later("trustedProxies", &json!([]));
        fields.later("rateLimit", &Json::Null);
        fields.later("toolLimits", &json!([]));
        fields.later("denylist", &json!({"enabled": true, "allow": [], "block": []}));
        fields.later("stateDir", &json!(""));
        // Where muster keeps its objects in a cluster, and a key that nothing has ever read.
        fields.get::<String>("namespace");
        fields.accept(&["events"]);
        fields.moved("mcpServers", "is not a key of config.yaml; run `portcullis import` on it");
        fields.moved("servers", "is not a key of config.yaml; run `portcullis import` on it");
        self.check(fields);
    }
}

impl Config {
    /// What no section can see alone.
    fn check(&self, fields: &mut Fields<'_, '_>) {
        if self.aggregator.transport == server::Transport::Stdio {
            return; // whoever starts the gateway is its client, and nothing else listens
        }
        let host = &self.aggregator.host;
        if !host.is_loopback() && !self.auth.allow_unauthenticated {
            let message = format!(
                "\"{host}\" lets others in, and auth.mode none asks nobody who they are; use \
                 localhost, or set auth.allowUnauthenticated: true if that is what you want"
            );
            fields.problem_below("aggregator", "host", message);
        }
        let port = self.metrics.port;
        if port != 0 && port == self.aggregator.port && host.overlaps(&self.metrics.host) {
            let message = format!("{port} is aggregator.port too; use another one");
            fields.problem_below("metrics", "port", message);
        }
    }
}

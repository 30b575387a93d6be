//! What is wrong with a `config.yaml` whose sections are right, each by itself.

use super::Config;
use crate::authn::{Issuer, Mode};
use crate::config::Fields;
use crate::server::Transport;

impl Config {
    /// What neither authentication nor policy can see alone.
    pub(super) fn check_auth(&self, auth: &mut Fields<'_, '_>) {
        let known = |name: &str| self.auth.tokens.iter().any(|token| &*token.name == name);
        if let Some(name) = self.admin.tokens.iter().find(|name| !known(name)) {
            let message = format!("names {name:?}, which is none of auth.tokens");
            auth.problem_below("admin", "tokens", message);
        }
        let mode = self.auth.mode;
        let (have_scopes, have_groups) = match mode {
            Mode::Oauth | Mode::Tokens => (true, true),
            Mode::Header => (false, true),
            Mode::Mtls | Mode::None => (false, false),
        };
        let in_vain = |what: &str| format!("{what}, and with auth.mode {} nobody", mode.word());
        if !have_scopes && !self.scopes.named().is_empty() {
            auth.problem("scopes", in_vain("asks for scopes") + " has any");
        }
        if !have_scopes && !self.admin.scopes.is_empty() {
            auth.problem_below("admin", "scopes", in_vain("names scopes") + " has any");
        }
        if !have_groups && !self.admin.groups.is_empty() {
            auth.problem_below("admin", "groups", in_vain("names groups") + " is in any");
        }
    }

    /// What no section can see alone.
    pub(super) fn check(&self, fields: &mut Fields<'_, '_>) {
        let mode = self.auth.mode;
        if self.aggregator.transport == Transport::Stdio {
            // Whoever starts the gateway is its client, and nothing else listens.
            if mode != Mode::None {
                let message = format!(
                    "\"{}\" has nobody to ask on stdio, where whoever starts the gateway is its \
                     only client; use none, or another aggregator.transport",
                    mode.word()
                );
                fields.problem_below("auth", "mode", message);
            }
            return;
        }
        if mode == Mode::Header && self.trusted_proxies.is_empty() {
            let message = "is empty, and auth.mode header believes nobody else; name the networks \
                           of the proxies that say who is calling";
            fields.problem("trustedProxies", message);
        }
        let host = &self.aggregator.host;
        if let Some(fault) = self.exposed_fault(host.is_loopback()) {
            fields.problem_below(
                "aggregator",
                "host",
                format!("\"{host}\" lets others in, {fault}"),
            );
        }
        if mode == Mode::Mtls && !self.aggregator.tls.wants_certificates() {
            let message = "is mtls, which needs aggregator.tls.clientCaFile: without it no client \
                           shows a certificate";
            fields.problem_below("auth", "mode", message);
        }
        let port = self.metrics.port;
        if port != 0 && port == self.aggregator.port && host.overlaps(&self.metrics.host) {
            let message = format!("{port} is aggregator.port too; use another one");
            fields.problem_below("metrics", "port", message);
        }
    }

    /// Why a listener must not be where others reach it, and what to do; in the middle of a
    /// sentence.
    pub(in crate::app) fn exposed_fault(&self, is_loopback: bool) -> Option<&'static str> {
        match self.auth.mode {
            _ if is_loopback => None,
            Mode::None if !self.auth.allow_unauthenticated => Some(
                "and auth.mode none asks nobody who they are; listen on localhost, choose another \
                 auth.mode, or set auth.allowUnauthenticated: true if that is what you want",
            ),
            Mode::Oauth if !self.knows_its_audience() => Some(
                "and anybody could say in a Host header which audience a token is for; set \
                 aggregator.publicUrl, http.allowedHosts, or allowedAudiences of every issuer",
            ),
            _ => None,
        }
    }

    /// Whether nobody but the configuration says what tokens have to be issued for.
    fn knows_its_audience(&self) -> bool {
        let is_named = |issuer: &Issuer| !issuer.allowed_audiences.is_empty();
        self.aggregator.public_url.is_some()
            || !self.http.allowed_hosts.is_empty()
            || self.auth.issuers.iter().all(is_named)
    }
}

//! `auth.issuers`: the authorization servers whose tokens count, with muster's names for their keys.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use url::Url;

use super::algorithm::Algorithm;
use super::introspection::Introspection;
use super::values::{check_scheme, text, url};
use crate::config::{Fields, Glob, Host, Section, Shown, Value as _};

/// An authorization server whose tokens count.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its identifier, compared byte for byte with `iss` and with what its metadata says.
    pub issuer: Arc<str>,
    /// Where its keys are; asked for at its metadata otherwise.
    pub jwks_url: Option<Url>,
    /// A file with its keys, instead of asking for them.
    pub jwks_file: Option<PathBuf>,
    /// The audiences that count; empty for the gateway's own resource identifiers.
    pub allowed_audiences: Vec<Box<str>>,
    /// The scopes that it may grant; others are not believed. Empty for all.
    pub allowed_scopes: Vec<Glob>,
    /// What claims have to look like. A claim that is absent or no text does not.
    pub allowed_claims: Vec<(Box<str>, Glob)>,
    /// The claim that tells who it is.
    pub subject_claim: Box<str>,
    /// The claims that may hold scopes; the first that is there counts.
    pub scopes_claims: Vec<Box<str>>,
    /// The claim that holds groups.
    pub groups_claim: Box<str>,
    /// Whether its keys may be at a private address.
    pub allow_private_ip_jwks: bool,
    /// The hosts whose address may be private.
    pub allow_private_ip_jwks_hosts: Vec<Box<str>>,
    /// The values of `typ` that count, without regard to case; an empty one for a token without.
    pub accepted_typ_headers: Vec<Box<str>>,
    /// The signatures that count.
    pub algorithms: Vec<Algorithm>,
    /// Where to ask about tokens that are no JWT.
    pub introspection: Option<Introspection>,
}

impl Default for Issuer {
    fn default() -> Self {
        Self {
            issuer: "".into(),
            jwks_url: None,
            jwks_file: None,
            allowed_audiences: Vec::new(),
            allowed_scopes: Vec::new(),
            allowed_claims: Vec::new(),
            subject_claim: "sub".into(),
            scopes_claims: vec!["scope".into(), "scp".into()],
            groups_claim: "groups".into(),
            allow_private_ip_jwks: false,
            allow_private_ip_jwks_hosts: Vec::new(),
            accepted_typ_headers: vec!["at+jwt".into()],
            algorithms: Algorithm::NAMES.iter().map(|(_, algorithm)| *algorithm).collect(),
            introspection: None,
        }
    }
}

impl Section for Issuer {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        match fields.get_with("issuer", issuer) {
            Some(issuer) => self.issuer = issuer,
            None if !fields.has("issuer") => fields.problem("issuer", "is missing"),
            None => {}
        }
        self.jwks_url = fields.get_with("jwksUrl", url);
        self.jwks_file = fields.readable_file("jwksFile");
        if self.jwks_url.is_some() && self.jwks_file.is_some() {
            fields.problem("jwksFile", "stands beside jwksUrl; only one of them can be used");
        }
        fields.set_list("allowedAudiences", &mut self.allowed_audiences, text);
        fields.set_list("allowedScopes", &mut self.allowed_scopes, Glob::read);
        // A pattern may name a person.
        let claim = |claim: &str, glob: &str| Ok((claim.into(), Glob::read(glob)?));
        self.allowed_claims = fields.secrets("allowedClaims", claim).unwrap_or_default();
        for (key, name) in
            [("subjectClaim", &mut self.subject_claim), ("groupsClaim", &mut self.groups_claim)]
        {
            if let Some(given) = fields.get_with(key, text) {
                *name = given;
            }
        }
        fields.set_list("scopesClaims", &mut self.scopes_claims, text);
        fields.set("allowPrivateIPJWKS", &mut self.allow_private_ip_jwks);
        let hosts = &mut self.allow_private_ip_jwks_hosts;
        fields.set_list("allowPrivateIPJWKSHosts", hosts, host);
        // An empty one stands for a token without a type.
        let typ = |text: &str| Ok(text.into());
        fields.set_list("acceptedTypHeaders", &mut self.accepted_typ_headers, typ);
        fields.set_list("algorithms", &mut self.algorithms, Algorithm::read);
        if self.algorithms.is_empty() || self.accepted_typ_headers.is_empty() {
            fields.problem(
                "issuer",
                "would accept no token; acceptedTypHeaders or algorithms is empty",
            );
        }
        if fields.has("introspection") {
            let mut introspection = Introspection::default();
            fields.section("introspection", &mut introspection);
            let has_metadata = self.jwks_url.is_none() && self.jwks_file.is_none();
            if introspection.endpoint.is_none() && !has_metadata {
                let message = "is missing; with jwksUrl or jwksFile no metadata is asked for it";
                fields.problem_below("introspection", "endpoint", message);
            }
            self.introspection = Some(introspection);
        }
    }
}

impl Shown for Issuer {
    fn shown(&self) -> Json {
        let url = |url: &Option<Url>| url.as_ref().map(Url::to_string);
        let globs = |globs: &[Glob]| globs.iter().map(Glob::to_string).collect::<Vec<_>>();
        let claims = self
            .allowed_claims
            .iter()
            .map(|(claim, glob)| (claim.to_string(), json!(glob.to_string())));
        json!({
            "issuer": self.issuer,
            "jwksUrl": url(&self.jwks_url),
            "jwksFile": self.jwks_file,
            "allowedAudiences": self.allowed_audiences,
            "allowedScopes": globs(&self.allowed_scopes),
            "allowedClaims": claims.collect::<serde_json::Map<_, _>>(),
            "subjectClaim": self.subject_claim,
            "scopesClaims": self.scopes_claims,
            "groupsClaim": self.groups_claim,
            "allowPrivateIPJWKS": self.allow_private_ip_jwks,
            "allowPrivateIPJWKSHosts": self.allow_private_ip_jwks_hosts,
            "acceptedTypHeaders": self.accepted_typ_headers,
            "algorithms": self.algorithms.iter().map(|it| it.name()).collect::<Vec<_>>(),
            "introspection": self.introspection.as_ref().map(Shown::shown),
        })
    }
}

/// RFC 8414 §2: an `https` URL without query and fragment. `http` is for this machine alone.
fn issuer(text: &str) -> Result<Arc<str>, String> {
    let url = Url::read(text)?;
    if url.query().is_some() {
        return Err("has a query, which an issuer cannot have".to_owned());
    }
    check_scheme(&url)?;
    Ok(text.into())
}

fn host(text: &str) -> Result<Box<str>, String> {
    let fault = "is not a host; write a name or an address, without scheme and port";
    Host::parse(text).map(|_| text.into()).ok_or_else(|| fault.to_owned())
}

#[cfg(test)]
mod tests;

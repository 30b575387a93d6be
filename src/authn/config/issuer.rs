//! `auth.issuers`: the authorization servers whose tokens count, with muster's names for their keys.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value as Json, json};
use url::Url;

use crate::config::{Fields, Glob, Host, Section, Shown, Value as _, write_duration};
use crate::outbound::is_this_machine;

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

/// A signature algorithm of a JWT (RFC 7518 §3.1, RFC 8037); none that shares a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// All of them, by the name that stands in `alg`.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];

    /// What stands in `alg`.
    pub fn name(self) -> &'static str {
        let (name, _) = Self::NAMES[self as usize];
        name
    }

    /// The algorithm of that name. RFC 9864 §2.2 gives `EdDSA` with this curve a name of its own.
    pub fn parse(name: &str) -> Option<Self> {
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }
}

/// Where to ask about tokens that are no JWT (RFC 7662).
#[derive(Clone, Debug, Default)]
pub struct Introspection {
    /// The endpoint; asked for at the issuer's metadata otherwise.
    pub endpoint: Option<Url>,
    /// Who we are there.
    pub client_id: Box<str>,
    /// Our secret there.
    pub client_secret: SecretString,
}

/// `auth.jwks`: how keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jwks {
    /// How often they are asked for anew.
    pub refresh: Duration,
    /// How long the last known ones hold when they cannot be.
    pub grace: Duration,
    /// How long must pass between two questions that tokens with unknown keys cause.
    pub cool_down: Duration,
}

impl Default for Jwks {
    fn default() -> Self {
        Self {
            refresh: Duration::from_mins(10),
            grace: Duration::from_hours(1),
            cool_down: Duration::from_secs(5),
        }
    }
}

impl Section for Jwks {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        let at_least = |least: Duration| {
            move |time: &Duration| {
                let fault = || format!("is shorter than {}", write_duration(least));
                if *time < least { Err(fault()) } else { Ok(()) }
            }
        };
        let second = Duration::from_secs(1);
        fields.set_checked("refresh", &mut self.refresh, at_least(second));
        fields.set_checked("grace", &mut self.grace, at_least(Duration::ZERO));
        fields.set_checked("coolDown", &mut self.cool_down, at_least(second));
    }
}

impl Shown for Jwks {
    fn shown(&self) -> Json {
        json!({
            "refresh": write_duration(self.refresh),
            "grace": write_duration(self.grace),
            "coolDown": write_duration(self.cool_down),
        })
    }
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
        fields.set_list("algorithms", &mut self.algorithms, algorithm);
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

impl Section for Introspection {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        self.endpoint = fields.get_with("endpoint", url);
        match fields.get_with("clientId", text) {
            Some(id) => self.client_id = id,
            None => fields.problem("clientId", "is missing"),
        }
        match fields.secret("clientSecret", "clientSecretFile") {
            Some(secret) => self.client_secret = secret,
            None => fields.problem("clientSecretFile", "is missing, and so is clientSecret"),
        }
    }
}

impl Shown for Introspection {
    fn shown(&self) -> Json {
        json!({
            "endpoint": self.endpoint.as_ref().map(Url::as_str),
            "clientId": self.client_id,
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

/// Where secrets or keys come along.
fn url(text: &str) -> Result<Url, String> {
    let url = Url::read(text)?;
    check_scheme(&url).map(|()| url)
}

fn host(text: &str) -> Result<Box<str>, String> {
    let fault = "is not a host; write a name or an address, without scheme and port";
    Host::parse(text).map(|_| text.into()).ok_or_else(|| fault.to_owned())
}

fn check_scheme(url: &Url) -> Result<(), String> {
    if url.scheme() == "http" && !is_this_machine(url) {
        return Err("is not encrypted; use https://".to_owned());
    }
    Ok(())
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    Algorithm::parse(text).ok_or_else(|| {
        let known = Algorithm::NAMES.map(|(name, _)| name).join(", ");
        format!("is not allowed; use {known}")
    })
}

fn text(text: &str) -> Result<Box<str>, String> {
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text.into()) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, Location, Reader, parse_yaml};

    /// What is wrong with an issuer that is written like this.
    fn problems(text: &str) -> Vec<String> {
        let location = Location::file(Path::new("x.yaml"));
        let (documents, error) = parse_yaml(text, &location);
        assert!(error.is_none(), "{error:?}");
        let environment = Environment::default();
        let mut reader = Reader::new(location, Path::new(""), &environment);
        let mut issuer = Issuer::default();
        reader.document(Some(&documents[0].root), |fields| issuer.read(fields));
        let (problems, _) = reader.finish();
        problems.iter().map(|it| it.to_string().replace("x.yaml:1: ", "")).collect()
    }

    #[test]
    fn keys_and_secrets_are_sent_encrypted_or_stay_on_this_machine() {
        let how = "clientId: c, clientSecret: s";
        for (text, key) in [
            ("jwksUrl: \"URL/keys\"".to_owned(), "jwksUrl"),
            (format!("introspection: {{endpoint: \"URL/keys\", {how}}}"), "introspection.endpoint"),
        ] {
            for (url, is_good) in [
                ("https://id.example", true),
                ("http://localhost:9000", true),
                ("http://127.0.0.1:9000", true),
                ("http://[::1]:9000", true),
                ("http://id.example", false),
                ("http://10.0.0.1", false),
                ("http://localhost.example", false),
            ] {
                let text = format!("{{issuer: https://id.example, {text}}}").replace("URL", url);
                let wrong = format!("{key}: \"{url}/keys\" is not encrypted; use https://");
                let expected = if is_good { vec![] } else { vec![wrong] };
                assert_eq!(problems(&text), expected, "{text}");
            }
        }
    }

    #[test]
    fn an_issuer_is_an_encrypted_url_without_query_and_fragment() {
        for (issuer, fault) in [
            ("https://id.example/tenant", None),
            ("http://localhost:9000", None),
            ("http://id.example", Some("is not encrypted; use https://")),
            ("https://id.example?a=b", Some("has a query, which an issuer cannot have")),
            ("https://id.example#a", Some("has a fragment, which is never sent; remove #…")),
        ] {
            let problems = problems(&format!("{{issuer: \"{issuer}\"}}"));
            let is_told = problems.iter().all(|it| fault.is_some_and(|fault| it.ends_with(fault)));
            assert!(is_told && problems.len() == usize::from(fault.is_some()), "{problems:?}");
        }
        assert_eq!(problems("{jwksUrl: https://id.example/keys}"), ["issuer: is missing"]);
    }

    #[test]
    fn a_host_that_may_be_private_is_a_name_or_an_address_alone() {
        let with = |host: &str| {
            problems(&format!(
                "{{issuer: https://id.example, allowPrivateIPJWKSHosts: [\"{host}\"]}}"
            ))
        };
        for host in ["id.example", "localhost", "10.0.0.1", "::1", "[::1]"] {
            assert_eq!(with(host), Vec::<String>::new(), "{host}");
        }
        for host in ["https://id.example", "id.example:8443", "*.example", "", "10.0.0.0/8"] {
            let fault = "is not a host; write a name or an address, without scheme and port";
            let expected = format!("allowPrivateIPJWKSHosts[0]: \"{host}\" {fault}");
            assert_eq!(with(host), [expected]);
        }
    }

    #[test]
    fn where_to_ask_about_tokens_is_known_or_can_be_found() {
        let with = |text: &str| {
            problems(&format!(
                "{{issuer: https://id.example, {text} introspection: {{clientId: c, clientSecret: s}}}}"
            ))
        };
        assert_eq!(with(""), Vec::<String>::new());
        let fault = "introspection.endpoint: is missing; with jwksUrl or jwksFile no metadata is \
                     asked for it";
        assert_eq!(with("jwksUrl: https://id.example/keys,"), [fault]);
        let incomplete = problems("{issuer: https://id.example, introspection: {clientId: \"\"}}");
        assert_eq!(incomplete.len(), 3, "{incomplete:?}");
    }

    #[test]
    fn keys_are_not_asked_for_more_often_than_every_second() {
        let location = Location::file(Path::new("x.yaml"));
        let (documents, _) = parse_yaml("{refresh: 10ms, grace: 0s, coolDown: 999ms}", &location);
        let environment = Environment::default();
        let mut reader = Reader::new(location, Path::new(""), &environment);
        let mut jwks = Jwks::default();
        reader.document(Some(&documents[0].root), |fields| jwks.read(fields));
        let (problems, _) = reader.finish();
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "x.yaml:1: refresh: \"10ms\" is shorter than 1s",
                "x.yaml:1: coolDown: \"999ms\" is shorter than 1s",
            ]
        );
        assert_eq!(jwks.grace, Duration::ZERO);
    }
}

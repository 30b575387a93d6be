//! `auth` of `config.yaml`, but for what its holders may do.

mod algorithm;
mod header;
mod introspection;
mod issuer;
mod jwks;
mod mtls;
mod tokens;
mod values;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::config::{Fields, Section, Shown, write_duration};

pub use algorithm::Algorithm;
pub use header::HeaderNames;
pub use introspection::Introspection;
pub use issuer::Issuer;
pub use jwks::Jwks;
pub use mtls::Mtls;
pub use tokens::{Digest, Token, name};

/// How callers prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They do not.
    #[default]
    None,
    /// By access tokens of authorization servers.
    Oauth,
    /// By bearer tokens that the configuration knows.
    Tokens,
    /// A trusted proxy says it in headers.
    Header,
    /// By client certificates.
    Mtls,
}

impl Mode {
    const WORDS: [(&'static str, Self); 5] = [
        ("none", Self::None),
        ("oauth", Self::Oauth),
        ("tokens", Self::Tokens),
        ("header", Self::Header),
        ("mtls", Self::Mtls),
    ];

    /// The value of the key.
    pub fn word(self) -> &'static str {
        let (word, _) = Self::WORDS[self as usize];
        word
    }
}

/// How callers prove who they are.
#[derive(Clone, Debug)]
pub struct Config {
    /// What counts as proof.
    pub mode: Mode,
    /// Whether anybody who reaches a listener that is not loopback may call.
    pub allow_unauthenticated: bool,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// How long a stream may outlive the proof of who reads it.
    pub stream_grace: Duration,
    /// The authorization servers whose tokens count.
    pub issuers: Vec<Issuer>,
    /// How their keys are kept.
    pub jwks: Jwks,
    /// The static tokens.
    pub tokens: Vec<Token>,
    /// Which headers a trusted proxy sets.
    pub header: HeaderNames,
    /// Which client certificates count.
    pub mtls: Mtls,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            allow_unauthenticated: false,
            leeway: Duration::from_secs(30),
            stream_grace: Duration::from_secs(30),
            issuers: Vec::new(),
            jwks: Jwks::default(),
            tokens: Vec::new(),
            header: HeaderNames::default(),
            mtls: Mtls::default(),
        }
    }
}

/// Clocks that are further apart are broken, and a token lives little longer than that.
const MAX_LEEWAY: Duration = Duration::from_mins(5);
/// Access tokens live for about that long.
const MAX_STREAM_GRACE: Duration = Duration::from_hours(1);

impl Section for Config {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.choose("mode", &mut self.mode, &Mode::WORDS, &[]);
        fields.set("allowUnauthenticated", &mut self.allow_unauthenticated);
        fields.set_checked("leeway", &mut self.leeway, |leeway| {
            let fault = "is longer than 5m; set the clocks instead";
            if *leeway > MAX_LEEWAY { Err(fault.to_owned()) } else { Ok(()) }
        });
        fields.set_checked("streamGrace", &mut self.stream_grace, |grace| {
            let fault = "is longer than 1h; a stream must end with its token";
            if *grace > MAX_STREAM_GRACE { Err(fault.to_owned()) } else { Ok(()) }
        });
        self.issuers = fields.sections("issuers").unwrap_or_default();
        fields.section("jwks", &mut self.jwks);
        self.tokens = fields.sections("tokens").unwrap_or_default();
        fields.section("header", &mut self.header);
        fields.section("mtls", &mut self.mtls);
        self.check(fields);
    }
}

impl Config {
    /// What a mode needs, and what means nothing in it.
    fn check(&self, fields: &mut Fields<'_, '_>) {
        self.check_keys_of_modes(fields);
        if let Some(twice) = twice(self.issuers.iter().map(|it| &*it.issuer)) {
            fields.problem("issuers", format!("has two entries of {twice:?}; write one"));
        }
        let named = self.tokens.iter().map(|it| &*it.name).filter(|name| !name.is_empty());
        if let Some(name) = twice(named) {
            let message = format!("has two entries with the name {name:?}; give each its own");
            fields.problem("tokens", message);
        }
        // One that is missing has been reported.
        let given = self.tokens.iter().filter(|it| it.digest != Digest::default());
        let mut seen = HashMap::new();
        for Token { name, digest, .. } in given {
            if let Some(other) = seen.insert(*digest, name)
                && other != name
            {
                let message = format!(
                    "has one token under the names {other:?} and {name:?}; make another one with \
                     `portcullis token new`"
                );
                fields.problem("tokens", message);
            }
        }
    }

    fn check_keys_of_modes(&self, fields: &mut Fields<'_, '_>) {
        for (key, mode, is_given, is_needed) in [
            ("issuers", Mode::Oauth, !self.issuers.is_empty(), true),
            ("jwks", Mode::Oauth, self.jwks != Jwks::default(), false),
            ("tokens", Mode::Tokens, !self.tokens.is_empty(), true),
            ("header", Mode::Header, self.header != HeaderNames::default(), false),
            ("mtls", Mode::Mtls, self.mtls != Mtls::default(), false),
        ] {
            match (is_given, self.mode == mode) {
                (false, true) if is_needed => {
                    let message = format!("is empty, and auth.mode {} needs it", mode.word());
                    fields.problem(key, message);
                }
                (true, false) => {
                    let message = format!("means nothing without auth.mode: {}", mode.word());
                    fields.problem(key, message);
                }
                _ => {}
            }
        }
    }
}

/// One that is there twice.
fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

impl Shown for Config {
    fn shown(&self) -> Json {
        json!({
            "mode": self.mode.word(),
            "allowUnauthenticated": self.allow_unauthenticated,
            "leeway": write_duration(self.leeway),
            "streamGrace": write_duration(self.stream_grace),
            "issuers": self.issuers.iter().map(Shown::shown).collect::<Vec<_>>(),
            "jwks": self.jwks.shown(),
            "tokens": self.tokens.iter().map(Shown::shown).collect::<Vec<_>>(),
            "header": self.header.shown(),
            "mtls": self.mtls.shown(),
        })
    }
}

//! `auth.scopes` and `auth.admin` of `config.yaml`: what callers need to have been granted.

use serde_json::{Value as Json, json};

use crate::call::Names;
use crate::catalogue::Hint;
use crate::config::{Fields, Glob, Section, Shown};

/// `auth.scopes`: which scopes are needed for what.
#[derive(Clone, Debug, Default)]
pub struct Scopes {
    /// To get in at all.
    pub required: Names,
    /// For tools and whatever else a backend has.
    pub tools: Vec<ScopeRule>,
    /// Whether lists show what the caller has not the scopes for.
    pub hidden: Hidden,
}

/// What lists do with what the caller has not the scopes for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hidden {
    /// They leave it out.
    #[default]
    Hide,
    /// They show it, for clients that ask for more scopes when they are told to.
    Show,
}

impl Hidden {
    const WORDS: [(&'static str, Self); 2] = [("hide", Self::Hide), ("show", Self::Show)];
}

/// The scopes that some entries need.
#[derive(Clone, Debug)]
pub struct ScopeRule {
    /// Whose entries.
    pub backend: Glob,
    /// Which of its tools; everything the backend has, if there is none.
    pub tool: Option<Glob>,
    /// The value of a hint that a tool must have for the rule to hold, as far as its backend's word
    /// counts.
    pub annotation: Option<(Hint, bool)>,
    /// What they need.
    pub scopes: Names,
}

/// `auth.admin`: who may change the gateway. One of them is enough.
#[derive(Clone, Debug, Default)]
pub struct Admin {
    /// Whoever has one of these scopes.
    pub scopes: Names,
    /// Whoever is in one of these groups.
    pub groups: Names,
    /// Whoever has one of these static tokens.
    pub tokens: Names,
}

impl Section for Scopes {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        if let Some(required) = fields.list("required", scope) {
            self.required = required.into_iter().collect();
        }
        self.tools = fields.sections("tools").unwrap_or_default();
        fields.choose("hidden", &mut self.hidden, &Hidden::WORDS, &[]);
        let named = self.named().iter().count();
        if named > Self::MAX {
            let message = format!("name {named} scopes; there is room for {}", Self::MAX);
            fields.problem("tools", message);
        }
    }
}

impl Scopes {
    /// How many scopes the rules may name.
    pub const MAX: usize = 60;

    /// Every scope that is needed for something.
    pub fn named(&self) -> Names {
        let rules = self.tools.iter().flat_map(|rule| rule.scopes.iter());
        self.required.iter().chain(rules).collect()
    }
}

impl Default for ScopeRule {
    fn default() -> Self {
        Self { backend: Glob::any(), tool: None, annotation: None, scopes: Names::default() }
    }
}

impl Section for ScopeRule {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.set("backend", &mut self.backend);
        self.tool = fields.get("tool");
        self.annotation = fields.get_with("annotation", annotation);
        if !fields.has("backend") && !fields.has("tool") && !fields.has("annotation") {
            fields.problem("backend", "is missing, and so are tool and annotation; name one");
        }
        self.scopes = fields.list("scopes", scope).unwrap_or_default().into_iter().collect();
        if self.scopes.is_empty() {
            fields.problem("scopes", "is missing or empty: the rule would ask for nothing");
        }
    }
}

impl Admin {
    /// Whether anybody may.
    pub fn is_any(&self) -> bool {
        !(self.scopes.is_empty() && self.groups.is_empty() && self.tokens.is_empty())
    }
}

impl Section for Admin {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        for (key, names) in [
            ("scopes", &mut self.scopes),
            ("groups", &mut self.groups),
            ("tokens", &mut self.tokens),
        ] {
            if let Some(given) = fields.list(key, scope) {
                *names = given.into_iter().collect();
            }
        }
    }
}

impl Shown for Scopes {
    fn shown(&self) -> Json {
        let (hidden, _) = Hidden::WORDS[self.hidden as usize];
        json!({
            "required": shown(&self.required),
            "tools": self.tools.iter().map(Shown::shown).collect::<Vec<_>>(),
            "hidden": hidden,
        })
    }
}

impl Shown for ScopeRule {
    fn shown(&self) -> Json {
        let annotation = self.annotation.map(|(hint, value)| {
            let (name, _) = Hint::NAMES[hint as usize];
            format!("{name}={value}")
        });
        json!({
            "backend": self.backend.to_string(),
            "tool": self.tool.as_ref().map(Glob::to_string),
            "annotation": annotation,
            "scopes": shown(&self.scopes),
        })
    }
}

impl Shown for Admin {
    fn shown(&self) -> Json {
        json!({
            "scopes": shown(&self.scopes),
            "groups": shown(&self.groups),
            "tokens": shown(&self.tokens),
        })
    }
}

fn shown(names: &Names) -> Vec<&str> {
    names.iter().collect()
}

/// RFC 6749 §3.3: printable ASCII without space, quotation mark and backslash.
fn scope(text: &str) -> Result<Box<str>, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    if text.is_empty() || !plain {
        return Err("is not a scope; use printable characters without spaces".to_owned());
    }
    Ok(text.into())
}

/// `destructiveHint`, or `readOnlyHint=false`.
fn annotation(text: &str) -> Result<(Hint, bool), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    let hint = Hint::NAMES.iter().find(|(known, _)| *known == name).map(|(_, hint)| *hint);
    let known = || Hint::NAMES.map(|(name, _)| name).join(", ");
    let fault =
        || format!("is not a hint of tools; use one of {}, and =false for its opposite", known());
    match value {
        "true" | "false" => Ok((hint.ok_or_else(fault)?, value == "true")),
        _ => Err(fault()),
    }
}

//! One server of an `mcp.json`, rewritten as an `MCPServer`.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use crate::cli::import::secrets::{has_secret_shape, is_secret, split_scheme};
use crate::cli::import::variables::{Variables, screaming};
use crate::config::quote_yaml;
use crate::definitions::{API_VERSION, dns_label};

/// A server that can be written.
pub(super) struct Imported {
    /// Its name here.
    pub(super) name: String,
    /// The whole file.
    pub(super) yaml: String,
    /// How it is reached, in a few words.
    pub(super) summary: String,
    /// What the user should look at.
    pub(super) notes: Vec<String>,
}

impl Imported {
    /// Rewrites the server that is called `original` in the file `origin`.
    pub(super) fn new(
        original: &str,
        server: &Json,
        origin: &str,
        variables: &mut Variables,
    ) -> Result<Self, String> {
        let server = server.as_object().ok_or("is not an object")?;
        let name = dns_label(original);
        let mut entry = Entry {
            server,
            name: &name,
            spec: String::new(),
            notes: Vec::new(),
            known: vec!["disabled", "enabled"],
            variables,
        };
        let summary = entry.convert()?;
        entry.note_unknown();
        let Entry { spec, notes, .. } = entry;
        let (origin, original) = (Json::from(origin), Json::from(original));
        let yaml = format!(
            "# From {origin}: {original}\napiVersion: {API_VERSION}\nkind: MCPServer\n\
             metadata:\n  name: {name}\nspec:\n{spec}",
            name = quote_yaml(&name)
        );
        Ok(Self { name, yaml, summary, notes })
    }
}

struct Entry<'a> {
    server: &'a Map<String, Json>,
    name: &'a str,
    spec: String,
    notes: Vec<String>,
    known: Vec<&'static str>,
    variables: &'a mut Variables,
}

impl<'a> Entry<'a> {
    fn convert(&mut self) -> Result<String, String> {
        let kind = self.text("type")?.or(self.text("transport")?);
        let remote = self.text("httpUrl")?;
        let url = remote.clone().or(self.text("url")?).or(self.text("serverUrl")?);
        let command = self.command()?;
        let (kind, summary) = match (kind.as_deref(), url.as_deref(), command.as_slice()) {
            (Some("stdio" | "local") | None, None, [program, ..]) => ("stdio", program.clone()),
            (Some("sse"), Some(url), []) => ("sse", without_query(url)),
            (
                None | Some("http" | "streamable-http" | "streamableHttp" | "remote"),
                Some(url),
                [],
            ) => ("streamable-http", without_query(url)),
            (_, None, []) => return Err("has neither command nor url".to_owned()),
            (_, Some(_), [_, ..]) => return Err("has both command and url".to_owned()),
            (Some(kind), ..) => return Err(format!("its type {kind:?} does not fit")),
        };
        self.line("type", kind);
        if let Some(text) = self.text("description")? {
            self.line("description", &text);
        }
        let _ = writeln!(self.spec, "  autoStart: {}", self.auto_start());
        match url {
            None => self.stdio(&command)?,
            Some(url) => {
                let url = self.url(&url);
                self.line("url", &url);
                self.pairs("headers")?;
            }
        }
        Ok(format!("{kind} {summary}"))
    }

    fn stdio(&mut self, command: &[String]) -> Result<(), String> {
        let mut words = command.to_vec();
        words.extend(self.strings("args")?);
        for (index, word) in words.iter().enumerate().skip(1) {
            let value = word.rsplit_once('=').map_or(word.as_str(), |(_, value)| value);
            if has_secret_shape(value) {
                let note = "looks like a secret and stands in the file now; use env if the server \
                            can read it there";
                self.notes.push(format!("args[{}] {note}", index - 1));
            }
            if word.contains("${") {
                let note = "holds ${…}, which is not replaced in arguments; write the value";
                self.notes.push(format!("args[{}] {note}", index - 1));
            }
        }
        self.line("command", &words[0]);
        if words.len() > 1 {
            self.spec.push_str("  args:\n");
            for word in &words[1..] {
                let _ = writeln!(self.spec, "    - {}", quote_yaml(word));
            }
        }
        self.pairs("env")?;
        if let Some(cwd) = self.text("cwd")? {
            if cwd.contains("${") {
                self.notes.push("cwd holds ${…}, which is not replaced; write the path".to_owned());
            }
            let _ = writeln!(self.spec, "  gateway:\n    cwd: {}", quote_yaml(&cwd));
        }
        Ok(())
    }

    /// A program, or a program with its arguments.
    fn command(&mut self) -> Result<Vec<String>, String> {
        if self.server.get("command").is_some_and(Json::is_array) {
            return self.strings("command");
        }
        Ok(self.text("command")?.into_iter().collect())
    }

    fn auto_start(&self) -> bool {
        let is = |key: &str, value: bool| self.server.get(key) == Some(&Json::Bool(value));
        !is("disabled", true) && !is("enabled", false)
    }

    /// `env` or `headers`.
    fn pairs(&mut self, key: &'static str) -> Result<(), String> {
        let Some(pairs) = self.get(key) else { return Ok(()) };
        let pairs = pairs.as_object().ok_or_else(|| format!("{key} is not an object"))?;
        if pairs.is_empty() {
            return Ok(());
        }
        let _ = writeln!(self.spec, "  {key}:");
        for (name, value) in pairs {
            let value = scalar(value).ok_or_else(|| format!("{key}.{name} is not a text"))?;
            let place = format!("{} {name}", if key == "env" { "env" } else { "header" });
            let value = self.value(name, &value, &place, key == "env");
            let _ = writeln!(self.spec, "    {}: {}", quote_yaml(name), quote_yaml(&value));
        }
        Ok(())
    }

    /// A value without its secret. A variable that goes to a child keeps its name.
    fn value(&mut self, key: &str, value: &str, place: &str, named: bool) -> String {
        if value.contains("${") {
            return self.references(value, place);
        }
        if !is_secret(key, value) {
            return value.to_owned();
        }
        let (scheme, secret) = split_scheme(value);
        let key = if named { key.to_owned() } else { format!("{}_{key}", self.name) };
        let variable = self.variables.hide(&key, self.name, place, secret);
        format!("{scheme}${{{variable}}}")
    }

    /// Rewrites what other clients write in `${…}`.
    fn references(&mut self, value: &str, place: &str) -> String {
        let mut out = String::new();
        let mut rest = value;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((reference, after)) = after.split_once('}') else {
                rest = after;
                out.push_str("$${");
                continue;
            };
            rest = after;
            let (name, fallback) = match reference.split_once(":-") {
                Some((name, _)) => (name, true),
                None => (reference, false),
            };
            let name = name.strip_prefix("env:").unwrap_or(name);
            if let Some(input) = name.strip_prefix("input:") {
                let variable = screaming(input);
                self.variables.refer(&variable, self.name, place);
                let _ = write!(out, "${{{variable}}}");
            } else if is_word(name) {
                if !fallback {
                    self.variables.refer(name, self.name, place);
                }
                let _ = write!(out, "${{{}}}", reference.strip_prefix("env:").unwrap_or(reference));
            } else {
                self.notes.push(format!("{place} holds ${{{reference}}}; write the value"));
                let _ = write!(out, "$${{{reference}}}");
            }
        }
        out.push_str(rest);
        out
    }

    /// A URL whose secret parameters are variables.
    fn url(&mut self, url: &str) -> String {
        if url.contains("${") {
            return self.references(url, "url");
        }
        let Some((base, query)) = url.split_once('?') else { return url.to_owned() };
        let parameters: Vec<_> = query
            .split('&')
            .map(|parameter| match parameter.split_once('=') {
                Some((name, value)) if is_secret(name, value) => {
                    let key = format!("{}_{name}", self.name);
                    let place = format!("url parameter {name}");
                    let variable = self.variables.hide(&key, self.name, &place, value);
                    format!("{name}=${{{variable}}}")
                }
                _ => parameter.to_owned(),
            })
            .collect();
        format!("{base}?{}", parameters.join("&"))
    }

    fn line(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.spec, "  {key}: {}", quote_yaml(value));
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Json> {
        self.known.push(key);
        self.server.get(key).filter(|value| !value.is_null())
    }

    fn text(&mut self, key: &'static str) -> Result<Option<String>, String> {
        let value = self.get(key);
        value.map(|value| scalar(value).ok_or_else(|| format!("{key} is not a text"))).transpose()
    }

    fn strings(&mut self, key: &'static str) -> Result<Vec<String>, String> {
        let Some(values) = self.get(key) else { return Ok(Vec::new()) };
        let fault = || format!("{key} is not a list of texts");
        let values = values.as_array().ok_or_else(fault)?;
        values.iter().map(|value| scalar(value).ok_or_else(fault)).collect()
    }

    fn note_unknown(&mut self) {
        let unknown = self.server.keys().filter(|key| !self.known.contains(&key.as_str()));
        let unknown: Vec<&str> = unknown.map(String::as_str).collect();
        if !unknown.is_empty() {
            self.notes.push(format!("left out: {}", unknown.join(", ")));
        }
    }
}

/// Whether `${…}` can hold the name.
fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn without_query(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or(url).to_owned()
}

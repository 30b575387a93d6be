//! The environment variables that stand for what is not written into files.

use std::collections::BTreeMap;
use std::io::{self, Write};

/// Variables by name.
#[derive(Default)]
pub(super) struct Variables(BTreeMap<String, Variable>);

struct Variable {
    /// What it stands for, if that was in the file. Never printed.
    secret: Option<String>,
    /// Servers and the places in them.
    uses: Vec<(String, String)>,
}

impl Variables {
    /// A name for `secret`, which stands at `place` (`env GITHUB_TOKEN`) of `server`. One secret
    /// under one name is one variable; another secret gets another one.
    pub(super) fn hide(&mut self, key: &str, server: &str, place: &str, secret: &str) -> String {
        let short = screaming(key);
        let long = screaming(&format!("{server}_{key}"));
        let numbered = (2..).map(|n| format!("{long}_{n}"));
        let fits = |name: &String| {
            let known = self.0.get(name);
            known.is_none_or(|known| known.secret.as_deref() == Some(secret))
        };
        let name = [short, long.clone()].into_iter().chain(numbered).find(fits).unwrap_or(long);
        self.add(&name, server, place, Some(secret));
        name
    }

    /// A variable that the file itself refers to.
    pub(super) fn refer(&mut self, name: &str, server: &str, place: &str) {
        self.add(name, server, place, None);
    }

    fn add(&mut self, name: &str, server: &str, place: &str, secret: Option<&str>) {
        let known = self
            .0
            .entry(name.to_owned())
            .or_insert_with(|| Variable { secret: secret.map(str::to_owned), uses: Vec::new() });
        known.uses.push((server.to_owned(), place.to_owned()));
    }

    /// Forgets what only other servers use.
    pub(super) fn keep_only(&mut self, servers: &[&str]) {
        self.0.retain(|_, variable| {
            variable.uses.retain(|(server, _)| servers.contains(&server.as_str()));
            !variable.uses.is_empty()
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn report(&self, out: &mut impl Write) -> io::Result<()> {
        for (name, Variable { uses, .. }) in &self.0 {
            let uses: Vec<_> =
                uses.iter().map(|(server, place)| format!("{place} of {server}")).collect();
            writeln!(out, "  {name}: {}", uses.join(", "))?;
        }
        Ok(())
    }
}

/// The names in `${…}`.
pub(super) fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// `api-key` is `API_KEY`. The gateway's own variables begin with `PORTCULLIS_`, so these do not.
pub(super) fn screaming(name: &str) -> String {
    let mut out: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    let bad_start = !out.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if bad_start || out.starts_with("PORTCULLIS_") {
        out.insert_str(0, "MCP_");
    }
    out
}

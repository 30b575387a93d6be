//! What of a backend's definition may be shown, and its secrets kept out of texts.
//!
//! Values of variables and headers are secrets always. Command lines and URLs are not, but people
//! write secrets into them: what looks like one is left out.

use std::fmt::Write as _;

use secrecy::ExposeSecret;

use super::{Config, Transport};

/// What stands for a secret.
pub const REDACTED: &str = "(redacted)";

/// What is part of the names of flags and variables that hold secrets.
const SECRET_WORDS: [&str; 9] =
    ["auth", "bearer", "connection", "cookie", "credential", "key", "pass", "secret", "token"];

/// What tokens of well-known kinds begin with.
const TOKEN_PREFIXES: [&str; 11] = [
    "AKIA",
    "Basic ",
    "Bearer ",
    "eyJ",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "sk-",
    "xox",
];

/// Flags of which the next argument is `NAME=value` or `Name: value`.
const PAIR_FLAGS: [&str; 4] = ["-e", "--env", "-H", "--header"];

/// Secrets shorter than this are left in a text: they stand in words that have nothing to do with
/// them.
const SHORTEST: usize = 6;

impl Config {
    /// `text`, an error of this backend for example, without the secrets of its definition.
    pub fn without_secrets(&self, text: &str) -> String {
        let mut secrets = self.secrets();
        secrets.retain(|secret| secret.len() >= SHORTEST);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(&**secret, REDACTED))
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        match &self.transport {
            Transport::Stdio(stdio) => {
                for (name, value) in &stdio.env {
                    let value = value.expose_secret();
                    // Programs complain about paths, and then it has to be seen about which one.
                    if is_secret(name) || !value.starts_with('/') {
                        whole_and_words(value, &mut secrets);
                    }
                }
                let shown = Arguments::of(&stdio.args);
                secrets.extend(shown.hidden.into_iter().map(str::to_owned));
            }
            Transport::StreamableHttp(remote) | Transport::Sse(remote) => {
                for (_, value) in &remote.headers {
                    whole_and_words(&String::from_utf8_lossy(value.as_bytes()), &mut secrets);
                }
                let mut hidden = Vec::new();
                url_without(remote.url.as_str(), &mut hidden);
                secrets.extend(hidden.into_iter().map(str::to_owned));
            }
        }
        secrets
    }
}

/// A secret of several words is one word of a scheme and the secret, or several lines.
fn whole_and_words(secret: &str, secrets: &mut Vec<String>) {
    let words = secret.split_whitespace().filter(|word| word.len() > SHORTEST);
    secrets.extend(words.map(str::to_owned));
    secrets.push(secret.trim().to_owned());
}

/// A command line without what looks like a secret.
pub fn shown_arguments(arguments: &[String]) -> Vec<String> {
    Arguments::of(arguments).shown
}

/// A URL without credentials and without the values in its query. Variables in it may be unexpanded.
pub fn shown_url(url: &str) -> String {
    url_without(url, &mut Vec::new())
}

#[derive(Default)]
struct Arguments<'a> {
    shown: Vec<String>,
    hidden: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    fn of(arguments: &'a [String]) -> Self {
        let mut it = Self::default();
        let mut before = "";
        for argument in arguments {
            let shown = it.shown(before, argument);
            it.shown.push(shown);
            before = argument;
        }
        it
    }

    fn shown(&mut self, before: &str, argument: &'a str) -> String {
        if PAIR_FLAGS.contains(&before) {
            return self.pair(argument).unwrap_or_else(|| self.whole(argument));
        }
        let is_flag = |text: &str| text.starts_with('-') && !text.contains('=');
        let is_named = is_flag(before) && is_secret(before) && !argument.starts_with("--");
        if is_named || TOKEN_PREFIXES.iter().any(|prefix| argument.starts_with(prefix)) {
            return self.whole(argument);
        }
        let name = argument.split(['=', ':']).next().unwrap_or_default();
        let is_pair = PAIR_FLAGS.contains(&name) || is_secret(name);
        if is_pair && let Some(shown) = self.pair(argument) {
            return shown;
        }
        url_without(argument, &mut self.hidden)
    }

    /// `NAME=value` without its value.
    fn pair(&mut self, argument: &'a str) -> Option<String> {
        let at = argument.find(['=', ':'])?;
        let (name, value) = argument.split_at(at + 1);
        self.hidden.push(value.trim());
        Some(format!("{name}{REDACTED}"))
    }

    fn whole(&mut self, argument: &'a str) -> String {
        self.hidden.push(argument);
        REDACTED.to_owned()
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// What is left out goes to `hidden`. A text that is no URL stays as it is.
fn url_without<'a>(text: &'a str, hidden: &mut Vec<&'a str>) -> String {
    let Some((scheme, mut rest)) = text.split_once("://") else { return text.to_owned() };
    let mut shown = format!("{scheme}://");
    if let Some(at) = end_of_credentials(rest) {
        hidden.push(&rest[..at]);
        hidden.extend(rest[..at].split_once(':').map(|(_, password)| password));
        shown.push_str(REDACTED);
        rest = &rest[at..];
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    shown.push_str(path);
    for (index, pair) in query.split('&').enumerate().filter(|(_, pair)| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').map_or(("", pair), |(name, value)| (name, value));
        let mark = if index == 0 { '?' } else { '&' };
        let equals = if name.is_empty() { "" } else { "=" };
        let _ = write!(shown, "{mark}{name}{equals}{REDACTED}");
        hidden.push(value);
    }
    if !fragment.is_empty() {
        shown.push('#');
        shown.push_str(REDACTED);
        hidden.push(fragment);
    }
    shown
}

/// Passwords hold all kinds of characters, escaped or not: what comes before any `@` counts if it
/// could be one.
fn end_of_credentials(rest: &str) -> Option<usize> {
    let at = rest.rfind('@')?;
    let before = &rest[..at];
    (!before.contains('/') || before.contains(':')).then_some(at)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::backends::{Isolation, Stdio};

    fn words(line: &str) -> Vec<String> {
        line.split('|').map(str::to_owned).collect()
    }

    #[test]
    fn command_lines_are_shown_without_what_looks_like_a_secret() {
        for (given, expected) in [
            ("-y|@scope/server|/srv/files|--read-only", "-y|@scope/server|/srv/files|--read-only"),
            ("--token=abc|--level=info", "--token=(redacted)|--level=info"),
            ("--api-key|abc|--verbose", "--api-key|(redacted)|--verbose"),
            ("--no-auth|--verbose", "--no-auth|--verbose"),
            ("--password|-abc", "--password|(redacted)"),
            ("API_KEY=abc|LEVEL=info", "API_KEY=(redacted)|LEVEL=info"),
            ("-e|ANY=abc|-e|INHERITED", "-e|ANY=(redacted)|-e|(redacted)"),
            ("--env=ANY=abc", "--env=(redacted)"),
            ("--header|X-Any: abc", "--header|X-Any:(redacted)"),
            ("Authorization: Bearer abc", "Authorization:(redacted)"),
            ("ghp_abc|eyJabc", "(redacted)|(redacted)"),
            ("postgres://me:pw@db/x", "postgres://(redacted)@db/x"),
            ("", ""),
        ] {
            assert_eq!(shown_arguments(&words(given)), words(expected), "{given}");
        }
    }

    #[test]
    fn urls_are_shown_without_credentials_and_values() {
        for (given, expected) in [
            ("https://a.example.com/mcp", "https://a.example.com/mcp"),
            ("https://a/mcp?key=b&c&d=", "https://a/mcp?key=(redacted)&(redacted)&d=(redacted)"),
            ("https://a/${TOKEN}/mcp", "https://a/${TOKEN}/mcp"),
            ("https://me:p@w/d?x@a/mcp", "https://(redacted)@a/mcp"),
            ("https://me@a/mcp#part", "https://(redacted)@a/mcp#(redacted)"),
            ("https://a/@scope/b", "https://a/@scope/b"),
            ("no url", "no url"),
        ] {
            assert_eq!(shown_url(given), expected, "{given}");
        }
    }

    #[test]
    fn texts_lose_the_secrets_of_the_definition_and_keep_the_rest() {
        let env = [("KEY", "sesame-1"), ("AUTH", "Bearer sesame-2"), ("A", "abc"), ("D", "/srv/d")];
        let stdio = Stdio {
            command: "server".to_owned(),
            args: words("--token=sesame-3|mysql://me:sesame-4@db|--dir|/srv/f"),
            env: env.map(|(name, value)| (name.to_owned(), value.into())).into(),
            cwd: None,
        };
        let config = Config {
            name: Arc::from("a"),
            transport: Transport::Stdio(stdio),
            isolation: Isolation::Shared,
            connect_timeout: Duration::from_secs(1),
            call_timeout: Duration::from_secs(1),
            max_in_flight: None,
            trust_annotations: false,
        };
        let text =
            "sesame-1 is no key, sesame-2 no token, --token=sesame-3, sesame-4; abc /srv/d /srv/f";
        assert_eq!(
            config.without_secrets(text),
            "(redacted) is no key, (redacted) no token, --token=(redacted), (redacted); \
             abc /srv/d /srv/f"
        );
    }
}

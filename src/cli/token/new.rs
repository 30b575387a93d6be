//! `portcullis token new`: makes a static token.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::Context as _;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;

use crate::authn::{Digest, name};
use crate::config::quote_yaml;

/// What tokens begin with, so that people and secret scanners know one when they see it.
const PREFIX: &str = "pct_";

/// Arguments of `portcullis token new`.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// What it is called; whoever sends the token is the service of that name
    #[arg(value_parser = name)]
    name: Box<str>,
    /// A scope that it has; may be given several times
    #[arg(long = "scope", value_name = "SCOPE", value_parser = name)]
    scopes: Vec<Box<str>>,
    /// A group that its holder is in; may be given several times
    #[arg(long = "group", value_name = "GROUP", value_parser = name)]
    groups: Vec<Box<str>>,
}

impl NewArgs {
    /// Prints the token, and the line that makes a gateway know it. Neither is kept anywhere.
    ///
    /// # Errors
    /// When the system has no randomness, or `out` cannot be written.
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).ok().context("the system gave no random bytes")?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        writeln!(out, "{token}")?;
        writeln!(out, "{}", self.line(Digest::of(token.as_bytes())))?;
        Ok(())
    }

    /// An item of `auth.tokens`.
    fn line(&self, digest: Digest) -> String {
        let mut line = format!("- {{name: {}, sha256: {digest}", quoted(&self.name));
        for (key, names) in [("scopes", &self.scopes), ("groups", &self.groups)] {
            if !names.is_empty() {
                let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
                let _ = write!(line, ", {key}: [{}]", names.join(", "));
            }
        }
        line.push('}');
        line
    }
}

/// As it stands in `config.yaml`, where `${` would begin a variable.
fn quoted(name: &str) -> String {
    quote_yaml(&name.replace("${", "$${"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct New {
        #[command(flatten)]
        args: NewArgs,
    }

    fn run(args: &[&str]) -> String {
        let mut out = Vec::new();
        let args = ["new"].iter().chain(args);
        New::try_parse_from(args).expect("arguments").args.run(&mut out).expect("a token");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_token_and_its_line_are_printed() {
        let out = run(&["ci", "--scope", "tools:read", "--scope", "b", "--group", "ops"]);
        let (token, line) = out.trim_end().split_once('\n').expect("two lines");
        let random = token.strip_prefix("pct_").expect("the prefix");
        assert_eq!(URL_SAFE_NO_PAD.decode(random).expect("base64url").len(), 32);
        assert_eq!(random.len(), 43);
        let digest = Digest::of(token.as_bytes());
        let expected =
            format!("- {{name: ci, sha256: {digest}, scopes: [\"tools:read\", b], groups: [ops]}}");
        assert_eq!(line, expected);
        assert_ne!(run(&["ci"]), run(&["ci"]), "no two are the same");
    }

    #[test]
    fn names_that_no_configuration_takes_make_no_token() {
        let long = "n".repeat(101);
        for wrong in ["", "a b", "a\"b", "a\\b", "é", "a\nb", &long] {
            for args in [&[wrong][..], &["ci", "--scope", wrong], &["ci", "--group", wrong]] {
                let args = ["new"].iter().chain(args);
                assert!(New::try_parse_from(args).is_err(), "{wrong:?}");
            }
        }
    }
}

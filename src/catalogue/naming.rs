//! The names under which tools and prompts are exposed.

use std::sync::Arc;

use aws_lc_rs::digest;

use super::Prefix;

/// The longest name that clients and models take.
pub const MAX_NAME_CHARS: usize = 64;

/// How a backend's names become exposed ones.
#[derive(Clone, Debug)]
pub struct Naming {
    /// `{musterPrefix}_`, or nothing.
    gateway: String,
    /// `{toolPrefix or server}_`.
    server: String,
    prefix: Prefix,
}

impl Naming {
    /// The naming of a backend whose names are told apart by `server`.
    pub fn new(muster_prefix: &str, server: &str, prefix: Prefix) -> Self {
        let prefixed = |text: &str| match text {
            "" => String::new(),
            text => format!("{text}_"),
        };
        Self { gateway: prefixed(muster_prefix), server: prefixed(server), prefix }
    }

    /// The exposed name of a tool or prompt.
    pub fn exposed(&self, name: &Arc<str>) -> Arc<str> {
        if self.prefix == Prefix::None {
            return name.clone();
        }
        // A server that already puts its own name first does not get it twice.
        let server = if name.starts_with(&self.server) { "" } else { &self.server };
        shortened(format!("{}{server}{name}", self.gateway)).into()
    }

    /// Whether this backend's prefix stands before an exposed name.
    pub(super) fn covers(&self, exposed: &str) -> bool {
        let own = exposed.strip_prefix(&self.gateway);
        self.prefix == Prefix::Server && own.is_some_and(|own| own.starts_with(&self.server))
    }
}

/// The exposed name of a tool that a family has in common.
pub(super) fn of_family(muster_prefix: &str, family: &str, tool: &str) -> Arc<str> {
    let gateway = if muster_prefix.is_empty() { "" } else { "_" };
    shortened(format!("{muster_prefix}{gateway}{family}_{tool}")).into()
}

/// How many characters of a shortened name tell it from others with the same head.
const HASH_CHARS: usize = 8;

/// A name of at most 64 characters: the readable head, and a hash of the whole.
fn shortened(name: String) -> String {
    if name.chars().count() <= MAX_NAME_CHARS {
        return name;
    }
    let head: String = name.chars().take(MAX_NAME_CHARS - HASH_CHARS - 1).collect();
    let head = head.trim_end_matches(['_', '-', '.']);
    format!("{head}_{}", hash(&name))
}

/// 40 bits, five to a character.
fn hash(name: &str) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let digest = digest::digest(&digest::SHA256, name.as_bytes());
    let bits = digest.as_ref()[..5].iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let character = |at: usize| ALPHABET[(bits >> (5 * at) & 31) as usize] as char;
    (0..HASH_CHARS).map(character).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exposed(naming: &Naming, name: &str) -> String {
        naming.exposed(&name.into()).to_string()
    }

    #[test]
    fn names_carry_the_gateways_and_the_servers_prefix() {
        for (case, gateway, server, prefix, name, expected) in [
            ("plain", "x", "time", Prefix::Server, "now", "x_time_now"),
            ("not doubled", "x", "time", Prefix::Server, "time_now", "x_time_now"),
            ("only a whole prefix counts", "x", "time", Prefix::Server, "timer", "x_time_timer"),
            ("the server's name alone", "x", "time", Prefix::Server, "time", "x_time_time"),
            ("no gateway prefix", "", "time", Prefix::Server, "now", "time_now"),
            ("own names", "x", "time", Prefix::None, "now", "now"),
            ("with dashes", "m", "my-server", Prefix::Server, "a/b.c", "m_my-server_a/b.c"),
        ] {
            assert_eq!(exposed(&Naming::new(gateway, server, prefix), name), expected, "{case}");
        }
    }

    #[test]
    fn a_long_name_keeps_a_readable_head() {
        let naming = Naming::new("x", "server", Prefix::Server);
        let fits = "a".repeat(MAX_NAME_CHARS - "x_server_".len());
        assert_eq!(exposed(&naming, &fits), format!("x_server_{fits}"));
        let long = format!("{fits}b");
        let short = exposed(&naming, &long);
        assert_eq!(short.len(), MAX_NAME_CHARS);
        assert!(short.starts_with("x_server_aaaa"));
        // Clients remember names: this one must never change.
        assert_eq!(
            exposed(&naming, &"list_everything_".repeat(5)),
            "x_server_list_everything_list_everything_list_everythin_auxl7sgg"
        );
    }

    proptest! {
        #[test]
        fn shortened_names_fit_and_differ(
            head in "[a-z_\u{e4}]{50,80}", one in "[a-z_]{0,40}", other in "[a-z_]{0,40}",
        ) {
            let naming = Naming::new("x", "s", Prefix::Server);
            let (one, other) = (format!("{head}{one}"), format!("{head}{other}"));
            let (short, too) = (exposed(&naming, &one), exposed(&naming, &other));
            prop_assert!(short.chars().count() <= MAX_NAME_CHARS);
            prop_assert_eq!(&short, &exposed(&naming, &one));
            prop_assert_eq!(one == other, short == too);
        }
    }
}

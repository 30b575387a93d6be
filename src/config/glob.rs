//! Patterns for names.

use std::fmt;

use crate::config::Value;

/// Longer than any name that is worth writing down.
const MAX_CHARS: usize = 200;
/// What means something in other kinds of patterns. Here it would match itself alone, and a rule
/// that was meant to hold for more would hold for nothing.
const FOREIGN: &[char] = &['[', ']', '{', '}', '!', '\\', '|', '^', '$'];

/// A pattern for a whole name: `*` is any text, `?` is any one character, everything else is
/// itself, with regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob {
    pattern: Box<str>,
    /// How many bytes stand before the first `*` or `?`: every name begins with them.
    literal: usize,
}

impl Glob {
    /// The pattern that matches every name.
    pub fn any() -> Self {
        Self::new("*")
    }

    fn new(pattern: &str) -> Self {
        let literal = pattern.find(['*', '?']).unwrap_or(pattern.len());
        Self { pattern: pattern.into(), literal }
    }

    /// Whether `name` is of this pattern. At worst as many steps as the product of both lengths.
    pub fn matches(&self, name: &str) -> bool {
        let (literal, pattern) = self.pattern.as_bytes().split_at(self.literal);
        let Some(name) = name.as_bytes().strip_prefix(literal) else { return false };
        // Nearly all patterns are a name, or the beginning of names.
        match pattern {
            b"" => name.is_empty(),
            b"*" => true,
            _ => matches(pattern, name),
        }
    }
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last star does not fit: one character further.
    let mut star = None;
    loop {
        let fits = match (pattern.get(p), name.get(n)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                p += 1;
                star = Some((p, n));
                continue;
            }
            (Some(b'?'), Some(_)) => Some(width_at(name, n)),
            (Some(wanted), Some(found)) if wanted == found => Some(1),
            _ => None,
        };
        match (fits, star) {
            (Some(width), _) => {
                p += 1;
                n += width;
            }
            (None, Some((after, from))) if from < name.len() => {
                let next = from + width_at(name, from);
                (p, n) = (after, next);
                star = Some((after, next));
            }
            (None, _) => return false,
        }
    }
}

/// The bytes of the character that begins at `at`.
fn width_at(text: &[u8], at: usize) -> usize {
    let is_inside = |byte: &&u8| **byte & 0xC0 == 0x80;
    1 + text[at + 1..].iter().take_while(is_inside).count()
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

impl Value for Glob {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("matches nothing; use * for every name".to_owned());
        }
        if text.chars().count() > MAX_CHARS {
            return Err(format!("is longer than {MAX_CHARS} characters"));
        }
        if let Some(foreign) = text.chars().find(|c| FOREIGN.contains(c) || c.is_control()) {
            return Err(format!(
                "is not a pattern: only * (any text) and ? (any character) have a meaning; use ? \
                 where a name has {foreign:?}"
            ));
        }
        Ok(Self::new(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_matches_whole_names() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("*", "anything", true),
            ("delete_*", "delete_file", true),
            ("delete_*", "delete_", true),
            ("delete_*", "undelete_file", false),
            ("delete_*", "Delete_file", false),
            ("*_file", "delete_file", true),
            ("*_file", "delete_files", false),
            ("*file*", "a_file_b", true),
            ("a*b*c", "a__b__b__c", true),
            ("a*b*c", "a__c__b", false),
            ("**", "x", true),
            ("a?c", "abc", true),
            ("a?c", "aéc", true),
            ("a??c", "aéc", false),
            ("*?", "", false),
            ("*é", "éé", true),
            ("?", "日", true),
            ("exact", "exact", true),
            ("exact", "exac", false),
            ("exact", "exactly", false),
            ("a.b/c-d", "a.b/c-d", true),
            ("a.b", "axb", false),
        ] {
            let glob = Glob::read(pattern).unwrap();
            assert_eq!(glob.matches(name), matches, "{pattern} {name}");
        }
        assert!(Glob::any().matches("x") && Glob::any().to_string() == "*");
    }

    #[test]
    fn what_would_silently_match_nothing_is_no_pattern() {
        for text in ["", "{a,b}", "[ab]", "!a", "a|b", "^a", "a$", "a\\*", "a\n", &"a".repeat(201)]
        {
            assert!(Glob::read(text).is_err(), "{text:?}");
        }
    }

    /// The textbook's definition, which takes exponential time.
    fn by_definition(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                (0..=name.len()).any(|taken| by_definition(rest, &name[taken..]))
            }
            (['?', rest @ ..], [_, others @ ..]) => by_definition(rest, others),
            ([wanted, rest @ ..], [found, others @ ..]) => {
                wanted == found && by_definition(rest, others)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_definition(pattern in "[ab*?é]{1,7}", name in "[abé]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = by_definition(&chars(&pattern), &chars(&name));
            prop_assert_eq!(Glob::read(&pattern).unwrap().matches(&name), expected);
        }
    }
}

//! Patterns for names, with the rules of Go's `filepath.Match` (package path/filepath, "Match"): `*`
//! and `?` stand for anything but `/`, `[a-z]` and `[^a-z]` for one character, `\` takes the next
//! character as it is.

/// A pattern that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub(super) struct Malformed;

/// A pattern for a whole name.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    /// Any number of characters.
    Many,
    /// One character.
    One,
    This(char),
    /// One in these ranges, or outside of all of them.
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// # Errors
    /// When a class or an escape has no end, or a class or range nothing in it.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut chars = text.chars().peekable();
        let mut pieces = Vec::new();
        while let Some(char) = chars.next() {
            pieces.push(match char {
                '*' => Piece::Many,
                '?' => Piece::One,
                '[' => class(&mut chars)?,
                '\\' => Piece::This(chars.next().ok_or(Malformed)?),
                char => Piece::This(char),
            });
        }
        Ok(Self(pieces))
    }

    /// Whether it stands for the whole of `name`. What a `*` has taken up to the next one is not
    /// taken back after that, as in Go.
    pub(super) fn matches(&self, name: &str) -> bool {
        let name: Vec<_> = name.chars().collect();
        let (mut piece, mut at) = (0, 0);
        // The piece behind the last `*`, and where that ends if it takes one character more.
        let mut again = None;
        loop {
            match (self.0.get(piece), name.get(at)) {
                (Some(Piece::Many), _) => {
                    piece += 1;
                    again = Some((piece, at));
                    continue;
                }
                (Some(one), Some(char)) if one.is(*char) => {
                    (piece, at) = (piece + 1, at + 1);
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            match again {
                Some((behind, end)) if name.get(end).is_some_and(|char| *char != '/') => {
                    (piece, at) = (behind, end + 1);
                    again = Some((behind, end + 1));
                }
                _ => return false,
            }
        }
    }
}

impl Piece {
    fn is(&self, char: char) -> bool {
        match self {
            Self::Many => false,
            Self::One => char != '/',
            Self::This(this) => *this == char,
            Self::Class { is_negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&char)) != *is_negated
            }
        }
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// A class, behind its opening bracket.
fn class(chars: &mut Chars<'_>) -> Result<Piece, Malformed> {
    let is_negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
        let low = of_class(chars)?;
        let high = match chars.next_if_eq(&'-') {
            Some(_) => of_class(chars)?,
            None => low,
        };
        ranges.push((low, high));
    }
    Ok(Piece::Class { is_negated, ranges })
}

fn of_class(chars: &mut Chars<'_>) -> Result<char, Malformed> {
    match chars.next() {
        Some('\\') => chars.next().ok_or(Malformed),
        None | Some('-' | ']') => Err(Malformed),
        Some(char) => Ok(char),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        // From the table of Go's own tests of path/filepath, and some of ours.
        for (pattern, name, expected) in [
            ("abc", "abc", Ok(true)),
            ("*", "abc", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*", "a", Ok(true)),
            ("a*", "ab/c", Ok(false)),
            ("a*/b", "abc/b", Ok(true)),
            ("a*/b", "a/c/b", Ok(false)),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", Ok(true)),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", Ok(false)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzy", Ok(false)),
            ("ab[c]", "abc", Ok(true)),
            ("ab[b-d]", "abc", Ok(true)),
            ("ab[e-g]", "abc", Ok(false)),
            ("ab[^e-g]", "abc", Ok(true)),
            ("a\\*b", "a*b", Ok(true)),
            ("a\\*b", "ab", Ok(false)),
            ("a?b", "a☺b", Ok(true)),
            ("a[^a]b", "a☺b", Ok(true)),
            ("a???b", "a☺b", Ok(false)),
            ("a?b", "a/b", Ok(false)),
            ("a*b", "a/b", Ok(false)),
            ("[\\]a]", "]", Ok(true)),
            ("[\\-]", "-", Ok(true)),
            ("[x\\-]", "x", Ok(true)),
            ("[\\-x]", "a", Ok(false)),
            ("*x", "xxx", Ok(true)),
            ("a]", "a]", Ok(true)),
            ("", "", Ok(true)),
            ("", "a", Ok(false)),
            ("x_*_list*", "x_git_branch_list", Ok(true)),
            ("[]a]", "]", Err(Malformed)),
            ("[-]", "-", Err(Malformed)),
            ("[x-]", "x", Err(Malformed)),
            ("[-x]", "x", Err(Malformed)),
            ("[a-b-c]", "a", Err(Malformed)),
            ("[", "a", Err(Malformed)),
            ("[^", "a", Err(Malformed)),
            ("[^bc", "a", Err(Malformed)),
            ("a[", "ab", Err(Malformed)),
            ("a\\", "a", Err(Malformed)),
            ("b[", "a", Err(Malformed)),
        ] {
            let found = Pattern::parse(pattern).map(|it| it.matches(name));
            assert_eq!(found, expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let pattern = Pattern::parse(&"a*".repeat(500)).unwrap();
        assert!(!pattern.matches(&format!("{}/", "a".repeat(5000))));
    }

    proptest! {
        #[test]
        fn an_escaped_name_stands_for_itself(name in ".*") {
            let escaped: String = name.chars().flat_map(|char| ['\\', char]).collect();
            prop_assert!(Pattern::parse(&escaped).unwrap().matches(&name));
        }

        #[test]
        fn no_pattern_panics(pattern in r"[\[\]\\*?^a/-]{0,12}", name in "[a/-]{0,12}") {
            let _ = Pattern::parse(&pattern).map(|it| it.matches(&name));
        }
    }
}

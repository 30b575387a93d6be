//! `x_raw{0..9}_tool{0..19}`: many names in one word.

use anyhow::{Context, ensure};

/// All names that `pattern` stands for: each `{FIRST..LAST}` is replaced by the numbers from FIRST to LAST. The first range
/// counts fastest, so that the names of ten backends alternate between the backends.
///
/// # Errors
///
/// When a brace is not part of a range, or a range is empty.
pub fn expand(pattern: &str) -> anyhow::Result<Vec<String>> {
    let Some((head, rest)) = pattern.split_once('{') else {
        ensure!(!pattern.contains('}'), "{pattern:?} has a brace too many");
        return Ok(vec![pattern.to_owned()]);
    };
    let range = || format!("{pattern:?} has a brace that is not {{FIRST..LAST}}");
    ensure!(!head.contains('}'), range());
    let (numbers, tail) = rest.split_once('}').with_context(range)?;
    let (first, last) = numbers.split_once("..").with_context(range)?;
    let (first, last) = (number(first).with_context(range)?, number(last).with_context(range)?);
    ensure!(first <= last, "{pattern:?} counts from {first} to {last}");
    let tails = expand(tail)?;
    Ok(tails
        .iter()
        .flat_map(|tail| (first..=last).map(move |n| format!("{head}{n}{tail}")))
        .collect())
}

fn number(digits: &str) -> Option<u16> {
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_names_and_the_first_counts_fastest() {
        for (pattern, names) in [
            ("echo", vec!["echo"]),
            ("tool{3..4}", vec!["tool3", "tool4"]),
            (
                "x_raw{0..1}_tool{0..2}",
                vec![
                    "x_raw0_tool0",
                    "x_raw1_tool0",
                    "x_raw0_tool1",
                    "x_raw1_tool1",
                    "x_raw0_tool2",
                    "x_raw1_tool2",
                ],
            ),
            ("{7..7}", vec!["7"]),
        ] {
            assert_eq!(expand(pattern).expect("a pattern"), names, "{pattern}");
        }
    }

    #[test]
    fn other_braces_are_refused() {
        for pattern in
            ["{", "}", "a}b{0..1}", "{0..", "{0-9}", "{1..0}", "{a..b}", "{{0..1}}", "{0..99999}"]
        {
            assert!(expand(pattern).is_err(), "{pattern}");
        }
    }
}

//! `${NAME}` in a value stands for an environment variable; `$${` is a literal `${`.

use crate::config::Environment;

/// Why a text could not be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// There is no such variable.
    #[error(
        "the environment variable {0} is not set; set it, or write $${{{0}}} if the text is meant"
    )]
    Undefined(String),
    /// `${` without `}`.
    #[error("\"${{\" is not closed; add \"}}\", or write \"$${{\" if the text is meant")]
    Unclosed,
    /// `${not a name}`.
    #[error(
        "{0:?} is not the name of an environment variable; write \"$${{\" if the text is meant"
    )]
    BadName(String),
}

/// Replaces every `${NAME}` in `text`, and `${NAME:-fallback}` by the fallback where the variable
/// is missing or empty. What comes in is not expanded again.
///
/// # Errors
/// When a variable is not set, or a reference is malformed.
pub fn expand(text: &str, environment: &Environment) -> Result<String, ExpandError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str("${");
            rest = &reference[2..];
            continue;
        }
        out.push_str(before);
        let end = reference.find('}').ok_or(ExpandError::Unclosed)?;
        out.push_str(resolve(&reference[2..end], environment)?);
        rest = &reference[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn resolve<'a>(reference: &'a str, environment: &'a Environment) -> Result<&'a str, ExpandError> {
    let (name, fallback) = match reference.split_once(":-") {
        Some((name, fallback)) => (name, Some(fallback)),
        None => (reference, None),
    };
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !valid {
        return Err(ExpandError::BadName(name.to_owned()));
    }
    match (environment.get(name), fallback) {
        (None | Some(""), Some(fallback)) => Ok(fallback),
        (Some(value), _) => Ok(value),
        (None, None) => Err(ExpandError::Undefined(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn environment() -> Environment {
        [("A", "one"), ("B_2", "${A}"), ("EMPTY", "")].into_iter().collect()
    }

    #[test]
    fn references_are_replaced_once() {
        for (text, expected) in [
            ("plain $5 {x}", "plain $5 {x}"),
            ("${A}", "one"),
            ("Bearer ${A}/${B_2}", "Bearer one/${A}"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("[${EMPTY}]", "[]"),
            ("${NO:-two}${EMPTY:-three}${A:-four}", "twothreeone"),
            ("${NO:-}", ""),
        ] {
            assert_eq!(expand(text, &environment()).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_an_error_that_names_it() {
        for (text, expected) in [
            ("${NO}", ExpandError::Undefined("NO".to_owned())),
            ("x${A", ExpandError::Unclosed),
            ("${}", ExpandError::BadName(String::new())),
            ("${input:key}", ExpandError::BadName("input:key".to_owned())),
        ] {
            assert_eq!(expand(text, &environment()), Err(expected), "{text}");
        }
        let message = ExpandError::Undefined("NO".to_owned()).to_string();
        assert_eq!(
            message,
            "the environment variable NO is not set; set it, or write $${NO} if the text is meant"
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in "[$ {}A:_-]{0,24}|\\PC*") {
            let _ = expand(&text, &environment());
        }

        #[test]
        fn an_escaped_text_comes_back_as_it_was(text in "[^$]*(\\$\\{[^$]*)*") {
            prop_assert_eq!(expand(&text.replace("${", "$${"), &environment()), Ok(text));
        }
    }
}

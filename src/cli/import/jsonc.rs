//! JSON with comments and trailing commas, as editors write it.

/// Replaces comments by spaces and drops commas before a closing bracket, so that plain JSON is
/// left and its lines stay where they were.
pub(super) fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut comma: Option<usize> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if c == '"' {
            string_length(rest)
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else {
            c.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        if token.starts_with('/') && token.len() > 1 {
            out.extend(token.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            continue;
        }
        if matches!(c, '}' | ']')
            && let Some(at) = comma
        {
            out.replace_range(at..=at, " ");
        }
        if !c.is_ascii_whitespace() {
            comma = (c == ',').then_some(out.len());
        }
        out.push_str(token);
    }
    out
}

/// The length of the string literal at the start, with its quotes.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn comments_and_trailing_commas_go_and_strings_stay() {
        let text = r#"{ // a
            "a//b": "/* x */ \" ,}", /* c,
            } */ "d": [1, 2, /**/ ],
        }"#;
        let json: serde_json::Value = serde_json::from_str(&strip(text)).expect("JSON");
        assert_eq!(json, serde_json::json!({"a//b": "/* x */ \" ,}", "d": [1, 2]}));
    }

    proptest! {
        #[test]
        fn plain_json_is_left_alone(text in "\\PC*") {
            let json = serde_json::json!({"k": [text, 1]}).to_string();
            prop_assert_eq!(strip(&json), json);
        }

        #[test]
        fn never_panics(text in "[]/*{},\"\\\\a\n\\[]{0,40}|\\PC*") {
            let _ = strip(&text);
        }
    }
}

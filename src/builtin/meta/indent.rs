//! JSON for people and models to read.

/// Lines are indented no further than this. What a server nests more deeply would be blown up to
/// many times its size.
const MAX_LEVELS: usize = 16;

/// The same JSON with a line for each member and element; every name and value stays as it is, also
/// numbers that no type of ours could hold.
pub(super) fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 5 / 4);
    let mut depth = 0;
    let mut rest = json.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' => string_end(rest),
            _ => first.len_utf8(),
        };
        let behind = rest[end..].trim_start();
        let closes_at_once = behind.starts_with(['}', ']']);
        match first {
            '}' | ']' => depth -= 1,
            '{' | '[' => depth += 1,
            _ => {}
        }
        out.push_str(&rest[..end]);
        match first {
            '{' | '[' if closes_at_once => {}
            '{' | '[' | ',' => line(&mut out, depth),
            ':' => out.push(' '),
            _ if closes_at_once => line(&mut out, depth - 1),
            _ => {}
        }
        rest = behind;
    }
    out
}

/// Where the string ends that the text begins with.
fn string_end(text: &str) -> usize {
    let mut is_escaped = true; // the opening quote ends nothing
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |at| at + 1)
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    (0..depth.min(MAX_LEVELS)).for_each(|_| out.push_str("  "));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn values_stay_as_they_are() {
        let json = r#" {"a":[1.0,-1e400,"x\"{,}\\",[ ] ,{}],"a": {"b":null}} "#;
        let expected = r#"{
  "a": [
    1.0,
    -1e400,
    "x\"{,}\\",
    [],
    {}
  ],
  "a": {
    "b": null
  }
}"#;
        assert_eq!(indented(json), expected);
        assert_eq!(indented("[]"), "[]");
        assert_eq!(indented("\"a\""), "\"a\"");
    }

    #[test]
    fn what_nests_deeply_does_not_become_many_times_as_long() {
        let levels = 10_000;
        let deep = "[".repeat(levels) + &"]".repeat(levels);
        let indented = indented(&deep);
        assert!(indented.len() < deep.len() * (2 * MAX_LEVELS + 2), "{}", indented.len());
        assert_eq!(indented.split_whitespace().collect::<String>(), deep);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_what_serde_json_would_write(value in value()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(indented(&value.to_string()), pretty);
        }
    }
}

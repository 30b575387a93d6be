//! What a tool's annotations say of it (MCP 2025-11-25, schema, `ToolAnnotations`).

use serde::Deserialize;
use serde_json::Value as Json;

/// One of the hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the specification says it")]
pub enum Hint {
    ReadOnly,
    Destructive,
    Idempotent,
    OpenWorld,
}

impl Hint {
    /// All of them, by their names.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("readOnlyHint", Self::ReadOnly),
        ("destructiveHint", Self::Destructive),
        ("idempotentHint", Self::Idempotent),
        ("openWorldHint", Self::OpenWorld),
    ];
}

/// The value of every hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hints([bool; 4]);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    annotations: Json,
}

impl Hints {
    /// What a tool is taken for whose word does not count, or who says nothing.
    pub const WORST: Self = Self([false, true, false, true]);

    /// What a tool's JSON object says, and the worst of what it does not say: but what only reads
    /// neither destroys anything nor does more if it is done twice.
    pub fn of(tool: &[u8]) -> Self {
        let Tool { annotations } = serde_json::from_slice(tool).unwrap_or_default();
        let said = |hint| {
            let (name, _) = Hint::NAMES[hint as usize];
            annotations[name].as_bool()
        };
        let read_only = said(Hint::ReadOnly).unwrap_or(false);
        Self([
            read_only,
            said(Hint::Destructive).unwrap_or(!read_only),
            said(Hint::Idempotent).unwrap_or(read_only),
            said(Hint::OpenWorld).unwrap_or(true),
        ])
    }

    /// The value of one of them.
    pub fn get(self, hint: Hint) -> bool {
        self.0[hint as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tool_does_not_say_is_taken_at_its_worst() {
        for (tool, hints) in [
            ("{}", [false, true, false, true]),
            ("", [false, true, false, true]),
            (r#"{"annotations":null}"#, [false, true, false, true]),
            (r#"{"annotations":[]}"#, [false, true, false, true]),
            (r#"{"annotations":{"readOnlyHint":true}}"#, [true, false, true, true]),
            (r#"{"annotations":{"readOnlyHint":"true"}}"#, [false, true, false, true]),
            (
                r#"{"annotations":{"readOnlyHint":true,"destructiveHint":true}}"#,
                [true, true, true, true],
            ),
            (
                r#"{"annotations":{"destructiveHint":false,"openWorldHint":false}}"#,
                [false, false, false, false],
            ),
            (r#"{"annotations":{"idempotentHint":true}}"#, [false, true, true, true]),
            (r#"{"annotations":{},"annotations":{"readOnlyHint":true}}"#, Hints::WORST.0),
        ] {
            assert_eq!(Hints::of(tool.as_bytes()), Hints(hints), "{tool}");
        }
    }
}

//! What a tool of ours takes: one list, from which its schema is made and by which its arguments are
//! checked.

use serde_json::{Map, Value, json};

use crate::call::refuse_unknown;

/// One argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) is_required: bool,
    pub(super) description: &'static str,
}

/// What an argument may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    /// A string.
    Text,
    /// `true` or `false`; the latter if it is not there.
    Flag,
    /// The same; the former if it is not there.
    FlagOn,
    /// A whole number of at least `least`; `otherwise` if it is not there.
    Number { least: u64, otherwise: u64 },
    /// An object.
    Object,
}

impl Argument {
    pub(super) const fn required(
        name: &'static str,
        takes: Takes,
        description: &'static str,
    ) -> Self {
        Self { name, takes, is_required: true, description }
    }

    pub(super) const fn optional(
        name: &'static str,
        takes: Takes,
        description: &'static str,
    ) -> Self {
        Self { name, takes, is_required: false, description }
    }

    fn schema(&self) -> Value {
        let description = self.description;
        match self.takes {
            Takes::Text => json!({ "type": "string", "description": description }),
            Takes::Object => json!({ "type": "object", "description": description }),
            Takes::Flag => {
                json!({ "type": "boolean", "description": description, "default": false })
            }
            Takes::FlagOn => {
                json!({ "type": "boolean", "description": description, "default": true })
            }
            Takes::Number { least, otherwise } => json!({
                "type": "integer", "description": description,
                "minimum": least, "default": otherwise,
            }),
        }
    }

    /// Why a value is not what the argument takes.
    fn fault(&self, value: &Value) -> Option<String> {
        let name = self.name;
        let wanted = match self.takes {
            Takes::Text if !value.is_string() => "a string",
            Takes::Flag | Takes::FlagOn if !value.is_boolean() => "a boolean value",
            Takes::Object if !value.is_object() => "a JSON object",
            Takes::Number { .. } if !value.is_number() => "a number",
            Takes::Number { least, .. } => return of_number(name, value, least),
            Takes::Text | Takes::Flag | Takes::FlagOn | Takes::Object => return None,
        };
        Some(format!("{name} must be {wanted}"))
    }
}

fn of_number(name: &str, value: &Value, least: u64) -> Option<String> {
    let is_negative = value.as_f64().is_some_and(|number| number < 0.0);
    match whole(value) {
        Some(number) if number >= least => None,
        None if !is_negative => Some(format!("{name} must be a whole number")),
        _ => Some(format!("{name} must be at least {least}")),
    }
}

/// Clients write whole numbers as floating-point numbers too.
fn whole(value: &Value) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
    let rounded = |number: f64| {
        (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
    };
    value.as_u64().or_else(|| value.as_f64().and_then(rounded))
}

/// The input schema (MCP, Tools, "Tool").
pub(super) fn schema(arguments: &[Argument]) -> Value {
    let properties: Map<_, _> =
        arguments.iter().map(|it| (it.name.to_owned(), it.schema())).collect();
    let required: Vec<_> = arguments.iter().filter(|it| it.is_required).map(|it| it.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// Arguments that are what the tool takes.
#[derive(Debug, Default)]
pub(super) struct Given {
    values: Map<String, Value>,
    takes: &'static [Argument],
}

impl Given {
    /// Checks the JSON of arguments; one that is `null` is not there.
    ///
    /// # Errors
    /// With a text that names the argument. `noun` stands behind the name of one that is missing.
    pub(super) fn check(
        given: &[u8],
        takes: &'static [Argument],
        noun: &str,
    ) -> Result<Self, String> {
        let Ok(Value::Object(mut values)) = serde_json::from_slice(given) else {
            return Err("arguments must be a JSON object".to_owned());
        };
        values.retain(|_, value| !value.is_null());
        let allowed: Vec<_> = takes.iter().map(|it| it.name).collect();
        refuse_unknown(values.keys().map(|name| &**name), &allowed)?;
        for argument in takes {
            let is_empty = |value: &&Value| argument.is_required && value.as_str() == Some("");
            match values.get(argument.name).filter(|value| !is_empty(value)) {
                Some(value) => argument.fault(value).map_or(Ok(()), Err)?,
                None if argument.is_required => {
                    return Err(format!("{}{noun} is required", argument.name));
                }
                None => {}
            }
        }
        Ok(Self { values, takes })
    }

    /// A string that has to be there.
    ///
    /// # Panics
    /// When the argument is not a required string.
    pub(super) fn required(&self, name: &str) -> &str {
        self.text(name).expect("required arguments have been checked")
    }

    /// A string.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }

    /// An object.
    pub(super) fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.values.get(name)?.as_object()
    }

    /// A flag, or what it is when it is not there.
    pub(super) fn flag(&self, name: &str) -> bool {
        let otherwise =
            self.takes.iter().any(|it| it.name == name && matches!(it.takes, Takes::FlagOn));
        self.values.get(name).and_then(Value::as_bool).unwrap_or(otherwise)
    }

    /// A number, or what it is when it is not there.
    pub(super) fn number(&self, name: &str) -> usize {
        let otherwise = self.takes.iter().find(|it| it.name == name).map(|it| it.takes);
        let given = self.values.get(name).and_then(whole);
        let number = given.or(match otherwise {
            Some(Takes::Number { otherwise, .. }) => Some(otherwise),
            _ => None,
        });
        number.and_then(|number| usize::try_from(number).ok()).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKES: &[Argument] = &[
        Argument::required("name", Takes::Text, "a name"),
        Argument::optional("limit", Takes::Number { least: 1, otherwise: 5 }, "how many"),
        Argument::optional("all", Takes::Flag, "all of them"),
        Argument::optional("labels", Takes::Object, "labels"),
    ];

    fn check(given: &str) -> Result<Given, String> {
        Given::check(given.as_bytes(), TAKES, " argument")
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (given, said) in [
            ("{}", "name argument is required"),
            (r#"{"name":""}"#, "name argument is required"),
            (r#"{"name":null}"#, "name argument is required"),
            (r#"{"name":5}"#, "name must be a string"),
            (r#"{"name":"a","limit":"5"}"#, "limit must be a number"),
            (r#"{"name":"a","limit":0}"#, "limit must be at least 1"),
            (r#"{"name":"a","limit":-1}"#, "limit must be at least 1"),
            (r#"{"name":"a","limit":-1.5}"#, "limit must be at least 1"),
            (r#"{"name":"a","limit":1e99}"#, "limit must be a whole number"),
            (r#"{"name":"a","limit":1.5}"#, "limit must be a whole number"),
            (r#"{"name":"a","all":1}"#, "all must be a boolean value"),
            (r#"{"name":"a","labels":[]}"#, "labels must be a JSON object"),
            (r#"{"nam":"a"}"#, "unknown args: [nam]. Allowed args: [name, limit, all, labels]"),
            ("[]", "arguments must be a JSON object"),
        ] {
            assert_eq!(check(given).unwrap_err(), said, "{given}");
        }
    }

    #[test]
    fn what_is_not_there_has_its_default() {
        let given = check(r#"{"name":"a","limit":2.0}"#).unwrap();
        assert_eq!((given.required("name"), given.number("limit")), ("a", 2));
        assert!(!given.flag("all") && given.object("labels").is_none());
        assert_eq!(check(r#"{"name":"a"}"#).unwrap().number("limit"), 5);
    }

    #[test]
    fn the_schema_says_the_same() {
        let schema = schema(TAKES);
        assert_eq!(schema["required"], json!(["name"]));
        assert_eq!(schema["properties"]["limit"]["minimum"], 1);
        assert_eq!(schema["properties"]["all"]["default"], false);
    }
}

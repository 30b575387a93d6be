//! Keys of parts that are still to come: taken at their default, refused by name otherwise.

use serde_json::Value as Json;

use crate::config::fields::Found;
use crate::config::{Data, Entry, Fields, Location, Node, Problem, hint};

const LATER: &str = "is not supported yet";

impl Fields<'_, '_> {
    /// Takes `key` if it says nothing but `default`, a scalar, list or mapping in JSON.
    pub fn later(&mut self, key: &'static str, default: &Json) {
        let path = self.key_path(key);
        if let Json::Object(_) | Json::Array(_) = default {
            self.reader.remember_other(&path);
        }
        self.variables(&path, default);
        let location = self.reader.location.clone();
        if let Some(Entry { value, .. }) = self.take(key) {
            self.compare(value, &location, path, default);
        }
    }

    /// Takes the mapping `key`, whose other `keys` do nothing as long as `enabled` is not true.
    pub fn later_when_enabled(&mut self, key: &'static str, keys: &[&'static str]) {
        self.later_with_advice(key, keys, "");
    }

    /// The same, with what can be done instead.
    pub fn later_with_advice(
        &mut self,
        key: &'static str,
        keys: &[&'static str],
        advice: &'static str,
    ) {
        self.within(key, |fields| {
            if fields.get::<bool>("enabled") == Some(true) {
                fields.problem("enabled", format!("{LATER}{advice}"));
            }
            fields.accept(keys);
        });
    }

    fn variables(&mut self, path: &str, default: &Json) {
        if let Json::Object(keys) = default {
            for (key, default) in keys {
                self.variables(&format!("{path}.{key}"), default);
            }
            return;
        }
        if default.is_array() {
            self.reader.remember_other(path);
            return;
        }
        self.reader.remember_scalar(path);
        if !self.reader.overrides {
            return;
        }
        if let Some(value) = self.reader.environment.setting(path) {
            self.checked(&Found::variable(value, path), |text| is_default(text, default));
        }
    }

    fn compare(&mut self, node: &Node, location: &Location, path: String, default: &Json) {
        let at = location.at(node.line);
        let fault = match (&node.data, default) {
            (Data::Null | Data::Broken, _) => return,
            (Data::Text(text), default) => {
                let found = Found { text: text.clone(), location: at, path };
                self.checked(&found, |text| is_default(text, default));
                return;
            }
            (Data::Map(entries), Json::Object(known)) => {
                for entry in entries {
                    let path = format!("{path}.{}", entry.key);
                    let Some(default) = known.get(&entry.key) else {
                        let near = hint(&entry.key, known.keys().map(String::as_str));
                        let at = location.at(entry.line);
                        let message = format!("unknown key{near}");
                        self.reader.problems.push(Problem::new(at, path, message));
                        continue;
                    };
                    self.compare(&entry.value, location, path, default);
                }
                return;
            }
            (Data::List(items), Json::Array(_)) if items.is_empty() => return,
            (Data::Map(entries), Json::Null) if entries.is_empty() => return,
            _ => LATER,
        };
        self.reader.problems.push(Problem::new(at, path, fault));
    }
}

fn is_default(text: &str, default: &Json) -> Result<(), String> {
    let same = match default {
        Json::Null => text.is_empty(),
        Json::String(default) => text == default,
        Json::Bool(default) => text == if *default { "true" } else { "false" },
        Json::Number(_) | Json::Array(_) | Json::Object(_) => false,
    };
    if same { Ok(()) } else { Err(LATER.to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use crate::config::{Environment, Location, Reader, parse_yaml};

    fn problems(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
        let location = Location::file(Path::new("x.yaml"));
        let (documents, _) = parse_yaml(text, &location);
        let environment: Environment = environment.iter().copied().collect();
        let mut reader = Reader::new(location, Path::new(""), &environment).with_overrides();
        let default = json!({"enabled": true, "allow": [], "tls": null});
        let root = documents.first().map(|document| &document.root);
        reader.document(root, |fields| fields.later("denylist", &default));
        reader.finish().0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_default_is_taken() {
        for text in [
            "",
            "denylist:",
            "denylist: {enabled: true, allow: [], tls: {}}",
            "denylist: {tls: ''}",
        ] {
            assert_eq!(problems(text, &[("PORTCULLIS_DENYLIST_ENABLED", "true")]), [""; 0]);
        }
    }

    #[test]
    fn anything_else_is_not_supported_yet() {
        let text = "denylist:\n  enabled: false\n  allow: [x]\n  tls: {a: b}\n  blok: 1";
        assert_eq!(
            problems(text, &[("PORTCULLIS_DENYLIST_TLS", "x")]),
            [
                "environment: PORTCULLIS_DENYLIST_TLS: \"x\" is not supported yet",
                "x.yaml:2: denylist.enabled: \"false\" is not supported yet",
                "x.yaml:3: denylist.allow: is not supported yet",
                "x.yaml:4: denylist.tls: is not supported yet",
                "x.yaml:5: denylist.blok: unknown key",
            ]
        );
        let unknown = problems("", &[("PORTCULLIS_DENYLIST_ALLOW", "x")]);
        assert!(unknown[0].ends_with("is not a single value; set it in config.yaml"));
    }
}

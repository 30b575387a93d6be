//! Lists of mappings.

use crate::config::{Data, Fields, Problem, Section};

impl Fields<'_, '_> {
    /// The items of a list of mappings, each read as a section that begins with its default.
    ///
    /// A variable of the environment cannot set what is in a list.
    pub fn sections<T: Section + Default>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let path = self.key_path(key);
        self.reader.remember_other(&path);
        let entry = self.take(key)?;
        let Data::List(items) = &entry.value.data else {
            self.wrong_kind(key, "a list of mappings", "[{key: value}]");
            return None;
        };
        let overrides = std::mem::replace(&mut self.reader.overrides, false);
        let mut sections = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let location = self.location.at(item.line);
            match &item.data {
                Data::Map(entries) => {
                    let mut fields = Fields::new(self.reader, entries, path, location);
                    let mut section = T::default();
                    section.read(&mut fields);
                    fields.close();
                    sections.push(section);
                }
                Data::Broken => {}
                Data::Null | Data::Text(_) | Data::List(_) => {
                    let fault = "must be a mapping, for example {key: value}";
                    self.reader.problems.push(Problem::new(location, path, fault));
                }
            }
        }
        self.reader.overrides = overrides;
        Some(sections)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Environment, Fields, Location, Reader, Section, parse_yaml};

    #[derive(Debug, Default, PartialEq)]
    struct Rule {
        tool: String,
        limit: u16,
    }

    impl Section for Rule {
        fn read(&mut self, fields: &mut Fields<'_, '_>) {
            fields.set("tool", &mut self.tool);
            fields.set("limit", &mut self.limit);
        }
    }

    fn read(text: &str, environment: &[(&str, &str)]) -> (Option<Vec<Rule>>, Vec<String>) {
        let location = Location::file(Path::new("x.yaml"));
        let (documents, _) = parse_yaml(text, &location);
        let environment: Environment = environment.iter().copied().collect();
        let mut reader = Reader::new(location, Path::new(""), &environment).with_overrides();
        let root = documents.first().map(|document| &document.root);
        let rules = reader.document(root, |fields| fields.sections("rules"));
        let (problems, _) = reader.finish();
        (rules, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_item_is_read_and_begins_with_the_defaults() {
        let text = "rules:\n- tool: a\n- {limit: 3}\n- {}";
        let rule = |tool: &str, limit| Rule { tool: tool.to_owned(), limit };
        let rules = vec![rule("a", 0), rule("", 3), rule("", 0)];
        assert_eq!(read(text, &[]), (Some(rules), vec![]));
        assert_eq!(read("rules: []", &[]), (Some(vec![]), vec![]));
        assert_eq!(read("rules: null", &[]), (None, vec![]));
    }

    #[test]
    fn every_problem_names_its_item_and_its_line() {
        let text = "rules:\n- tool: a\n  limit: x\n- b\n- tol: c\n-\n";
        let (_, problems) = read(text, &[("PORTCULLIS_RULES_TOOL", "x")]);
        assert_eq!(
            problems,
            [
                "x.yaml:3: rules[0].limit: \"x\" is not a whole number from 0 to 65535",
                "x.yaml:4: rules[1]: must be a mapping, for example {key: value}",
                "x.yaml:5: rules[2].tol: unknown key; did you mean \"tool\"?",
                "x.yaml:6: rules[3]: must be a mapping, for example {key: value}",
                "environment: PORTCULLIS_RULES_TOOL: sets no key of config.yaml",
            ]
        );
        for (text, environment, problem) in [
            (
                "rules: {a: 1}",
                vec![],
                "x.yaml:1: rules: must be a list of mappings, for example [{key: value}]",
            ),
            (
                "",
                vec![("PORTCULLIS_RULES", "x")],
                "environment: PORTCULLIS_RULES: is not a single value; set it in config.yaml",
            ),
        ] {
            assert_eq!(read(text, &environment), (None, vec![problem.to_owned()]));
        }
    }
}

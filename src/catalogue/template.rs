//! Whether a URI can have come from a URI template (RFC 6570, levels 1 to 3).

/// URIs longer than this match no template: matching costs their length for each expression.
const MAX_URI_BYTES: usize = 16 << 10;

/// A URI template as a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    /// `{name}`: expands to at least one character, and never to a slash.
    Segment,
    /// `{+name}`, `{?name}` and the like: may expand to anything, or to nothing.
    Anything,
}

impl Template {
    /// Reads a template; what is no expression is taken literally.
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, (expression, after))) =
            rest.split_once('{').and_then(|(a, b)| Some((a, b.split_once('}')?)))
        {
            if !before.is_empty() {
                parts.push(Part::Literal(before.into()));
            }
            let is_simple = expression.starts_with(|c: char| c.is_alphanumeric() || c == '_');
            parts.push(if is_simple { Part::Segment } else { Part::Anything });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        Self(parts)
    }

    /// Whether some values give this URI.
    ///
    /// All ways to match are followed at once, so that no template is slow.
    pub(super) fn matches(&self, uri: &str) -> bool {
        let uri = uri.as_bytes();
        if uri.len() > MAX_URI_BYTES {
            return false;
        }
        let mut at = vec![false; uri.len() + 1];
        at[0] = true;
        for part in &self.0 {
            at = part.advance(uri, &at);
        }
        at[uri.len()]
    }
}

impl Part {
    /// Where matching can stand behind this part, if it can stand at `at` before.
    fn advance(&self, uri: &[u8], at: &[bool]) -> Vec<bool> {
        let mut then = vec![false; at.len()];
        match self {
            Self::Literal(text) => {
                for from in (0..at.len()).filter(|from| at[*from]) {
                    if uri[from..].starts_with(text.as_bytes()) {
                        then[from + text.len()] = true;
                    }
                }
            }
            Self::Segment => {
                let mut inside = false;
                for (from, byte) in uri.iter().enumerate() {
                    inside = (inside || at[from]) && *byte != b'/';
                    then[from + 1] = inside;
                }
            }
            Self::Anything => {
                let mut inside = false;
                for (from, starts) in at.iter().enumerate() {
                    inside |= starts;
                    then[from] = inside;
                }
            }
        }
        then
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_uri_matches_the_templates_it_can_have_come_from() {
        for (template, uri, expected) in [
            ("demo://item/{id}", "demo://item/7", true),
            ("demo://item/{id}", "demo://item/", false),
            ("demo://item/{id}", "demo://item/7/8", false),
            ("demo://item/{id}", "other://item/7", false),
            ("demo://{kind}/{id}.json", "demo://a/b.c.json", true),
            ("demo://{kind}/{id}.json", "demo://a/b.xml", false),
            ("file://{+path}", "file:///a/b/c", true),
            ("q://search{?q,limit}", "q://search?q=a/b&limit=5", true),
            ("q://search{?q,limit}", "q://search", true),
            ("users:{id}", "users:jo", true),
            ("plain://x", "plain://x", true),
            ("broken://{x", "broken://{x", true),
        ] {
            assert_eq!(Template::parse(template).matches(uri), expected, "{template} {uri}");
        }
    }

    #[test]
    fn a_template_of_nothing_but_expressions_takes_no_time() {
        let template = Template::parse(&"{+a}{b}".repeat(200));
        assert!(!template.matches(&format!("{}/", "a".repeat(4000))));
    }

    proptest! {
        #[test]
        fn no_template_makes_it_panic(template in "[a-z{}+?/]{0,30}", uri in any::<String>()) {
            let _ = Template::parse(&template).matches(&uri);
        }
    }
}

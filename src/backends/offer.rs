//! Everything a backend offers, raw, in its own order.

use std::sync::Arc;

use aws_lc_rs::digest;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::mcp::Span;
use crate::mcp::method::notification;

/// The four things that are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `tools/list`
    Tool,
    /// `prompts/list`
    Prompt,
    /// `resources/list`
    Resource,
    /// `resources/templates/list`
    ResourceTemplate,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tool, Self::Prompt, Self::Resource, Self::ResourceTemplate];

    /// The method that lists them.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Tool => "tools/list",
            Self::Prompt => "prompts/list",
            Self::Resource => "resources/list",
            Self::ResourceTemplate => "resources/templates/list",
        }
    }

    /// The field of the result that holds them.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Prompt => "prompts",
            Self::Resource => "resources",
            Self::ResourceTemplate => "resourceTemplates",
        }
    }

    /// What one of them is called.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::ResourceTemplate => "resource template",
        }
    }
}

/// One listed tool, prompt, resource or template.
#[derive(Clone, Debug)]
pub struct Item {
    /// The JSON object as the backend sent it.
    pub raw: Bytes,
    /// What it is called by: a name, a URI or a URI template.
    pub key: Arc<str>,
    /// Where the literal of the key stands in `raw`.
    pub literal: Span,
}

#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    uri: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "uriTemplate")]
    uri_template: Option<&'a RawValue>,
}

impl Item {
    /// Reads what one item is called by.
    ///
    /// # Errors
    /// When it is no object, has no key, or has it twice: we would list one and call another.
    pub fn parse(kind: Kind, raw: Bytes) -> Result<Self, String> {
        if raw.first() != Some(&b'{') {
            return Err("it is no object".to_owned());
        }
        let keys: Keys<'_> = serde_json::from_slice(&raw).map_err(|error| error.to_string())?;
        let (field, literal) = match kind {
            Kind::Tool | Kind::Prompt => ("name", keys.name),
            Kind::Resource => ("uri", keys.uri),
            Kind::ResourceTemplate => ("uriTemplate", keys.uri_template),
        };
        let literal = literal.ok_or_else(|| format!("it has no {field:?}"))?.get();
        let key: Arc<str> =
            serde_json::from_str(literal).map_err(|_| format!("its {field:?} is no string"))?;
        let literal = Span::of(&raw, literal.as_bytes());
        Ok(Self { raw, key, literal })
    }
}

/// Which of a backend's optional parts it said it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one capability of the specification")]
pub struct Declared {
    /// `tools`
    pub tools: bool,
    /// `prompts`
    pub prompts: bool,
    /// `resources`
    pub resources: bool,
    /// `resources.subscribe`
    pub subscribe: bool,
    /// `logging`
    pub logging: bool,
    /// `completions`
    pub completions: bool,
}

#[derive(Deserialize)]
struct InitializeResult {
    #[serde(default)]
    capabilities: ServerCapabilities,
}

#[derive(Default, Deserialize)]
struct ServerCapabilities {
    tools: Option<IgnoredAny>,
    prompts: Option<IgnoredAny>,
    resources: Option<Resources>,
    logging: Option<IgnoredAny>,
    completions: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    subscribe: Option<bool>,
}

impl Declared {
    /// Reads the capabilities of an `InitializeResult`; what cannot be read is not declared.
    pub fn parse(initialized: &[u8]) -> Self {
        let Ok(result) = serde_json::from_slice::<InitializeResult>(initialized) else {
            return Self::default();
        };
        let declared = result.capabilities;
        Self {
            tools: declared.tools.is_some(),
            prompts: declared.prompts.is_some(),
            resources: declared.resources.is_some(),
            subscribe: declared.resources.is_some_and(|it| it.subscribe == Some(true)),
            logging: declared.logging.is_some(),
            completions: declared.completions.is_some(),
        }
    }

    /// Whether a list of this kind may be asked for.
    pub const fn lists(self, kind: Kind) -> bool {
        match kind {
            Kind::Tool => self.tools,
            Kind::Prompt => self.prompts,
            Kind::Resource | Kind::ResourceTemplate => self.resources,
        }
    }
}

/// Lists that differ, by the notification that says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// `notifications/tools/list_changed`
    pub tools: bool,
    /// `notifications/prompts/list_changed`
    pub prompts: bool,
    /// `notifications/resources/list_changed`, for resources and for templates
    pub resources: bool,
}

impl Kinds {
    /// Whether nothing differs.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// The notifications that are due.
    pub fn notifications(self) -> impl Iterator<Item = &'static str> {
        [
            (self.tools, notification::TOOLS_CHANGED),
            (self.prompts, notification::PROMPTS_CHANGED),
            (self.resources, notification::RESOURCES_CHANGED),
        ]
        .into_iter()
        .filter_map(|(due, name)| due.then_some(name))
    }
}

/// Everything a backend offers on one connection.
#[derive(Debug)]
pub struct Offer {
    /// The `InitializeResult` as the backend sent it.
    pub initialized: Bytes,
    /// What it declares.
    pub declared: Declared,
    lists: [Vec<Item>; 4],
    digest: [u8; 32],
}

impl Offer {
    /// An offer of these lists, in the order of [`Kind::ALL`].
    pub fn new(initialized: Bytes, lists: [Vec<Item>; 4]) -> Self {
        let declared = Declared::parse(&initialized);
        let digest = digest_of(declared, &lists);
        Self { initialized, declared, lists, digest }
    }

    /// The items of one kind, in the backend's order.
    pub fn items(&self, kind: Kind) -> &[Item] {
        &self.lists[kind as usize]
    }

    /// Two offers with the same digest declare the same and list the same, byte for byte.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The lists in which two offers differ; no offer lists nothing.
    pub fn difference(before: Option<&Self>, now: Option<&Self>) -> Kinds {
        let differ = |kind: Kind| !raw(before, kind).eq(raw(now, kind));
        if before.map(Self::digest) == now.map(Self::digest) {
            return Kinds::default();
        }
        Kinds {
            tools: differ(Kind::Tool),
            prompts: differ(Kind::Prompt),
            resources: differ(Kind::Resource) || differ(Kind::ResourceTemplate),
        }
    }
}

fn raw(offer: Option<&Offer>, kind: Kind) -> impl Iterator<Item = &Bytes> {
    offer.map_or(&[][..], |offer| offer.items(kind)).iter().map(|item| &item.raw)
}

fn digest_of(declared: Declared, lists: &[Vec<Item>; 4]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(format!("{declared:?}").as_bytes());
    for list in lists {
        context.update(&list.len().to_le_bytes());
        for item in list {
            context.update(&item.raw.len().to_le_bytes());
            context.update(&item.raw);
        }
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_found_by_its_key_whatever_stands_around_it() {
        let raw = r#"{ "x" : {"name":"inner"}, "name" : "a\u0062", "uri":"u" }"#;
        let item = Item::parse(Kind::Tool, Bytes::from(raw)).unwrap();
        assert_eq!(&*item.key, "ab");
        assert_eq!(&item.raw[item.literal.start..item.literal.end], br#""a\u0062""#);
    }

    #[test]
    fn an_item_that_cannot_be_called_is_refused() {
        for (name, raw) in [
            ("an array", r#"["name"]"#),
            ("no name", r#"{"uri":"u"}"#),
            ("a number for a name", r#"{"name":7}"#),
            ("two names", r#"{"name":"a","name":"b"}"#),
        ] {
            assert!(Item::parse(Kind::Tool, Bytes::from(raw)).is_err(), "{name}");
        }
    }

    #[test]
    fn only_what_is_declared_counts() {
        let declared = Declared::parse(
            br#"{"capabilities":{"tools":{},"prompts":null,"resources":{"subscribe":true}}}"#,
        );
        assert!(declared.tools && declared.resources && declared.subscribe);
        assert!(!declared.prompts && !declared.logging && !declared.completions);
        assert_eq!(Declared::parse(b"not json"), Declared::default());
    }

    #[test]
    fn a_difference_names_the_lists_that_differ() {
        let item = |kind, raw: &'static str| Item::parse(kind, Bytes::from(raw)).unwrap();
        let tool = item(Kind::Tool, r#"{"name":"t"}"#);
        let template = item(Kind::ResourceTemplate, r#"{"uriTemplate":"t:{x}"}"#);
        let one = Offer::new(Bytes::new(), [vec![tool.clone()], vec![], vec![], vec![]]);
        let two = Offer::new(Bytes::new(), [vec![tool], vec![], vec![], vec![template]]);
        let resources = Kinds { resources: true, ..Kinds::default() };
        assert_eq!(Offer::difference(Some(&one), Some(&two)), resources);
        assert_eq!(Offer::difference(None, Some(&one)), Kinds { tools: true, ..Kinds::default() });
        assert!(Offer::difference(Some(&one), Some(&one)).is_empty());
    }
}

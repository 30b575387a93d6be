//! What a client can do for a server, as a few fixed bits.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Message, Method};

/// The set of client capabilities that backends can make use of.
///
/// The bits are few and fixed, so there are few sets, and connections can be shared by all clients
/// that have the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Capabilities(u8);

#[derive(Deserialize)]
struct Declared {
    sampling: Option<Sampling>,
    elicitation: Option<Elicitation>,
    roots: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Sampling {
    tools: Option<IgnoredAny>,
    context: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Elicitation {
    form: Option<IgnoredAny>,
    url: Option<IgnoredAny>,
}

/// What tells which part of a capability a request needs.
#[derive(Deserialize)]
struct Asked {
    mode: Option<Box<str>>,
    tools: Option<IgnoredAny>,
}

impl Capabilities {
    /// `sampling`
    pub const SAMPLING: Self = Self(1);
    /// `sampling.tools`
    pub const SAMPLING_TOOLS: Self = Self(1 << 1);
    /// `sampling.context`
    pub const SAMPLING_CONTEXT: Self = Self(1 << 2);
    /// `elicitation.form`; an empty `elicitation` means this one (MCP 2025-11-25, Elicitation).
    pub const ELICITATION_FORM: Self = Self(1 << 3);
    /// `elicitation.url`
    pub const ELICITATION_URL: Self = Self(1 << 4);
    /// `roots`
    pub const ROOTS: Self = Self(1 << 5);
    /// Nothing: a server will not ask this client anything.
    pub const NONE: Self = Self(0);
    /// Everything there is.
    pub const ALL: Self = Self(0b11_1111);

    /// Why a client is not asked something (MCP 2025-11-25, Lifecycle, "Operation": both sides use
    /// only what was negotiated).
    pub const NOT_DECLARED: &'static str =
        "the client does not declare the capability for this request";

    /// Reads the `capabilities` object of an `initialize` request.
    ///
    /// # Errors
    /// When it is not an object, or a capability is of the wrong type.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let declared: Declared = serde_json::from_slice(json)?;
        let mut set = Self::NONE;
        if let Some(sampling) = declared.sampling {
            set = set.with(Self::SAMPLING);
            set = set.with_if(sampling.tools.is_some(), Self::SAMPLING_TOOLS);
            set = set.with_if(sampling.context.is_some(), Self::SAMPLING_CONTEXT);
        }
        if let Some(elicitation) = declared.elicitation {
            let form = elicitation.form.is_some() || elicitation.url.is_none();
            set = set.with_if(form, Self::ELICITATION_FORM);
            set = set.with_if(elicitation.url.is_some(), Self::ELICITATION_URL);
        }
        Ok(set.with_if(declared.roots.is_some(), Self::ROOTS))
    }

    /// The JSON object with which we declare this set to a backend.
    pub fn to_json(self) -> serde_json::Value {
        let mut all = serde_json::Map::new();
        let empty = || serde_json::Value::Object(serde_json::Map::new());
        let mut group = |name: &str, members: &[(&str, Self)]| {
            let inner = members.iter().filter(|(_, bit)| self.contains(*bit));
            let inner = inner.map(|(name, _)| ((*name).to_owned(), empty())).collect();
            all.insert(name.to_owned(), serde_json::Value::Object(inner));
        };
        if self.contains(Self::SAMPLING) {
            group(
                "sampling",
                &[("tools", Self::SAMPLING_TOOLS), ("context", Self::SAMPLING_CONTEXT)],
            );
        }
        if self.0 & (Self::ELICITATION_FORM.0 | Self::ELICITATION_URL.0) != 0 {
            group(
                "elicitation",
                &[("form", Self::ELICITATION_FORM), ("url", Self::ELICITATION_URL)],
            );
        }
        if self.contains(Self::ROOTS) {
            all.insert("roots".to_owned(), serde_json::json!({ "listChanged": true }));
        }
        serde_json::Value::Object(all)
    }

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a client with this set may be asked that. A method of no capability that we know is
    /// left to the client, which refuses it by itself; parameters that cannot be read are not.
    pub fn allow(self, request: &Message) -> bool {
        let params = || serde_json::from_slice::<Asked>(request.params().unwrap_or(b"{}"));
        let needed = match request.method() {
            Method::ListRoots => Ok(Self::ROOTS),
            Method::Elicit => params().map(|params| match params.mode.as_deref() {
                Some("url") => Self::ELICITATION_URL,
                _ => Self::ELICITATION_FORM,
            }),
            Method::CreateMessage => params()
                .map(|params| Self::SAMPLING.with_if(params.tools.is_some(), Self::SAMPLING_TOOLS)),
            _ => Ok(Self::NONE),
        };
        needed.is_ok_and(|needed| self.contains(needed))
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn with_if(self, condition: bool, other: Self) -> Self {
        if condition { self.with(other) } else { self }
    }

    /// The bits, as a sealed session id holds them.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set with those bits; unknown ones are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_elicitation_means_forms_only() {
        let set = Capabilities::parse(br#"{"elicitation":{}}"#).unwrap();
        assert_eq!(set, Capabilities::ELICITATION_FORM);
    }

    #[test]
    fn a_client_is_asked_only_what_it_declared() {
        use Capabilities as C;
        let tools = C::SAMPLING.with(C::SAMPLING_TOOLS);
        for (method, params, needed) in [
            ("roots/list", "{}", C::ROOTS),
            ("elicitation/create", r#"{"message":"?"}"#, C::ELICITATION_FORM),
            ("elicitation/create", r#"{"mode":"form"}"#, C::ELICITATION_FORM),
            ("elicitation/create", r#"{"mode":"url"}"#, C::ELICITATION_URL),
            ("sampling/createMessage", r#"{"messages":[]}"#, C::SAMPLING),
            ("sampling/createMessage", r#"{"tools":[]}"#, tools),
            ("custom/ask", "{}", C::NONE),
        ] {
            let text =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
            let request = Message::parse(text.into()).unwrap();
            assert!(needed.allow(&request), "{method} {params}");
            let others = C::from_bits(C::ALL.bits() & !needed.bits());
            assert_eq!(others.allow(&request), needed == C::NONE, "{method} {params}");
        }
    }

    #[test]
    fn every_set_survives_its_json() {
        for bits in 0..=Capabilities::ALL.bits() {
            let set = Capabilities::from_bits(bits);
            let sampling_parts = Capabilities::SAMPLING_TOOLS.with(Capabilities::SAMPLING_CONTEXT);
            if set.bits() & sampling_parts.bits() != 0 && !set.contains(Capabilities::SAMPLING) {
                continue; // a part without the whole cannot be declared
            }
            let json = serde_json::to_vec(&set.to_json()).unwrap();
            assert_eq!(Capabilities::parse(&json).unwrap(), set, "{set:?}");
        }
    }
}

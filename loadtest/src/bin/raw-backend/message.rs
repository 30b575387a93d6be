//! What of a JSON-RPC message decides about its answer.

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
pub(crate) struct Message<'a> {
    /// None for a notification.
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    /// None for a response.
    pub(crate) method: Option<&'a str>,
    #[serde(borrow, default)]
    pub(crate) params: Params<'a>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Params<'a> {
    #[serde(borrow, default)]
    pub(crate) arguments: Arguments<'a>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Arguments<'a> {
    /// A JSON string, as it was written.
    #[serde(borrow)]
    pub(crate) message: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The characters between the quotes of `message`.
    pub(crate) fn text(&self) -> &'a str {
        let text = self.params.arguments.message.map_or("", |message| message.get());
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default()
    }
}

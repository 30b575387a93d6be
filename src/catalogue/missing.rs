//! What to say about a name that leads nowhere.

use super::{Catalogue, Member};
use crate::backends::Kind;
use crate::call::{Endpoint, Error};

impl Catalogue {
    /// Why nothing is exposed under a name: its backend is down, or there is no such thing.
    pub fn missing(&self, endpoint: &Endpoint, kind: Kind, key: &str) -> Error {
        let is_meant = |member: &Member| match (endpoint, kind) {
            (Endpoint::Server(_), _) => true,
            (Endpoint::Aggregate, Kind::Tool | Kind::Prompt) => member.naming.covers(key),
            (Endpoint::Aggregate, Kind::Resource | Kind::ResourceTemplate) => false,
        };
        let is_down = |member: &Member| member.handle.state().offer().is_none();
        let mut members = self.members_at(endpoint).map(|(_, member)| member);
        if let Some(member) = members.find(|member| is_meant(member) && is_down(member)) {
            return member.handle.unavailable();
        }
        match kind {
            Kind::Tool => Error::UnknownTool(key.into()),
            Kind::Prompt => Error::UnknownPrompt(key.into()),
            Kind::Resource | Kind::ResourceTemplate => Error::UnknownResource(key.into()),
        }
    }
}

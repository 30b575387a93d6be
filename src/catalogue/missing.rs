//! What to say about a name that leads nowhere.

use super::{Catalogue, FamilyName, Member, Visibility, naming};
use crate::backends::Kind;
use crate::call::{Endpoint, Error};

impl Catalogue {
    /// Why nothing is exposed under a name: its backend is down, of which not everybody hears, or
    /// there is no such thing.
    pub fn missing(
        &self,
        endpoint: &Endpoint,
        kind: Kind,
        key: &str,
        visibility: Visibility,
    ) -> Error {
        let is_meant = |member: &Member| match (endpoint, kind) {
            (Endpoint::Server(_), _) => true,
            (Endpoint::Aggregate, Kind::Tool | Kind::Prompt) => {
                member.naming.covers(key) || self.is_of_family(member, key)
            }
            (Endpoint::Aggregate, Kind::Resource | Kind::ResourceTemplate) => false,
        };
        let is_down = |member: &Member| {
            member.handle.state().offer().is_none() && self.knows(visibility, &member.handle)
        };
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

    /// Why an instance of a family cannot be called, if it is a member that is down.
    pub fn down_in_family(
        &self,
        family: &str,
        server: &str,
        visibility: Visibility,
    ) -> Option<Error> {
        let (_, Member { handle, family: own, .. }) = self.member(server)?;
        let is_member = own.as_ref().is_some_and(|own| &*own.name == family);
        let is_down = handle.state().offer().is_none();
        (is_member && is_down && self.knows(visibility, handle)).then(|| handle.unavailable())
    }

    fn is_of_family(&self, member: &Member, key: &str) -> bool {
        let prefix = |family: &FamilyName| naming::of_family(self.prefix(), &family.name, "");
        member.family.as_ref().is_some_and(|family| key.starts_with(&*prefix(family)))
    }
}

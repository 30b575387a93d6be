//! `auth.header`: which headers a trusted proxy sets.

use http::HeaderName;
use serde_json::{Value as Json, json};

use crate::config::{Fields, Section, Shown};

/// The headers in which a trusted proxy says who is calling, with the names that MCP Runtime gives
/// them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// The person.
    pub human: HeaderName,
    /// The program that acts.
    pub agent: HeaderName,
    /// The team, which counts as a group.
    pub team: HeaderName,
}

impl Default for HeaderNames {
    fn default() -> Self {
        Self {
            human: HeaderName::from_static("x-mcp-human-id"),
            agent: HeaderName::from_static("x-mcp-agent-id"),
            team: HeaderName::from_static("x-mcp-team-id"),
        }
    }
}

impl Section for HeaderNames {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        for (key, name) in [
            ("humanIDHeader", &mut self.human),
            ("agentIDHeader", &mut self.agent),
            ("teamIDHeader", &mut self.team),
        ] {
            if let Some(given) = fields.get_with(key, header_name) {
                *name = given;
            }
        }
        fields.later("sessionIDHeader", &json!("X-MCP-Agent-Session"));
    }
}

impl Shown for HeaderNames {
    fn shown(&self) -> Json {
        json!({
            "humanIDHeader": self.human.as_str(),
            "agentIDHeader": self.agent.as_str(),
            "teamIDHeader": self.team.as_str(),
        })
    }
}

/// MCP Runtime's header for its own sessions, which belongs to an identity.
const SESSION: HeaderName = HeaderName::from_static("x-mcp-agent-session");

impl HeaderNames {
    /// The headers that hold or may hold who somebody is: those with these names, and those with
    /// the default ones.
    pub(in crate::authn) fn all(&self) -> Vec<HeaderName> {
        let Self { human, agent, team } = Self::default();
        let own = [&self.human, &self.agent, &self.team].map(HeaderName::clone);
        let mut names = vec![human, agent, team, SESSION];
        names.extend(own);
        names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        names.dedup();
        names
    }
}

fn header_name(text: &str) -> Result<HeaderName, String> {
    text.parse().map_err(|_| "is not a header's name".to_owned())
}

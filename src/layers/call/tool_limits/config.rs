//! `toolLimits` of `config.yaml`.

use serde_json::{Value as Json, json};

use crate::config::{Fields, Glob, Section, Shown, Value};
use crate::layers::rate::Rate;

/// One rule of `toolLimits`: what it matches is counted together.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolLimit {
    /// Of which backends.
    pub backend: Glob,
    /// Which tools, by the names that their backends give them.
    pub tool: Glob,
    /// Whom it counts for.
    pub per: Per,
    /// Calls at one time.
    pub max_in_flight: Option<usize>,
    /// Calls that begin.
    pub rate: Option<Rate>,
}

/// Whose calls are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// A session's.
    Session,
    /// A principal's.
    Principal,
    /// Everybody's.
    All,
}

impl Default for ToolLimit {
    fn default() -> Self {
        Self {
            backend: Glob::any(),
            tool: Glob::any(),
            per: Per::All,
            max_in_flight: None,
            rate: None,
        }
    }
}

const PER: [(&str, Per); 3] =
    [("session", Per::Session), ("principal", Per::Principal), ("all", Per::All)];

impl Section for ToolLimit {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.set("backend", &mut self.backend);
        fields.set("tool", &mut self.tool);
        fields.choose("per", &mut self.per, &PER, &[]);
        self.max_in_flight = fields.get_with("maxInFlight", max_in_flight);
        self.rate = Rate::read(fields);
        if !["maxInFlight", "perSecond", "burst"].into_iter().any(|key| fields.has(key)) {
            fields.problem("maxInFlight", "is missing; set it, or perSecond, or both");
        }
    }
}

impl Shown for ToolLimit {
    fn shown(&self) -> Json {
        let (per_second, burst) = self.rate.map(Rate::shown).unwrap_or_default();
        json!({
            "backend": self.backend.to_string(),
            "tool": self.tool.to_string(),
            "per": PER.iter().find(|(_, per)| *per == self.per).map(|(word, _)| *word),
            "maxInFlight": self.max_in_flight,
            "perSecond": per_second,
            "burst": burst,
        })
    }
}

fn max_in_flight(text: &str) -> Result<usize, String> {
    let fault = || "is not a whole number from 1 to 1000000; the denylist allows none".to_owned();
    usize::read(text).ok().filter(|max| (1..=1_000_000).contains(max)).ok_or_else(fault)
}

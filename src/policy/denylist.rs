//! `denylist` of `config.yaml`: which tools of backends nobody may use.

use std::fmt;

use serde_json::{Value as Json, json};

use crate::config::{Fields, Glob, Section, Shown};

/// Tools that change clusters, dashboards and the like in ways that nobody takes back. A tool is
/// one of them by the name that its own backend gives it, whatever it is exposed as.
pub(super) const DESTRUCTIVE: [&str; 32] = [
    "apply_kubernetes_manifest",
    "capi_create_cluster",
    "capi_create_machinedeployment",
    "capi_delete_cluster",
    "capi_delete_machine",
    "capi_move_cluster",
    "capi_pause_cluster",
    "capi_remediate_machine",
    "capi_resume_cluster",
    "capi_scale_cluster",
    "capi_scale_machinedeployment",
    "capi_update_cluster",
    "capi_upgrade_cluster",
    "cleanup",
    "create_incident",
    "delete_kubernetes_resource",
    "install_helm_chart",
    "kubectl_apply",
    "kubectl_create",
    "kubectl_delete",
    "kubectl_patch",
    "kubectl_rollout",
    "kubectl_scale",
    "reconcile_flux_helmrelease",
    "reconcile_flux_kustomization",
    "reconcile_flux_resourceset",
    "reconcile_flux_source",
    "resume_flux_reconciliation",
    "suspend_flux_reconciliation",
    "uninstall_helm_chart",
    "update_dashboard",
    "upgrade_helm_chart",
];

/// Which tools of backends nobody may use.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether the names of destructive tools are denied; `block` holds without it.
    pub is_enabled: bool,
    /// What of those names may be used all the same. It lifts nothing else.
    pub allow: Vec<Rule>,
    /// What nobody may use besides.
    pub block: Vec<Rule>,
}

impl Default for Config {
    fn default() -> Self {
        Self { is_enabled: true, allow: Vec::new(), block: Vec::new() }
    }
}

impl Section for Config {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.set("enabled", &mut self.is_enabled);
        self.allow = fields.sections("allow").unwrap_or_default();
        self.block = fields.sections("block").unwrap_or_default();
        let lifts = |rule: &Rule| DESTRUCTIVE.iter().any(|name| rule.tool.matches(name));
        for rule in self.allow.iter().filter(|rule| !lifts(rule)) {
            let message = format!("{rule} lifts nothing: no tool of the denylist has such a name");
            fields.warning("allow", message);
        }
    }
}

impl Shown for Config {
    fn shown(&self) -> Json {
        let rules = |rules: &[Rule]| rules.iter().map(Shown::shown).collect::<Vec<_>>();
        let Self { is_enabled, allow, block } = self;
        json!({ "enabled": is_enabled, "allow": rules(allow), "block": rules(block) })
    }
}

impl Config {
    /// The rule that denies a backend's tool, by the name the backend gives it.
    pub(super) fn rule(&self, server: &str, tool: &str) -> Option<Block<'_>> {
        let holds = |rule: &&Rule| rule.matches(server, tool);
        if let Some((at, rule)) = self.block.iter().enumerate().find(|(_, rule)| holds(rule)) {
            return Some(Block::Rule(at, rule));
        }
        let is_denied = self.is_enabled && DESTRUCTIVE.binary_search(&tool).is_ok();
        (is_denied && !self.allow.iter().any(|rule| holds(&rule))).then_some(Block::Denylist)
    }
}

/// Tools of backends, by patterns.
#[derive(Clone, Debug)]
pub struct Rule {
    backend: Glob,
    tool: Glob,
}

impl Default for Rule {
    fn default() -> Self {
        Self { backend: Glob::any(), tool: Glob::any() }
    }
}

impl Section for Rule {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.set("backend", &mut self.backend);
        fields.set("tool", &mut self.tool);
        if !fields.has("backend") && !fields.has("tool") {
            fields.problem("tool", "is missing, and so is backend; name at least one of them");
        }
    }
}

impl Shown for Rule {
    fn shown(&self) -> Json {
        json!({ "backend": self.backend.to_string(), "tool": self.tool.to_string() })
    }
}

impl Rule {
    fn matches(&self, server: &str, tool: &str) -> bool {
        self.backend.matches(server) && self.tool.matches(tool)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (backend, tool) = (self.backend.to_string(), self.tool.to_string());
        write!(f, "{{backend: {backend:?}, tool: {tool:?}}}")
    }
}

/// Why nobody may use a tool.
#[derive(Clone, Copy, Debug)]
pub enum Block<'a> {
    /// It is one of the destructive ones.
    Denylist,
    /// This rule of `denylist.block` matches it.
    Rule(usize, &'a Rule),
    /// Somebody said so while the gateway ran.
    Runtime,
}

impl Block<'_> {
    /// The kind of rule, for metrics.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Denylist => "denylist",
            Self::Rule(..) => "block",
            Self::Runtime => "blocked_at_runtime",
        }
    }

    /// How that tool could be used again.
    pub fn cure(self, server: &str, tool: &str) -> String {
        match self {
            Self::Denylist => format!(
                "to allow it, add {{backend: {server}, tool: {tool}}} to denylist.allow, or start \
                 with --yolo"
            ),
            Self::Rule(..) => "to allow it, change that rule".to_owned(),
            Self::Runtime => "core_tool_unblock lifts that, and so does a restart".to_owned(),
        }
    }

    /// What a caller reads.
    pub fn message(self, server: &str, tool: &str) -> String {
        let why = match self {
            Self::Denylist => "it is on the denylist of destructive tools".to_owned(),
            Self::Rule(..) => format!("{self} matches it"),
            Self::Runtime => "core_tool_block was called for it".to_owned(),
        };
        let cure = self.cure(server, tool);
        format!("tool {tool:?} of server {server} is blocked: {why}; {cure}")
    }
}

/// The rule, by its place.
impl fmt::Display for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denylist => f.write_str("denylist"),
            Self::Rule(at, rule) => write!(f, "denylist.block[{at}] {rule}"),
            Self::Runtime => f.write_str("runtime"),
        }
    }
}

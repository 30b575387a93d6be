//! Who may do what: `auth.scopes` and `auth.admin`, made ready for being asked at every call.

use std::sync::Arc;

use super::access::{Admin, Hidden, ScopeRule, Scopes};
use crate::call::{Names, Principal, issuer};
use crate::catalogue::{Hint, Hints};
use crate::config::Glob;

/// A set of rights: one bit for each scope that a rule names, and one for admins. Whoever has equal
/// ones may do the same.
pub(super) type Class = u64;

const ADMIN: Class = 1 << 63;

/// What is asked for at a backend.
#[derive(Clone, Copy, Debug)]
pub(super) enum What<'a> {
    /// A tool, by the name that the backend gives it.
    Tool(&'a str, Hints),
    /// Anything else that it has.
    Other,
}

/// The rules.
#[derive(Debug)]
pub(super) struct Rights {
    /// Each has the bit of its place.
    scopes: Box<[Box<str>]>,
    required: Class,
    rules: Box<[Rule]>,
    hidden: Hidden,
    admin: Admin,
}

#[derive(Debug)]
struct Rule {
    backend: Glob,
    tool: Option<Glob>,
    annotation: Option<(Hint, bool)>,
    needs: Class,
}

impl Rule {
    fn matches(&self, backend: &str, what: What<'_>) -> bool {
        self.backend.matches(backend)
            && match what {
                What::Other => self.tool.is_none() && self.annotation.is_none(),
                What::Tool(name, hints) => {
                    self.tool.as_ref().is_none_or(|tool| tool.matches(name))
                        && self.annotation.is_none_or(|(hint, value)| hints.get(hint) == value)
                }
            }
    }
}

impl Rights {
    pub(super) fn new(scopes: &Scopes, admin: &Admin) -> Self {
        let named = scopes.named();
        let bit = |scope: &str| {
            let place = named.iter().position(|it| it == scope).expect("every scope is named");
            assert!(place < Scopes::MAX, "the configuration has been checked");
            1 << place
        };
        let bits = |names: &Names| names.iter().map(bit).fold(0, |all, bit: Class| all | bit);
        let rule = |ScopeRule { backend, tool, annotation, scopes }: &ScopeRule| Rule {
            backend: backend.clone(),
            tool: tool.clone(),
            annotation: *annotation,
            needs: bits(scopes),
        };
        Self {
            required: bits(&scopes.required),
            rules: scopes.tools.iter().map(rule).collect(),
            hidden: scopes.hidden,
            admin: admin.clone(),
            scopes: named.iter().map(Box::from).collect(),
        }
    }

    /// The rights that somebody has.
    pub(super) fn class(&self, principal: &Principal) -> Class {
        let held = self.scopes.iter().enumerate().filter(|(_, it)| principal.scopes.contains(it));
        let held = held.fold(0, |all, (place, _)| all | 1 << place);
        if self.makes_admin(principal) { held | ADMIN } else { held }
    }

    fn makes_admin(&self, principal: &Principal) -> bool {
        let Admin { scopes, groups, tokens } = &self.admin;
        scopes.iter().any(|scope| principal.scopes.contains(scope))
            || groups.iter().any(|group| principal.groups.contains(group))
            || *principal.issuer == *issuer::TOKENS && tokens.contains(&principal.subject)
    }

    pub(super) fn is_admin(class: Class) -> bool {
        class & ADMIN != 0
    }

    /// The scopes that something needs, if those of the class are not enough.
    pub(super) fn lacking(&self, class: Class, backend: &str, what: What<'_>) -> Option<Class> {
        let rules = self.rules.iter().filter(|rule| rule.matches(backend, what));
        let needed = rules.fold(self.required, |all, rule| all | rule.needs);
        (needed & !class != 0).then_some(needed)
    }

    /// By their names.
    pub(super) fn names(&self, scopes: Class) -> Arc<Names> {
        let named = self.scopes.iter().enumerate().filter(|(place, _)| scopes & 1 << place != 0);
        Arc::new(named.map(|(_, name)| name.clone()).collect())
    }

    /// What would make an admin, if a scope does.
    pub(super) fn admin_scopes(&self) -> Option<Arc<Names>> {
        let first = self.admin.scopes.iter().next()?;
        let required = self.names(self.required);
        Some(Arc::new(required.iter().chain([first]).collect()))
    }

    /// Whether lists show what scopes are lacking for.
    pub(super) fn shows_what_is_lacking(&self) -> bool {
        self.hidden == Hidden::Show
    }
}

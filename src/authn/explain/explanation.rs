//! The text, line by line.

use std::fmt;

/// What was checked of a token, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    outcome: Outcome,
    what: &'static str,
    details: String,
    /// What would make it pass.
    fix: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    /// It could not be checked, or need not be.
    Note,
}

impl Explanation {
    /// Where no token is looked at.
    pub(super) fn without_token(mode: &'static str, way: &'static str, passes: bool) -> Self {
        let mut explanation = Self::default();
        let details = format!("auth.mode is {mode}: no token is looked at");
        if passes {
            explanation.passed("token", format!("{details}, {way}"));
        } else {
            explanation.failed("token", details, way);
        }
        explanation
    }

    pub(super) fn passed(&mut self, what: &'static str, details: impl Into<String>) {
        self.line(Outcome::Passed, what, details, "");
    }

    pub(super) fn failed(
        &mut self,
        what: &'static str,
        details: impl Into<String>,
        fix: &'static str,
    ) {
        self.line(Outcome::Failed, what, details, fix);
    }

    pub(super) fn note(&mut self, what: &'static str, details: impl Into<String>) {
        self.line(Outcome::Note, what, details, "");
    }

    /// An earlier failure of a check means nothing any more.
    pub(super) fn forgive_earlier(&mut self, what: &'static str) {
        for line in self.lines.iter_mut().filter(|line| line.what == what) {
            if line.outcome == Outcome::Failed {
                (line.outcome, line.fix) = (Outcome::Note, "");
            }
        }
    }

    fn line(
        &mut self,
        outcome: Outcome,
        what: &'static str,
        details: impl Into<String>,
        fix: &'static str,
    ) {
        self.lines.push(Line { outcome, what, details: details.into(), fix });
    }

    /// Whether a request with the token would be let in.
    pub fn passes(&self) -> bool {
        self.failures() == 0
    }

    fn failures(&self) -> usize {
        self.lines.iter().filter(|line| line.outcome == Outcome::Failed).count()
    }
}

/// A line for each check, one below it for what would make it pass, and the sum.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { outcome, what, details, fix } in &self.lines {
            let word = match outcome {
                Outcome::Passed => "ok",
                Outcome::Failed => "FAIL",
                Outcome::Note => "-",
            };
            writeln!(f, "{}", format!("{word:<5} {what:<12} {details}").trim_end())?;
            if !fix.is_empty() {
                writeln!(f, "{:19}{fix}", "")?;
            }
        }
        match self.failures() {
            0 => write!(f, "\nThe gateway would accept it."),
            1 => write!(f, "\nThe gateway would refuse it: one check fails."),
            count => write!(f, "\nThe gateway would refuse it: {count} checks fail."),
        }
    }
}

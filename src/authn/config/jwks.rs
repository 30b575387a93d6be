//! `auth.jwks`: how long keys of issuers hold.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::config::{Fields, Section, Shown, write_duration};

/// `auth.jwks`: how keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jwks {
    /// How often they are asked for anew.
    pub refresh: Duration,
    /// How long the last known ones hold when they cannot be.
    pub grace: Duration,
    /// How long must pass between two questions that tokens with unknown keys cause.
    pub cool_down: Duration,
}

impl Default for Jwks {
    fn default() -> Self {
        Self {
            refresh: Duration::from_mins(10),
            grace: Duration::from_hours(1),
            cool_down: Duration::from_secs(5),
        }
    }
}

impl Section for Jwks {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        let at_least = |least: Duration| {
            move |time: &Duration| {
                let fault = || format!("is shorter than {}", write_duration(least));
                if *time < least { Err(fault()) } else { Ok(()) }
            }
        };
        let second = Duration::from_secs(1);
        fields.set_checked("refresh", &mut self.refresh, at_least(second));
        fields.set_checked("grace", &mut self.grace, at_least(Duration::ZERO));
        fields.set_checked("coolDown", &mut self.cool_down, at_least(second));
    }
}

impl Shown for Jwks {
    fn shown(&self) -> Json {
        json!({
            "refresh": write_duration(self.refresh),
            "grace": write_duration(self.grace),
            "coolDown": write_duration(self.cool_down),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, Location, Reader, parse_yaml};

    #[test]
    fn keys_are_not_asked_for_more_often_than_every_second() {
        let location = Location::file(Path::new("x.yaml"));
        let (documents, _) = parse_yaml("{refresh: 10ms, grace: 0s, coolDown: 999ms}", &location);
        let environment = Environment::default();
        let mut reader = Reader::new(location, Path::new(""), &environment);
        let mut jwks = Jwks::default();
        reader.document(Some(&documents[0].root), |fields| jwks.read(fields));
        let (problems, _) = reader.finish();
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "x.yaml:1: refresh: \"10ms\" is shorter than 1s",
                "x.yaml:1: coolDown: \"999ms\" is shorter than 1s",
            ]
        );
        assert_eq!(jwks.grace, Duration::ZERO);
    }
}

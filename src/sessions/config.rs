//! `sessions` of `config.yaml`.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::config::{Fields, Key, Section, Shown, write_duration};

/// How session ids are sealed.
#[derive(Clone, Debug)]
pub struct Config {
    /// The keys in `keyFiles`: the first one seals, all open. With none a random one is made, and
    /// sessions end with the process.
    pub keys: Vec<Key>,
    /// How long a session id is good for after it was issued.
    pub max_age: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { keys: Vec::new(), max_age: Duration::from_hours(24) }
    }
}

impl Section for Config {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.set_keys("keyFiles", &mut self.keys);
        fields.set_checked("maxAge", &mut self.max_age, |age| {
            let fault = "is shorter than a minute; clients would always be initialising";
            if *age < Duration::from_mins(1) { Err(fault.to_owned()) } else { Ok(()) }
        });
    }
}

impl Shown for Config {
    fn shown(&self) -> Json {
        let files: Vec<_> = self.keys.iter().map(|key| key.file().to_string_lossy()).collect();
        json!({ "keyFiles": files, "maxAge": write_duration(self.max_age) })
    }
}

//! The process environment as plain data, so that tests need not change the real one.

use std::collections::BTreeMap;

/// Variables that begin with this set a key of `config.yaml`.
pub const ENVIRONMENT_PREFIX: &str = "PORTCULLIS_";

/// `PORTCULLIS_CONFIG` names the configuration itself; it is not a key of it.
const RESERVED: [&str; 1] = ["CONFIG"];

/// A set of environment variables.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process; those that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of one variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The same with another value of one variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The variables that set keys, without their prefix.
    pub(crate) fn settings(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(name, value)| {
            let setting = name.strip_prefix(ENVIRONMENT_PREFIX)?;
            let ours = !RESERVED.contains(&setting) && !is_service_link(name, value);
            ours.then_some(setting)
        })
    }

    /// The value that the environment gives to the key `path` of `config.yaml`.
    pub(crate) fn setting(&self, path: &str) -> Option<&str> {
        let name = variable(path);
        self.get(&name).filter(|value| !is_service_link(&name, value))
    }
}

/// Names only: values may be secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

/// The variable that sets the key `path`.
pub(crate) fn variable(path: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", screaming_snake(path))
}

/// `http.maxBodyBytes` is `HTTP_MAX_BODY_BYTES`.
pub(crate) fn screaming_snake(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 4);
    for c in path.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(if c == '.' { '_' } else { c.to_ascii_uppercase() });
    }
    out
}

/// Kubernetes gives every container variables about the Services beside it, and one that is called
/// `portcullis` or `portcullis-metrics` looks like ours: `PORTCULLIS_SERVICE_HOST`,
/// `PORTCULLIS_METRICS_PORT=tcp://10.0.0.1:9464`, `PORTCULLIS_PORT_8090_TCP_ADDR`.
fn is_service_link(name: &str, value: &str) -> bool {
    let link = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let numbered = name.rsplit_once("_PORT_").is_some_and(|(_, rest)| {
        let mut parts = rest.split('_');
        parts.next().is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
            && parts.next().is_some_and(|protocol| ["TCP", "UDP", "SCTP"].contains(&protocol))
    });
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && link)
        || numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_kubernetes_services_are_not_settings() {
        let environment: Environment = [
            ("PORTCULLIS_SERVICE_HOST", "10.0.0.1"),
            ("PORTCULLIS_SERVICE_PORT", "8090"),
            ("PORTCULLIS_SERVICE_PORT_HTTP", "8090"),
            ("PORTCULLIS_PORT", "tcp://10.0.0.1:8090"),
            ("PORTCULLIS_PORT_8090_TCP", "tcp://10.0.0.1:8090"),
            ("PORTCULLIS_PORT_8090_TCP_ADDR", "10.0.0.1"),
            ("PORTCULLIS_METRICS_PORT", "tcp://10.0.0.2:9464"),
            ("PORTCULLIS_CONFIG", "/etc/portcullis"),
            ("PORTCULLIS_AGGREGATOR_PORT", "80"),
            ("PATH", "/bin"),
        ]
        .into_iter()
        .collect();
        assert_eq!(environment.settings().collect::<Vec<_>>(), ["AGGREGATOR_PORT"]);
        assert_eq!(environment.setting("metrics.port"), None);
        assert_eq!(environment.setting("aggregator.port"), Some("80"));
    }

    #[test]
    fn a_path_becomes_screaming_snake_case() {
        assert_eq!(screaming_snake("http.maxBodyBytes"), "HTTP_MAX_BODY_BYTES");
        assert_eq!(screaming_snake("namespace"), "NAMESPACE");
    }
}

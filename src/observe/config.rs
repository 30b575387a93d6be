//! `metrics` and `logging` of `config.yaml`.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value as Json;
use tracing::level_filters::LevelFilter;

use super::logging;
use crate::config::{Fields, Host, Section};

/// `metrics`: the listener for Prometheus.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Its host.
    pub host: Host,
    /// Its port; 0 takes any free one.
    pub port: u16,
    /// Whether muster's two metrics are written too.
    pub muster_names: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { host: Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)), port: 9464, muster_names: false }
    }
}

impl Section for Metrics {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.set("host", &mut self.host);
        fields.set("port", &mut self.port);
        fields.later("tls", &Json::Null);
        fields.set("musterNames", &mut self.muster_names);
    }
}

/// `logging`: what is written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logging {
    /// The least important level that is written.
    pub level: LevelFilter,
    /// How a line looks.
    pub format: Format,
    /// Whether each call writes a line.
    pub calls: bool,
}

/// `logging.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Format {
    /// The form that lines get, now that it is known where they go.
    pub fn resolve(self) -> logging::Format {
        match self {
            Self::Auto => logging::Format::auto(),
            Self::Text => logging::Format::Text,
            Self::Json => logging::Format::Json,
        }
    }
}

impl Default for Logging {
    fn default() -> Self {
        Self { level: LevelFilter::INFO, format: Format::Auto, calls: true }
    }
}

impl Section for Logging {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        let levels = [
            ("off", LevelFilter::OFF),
            ("error", LevelFilter::ERROR),
            ("warn", LevelFilter::WARN),
            ("info", LevelFilter::INFO),
            ("debug", LevelFilter::DEBUG),
            ("trace", LevelFilter::TRACE),
        ];
        fields.choose("level", &mut self.level, &levels, &[]);
        let formats = [("auto", Format::Auto), ("text", Format::Text), ("json", Format::Json)];
        fields.choose("format", &mut self.format, &formats, &[]);
        fields.set("calls", &mut self.calls);
    }
}

//! `metrics` and `logging` of `config.yaml`.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value as Json, json};
use tracing::level_filters::LevelFilter;

use crate::config::{Fields, Host, Section, Shown};
use crate::observe::logging::Format;

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
        fields.set("musterNames", &mut self.muster_names);
    }
}

impl Shown for Metrics {
    fn shown(&self) -> Json {
        let Self { host, port, muster_names } = self;
        json!({ "host": host.to_string(), "port": port, "musterNames": muster_names })
    }
}

/// `logging`: what is written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logging {
    /// The least important level that is written.
    pub level: LevelFilter,
    /// How a line looks; `auto` is decided when the configuration is read.
    pub format: Format,
    /// Whether each call writes a line.
    pub calls: bool,
}

impl Default for Logging {
    fn default() -> Self {
        Self { level: LevelFilter::INFO, format: Format::auto(), calls: true }
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
        let formats = [("auto", Format::auto()), ("text", Format::Text), ("json", Format::Json)];
        fields.choose("format", &mut self.format, &formats, &[]);
        fields.set("calls", &mut self.calls);
    }
}

impl Shown for Logging {
    fn shown(&self) -> Json {
        let Self { level, format, calls } = self;
        let format = match format {
            Format::Text => "text",
            Format::Json => "json",
        };
        json!({ "level": level.to_string(), "format": format, "calls": calls })
    }
}

//! A real Prometheus.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::wire::Request;
use crate::{Peers, Process, within};

/// A running Prometheus on a free port of loopback.
pub struct Prometheus {
    _process: Process,
    origin: String,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts it with this configuration.
    pub async fn start(peers: &Peers, config: &str) -> Self {
        let directory =
            TempDir::with_prefix("portcullis-prometheus-").expect("a temporary directory");
        let file = directory.path().join("prometheus.yml");
        fs::write(&file, config).expect("a file for the configuration");
        let mut command = Command::new(peers.path("bin/prometheus"));
        command.arg("--web.listen-address=127.0.0.1:0").current_dir(directory.path());
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        let process = Process::spawn("prometheus", command);
        // The socket is bound by then, so a request waits for the rest of the start.
        let address = process
            .line("line with its address", |line| {
                let (_, address) = line.split_once("\"Listening on\" address=")?;
                address.split_whitespace().next().map(str::to_owned)
            })
            .await;
        Self { _process: process, origin: format!("http://{address}"), _directory: directory }
    }

    /// Asks until the values of `expression` are what `wanted` takes, and gives the series: `[{metric, value}, …]`.
    pub async fn until(&self, expression: &str, wanted: impl Fn(&[f64]) -> bool) -> Value {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        within(&format!("an answer to {expression}"), async {
            loop {
                ticks.tick().await;
                let series = self.query(expression).await;
                let values = series.as_array().into_iter().flatten();
                let values = values.filter_map(|one| one["value"][1].as_str()?.parse().ok());
                if wanted(&values.collect::<Vec<f64>>()) {
                    return series;
                }
            }
        })
        .await
    }

    /// An instant query (Prometheus, "HTTP API"); null while it is still starting.
    async fn query(&self, expression: &str) -> Value {
        let url = format!("{}/api/v1/query?query={}", self.origin, encoded(expression));
        let answer = Request::new("GET", &url).send().await.text().await;
        let mut answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        answer["data"]["result"].take()
    }
}

/// Percent-encoded for a query (RFC 3986 §2.1); what needs no encoding may have one.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = write!(encoded, "%{byte:02X}");
        encoded
    })
}

//! The real gateway, started from its binary.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::inherit_nothing_of_ours;
use crate::wire::Request;
use crate::{Process, RawClient, within};

/// A running gateway on free ports of loopback.
pub struct Gateway {
    process: Process,
    mcp: String,
    metrics: String,
}

impl Gateway {
    /// Runs `serve --config CONFIG` of `binary` (`env!("CARGO_BIN_EXE_portcullis")`) until it says where it listens.
    pub async fn start(binary: &str, config: &Path) -> Self {
        Self::start_with(binary, config, |_| {}).await
    }

    /// As [`Gateway::start`], after `adjust` had a look at the command.
    pub async fn start_with(
        binary: &str,
        config: &Path,
        adjust: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Self::command(binary, config);
        adjust(&mut command);
        let process = Process::spawn("portcullis serve", command);
        // The addresses come from the process itself: with port 0 nobody else can answer there.
        let mcp =
            process.line("line `listening on URL`", |line| url_after(line, "listening on ")).await;
        let metrics =
            process.line("line `metrics on URL`", |line| url_after(line, "metrics on ")).await;
        Self { process, mcp, metrics }
    }

    /// The command that starts a gateway on free ports, with nothing of our own settings. It lists what backends offer,
    /// unless the configuration has its own word on that: most tests are about that.
    pub fn command(binary: &str, config: &Path) -> Command {
        let mut command = Command::new(binary);
        inherit_nothing_of_ours(&mut command);
        command.arg("serve").arg("--config").arg(config);
        let own = std::fs::read_to_string(config.join("config.yaml")).unwrap_or_default();
        if !own.contains("exposure:") {
            command.env("PORTCULLIS_AGGREGATOR_EXPOSURE", "native");
        }
        command.env("PORTCULLIS_AGGREGATOR_PORT", "0").env("PORTCULLIS_METRICS_PORT", "0");
        command
    }

    /// The endpoint in front of all servers.
    pub fn url(&self) -> &str {
        &self.mcp
    }

    /// The HTTP+SSE endpoint.
    pub fn sse_url(&self) -> String {
        format!("{}/sse", self.origin())
    }

    /// What other people's clients take for a gateway that they start themselves.
    pub fn stdio_endpoint(binary: &str, config: &Path) -> String {
        json!([binary, "serve", "--stdio", "--config", config]).to_string()
    }

    /// The endpoint of one server under its own names.
    pub fn server_url(&self, server: &str) -> String {
        format!("{}/servers/{server}/mcp", self.origin())
    }

    /// `http://127.0.0.1:PORT` of the MCP listener.
    pub fn origin(&self) -> &str {
        self.mcp.trim_end_matches("/mcp").trim_end_matches("/sse")
    }

    /// Where the metrics are.
    pub fn metrics_url(&self) -> &str {
        &self.metrics
    }

    /// `http://127.0.0.1:PORT` of the metrics listener.
    pub fn metrics_origin(&self) -> &str {
        self.metrics.trim_end_matches("/metrics")
    }

    /// Waits until all these tools are listed, and gives the client that saw them. A list waits for backends in their
    /// first start, but not as long as a busy machine may take to start five of them.
    pub async fn client_that_sees(&self, tools: &[&str]) -> RawClient {
        self.client_with(tools, "tools/list", &json!({})).await
    }

    /// The same where the meta-tools alone are listed.
    pub async fn client_that_finds(&self, tools: &[&str]) -> RawClient {
        let params = json!({"name": "list_tools", "arguments": {"limit": 10_000}});
        self.client_with(tools, "tools/call", &params).await
    }

    async fn client_with(&self, tools: &[&str], method: &str, params: &Value) -> RawClient {
        let client = RawClient::connect(&self.mcp, &json!({})).await;
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let what = format!("a list with {tools:?}");
        within(&what, async {
            loop {
                ticks.tick().await;
                // What a meta-tool lists is text, with escaped quotes.
                let list = client.call(method, params).await.replace('\\', "");
                if tools.iter().all(|tool| list.contains(&format!("\"{tool}\""))) {
                    break;
                }
            }
        })
        .await;
        client
    }

    /// What operators read about the backends.
    pub async fn states(&self) -> Value {
        let url = format!("{}/ready?verbose", self.metrics_origin());
        let text = Request::new("GET", &url).send().await.text().await;
        serde_json::from_str(&text).expect("JSON")
    }

    /// Waits until the first start of all backends has succeeded, without being a client.
    pub async fn until_connected(&self) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        within("all backends connected", async {
            loop {
                ticks.tick().await;
                let states = self.states().await;
                let mut backends = states["backends"].as_array().expect("a list").iter();
                // A child runs, and a server elsewhere is connected to.
                let words = [json!("running"), json!("connected")];
                if backends.all(|backend| words.contains(&backend["state"])) {
                    break;
                }
            }
        })
        .await;
    }

    /// What is said about one backend, once it has failed.
    pub async fn failure(&self, name: &str) -> String {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        within(&format!("the failure of {name}"), async {
            loop {
                ticks.tick().await;
                let states = self.states().await;
                let backends = states["backends"].as_array().expect("a list").iter();
                let mut errors = backends.filter(|backend| backend["name"] == name);
                if let Some(error) = errors.find_map(|backend| backend["error"].as_str()) {
                    return error.to_owned();
                }
            }
        })
        .await
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The process, to wait for its end.
    pub fn process_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The URL behind `marker`, in a line for people or inside a JSON string. Only IPv4: `localhost` has a second one.
fn url_after(line: &str, marker: &str) -> Option<String> {
    let (_, rest) = line.split_once(marker)?;
    let url =
        rest.split(|char: char| char.is_whitespace() || "\"',\\\u{1b}".contains(char)).next()?;
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let is_ours = ["127.0.0.1:", "0.0.0.0:"].iter().any(|it| rest.starts_with(it));
    is_ours.then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::url_after;

    #[test]
    fn the_address_is_found_in_plain_and_in_json_lines() {
        let url = Some("http://127.0.0.1:8090/mcp".to_owned());
        assert_eq!(url_after("INFO listening on http://127.0.0.1:8090/mcp", "listening on "), url);
        assert_eq!(
            url_after(r#"{"message":"listening on http://127.0.0.1:8090/mcp"}"#, "listening on "),
            url
        );
        assert_eq!(url_after("listening on http://[::1]:8090/mcp", "listening on "), None);
    }
}

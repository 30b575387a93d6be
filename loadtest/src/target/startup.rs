//! What a gateway costs before its first call: time and bytes.

use std::fs;
use std::time::Duration;

use anyhow::{Context, ensure};
use http::Request;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::Instant;

use super::process::{self, Process};
use super::{Programs, Scene, backend, gateway};

/// How long the gateway with every layer takes from being started until its `/health` answers; the median of `runs`
/// starts. Its resolution is one millisecond, and it is too long rather than too short.
///
/// # Errors
/// When it cannot be started, or does not answer in time.
pub async fn start_to_listening(
    programs: &Programs,
    scene: &Scene,
    runs: usize,
) -> anyhow::Result<Duration> {
    let (_backend, backend) = backend::start(programs, scene).await?;
    let mut times = Vec::new();
    for _ in 0..runs {
        let (mut command, _issuer, _files) =
            gateway::command(programs, "every-layer", backend, scene)?;
        let address = process::free_address()?;
        command.env("PORTCULLIS_AGGREGATOR_PORT", address.port().to_string());
        // No connection outlives its gateway.
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let start = Instant::now();
        let mut process = Process::start("portcullis", command)?;
        process
            .until("answer of /health", async |_| {
                let health = Request::get(format!("http://{address}/health"));
                let answer = client.request(health.body(Empty::new())?).await?;
                ensure!(answer.status().is_success(), "HTTP status {}", answer.status());
                Ok(())
            })
            .await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    times.get(runs / 2).copied().context("no runs")
}

/// How many bytes the gateway's binary has.
///
/// # Errors
/// When there is none.
pub fn binary_bytes(programs: &Programs) -> anyhow::Result<u64> {
    let path = &programs.gateway;
    Ok(fs::metadata(path).with_context(|| path.display().to_string())?.len())
}

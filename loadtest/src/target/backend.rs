//! The raw backend.

use std::net::SocketAddr;

use super::process::{self, Process};
use super::{Programs, Scene};

/// Starts one that offers what `scene` says.
pub(super) async fn start(
    programs: &Programs,
    scene: &Scene,
) -> anyhow::Result<(Process, SocketAddr)> {
    let mut command = process::command(&programs.own.join("raw-backend"));
    for (option, value) in [
        ("--tools", scene.tools.to_string()),
        ("--size", scene.size.to_string()),
        ("--events", scene.events.to_string()),
        ("--delay", scene.delay_ms.to_string()),
        ("--error-every", scene.error_every.to_string()),
    ] {
        command.arg(option).arg(value);
    }
    let mut process = Process::start("raw-backend", command)?;
    let address = process.address().await?;
    Ok((process, address))
}

//! Portcullis, with a configuration directory of the load test.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;

use super::process::{self, Process};
use super::token::Issuer;
use super::{Front, MCP, Programs, Scene};

/// Starts the gateway with `loadtest/NAME`. Its call log goes where its stderr goes, into a file.
pub(super) async fn start(
    programs: &Programs,
    name: &str,
    backend: SocketAddr,
    scene: &Scene,
) -> anyhow::Result<Front> {
    let (command, issuer, files) = command(programs, name, backend, scene)?;
    let mut process = Process::start("portcullis", command)?;
    let address = process.address().await?;
    let names = |of| (0..scene.tools).map(move |number| format!("x_raw{of}_tool{number}"));
    Ok(Front {
        path: MCP,
        process,
        address,
        tools: Some((0..scene.backends).flat_map(names).collect()),
        bearer: Some(issuer.token()?),
        files: Some(files),
    })
}

/// The command that starts it, who issues its tokens, and the files that it reads.
pub(super) fn command(
    programs: &Programs,
    name: &str,
    backend: SocketAddr,
    scene: &Scene,
) -> anyhow::Result<(Command, Issuer, TempDir)> {
    let files = directory(name, scene.backends)?;
    let issuer = Issuer::new()?;
    let jwks = files.path().join("jwks.json");
    fs::write(&jwks, issuer.jwks()?)?;
    let mut command = process::command(&programs.gateway);
    command.arg("serve").arg("--config").arg(files.path());
    command.env("BACKEND", format!("http://{backend}/mcp")).env("JWKS", &jwks);
    Ok((command, issuer, files))
}

/// The configuration directory `loadtest/NAME`, with this many backends.
fn directory(name: &str, backends: usize) -> anyhow::Result<TempDir> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let copy = TempDir::with_prefix("loadtest-config-").context("no temporary directory")?;
    let read = |file: &str| {
        let path = source.join(file);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    fs::write(copy.path().join("config.yaml"), read("config.yaml")?)?;
    let servers = copy.path().join("mcpservers");
    fs::create_dir(&servers)?;
    let first = read("mcpservers/raw0.yaml")?;
    for number in 0..backends {
        let name = format!("raw{number}");
        fs::write(servers.join(format!("{name}.yaml")), first.replace("raw0", &name))?;
    }
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    fn files(directory: &Path) -> BTreeMap<PathBuf, String> {
        let directories = [directory.to_owned(), directory.join("mcpservers")];
        let entries = directories.iter().flat_map(|it| fs::read_dir(it).unwrap());
        let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        let named = paths.map(|path| {
            (path.strip_prefix(directory).unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        });
        named.collect()
    }

    #[test]
    fn with_ten_backends_a_directory_is_as_it_stands_in_the_repository() {
        for name in ["every-layer", "only-router"] {
            let copy = directory(name, 10).unwrap();
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            assert_eq!(files(copy.path()), files(&source), "{name}");
        }
    }
}

//! A configuration directory for one test.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

/// A temporary configuration directory; it is deleted on drop.
pub struct ConfigDir {
    directory: TempDir,
}

impl Default for ConfigDir {
    fn default() -> Self {
        Self::new()
    }
}

impl ConfigDir {
    /// An empty directory, which means defaults and no servers.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("portcullis-config-")
            .tempdir()
            .expect("a temporary directory");
        fs::create_dir(directory.path().join("mcpservers")).expect("a directory for the servers");
        Self { directory }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes `config.yaml`.
    #[must_use]
    pub fn config(self, yaml: &str) -> Self {
        self.file("config.yaml", yaml)
    }

    /// Writes any file.
    #[must_use]
    pub fn file(self, path: &str, text: &str) -> Self {
        fs::write(self.path().join(path), text).unwrap_or_else(|error| panic!("{path}: {error}"));
        self
    }

    /// Writes an `MCPServer`. The file is JSON, which is YAML too and needs no care with quoting.
    #[must_use]
    pub fn server(self, name: &str, spec: &Value) -> Self {
        let object = json!({
            "apiVersion": "muster.giantswarm.io/v1alpha1",
            "kind": "MCPServer",
            "metadata": {"name": name},
            "spec": spec,
        });
        self.file(&format!("mcpservers/{name}.yaml"), &format!("{object:#}\n"))
    }

    /// An `MCPServer` at `url` that starts with the gateway; `gateway` is its `spec.gateway`.
    #[must_use]
    pub fn http(self, name: &str, url: &str, gateway: &Value) -> Self {
        self.server(
            name,
            &json!({"type": "streamable-http", "url": url, "autoStart": true, "gateway": gateway}),
        )
    }

    /// An `MCPServer` of HTTP+SSE at `url` that starts with the gateway; `gateway` is its `spec.gateway`.
    #[must_use]
    pub fn sse(self, name: &str, url: &str, gateway: &Value) -> Self {
        self.server(
            name,
            &json!({"type": "sse", "url": url, "autoStart": true, "gateway": gateway}),
        )
    }

    /// An `MCPServer` that runs `line`; `gateway` is its `spec.gateway`.
    #[must_use]
    pub fn stdio(self, name: &str, line: &[String], gateway: &Value) -> Self {
        let (command, args) = line.split_first().expect("a command line has a command");
        let spec = json!({"type": "stdio", "command": command, "args": args, "autoStart": true, "gateway": gateway});
        self.server(name, &spec)
    }
}

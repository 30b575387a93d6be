//! What Prometheus thinks of a metrics page.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::Peers;

impl Peers {
    /// What `promtool check metrics` finds wrong with a page; empty if nothing.
    pub fn check_metrics(&self, page: &str) -> String {
        let mut child = Command::new(self.path("bin/promtool"))
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("promtool: {error}"));
        // It reads all of its input before it writes; dropping the pipe ends the input.
        let mut stdin = child.stdin.take().expect("the pipe was asked for");
        stdin.write_all(page.as_bytes()).expect("promtool reads its input");
        drop(stdin);
        let output = child.wait_with_output().expect("promtool ends");
        let findings = [output.stdout, output.stderr].concat();
        let findings = String::from_utf8_lossy(&findings).into_owned();
        assert!(output.status.success() || !findings.is_empty(), "promtool: {}", output.status);
        findings
    }
}

//! What the figures were taken on, and of.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Build {
    pub(crate) commit: String,
    /// There were changes that no commit has.
    pub(crate) dirty: bool,
    pub(crate) rustc: String,
    /// The gateway was built without optimisation: its figures say nothing.
    pub(crate) debug: bool,
}

const UNKNOWN: &str = "unknown";

impl Machine {
    pub(crate) fn this() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let kilobytes = field(&memory, "MemTotal").and_then(|text| text.split(' ').next());
        Self {
            cpu: field(&cpu, "model name").unwrap_or(UNKNOWN).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: kilobytes.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) * 1024,
            kernel: kernel.trim().to_owned(),
        }
    }
}

impl Build {
    /// Of the working directory, which `loadtest/run` makes the repository.
    pub(crate) fn here() -> Self {
        let status = said("git", &["status", "--porcelain", "--untracked-files=no"]);
        Self {
            commit: said("git", &["rev-parse", "--short=10", "HEAD"])
                .unwrap_or_else(|| UNKNOWN.to_owned()),
            dirty: status.is_some_and(|status| !status.is_empty()),
            rustc: said("rustc", &["--version"]).unwrap_or_else(|| UNKNOWN.to_owned()),
            debug: cfg!(debug_assertions),
        }
    }
}

/// What other people's programs say of themselves, by target.
pub(crate) fn versions() -> BTreeMap<String, String> {
    let nginx = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/bin/nginx");
    let output = Command::new(nginx).arg("-v").output().ok();
    let said = output.and_then(|output| String::from_utf8(output.stderr).ok());
    let version = said.and_then(|said| Some(said.trim().rsplit_once(": ")?.1.to_owned()));
    version.map(|version| ("nginx".to_owned(), version)).into_iter().collect()
}

/// The value of the first line `name: value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// What a program prints; None when there is no such program or it fails.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_files_are_found_by_name() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nMemTotal:       8 kB\n";
        assert_eq!(field(text, "model name"), Some("Some CPU @ 2 GHz"));
        assert_eq!(field(text, "MemTotal"), Some("8 kB"));
        assert_eq!(field(text, "model"), None);
    }

    #[test]
    fn this_machine_has_a_processor_memory_and_a_kernel() {
        let machine = Machine::this();
        assert!(machine.cores > 0 && machine.memory_bytes > 0, "{machine:?}");
        assert!(!machine.kernel.is_empty(), "{machine:?}");
    }
}

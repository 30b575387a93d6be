//! A whole comparison in small: the real programs, few calls, and results that can be read.

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use portcullis_test_support::Process;
use serde_json::Value;

const DEADLINE: Duration = Duration::from_mins(2);
const TARGETS: [&str; 3] = ["plain", "only-router", "every-layer"];

async fn compare(out: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis-loadtest"));
    command.args(["compare", "--quick", "--out"]).arg(out).args(args);
    let mut process = Process::spawn("portcullis-loadtest", command);
    let status = process.finished(DEADLINE).await;
    (status.code(), process.output())
}

#[tokio::test]
async fn targets_take_turns_and_the_result_has_their_ratios() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut args = vec!["--only", "call"];
    args.extend(TARGETS.iter().flat_map(|target| ["--target", target]));
    let (code, output) = compare(directory.path(), &args).await;
    assert_eq!(code, Some(0), "{output}");

    let read = |file: &str| fs::read_to_string(directory.path().join(file)).expect(file);
    let results: Value = serde_json::from_str(&read("results.json")).expect("JSON");
    assert_eq!(results["problems"].as_array().map(Vec::len), Some(0), "{output}");
    let contenders = results["comparisons"][0]["contenders"].as_array().expect("contenders");
    let names: Vec<_> =
        contenders.iter().map(|one| one["name"].as_str().expect("a name")).collect();
    assert_eq!(names, TARGETS);
    for contender in contenders {
        let runs = contender["runs"].as_array().expect("runs");
        assert_eq!(runs.len(), 2, "{contender}");
        assert!(runs.iter().all(|run| run["errors"] == 0 && run["calls"] == 64), "{contender}");
        let against = &contender["againstBase"];
        if contender["name"] == "plain" {
            assert!(against.is_null(), "{contender}");
        } else {
            assert!(against["cpuRatio"]["median"].is_number(), "{contender}");
            assert!(against["throughputRatio"]["median"].is_number(), "{contender}");
        }
    }
    for picture in ["call-cpu.svg", "call-latency.svg"] {
        assert!(TARGETS.iter().all(|name| read(picture).contains(name)), "{picture}");
        assert!(read("README.md").contains(picture), "{picture}");
    }
}

#[tokio::test]
async fn a_scenario_that_there_is_not_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let (code, output) = compare(directory.path(), &["--only", "cal"]).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("there are call, call-tool, one"), "{output}");
}

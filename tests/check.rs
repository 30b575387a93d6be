//! What `portcullis check` says about broken configurations, each in a directory of its own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use portcullis::cli::CheckArgs;
use portcullis::config::Environment;

fn check(path: &Path, environment: &Environment) -> (String, ExitCode) {
    let mut out = Vec::new();
    let args = CheckArgs { path: Some(path.to_owned()) };
    let code = args.run(environment, &mut out).expect("a buffer can be written");
    (String::from_utf8(out).expect("UTF-8"), code)
}

#[test]
fn every_problem_of_a_broken_directory_is_named_with_its_place_and_fix() {
    let mut directories: Vec<PathBuf> = Path::new("tests/broken")
        .read_dir()
        .expect("the directories")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    directories.sort();
    let mut said = String::new();
    for directory in directories {
        let (out, code) = check(&directory, &Environment::default());
        assert_eq!(code, ExitCode::FAILURE, "{}: {out}", directory.display());
        assert!(!out.contains("sesame"), "a secret is shown: {out}");
        let _ = writeln!(said, "{out}");
    }
    insta::assert_snapshot!("broken", said);
}

#[test]
fn variables_of_the_environment_are_checked_too() {
    let environment: Environment = [
        ("PORTCULLIS_AGGREGATOR_PORT", "http"),
        ("PORTCULLIS_AGGREGATOR_HOST", "0.0.0.0"),
        ("PORTCULLIS_AGGREGATOR_PROT", "1"),
        ("PORTCULLIS_HTTP_ALLOWED_HOSTS", "example.com"),
        ("PORTCULLIS_AUTH_MODE", "token"),
        ("PORTCULLIS_COLOUR", "red"),
        ("PORTCULLIS_CONFIG", "elsewhere"),
    ]
    .into_iter()
    .collect();
    insta::assert_snapshot!(check(Path::new("config/quickstart"), &environment).0, @r#"
    environment: PORTCULLIS_AGGREGATOR_HOST: "0.0.0.0" lets others in, and auth.mode none asks nobody who they are; listen on localhost, choose another auth.mode, or set auth.allowUnauthenticated: true if that is what you want
    environment: PORTCULLIS_AGGREGATOR_PORT: "http" is not a whole number from 0 to 65535
    environment: PORTCULLIS_AGGREGATOR_PROT: sets no key of config.yaml; did you mean "PORTCULLIS_AGGREGATOR_PORT"?
    environment: PORTCULLIS_AUTH_MODE: "token" is unknown; use none, oauth, tokens, header or mtls; did you mean "tokens"?
    environment: PORTCULLIS_COLOUR: sets no key of config.yaml
    environment: PORTCULLIS_HTTP_ALLOWED_HOSTS: is not a single value; set it in config.yaml
    6 problems
    "#);
}

#[test]
fn the_command_fails_with_a_problem_and_succeeds_without() {
    let check = |path: &str| {
        let binary = env!("CARGO_BIN_EXE_portcullis");
        let output = Command::new(binary).args(["check", path]).env_clear().output();
        let output = output.expect("the binary runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let fine = "config/quickstart: fine: 2 MCP servers (alpha, beta)\n".to_owned();
    assert_eq!(check("config/quickstart"), (Some(0), fine));
    let (code, out) = check("tests/broken/07-open-to-everybody");
    assert_eq!(code, Some(1));
    assert!(out.ends_with("1 problem\n"), "{out}");
}

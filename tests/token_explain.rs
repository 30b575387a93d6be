//! `portcullis token explain`, as whoever operates a gateway calls it.

use std::io::Write;
use std::process::{Command, Stdio};

use portcullis::authn::Digest;
use portcullis_test_support::ConfigDir;

/// The exit code and all that was said about `input`.
fn explain(config: &ConfigDir, input: &str) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["token", "explain", "--config"])
        .arg(config.path())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("UTF-8"))
}

#[test]
fn a_static_token_is_explained_and_not_printed() {
    let digest = Digest::of(b"sesame");
    let auth = format!("auth: {{mode: tokens, tokens: [{{name: ci, sha256: {digest}}}]}}\n");
    let config = ConfigDir::new().config(&auth);
    for (input, code, expected) in [
        ("sesame\n", 0, "ci of auth.tokens"),
        ("Bearer sesame", 0, "The gateway would accept it."),
        ("open-up", 1, "The gateway would refuse it: one check fails."),
        ("\n", 1, "there is no token on standard input"),
    ] {
        let (found, said) = explain(&config, input);
        assert_eq!(found, Some(code), "{input:?}: {said}");
        assert!(said.contains(expected), "{input:?}: {said}");
        assert!(!said.contains("sesame") && !said.contains("open-up"), "{said}");
    }
}

#[test]
fn without_authentication_there_is_nothing_to_explain() {
    let config = ConfigDir::new().config("auth: {mode: none}\n");
    let (code, said) = explain(&config, "anything");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("auth.mode is none: no token is looked at"), "{said}");
}

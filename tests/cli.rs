//! The command line of the binary.

use std::path::Path;
use std::process::{Command, Output};

fn portcullis(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(args).env_clear().envs(variables.iter().copied());
    command.output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_version_is_told() {
    let output = portcullis(&["--version"], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), concat!("portcullis ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn serve_refuses_what_it_must_not_start_with() {
    for (args, variables, reason) in [
        (
            &["--config", "tests/broken/07-open-to-everybody"][..],
            &[][..],
            "config.yaml:2: aggregator.host: \"0.0.0.0\" lets others in",
        ),
        (&["--config-path", "no/such/directory"], &[], "no/such/directory: cannot be read"),
        (&[], &[("PORTCULLIS_CONFIG", "no/such/file.yaml")], "no/such/file.yaml: cannot be read"),
        (&["--oauth-server"], &[], "command line: --oauth-server: is not supported yet"),
        (&[], &[("PORTCULLIS_AUTH_MODE", "tokens")], "auth.tokens: is empty, and auth.mode tokens"),
        (&[], &[("PORTCULLIS_HTTP_DRIAN", "1s")], "did you mean \"PORTCULLIS_HTTP_DRAIN\"?"),
    ] {
        let mut all = vec!["serve"];
        all.extend(args);
        let output = portcullis(&all, variables);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains(reason), "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?}: {}", text(&output.stdout));
    }
}

#[test]
fn an_import_can_be_checked() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("mcp.json");
    let json = r#"{"mcpServers": {"My Time": {"command": "portcullis", "args": ["demo-server"]}}}"#;
    std::fs::write(&file, json).expect("a file");
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let config = path(&directory.path().join("new"));
    let output = portcullis(&["import", &path(&file), "--config", &config], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let output = portcullis(&["check", &config], &[]);
    assert_eq!(text(&output.stdout), format!("{config}: fine: 1 MCP server (my-time)\n"));
}

#[test]
fn a_new_token_is_printed_once_with_the_line_that_a_configuration_takes() {
    // A name is whatever can be printed without spaces, and must not become a variable or YAML.
    for name in ["ci", "${HOME}", "{a: 1}".replace(' ', "").as_str(), "#1", "true", "-x:y"] {
        let output = portcullis(&["token", "new", "--scope", "tools:read", "--", name], &[]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let (token, line) = text(&output.stdout).trim_end().split_once('\n').expect("two lines");
        assert!(token.starts_with("pct_") && token.len() == 47, "{token}");
        assert!(!line.contains(token), "{line}");
        let directory = tempfile::tempdir().expect("a directory");
        let config = format!("auth:\n  mode: tokens\n  tokens:\n    {line}\n");
        std::fs::write(directory.path().join("config.yaml"), config).expect("a file");
        let loaded = portcullis::app::load::load(
            Some(directory.path()),
            &portcullis::config::Environment::default(),
        );
        let auth = loaded.unwrap_or_else(|refused| panic!("{refused}")).config.auth;
        assert_eq!(&*auth.tokens[0].name, name);
        assert_eq!(auth.tokens[0].digest, portcullis::authn::Digest::of(token.as_bytes()));
        assert!(auth.tokens[0].scopes.contains("tools:read"));
    }
    let output = portcullis(&["token", "new", "two words"], &[]);
    let said = text(&output.stderr);
    assert!(output.stdout.is_empty() && said.contains("is not a name; use 1 to 100"), "{said}");
}

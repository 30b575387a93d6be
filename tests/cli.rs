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
        (&[], &[("PORTCULLIS_AUTH_MODE", "oauth")], "PORTCULLIS_AUTH_MODE: \"oauth\" is not"),
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

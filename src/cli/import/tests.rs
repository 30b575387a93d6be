use serde_json::json;

use super::*;

fn run(json: &str, before: &[(&str, &str)]) -> (String, bool, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir(directory.path().join("mcpservers")).expect("a directory");
    for (name, text) in before {
        fs::write(directory.path().join(name), text).expect("written");
    }
    let file = directory.path().join("mcp.json");
    fs::write(&file, json).expect("written");
    let config = ConfigArgs { config: Some(directory.path().to_owned()) };
    let mut out = Vec::new();
    let code = ImportArgs { file, config }.run(&Environment::default(), &mut out).expect("written");
    let path = directory.path().display().to_string();
    let out = String::from_utf8(out).expect("UTF-8").replace(&path, "DIR");
    (out, code == ExitCode::SUCCESS, directory)
}

fn written(directory: &tempfile::TempDir, name: &str) -> String {
    fs::read_to_string(directory.path().join("mcpservers").join(name)).expect("a file")
}

#[test]
fn servers_become_files_and_secrets_become_variables() {
    let (out, complete, directory) = run(
        r#"{
            // What people have.
            "mcpServers": {
                "GitHub": {
                    "command": "npx",
                    "args": ["-y", "@modelcontextprotocol/server-github"],
                    "env": {"GITHUB_TOKEN": "ghp_secret0123456789", "LOG": "debug", "N": 1},
                    "cwd": "/tmp",
                    "alwaysAllow": ["x"],
                },
                "docs": {"url": "https://example.com/mcp?api_key=sesame&team=a"},
                "notes app": {
                    "type": "http",
                    "url": "http://localhost:3000/mcp",
                    "headers": {"Authorization": "Bearer sesame", "X-Team": "${input:team-id}"},
                },
                "old": {"type": "http", "url": "http://localhost:3001/mcp", "disabled": true},
            },
        }"#,
        &[],
    );
    assert!(complete, "{out}");
    insta::assert_snapshot!(out, @r#"
    imported 4 of 4 MCP servers
      DIR/mcpservers/github.yaml: stdio npx
      DIR/mcpservers/docs.yaml: streamable-http https://example.com/mcp
      DIR/mcpservers/notes-app.yaml: streamable-http http://localhost:3000/mcp
      DIR/mcpservers/old.yaml: streamable-http http://localhost:3001/mcp

    look at:
      github: left out: alwaysAllow

    set these variables before `portcullis serve`:
      DOCS_API_KEY: url parameter api_key of docs
      GITHUB_TOKEN: env GITHUB_TOKEN of github
      NOTES_APP_AUTHORIZATION: header Authorization of notes-app
      TEAM_ID: header X-Team of notes-app

    then: portcullis check DIR
    "#);
    assert!(!out.contains("sesame") && !out.contains("ghp_"), "{out}");
    insta::assert_snapshot!(written(&directory, "github.yaml"), @r#"
    # From "mcp.json": "GitHub"
    apiVersion: muster.giantswarm.io/v1alpha1
    kind: MCPServer
    metadata:
      name: github
    spec:
      type: stdio
      autoStart: true
      command: npx
      args:
        - "-y"
        - "@modelcontextprotocol/server-github"
      env:
        GITHUB_TOKEN: "${GITHUB_TOKEN}"
        LOG: debug
        "N": "1"
      gateway:
        cwd: /tmp
    "#);
    insta::assert_snapshot!(written(&directory, "docs.yaml"), @r#"
    # From "mcp.json": "docs"
    apiVersion: muster.giantswarm.io/v1alpha1
    kind: MCPServer
    metadata:
      name: docs
    spec:
      type: streamable-http
      autoStart: true
      url: "https://example.com/mcp?api_key=${DOCS_API_KEY}&team=a"
    "#);
    insta::assert_snapshot!(written(&directory, "notes-app.yaml"), @r#"
    # From "mcp.json": "notes app"
    apiVersion: muster.giantswarm.io/v1alpha1
    kind: MCPServer
    metadata:
      name: notes-app
    spec:
      type: streamable-http
      autoStart: true
      url: "http://localhost:3000/mcp"
      headers:
        Authorization: "Bearer ${NOTES_APP_AUTHORIZATION}"
        X-Team: "${TEAM_ID}"
    "#);
    insta::assert_snapshot!(written(&directory, "old.yaml"), @r#"
    # From "mcp.json": "old"
    apiVersion: muster.giantswarm.io/v1alpha1
    kind: MCPServer
    metadata:
      name: old
    spec:
      type: streamable-http
      autoStart: false
      url: "http://localhost:3001/mcp"
    "#);
}

#[test]
fn collisions_are_reported_and_nothing_is_overwritten() {
    let object = "apiVersion: muster.giantswarm.io/v1alpha1\nkind: MCPServer\n\
                  metadata: {name: taken}\nspec: {type: stdio, command: x}\n";
    let (out, complete, directory) = run(
        r#"{"servers": {
            "A b": {"command": "one"}, "a-b": {"command": "two"}, "Taken": {"command": "three"},
            "there": {"command": "four"}, "both": {"command": "x", "url": "http://x"}, "none": {},
            "wrong": {"url": "htp://x"}, "odd": 5
        }}"#,
        &[("mcpservers/other.yaml", object), ("mcpservers/there.yaml", "mine")],
    );
    assert!(!complete);
    insta::assert_snapshot!(out, @r#"
    imported 1 of 8 MCP servers
      DIR/mcpservers/a-b.yaml: stdio one

    not imported:
      "a-b": its name becomes a-b, which DIR/mcpservers/a-b.yaml has
      "Taken": its name becomes taken, which DIR/mcpservers/other.yaml:1 has
      "there": DIR/mcpservers/there.yaml exists already
      "both": has both command and url
      "none": has neither command nor url
      "wrong": spec.url: "htp://x" has an unknown scheme; use http:// or https://
      "odd": is not an object

    then: portcullis check DIR
    "#);
    assert!(written(&directory, "a-b.yaml").contains("command: one"));
    assert_eq!(written(&directory, "there.yaml"), "mine");
}

#[test]
fn what_is_written_is_loaded_again() {
    let (_, complete, directory) = run(
        &json!({"mcpServers": {
            "tricky": {"command": "true", "args": ["yes", "", "a: b", "\n", "- #", "$HOME"],
                       "env": {"A": "null", "B": "y: z", "C": "x${D:-e}"}}
        }})
        .to_string(),
        &[],
    );
    assert!(complete);
    let objects = Objects::of_directory(directory.path(), &Environment::default());
    let server = objects.servers.first().expect("a server");
    assert!(server.auto_start);
    let crate::backends::Transport::Stdio(stdio) = &server.config.transport else {
        panic!("not stdio");
    };
    assert_eq!(stdio.command, "true");
    assert_eq!(stdio.args, ["yes", "", "a: b", "\n", "- #", "$HOME"]);
    let env = |name| secrecy::ExposeSecret::expose_secret(&stdio.env[name]);
    assert_eq!([env("A"), env("B"), env("C")], ["null", "y: z", "xe"]);
}

#[test]
fn a_file_without_servers_is_an_error() {
    for (json, message) in [
        ("{}", "DIR/mcp.json: has no mcpServers and no servers\n"),
        ("{", "DIR/mcp.json: is not JSON: "),
    ] {
        let (out, complete, _directory) = run(json, &[]);
        assert!(!complete && out.starts_with(message), "{out}");
    }
}

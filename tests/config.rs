//! Configurations that are right: what they say is what the gateway gets.

use std::fs;
use std::path::Path;

use portcullis::app::config::Config;
use portcullis::app::load::{Loaded, load};
use portcullis::backends::{Isolation, Transport};
use portcullis::catalogue::Prefix;
use portcullis::config::{Environment, Host};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use tempfile::TempDir;

fn none() -> Environment {
    Environment::default()
}

fn variables(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    directory
}

fn load_files(files: &[(&str, &str)], environment: &Environment) -> Loaded {
    let directory = directory(files);
    load(Some(directory.path()), environment).unwrap_or_else(|refused| panic!("{refused}"))
}

#[test]
fn every_example_loads_without_a_problem_or_a_warning() {
    let secrets = directory(&[("session.key", &"0f".repeat(32))]);
    let key = secrets.path().join("session.key");
    let environment = variables(&[("SESSION_KEY_FILE", key.to_str().expect("UTF-8"))]);
    for example in Path::new("config").read_dir().expect("the examples") {
        let example = example.expect("an example").path();
        let loaded =
            load(Some(&example), &environment).unwrap_or_else(|refused| panic!("{refused}"));
        assert!(loaded.quarantined.is_empty(), "{:?}", loaded.quarantined);
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    }
}

#[test]
fn the_examples_show_the_defaults() {
    for example in ["config/quickstart", "config/reference"] {
        let loaded = load(Some(Path::new(example)), &none()).expect("it loads");
        assert_eq!(format!("{:?}", loaded.config), format!("{:?}", Config::default()), "{example}");
    }
}

#[test]
fn the_quickstart_starts_two_servers() {
    let quickstart = load(Some(Path::new("config/quickstart")), &none()).expect("it loads");
    let servers: Vec<_> = quickstart.servers.iter().map(|server| &*server.config.name).collect();
    assert_eq!(servers, ["alpha", "beta"]);
    assert!(quickstart.servers.iter().all(|server| server.auto_start));
}

#[test]
fn a_missing_directory_is_fine_unless_it_was_named() {
    let home = directory(&[]);
    let home = home.path().to_str().expect("UTF-8");
    let loaded = load(None, &variables(&[("HOME", home)])).expect("defaults");
    assert_eq!(loaded.config.aggregator.port, 8090);
    assert!(load(Some(Path::new("no/such/directory")), &none()).is_err());
}

#[test]
fn variables_win_over_the_file_and_the_file_over_defaults() {
    let file = "aggregator: {port: 1, musterPrefix: y}\nhttp: {drain: 1m}\n";
    let environment = variables(&[
        ("PORTCULLIS_AGGREGATOR_PORT", "2"),
        ("PORTCULLIS_HTTP_MAX_BODY_BYTES", "2048"),
        ("PORTCULLIS_AUTH_ALLOW_UNAUTHENTICATED", "true"),
        ("PORTCULLIS_AGGREGATOR_HOST", "0.0.0.0"),
        ("PORTCULLIS_DENYLIST_ENABLED", "false"),
    ]);
    let config = load_files(&[("config.yaml", file)], &environment).config;
    assert_eq!((config.aggregator.port, config.http.max_body_bytes), (2, 2048));
    assert_eq!(config.aggregator.host, Host::Ip([0, 0, 0, 0].into()));
    assert!(!config.denylist.is_enabled);
    assert_eq!((config.aggregator.muster_prefix.as_str(), config.http.drain.as_secs()), ("y", 60));
}

#[test]
fn variables_are_expanded_where_they_may_stand() {
    let server = "apiVersion: muster.giantswarm.io/v1alpha1\nkind: MCPServer\n\
                  metadata: {name: docs}\nspec:\n  type: streamable-http\n  \
                  url: http://${HOST}/mcp\n  description: ${HOST}\n  \
                  headers: {Authorization: 'Bearer ${TOKEN}', X-Price: '$${5}'}\n";
    let files = [("config.yaml", "http: {drain: '${DRAIN}'}"), ("mcpservers/docs.yml", server)];
    let environment = variables(&[("HOST", "localhost:1"), ("TOKEN", "sesame"), ("DRAIN", "2s")]);
    let loaded = load_files(&files, &environment);
    assert_eq!(loaded.config.http.drain.as_secs(), 2);
    let server = &loaded.servers[0];
    assert_eq!(server.description.as_deref(), Some("${HOST}"));
    let Transport::StreamableHttp(remote) = &server.config.transport else { panic!("not HTTP") };
    assert_eq!(remote.url.as_str(), "http://localhost:1/mcp");
    let values: Vec<_> = remote.headers.iter().map(|(_, value)| value.as_bytes()).collect();
    assert_eq!(values, [b"Bearer sesame".as_slice(), b"${5}"]);
    assert!(!format!("{loaded:?}").contains("sesame"), "a secret is printed");
}

#[test]
fn an_object_with_every_field_means_what_it_says() {
    let server = r#"
apiVersion: muster.giantswarm.io/v1alpha1
kind: MCPServer
metadata:
  name: files
  namespace: default
  labels: {team: a}
  resourceVersion: "5"
spec:
  type: stdio
  description: Files
  autoStart: true
  toolPrefix: fs
  command: mcp-server-filesystem
  args: [--yes, 08, y, 1e3]
  env: {LEVEL: debug, PORT: 8080, ON: yes}
  timeout: 45
  auth: {type: none, forwardToken: false, tokenExchange: {enabled: false}, localMint: {enabled: false}}
  gateway:
    isolation: session
    protocol: auto
    expose: {prefix: none, uris: keep}
    callTimeout: 1m30s
    cwd: data
    maxInFlight: 7
    http2: false
    trustAnnotations: true
    tls: {caFile: null, certFile: null, keyFile: null, serverName: null}
status: {state: Running}
"#;
    let directory = directory(&[("mcpservers/files.yaml", server)]);
    let loaded = load(Some(directory.path()), &none()).expect("it loads");
    assert!(loaded.quarantined.is_empty(), "{:?}", loaded.quarantined);
    let server = &loaded.servers[0];
    assert!(server.auto_start);
    assert_eq!(server.tool_prefix.as_deref(), Some("fs"));
    assert_eq!(server.description.as_deref(), Some("Files"));
    assert_eq!(server.expose.prefix, Prefix::None);
    assert_eq!(server.source.line, Some(2));
    let config = &server.config;
    assert_eq!(&*config.name, "files");
    assert_eq!(config.isolation, Isolation::Session);
    assert_eq!((config.connect_timeout.as_secs(), config.call_timeout.as_secs()), (45, 90));
    assert_eq!((config.max_in_flight, config.trust_annotations), (Some(7), true));
    let Transport::Stdio(stdio) = &config.transport else { panic!("not stdio") };
    assert_eq!(stdio.command, "mcp-server-filesystem");
    assert_eq!(stdio.args, ["--yes", "08", "y", "1e3"]);
    assert_eq!(stdio.cwd, Some(directory.path().join("data")));
    let env: Vec<_> = stdio.env.iter().map(|(k, v)| (k.as_str(), v.expose_secret())).collect();
    assert_eq!(env, [("LEVEL", "debug"), ("ON", "yes"), ("PORT", "8080")]);
}

#[test]
fn a_file_may_hold_everything_in_several_documents() {
    let text = "aggregator: {port: 0}\n---\napiVersion: muster.giantswarm.io/v1alpha1\n\
                kind: MCPServer\nmetadata: {name: a}\nspec: {type: stdio, command: a}\n---\n\
                kind: Workflow\n---\nkind: MCPServer\nmetadata: {name: b}\n";
    let directory = directory(&[("all.yaml", text)]);
    let loaded = load(Some(&directory.path().join("all.yaml")), &none()).expect("it loads");
    assert_eq!(loaded.config.aggregator.port, 0);
    assert_eq!((loaded.servers.len(), loaded.warnings.len()), (1, 1));
    assert_eq!(loaded.quarantined[0].name.as_deref(), Some("b"));
    let two = directory.path().join("two.yaml");
    fs::write(&two, "http: {}\n---\nhttp: {}\n---\nkind: MCPAccessGrant\n").expect("a file");
    let refused = load(Some(&two), &none()).expect_err("two configurations").to_string();
    assert!(refused.contains("two.yaml:3: is a second document without kind"), "{refused}");
    assert!(refused.contains("two.yaml:5: kind: MCPAccessGrant is not supported yet"), "{refused}");
}

#[test]
fn a_bad_object_harms_only_itself() {
    let directory = Path::new("tests/broken/18-one-bad-among-good");
    let loaded = load(Some(directory), &none()).expect("the gateway starts");
    let names: Vec<_> = loaded.servers.iter().map(|server| &*server.config.name).collect();
    assert_eq!(names, ["better", "good"]);
    assert_eq!(loaded.quarantined.len(), 1);
    assert_eq!(loaded.quarantined[0].name.as_deref(), Some("bad"));
}

#[test]
fn what_muster_set_ups_write_is_taken() {
    let text = "namespace: mcp\nkubernetes: false\nevents: {enabled: true}\naggregator:\n  \
                enabled: true\n  musterPrefix: \"\"\n  transport: streamable-http\n  \
                admin: {enabled: false, port: 9999, bindAddress: 127.0.0.1}\n  oauth:\n    \
                mcpClient: {enabled: false, publicUrl: https://a.example.com}\n    \
                server: {enabled: false, baseUrl: https://a.example.com}\n";
    let config = load_files(&[("config.yaml", text)], &none()).config;
    assert_eq!(config.aggregator.muster_prefix, "x");
}

#[test]
fn session_keys_are_read_from_files_beside_the_configuration() {
    let files = [
        ("config.yaml", "sessions: {keyFiles: [keys/new, keys/old]}"),
        ("keys/new", "0101010101010101010101010101010101010101010101010101010101010101\n"),
        ("keys/old", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\n"),
    ];
    let keys = load_files(&files, &none()).config.sessions.keys;
    let bytes: Vec<_> = keys.iter().map(|key| *key.expose()).collect();
    assert_eq!(bytes, [[1; 32], [2; 32]]);
}

#[test]
fn a_family_has_a_name_and_an_argument() {
    let text = "apiVersion: muster.giantswarm.io/v1alpha1\nkind: MCPServer\nmetadata: {name: a}\n\
                spec: {type: stdio, command: a, family: {name: sites, instanceArg: site}}\n";
    let loaded = load_files(&[("mcpservers/a.yaml", text)], &none());
    let family = loaded.servers[0].family.as_ref().expect("a family");
    assert_eq!((&*family.name, &*family.instance_arg), ("sites", "site"));
}

#[test]
fn a_list_from_a_cluster_is_taken_apart() {
    let text = "apiVersion: v1\nkind: List\nitems:\n\
                - {apiVersion: muster.giantswarm.io/v1alpha1, kind: MCPServer,\n   \
                   metadata: {name: a}, spec: {type: stdio, command: a}}\n\
                - {apiVersion: muster.giantswarm.io/v1alpha1, kind: MCPServer,\n   \
                   metadata: {name: b}, spec: {type: stdio}}\n\
                metadata: {resourceVersion: ''}\n";
    let loaded = load_files(&[("mcpservers/all.yaml", text)], &none());
    assert_eq!(&*loaded.servers[0].config.name, "a");
    assert_eq!(loaded.quarantined[0].name.as_deref(), Some("b"));
}

proptest! {
    #[test]
    fn no_file_makes_loading_panic(
        text in "((aggregator|http|spec|kind|metadata|env|a): ?|[-{}\\[\\]&*,'\"$ \n]|  |1|x|MCPServer|List|items:){0,24}"
    ) {
        let directory = directory(&[("config.yaml", &text), ("mcpservers/a.yaml", &text)]);
        let _ = load(Some(directory.path()), &none());
        let _ = load(Some(&directory.path().join("config.yaml")), &none());
    }
}

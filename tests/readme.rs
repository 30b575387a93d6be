//! What the README and docs/configuration.md show is what the loader takes and the commands print.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use portcullis::app::config::Config;
use portcullis::app::load::load;
use portcullis::authn::Digest;
use portcullis::cli::CheckArgs;
use portcullis::config::{Data, Environment, Location, Node, parse_yaml};
use portcullis::routes::welcome::WayIn;
use portcullis_test_support::ConfigDir;
use serde_json::Value as Json;

const README: &str = include_str!("../README.md");
const REFERENCE: &str = include_str!("../docs/configuration.md");

/// The fenced blocks of a page in one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("\n```{language}\n");
    let ends = |rest: &'a str| rest.split("\n```").next().unwrap_or(rest);
    page.split(fence.as_str()).skip(1).map(ends).collect()
}

fn check(path: &Path) -> (String, ExitCode) {
    let mut out = Vec::new();
    let args = CheckArgs { path: Some(path.to_owned()) };
    let code = args.run(&Environment::default(), &mut out).expect("a buffer can be written");
    (String::from_utf8(out).expect("UTF-8"), code)
}

#[test]
fn every_example_passes_the_check_without_a_warning() {
    let examples = [blocks(README, "yaml"), blocks(REFERENCE, "yaml")].concat();
    assert!(examples.len() >= 5, "{examples:?}");
    let certified = rcgen::generate_simple_self_signed(["gateway.example.com".to_owned()])
        .expect("a certificate");
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    for example in examples {
        let path = if example.contains("kind:") { "mcpservers/x.yaml" } else { "config.yaml" };
        // What an example names has to be there.
        let example = &example.replace("/etc/portcullis/tls/", "");
        let directory = ConfigDir::new().file("tls.crt", &certificate).file("tls.key", &key);
        let directory = directory.file("ca.crt", &certificate);
        let (out, code) = check(directory.file(path, example).path());
        assert_eq!(code, ExitCode::SUCCESS, "{example}\n{out}");
        assert!(!out.contains("warning"), "{example}\n{out}");
    }
}

#[test]
fn the_ingress_is_the_one_that_the_tests_run() {
    let page = include_str!("../docs/ingress.md");
    let [block] = blocks(README, "haproxy")[..] else { panic!("one example") };
    assert!(page.contains(block), "{block}");
}

#[test]
fn what_the_check_is_shown_to_print_is_what_it_prints() {
    let shown = blocks(README, "console");
    let shown = shown.iter().find_map(|block| block.strip_prefix("$ portcullis check "));
    let (path, expected) = shown.and_then(|block| block.split_once('\n')).expect("an example");
    let (out, _) = check(Path::new(path));
    for line in expected.lines().filter(|line| *line != "…") {
        assert!(out.lines().any(|printed| printed == line), "{line}\n{out}");
    }
}

#[test]
fn the_token_of_the_readme_is_made_and_taken_as_shown() {
    let console = blocks(README, "console");
    let block = console.iter().find(|block| block.starts_with("$ portcullis token ")).expect("one");
    let (command, shown) = block.split_once('\n').expect("an output");
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(command.split(' ').skip(2))
        .output()
        .expect("the command");
    let output = String::from_utf8(output.stdout).expect("UTF-8");
    let printed: Vec<_> = output.lines().collect();
    for (shown, printed) in shown.lines().zip(&printed) {
        let (before, after) = shown.split_once('…').expect("what is different each time");
        assert!(printed.starts_with(before) && printed.ends_with(after), "{shown}\n{printed}");
    }
    let [token, line] = printed[..] else { panic!("{output}") };
    let config = blocks(README, "yaml").into_iter().find(|it| it.contains("mode: tokens"));
    let config = config.expect("an example");
    let example = config.lines().find(|line| line.contains("sha256")).expect("an item").trim();
    let directory = ConfigDir::new().config(&config.replace(example, line));
    let loaded = load(Some(directory.path()), &Environment::default());
    let auth = loaded.unwrap_or_else(|refused| panic!("{refused}")).config.auth;
    assert_eq!(auth.tokens[0].digest, Digest::of(token.as_bytes()));
}

#[test]
fn the_block_for_clients_is_the_one_that_the_gateway_shows() {
    let json = blocks(README, "json");
    let way = WayIn::StreamableHttp("http://127.0.0.1:8090/mcp".to_owned());
    assert_eq!(json[0], way.client_config());
    for block in json {
        serde_json::from_str::<Json>(block).unwrap_or_else(|error| panic!("{block}: {error}"));
    }
}

/// One line of a table of keys.
struct Row {
    key: String,
    /// What stands in the column `Default`, unless it is left to the reader's understanding.
    default: Option<String>,
    meaning: String,
}

/// The table whose first column has this heading.
fn rows(heading: &str) -> Vec<Row> {
    let start = format!("| {heading} |");
    let table = REFERENCE.lines().skip_while(|line| !line.starts_with(&start)).skip(2);
    let code = |cell: &str| {
        cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).map(str::to_owned)
    };
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [key, default, meaning] = cells[..] else { panic!("{line} has not three cells") };
        let key = code(key).unwrap_or_else(|| panic!("{line} has no key"));
        Row { key, default: code(default), meaning: meaning.to_owned() }
    };
    table.take_while(|line| line.starts_with('|')).map(row).collect()
}

fn spec_rows() -> Vec<Row> {
    let below = |row: Row| Row { key: format!("gateway.{}", row.key), ..row };
    let gateway = rows("Key of `spec.gateway`").into_iter().map(below);
    rows("Key of `spec`").into_iter().chain(gateway).collect()
}

/// `a.b` and `1` make `a: {b: 1}`.
fn nested(path: &str, value: &str) -> String {
    let mut keys = path.split('.');
    let mut yaml = format!("{}: ", keys.next().expect("a key"));
    let mut depth = 0;
    for key in keys {
        let _ = write!(yaml, "{{{key}: ");
        depth += 1;
    }
    format!("{yaml}{value}{}", "}".repeat(depth))
}

#[test]
fn every_documented_default_is_the_default() {
    let default = format!("{:?}", Config::default());
    for Row { key, default: text, .. } in rows("Key") {
        let text = text.unwrap_or_else(|| panic!("{key} has no default"));
        let directory = ConfigDir::new().config(&nested(&key, &text));
        let loaded = load(Some(directory.path()), &Environment::default());
        let loaded = loaded.unwrap_or_else(|refused| panic!("{refused}"));
        assert_eq!(format!("{:?}", loaded.config), default, "{key}");
    }
}

#[test]
fn every_documented_default_of_a_server_is_the_default() {
    let directory = ConfigDir::new();
    let file = directory.path().join("server.yaml");
    let server = |spec: &str| {
        let yaml = format!(
            "{{apiVersion: muster.giantswarm.io/v1alpha1, kind: MCPServer, \
             metadata: {{name: x}}, spec: {{{spec}}}}}"
        );
        fs::write(&file, yaml).expect("a file");
        let loaded = load(Some(&file), &Environment::default()).expect("no problem");
        assert!(loaded.quarantined.is_empty(), "{spec}: {:?}", loaded.quarantined);
        assert!(loaded.warnings.is_empty(), "{spec}: {:?}", loaded.warnings);
        format!("{:?}", loaded.servers)
    };
    for (base, others) in [
        ("type: stdio, command: x", "HTTP: "),
        ("type: streamable-http, url: 'http://x/mcp'", "stdio: "),
    ] {
        let without = server(base);
        for Row { key, default, meaning } in spec_rows() {
            let Some(default) = default else { continue };
            if !meaning.starts_with(others) {
                let with = server(&format!("{base}, {}", nested(&key, &default)));
                assert_eq!(with, without, "{key}");
            }
        }
    }
}

/// The keys in an example that holds all of them; `env` and `headers` have keys of the user's own.
fn leaves(node: &Node, path: &str, found: &mut BTreeSet<String>) {
    match &node.data {
        Data::Map(entries) if !["env", "headers"].contains(&path) => {
            for entry in entries {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(&entry.value, &format!("{path}{dot}{}", entry.key), found);
            }
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

#[test]
fn every_key_of_the_reference_configuration_is_documented() {
    let root = |path: &str| {
        let path = Path::new("config/reference").join(path);
        let text = fs::read_to_string(&path).expect("an example");
        parse_yaml(&text, &Location::file(path)).0.remove(0).root
    };
    let mut expected = BTreeSet::new();
    leaves(&root("config.yaml"), "", &mut expected);
    let documented = |rows: Vec<Row>| rows.into_iter().map(|row| row.key).collect::<BTreeSet<_>>();
    assert_eq!(documented(rows("Key")), expected);

    let mut expected = BTreeSet::new();
    for path in ["mcpservers/local.yaml", "mcpservers/remote.yaml"] {
        leaves(root(path).get("spec").expect("a spec"), "", &mut expected);
    }
    assert_eq!(documented(spec_rows()), expected);
}

mod rights;

use std::path::Path;

use super::*;
use crate::backends::scripted::{Backend, config, context};
use crate::backends::{Isolation, Kind};
use crate::config::{Environment, Location, Reader, parse_yaml};

/// A gate with this `denylist`, and what is wrong with it.
fn read(yaml: &str) -> (Gate, Vec<String>) {
    let location = Location::file(Path::new("x.yaml"));
    let text = format!("denylist: {yaml}");
    let (documents, _) = parse_yaml(&text, &location);
    let environment = Environment::default();
    let mut reader = Reader::new(location, Path::new(""), &environment);
    let mut config = Config::default();
    reader.document(documents.first().map(|document| &document.root), |fields| {
        fields.section("denylist", &mut config);
    });
    let (problems, warnings) = reader.finish();
    let said = problems.iter().chain(&warnings).map(ToString::to_string).collect();
    (Gate::new(true).with_denylist(config), said)
}

fn gate(yaml: &str) -> Gate {
    let (gate, said) = read(yaml);
    assert!(said.is_empty(), "{yaml}: {said:?}");
    gate
}

fn block(gate: &Gate, server: &str, tool: &str) {
    let [server, tool, exposed] = [server, tool, tool].map(Into::into);
    gate.block(&BlockedTool { server, tool, exposed }).unwrap();
}

#[test]
fn what_blocks_beats_what_allows_which_lifts_the_denylist_alone() {
    let both = "{allow: [{tool: '*'}], block: [{backend: k8s, tool: kubectl_delete}]}";
    let off = "{enabled: false, block: [{tool: rm}]}";
    for (yaml, server, tool, rule) in [
        ("{}", "k8s", "kubectl_delete", Some("denylist")),
        ("{}", "any", "cleanup", Some("denylist")),
        ("{}", "k8s", "kubectl_get", None),
        ("{}", "k8s", "Kubectl_delete", None),
        ("{}", "k8s", "x_k8s_kubectl_delete", None),
        ("{enabled: false}", "k8s", "kubectl_delete", None),
        ("{allow: [{tool: kubectl_*}]}", "k8s", "kubectl_delete", None),
        ("{allow: [{tool: kubectl_*}]}", "k8s", "cleanup", Some("denylist")),
        ("{allow: [{backend: test-*}]}", "test-1", "cleanup", None),
        ("{allow: [{backend: test-*}]}", "prod-1", "cleanup", Some("denylist")),
        ("{allow: [{backend: a, tool: cleanup}]}", "b", "cleanup", Some("denylist")),
        (
            both,
            "k8s",
            "kubectl_delete",
            Some(r#"denylist.block[0] {backend: "k8s", tool: "kubectl_delete"}"#),
        ),
        (both, "other", "kubectl_delete", None),
        (off, "a", "rm", Some(r#"denylist.block[0] {backend: "*", tool: "rm"}"#)),
        (off, "a", "cleanup", None),
        (
            "{block: [{tool: a}, {backend: s}]}",
            "s",
            "b",
            Some(r#"denylist.block[1] {backend: "s", tool: "*"}"#),
        ),
    ] {
        let found = gate(yaml).block_of(server, tool).map(|block| block.to_string());
        assert_eq!(found.as_deref(), rule, "{yaml}: {server} {tool}");
    }
}

#[test]
fn every_name_of_the_denylist_is_found() {
    let gate = gate("{}");
    assert!(denylist::DESTRUCTIVE.is_sorted(), "it is searched by halves");
    for name in denylist::DESTRUCTIVE {
        assert!(gate.block_of("a", name).is_some(), "{name}");
    }
}

#[test]
fn a_block_at_runtime_holds_whatever_the_configuration_allows_until_it_is_lifted() {
    let gate = gate("{enabled: false, allow: [{tool: '*_*'}], block: [{tool: rm}]}");
    let rule = |tool: &str| gate.block_of("a", tool).map(Block::reason);
    let mut editions = gate.editions();
    for tool in ["create_incident", "plain", "rm"] {
        block(&gate, "a", tool);
    }
    assert!(editions.has_changed().unwrap());
    editions.mark_unchanged();
    block(&gate, "a", "plain");
    assert!(!editions.has_changed().unwrap(), "nothing is new");
    assert_eq!(rule("create_incident"), Some("blocked_at_runtime"));
    assert_eq!(rule("plain"), Some("blocked_at_runtime"));
    assert_eq!(rule("rm"), Some("block"), "what is to be changed first");
    assert!(gate.block_of("b", "plain").is_none(), "another server's");
    assert!(gate.unblock("a", "plain") && editions.has_changed().unwrap());
    assert_eq!(rule("plain"), None);
    editions.mark_unchanged();
    assert!(!gate.unblock("a", "plain") && !editions.has_changed().unwrap());
}

#[test]
fn a_refusal_names_the_rule_and_the_way_to_lift_it() {
    let gate = gate("{block: [{backend: 'k*', tool: '*_get'}]}");
    block(&gate, "k8s", "plain");
    let message = |tool: &str| gate.block_of("k8s", tool).unwrap().message("k8s", tool);
    assert_eq!(
        message("kubectl_delete"),
        "tool \"kubectl_delete\" of server k8s is blocked: it is on the denylist of destructive \
         tools; to allow it, add {backend: k8s, tool: kubectl_delete} to denylist.allow, or start \
         with --yolo"
    );
    assert_eq!(
        message("kubectl_get"),
        "tool \"kubectl_get\" of server k8s is blocked: denylist.block[0] {backend: \"k*\", tool: \
         \"*_get\"} matches it; to allow it, change that rule"
    );
    assert_eq!(
        message("plain"),
        "tool \"plain\" of server k8s is blocked: core_tool_block was called for it; \
         core_tool_unblock lifts that, and so does a restart"
    );
}

#[test]
fn a_rule_that_says_nothing_or_means_something_else_is_a_problem() {
    for (yaml, expected) in [
        (
            "{block: [{}]}",
            "x.yaml:1: denylist.block[0].tool: is missing, and so is backend; name at least one \
             of them",
        ),
        (
            "{block: [{tool: a}, {tool: 'delete_{a,b}'}]}",
            "x.yaml:1: denylist.block[1].tool: \"delete_{a,b}\" is not a pattern: only * (any \
             text) and ? (any character) have a meaning; use ? where a name has '{'",
        ),
        (
            "{block: [kubectl_delete]}",
            "x.yaml:1: denylist.block[0]: must be a mapping, for example {key: value}",
        ),
        (
            "{allow: [{tools: a}]}",
            "x.yaml:1: denylist.allow[0].tools: unknown key; did you mean \"tool\"?",
        ),
        (
            "{allow: [{tool: my_tool}]}",
            "x.yaml:1: denylist.allow: {backend: \"*\", tool: \"my_tool\"} lifts nothing: no tool \
             of the denylist has such a name",
        ),
    ] {
        let (_, said) = read(yaml);
        assert!(said.iter().any(|said| said == expected), "{yaml}: {said:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_denylist_is_about_tools_of_servers_listed_or_not_and_nothing_else() {
    let gate = gate("{block: [{tool: '*'}]}");
    let context = context();
    let handle = Backend::new().handle(config("k8s", Isolation::Shared), &context);
    let anybody = Principal::anonymous();
    let entry = |kind, source| Entry {
        kind,
        exposed: "x_k8s_cleanup".into(),
        original: "cleanup".into(),
        source,
        item: bytes::Bytes::new(),
        hints: Hints::WORST,
    };
    for kind in Kind::ALL {
        let verdict = gate.decide(&anybody, &entry(kind, Source::Backend(handle.clone())));
        assert_eq!(verdict == Verdict::Allow, kind != Kind::Tool, "{kind:?}");
    }
    let own = entry(Kind::Tool, Source::Spelling(crate::call::Spelling::CallTool));
    assert_eq!(gate.decide(&anybody, &own), Verdict::Allow);
    assert_ne!(gate.decide_unread(&anybody, &handle, Some("cleanup")), Verdict::Allow);
    assert_eq!(gate.decide_unread(&anybody, &handle, None), Verdict::Allow);
    let gate = self::gate("{}");
    let long = "a".repeat(MAX_UNLISTED_NAME_BYTES);
    assert_eq!(gate.decide_unread(&anybody, &handle, Some(&long)), Verdict::Allow);
    let longer = format!("{long}a");
    assert_ne!(gate.decide_unread(&anybody, &handle, Some(&longer)), Verdict::Allow);
}

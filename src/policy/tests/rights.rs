use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::TestRunner;

use super::*;
use crate::call::{Builtin, Call, Error, Reply, issuer};
use crate::catalogue::Hint;

const SCOPES: [&str; 4] = ["a", "b", "c", "d"];
const TOOLS: [&str; 4] = ["read", "read_all", "write", ""];

/// What `auth` says, as the gate reads it.
fn read(yaml: &str) -> (Scopes, Admin, Vec<String>) {
    let location = Location::file(Path::new("x.yaml"));
    let (documents, _) = parse_yaml(yaml, &location);
    let environment = Environment::default();
    let mut reader = Reader::new(location, Path::new(""), &environment);
    let (mut scopes, mut admin) = (Scopes::default(), Admin::default());
    reader.document(documents.first().map(|document| &document.root), |fields| {
        fields.section("scopes", &mut scopes);
        fields.section("admin", &mut admin);
    });
    let (problems, _) = reader.finish();
    (scopes, admin, problems.iter().map(ToString::to_string).collect())
}

fn gate(yaml: &str) -> Gate {
    let (scopes, admin, problems) = read(yaml);
    assert!(problems.is_empty(), "{yaml}: {problems:?}");
    Gate::new(true).with_denylist(no_denylist()).with_rights(&scopes, &admin)
}

fn no_denylist() -> Config {
    Config { is_enabled: false, ..Config::default() }
}

fn somebody(scopes: &[&str]) -> Principal {
    Principal { scopes: scopes.iter().copied().collect(), ..Principal::anonymous() }
}

fn entry(kind: Kind, source: Source, name: &str, hints: Hints) -> Entry {
    let (exposed, original) = (format!("x_{name}").into(), name.into());
    Entry { kind, exposed, original, source, item: bytes::Bytes::new(), hints }
}

#[derive(Debug)]
struct Nothing;

impl Builtin for Nothing {
    fn call(&self, _: Call) -> futures_util::future::BoxFuture<'static, Result<Reply, Error>> {
        Box::pin(std::future::ready(Err(Error::Cancelled)))
    }
}

fn own(role: Role) -> Entry {
    let source = Source::Own { role, builtin: Arc::new(Nothing) };
    entry(Kind::Tool, source, "core", Hints::WORST)
}

/// The scopes that are asked for; none if it is allowed.
fn asked(verdict: &Verdict) -> Option<Vec<&str>> {
    match verdict {
        Verdict::Allow => None,
        Verdict::Scope { required } => Some(required.iter().collect()),
        Verdict::Deny { message, .. } => panic!("{message}"),
    }
}

fn some_scopes() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(SCOPES.to_vec(), 0..=SCOPES.len())
}

fn a_rule() -> impl Strategy<Value = ScopeRule> {
    let hints = Hint::NAMES.map(|(_, hint)| hint);
    (
        select(vec!["one", "two", "*", "t*"]),
        proptest::option::of(select(vec!["read", "read*", "*"])),
        proptest::option::of((select(hints.to_vec()), any::<bool>())),
        subsequence(SCOPES.to_vec(), 1..=2),
    )
        .prop_map(|(backend, tool, annotation, scopes)| ScopeRule {
            backend: glob(backend),
            tool: tool.map(glob),
            annotation,
            scopes: scopes.into_iter().collect(),
        })
}

fn glob(pattern: &str) -> crate::config::Glob {
    let (scopes, _, problems) =
        read(&format!("scopes: {{tools: [{{backend: '{pattern}', scopes: [a]}}]}}"));
    assert!(problems.is_empty(), "{problems:?}");
    scopes.tools[0].backend.clone()
}

/// What the documentation says, as plainly as can be.
fn needed(scopes: &Scopes, entry: &Entry) -> Names {
    let mut needed: Vec<_> = scopes.required.iter().collect();
    for rule in &scopes.tools {
        let is_about_tools = rule.tool.is_some() || rule.annotation.is_some();
        let fits = rule.backend.matches(entry.server())
            && (entry.kind == Kind::Tool || !is_about_tools)
            && rule.tool.as_ref().is_none_or(|tool| tool.matches(&entry.original))
            && rule.annotation.is_none_or(|(hint, value)| entry.hints.get(hint) == value);
        if fits {
            needed.extend(rule.scopes.iter());
        }
    }
    needed.into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn lists_show_what_may_be_called_and_with_show_also_what_only_scopes_are_lacking_for() {
    let context = context();
    let handle = |name| Backend::new().handle(config(name, Isolation::Shared), &context);
    let backends = [handle("one"), handle("two")];
    let an_entry = (
        select(Kind::ALL.to_vec()),
        0..2_usize,
        select(TOOLS.to_vec()),
        any::<[Option<bool>; 4]>(),
    )
        .prop_map(move |(kind, backend, name, hints)| {
            let said = Hint::NAMES.iter().zip(hints);
            let said =
                said.filter_map(|((name, _), said)| Some(((*name).to_owned(), said?.into())));
            let said: serde_json::Map<_, _> = said.collect();
            let tool = serde_json::json!({ "annotations": said }).to_string();
            let source = Source::Backend(Arc::clone(&backends[backend]));
            entry(kind, source, name, Hints::of(tool.as_bytes()))
        });
    let strategy = (
        (some_scopes(), proptest::collection::vec(a_rule(), 0..4), any::<bool>()),
        (some_scopes(), subsequence(vec!["g", "h"], 0..=1), any::<bool>(), some_scopes()),
        an_entry,
    );
    let check = |(rules, holder, entry): (_, _, Entry)| {
        let (required, tools, shows): (Vec<&str>, Vec<ScopeRule>, bool) = rules;
        let (held, groups, has_token, of_admins): (Vec<&str>, Vec<&str>, bool, Vec<&str>) = holder;
        let hidden = if shows { Hidden::Show } else { Hidden::Hide };
        let scopes = Scopes { required: required.into_iter().collect(), tools, hidden };
        let admin = Admin {
            scopes: of_admins.iter().copied().collect(),
            groups: ["g"].into_iter().collect(),
            tokens: ["t"].into_iter().collect(),
        };
        let is_admin =
            groups.contains(&"g") || has_token || of_admins.iter().any(|it| held.contains(it));
        let principal = Principal {
            groups: groups.into_iter().collect(),
            issuer: if has_token { issuer::TOKENS } else { issuer::HEADER }.into(),
            subject: "t".into(),
            ..somebody(&held)
        };
        let gate = Gate::new(true).with_denylist(no_denylist()).with_rights(&scopes, &admin);
        let visibility = gate.visibility(&principal);

        let needed = needed(&scopes, &entry);
        let is_allowed = needed.iter().all(|scope| held.contains(&scope));
        let verdict = gate.decide(&principal, &entry);
        prop_assert_eq!(verdict == Verdict::Allow, is_allowed);
        prop_assert_eq!(gate.shows(visibility, &entry), is_allowed || shows);
        if let Verdict::Scope { required } = verdict {
            prop_assert_eq!(&*required, &needed);
        }
        for (role, is_allowed) in [
            (Role::Change, is_admin),
            (Role::Inspect, is_admin),
            (Role::Look, true),
            (Role::Meta, true),
        ] {
            let verdict = gate.decide(&principal, &own(role));
            prop_assert_eq!(verdict == Verdict::Allow, is_allowed, "{:?}", role);
            let is_lacking = shows && matches!(verdict, Verdict::Scope { .. });
            prop_assert_eq!(gate.shows(visibility, &own(role)), is_allowed || is_lacking);
        }
        prop_assert_eq!(gate.tells_all(&principal), is_admin);
        Ok(())
    };
    TestRunner::default().run(&strategy, check).unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test(start_paused = true)]
async fn what_its_server_did_not_list_is_judged_at_its_worst() {
    let gate = gate(
        "scopes: {required: [in], tools: [{backend: one, scopes: [one]}, {tool: 'w*', scopes: [w]}, \
         {annotation: destructiveHint, scopes: [d]}, {annotation: readOnlyHint, scopes: [r]}]}",
    );
    let handle = Backend::new().handle(config("one", Isolation::Shared), &context());
    let unread = |scopes: &[&str], tool| gate.decide_unread(&somebody(scopes), &handle, tool);
    assert_eq!(asked(&unread(&[], None)), Some(vec!["in", "one"]));
    assert_eq!(asked(&unread(&["in", "one"], None)), None);
    assert_eq!(asked(&unread(&["in", "one"], Some("read"))), Some(vec!["d", "in", "one"]));
    assert_eq!(
        asked(&unread(&["in", "one", "d"], Some("write"))),
        Some(vec!["d", "in", "one", "w"])
    );
    assert_eq!(asked(&unread(&["in", "one", "d"], Some("read"))), None);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_for_scopes_to_what_nobody_may_use() {
    let (scopes, admin, _) = read("scopes: {tools: [{backend: k8s, scopes: [s]}]}");
    let gate = Gate::new(true).with_rights(&scopes, &admin);
    let handle = Backend::new().handle(config("k8s", Isolation::Shared), &context());
    let verdict = gate.decide_unread(&somebody(&[]), &handle, Some("cleanup"));
    assert!(matches!(verdict, Verdict::Deny { reason: "denylist", .. }), "{verdict:?}");
    assert!(!gate.knows(gate.visibility(&somebody(&[])), &handle));
    assert!(gate.knows(gate.visibility(&somebody(&["s"])), &handle));
    let (scopes, admin, _) = read("scopes: {hidden: show, tools: [{backend: k8s, scopes: [s]}]}");
    let open = Gate::new(true).with_rights(&scopes, &admin);
    assert!(open.knows(open.visibility(&somebody(&[])), &handle), "its tools are listed");
    assert!(!gate.tells_of(&somebody(&[]), "k8s", "cleanup"));
    assert!(gate.tells_of(&somebody(&["s"]), "k8s", "cleanup"));
}

#[test]
fn who_is_no_admin_hears_what_makes_one() {
    let named = gate("{scopes: {required: [in]}, admin: {scopes: [root, admin], groups: [ops]}}");
    let verdict = named.decide_admin(&somebody(&["in"]), "it");
    assert_eq!(asked(&verdict), Some(vec!["admin", "in"]));
    let unnamed = gate("admin: {groups: [ops]}");
    let Verdict::Deny { reason: "admin", message } = unnamed.decide_admin(&somebody(&[]), "it")
    else {
        panic!("no scope would help");
    };
    assert!(message.contains("auth.admin"), "{message}");
    let nobody = gate("scopes: {required: [in]}");
    assert!(matches!(nobody.decide_admin(&somebody(&["in"]), "it"), Verdict::Deny { .. }));
    // A token's name makes an admin, and the same name from elsewhere does not.
    let by_token = gate("admin: {tokens: [root]}");
    for (from, is_admin) in [(issuer::TOKENS, true), (issuer::HEADER, false), ("https://i", false)]
    {
        let principal =
            Principal { issuer: from.into(), subject: "root".into(), ..Principal::anonymous() };
        let verdict = by_token.decide_admin(&principal, "it");
        assert_eq!(verdict == Verdict::Allow, is_admin, "{from}");
    }
}

#[test]
fn there_are_at_most_as_many_scopes_as_fit() {
    let rules = |count| {
        let names: Vec<_> = (0..count).map(|it| format!("s{it}")).collect();
        read(&format!("scopes: {{required: [s0, s1], tools: [{{tool: a, scopes: {names:?}}}]}}"))
    };
    let (scopes, admin, problems) = rules(60);
    assert!(problems.is_empty(), "{problems:?}");
    let gate = Gate::new(true).with_rights(&scopes, &admin);
    let all: Vec<_> = (0..60).map(|it| format!("s{it}")).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    assert!(!gate.tells_all(&somebody(&all)), "no scope is taken for the right of an admin");
    let (_, _, problems) = rules(61);
    assert!(problems[0].contains("scopes.tools: name 61 scopes"), "{problems:?}");
}

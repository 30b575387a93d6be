use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn location() -> Location {
    Location::file(Path::new("x.yaml"))
}

fn messages(text: &str) -> Vec<String> {
    let (documents, error) = parse(text, &location());
    let problems = documents.iter().flat_map(|document| &document.problems);
    problems.chain(&error).map(ToString::to_string).collect()
}

#[test]
fn scalars_stay_as_they_are_written_and_know_their_line() {
    let (documents, error) = parse("a: y\nb:\n  - 08\n  - 1e3\nc: ''\nd: ~\n", &location());
    assert_eq!(error, None);
    let root = &documents[0].root;
    assert_eq!(root.get("a").and_then(Node::text), Some("y"));
    let Some(Node { data: Data::List(items), .. }) = root.get("b") else { panic!("no list") };
    let texts: Vec<_> = items.iter().map(|item| (item.line, item.text())).collect();
    assert_eq!(texts, [(3, Some("08")), (4, Some("1e3"))]);
    assert_eq!(root.get("c").and_then(Node::text), Some(""));
    assert_eq!(root.get("d").map(|node| &node.data), Some(&Data::Null));
}

#[test]
fn a_text_may_hold_several_documents_or_none() {
    assert_eq!(parse("", &location()), (vec![], None));
    assert_eq!(parse("# nothing\n", &location()), (vec![], None));
    assert_eq!(parse("a: 1\n---\nb: 2\n", &location()).0.len(), 2);
}

#[test]
fn a_duplicate_key_is_reported_with_both_lines() {
    assert_eq!(
        messages("a:\n  b: 1\n  c: 2\n  b: 3\n"),
        ["x.yaml:4: a.b: is already set in line 2; remove one"]
    );
}

#[test]
fn a_syntax_error_keeps_the_documents_before_it() {
    let (documents, error) = parse("a: 1\n---\nb: [1\n", &location());
    assert_eq!(documents.len(), 1);
    assert!(error.expect("an error").message.starts_with("is not YAML: "));
}

#[test]
fn anchors_are_copied() {
    let (documents, error) = parse("a: &x {b: 1}\nc: *x\n", &location());
    assert_eq!(error, None);
    assert_eq!(documents[0].root.get("c").and_then(|c| c.get("b")).and_then(Node::text), Some("1"));
}

#[test]
fn tags_of_other_programs_are_refused() {
    assert_eq!(messages("a: !!str 5\nb: !!int 5\n"), [""; 0]);
    assert_eq!(
        messages("a: 1\nb: !secret x\n"),
        ["x.yaml:2: has the tag !secret, which means nothing here"]
    );
}

#[test]
fn depth_and_repetition_are_bounded() {
    assert_eq!(messages(&"[".repeat(200)), ["x.yaml:1: is deeper than 64 levels"]);
    assert_eq!(messages(&"[".repeat(50_000)), ["x.yaml:1: is not YAML: recursion limit exceeded"]);
    let mut laughs = "l0: &l0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..10 {
        let refs = vec![format!("*l{}", level - 1); 10].join(", ");
        let _ = writeln!(laughs, "l{level}: &l{level} [{refs}]");
    }
    assert_eq!(messages(&laughs), ["x.yaml:5: has more than 100000 values"]);
    assert_eq!(messages("a: &x [*x]"), ["x.yaml:1: refers to an anchor that is not complete"]);
}

proptest! {
    #[test]
    fn never_panics(text in "[-a:{}\\[\\]&*!|>'\"#,?% \n]{0,40}|\\PC*") {
        let _ = parse(&text, &location());
    }

    #[test]
    fn what_is_quoted_is_read_again(text in "[-a-z0-9:#~ ]{0,12}|\\PC*|[\u{0}-\u{200}]*") {
        let (documents, error) = parse(&format!("k: {}\n", quote(&text)), &location());
        prop_assert_eq!(error, None);
        prop_assert_eq!(documents[0].root.get("k").and_then(Node::text), Some(text.as_str()));
    }
}

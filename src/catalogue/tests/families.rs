//! Tools that several backends have in common.

use serde_json::json;

use super::*;
use crate::catalogue::Unlike;

fn family(name: &str, instance_arg: &str) -> FamilyName {
    FamilyName { name: name.into(), instance_arg: instance_arg.into() }
}

/// A member of the family `fam`, with these tools as raw JSON.
fn member(name: &str, tools: &[&str], family: FamilyName, context: &Context) -> Member {
    let backend = Backend::new();
    backend.offer_pages(Kind::Tool, vec![tools.iter().map(ToString::to_string).collect()]);
    member_of(name, &backend, Some(family), context)
}

fn member_of(
    name: &str,
    backend: &Arc<Backend>,
    family: Option<FamilyName>,
    context: &Context,
) -> Member {
    let handle = shared(name, backend, context);
    Member { handle, naming: Naming::new("x", name, Prefix::Server), family }
}

async fn gate(members: Vec<Member>, context: &Context) -> Gate {
    let handles = members.iter().map(|member| member.handle.clone()).collect();
    let gate = Gate::of(handles, members, context);
    gate.registry.ready().await;
    settle().await;
    gate
}

/// The gate in front of members of `fam`, whose argument is `site`.
async fn fam(members: &[(&str, &[&str])], context: &Context) -> Gate {
    let member =
        |(name, tools): &(&str, &[&str])| member(name, tools, family("fam", "site"), context);
    gate(members.iter().map(member).collect(), context).await
}

async fn page(gate: &Gate) -> String {
    let page = gate.catalogue.list(&AGGREGATE, Kind::Tool, None, &anybody()).await.unwrap();
    String::from_utf8(page.to_vec()).unwrap()
}

fn found(gate: &Gate, name: &str) -> Arc<Family> {
    match gate.catalogue.resolve_tool(&AGGREGATE, name, &anybody()) {
        Some(Named::Family(family)) => family,
        other => panic!("{name} is no family: {other:?}"),
    }
}

/// The schema of the argument when `a` and `b` have the tool.
const SITE: &str = r#""site":{"type":"string","enum":["a","b"],"description":"Target instance to execute this tool on. Available: a, b"}"#;
const TRAILER: &str = "(available on servers: a, b)";

/// How a tool is listed that `a` and `b` have.
async fn listed(tool: &str) -> String {
    let context = context();
    let gate = fam(&[("b", &[tool]), ("a", &[tool])], &context).await;
    let page = page(&gate).await;
    let tool = page.strip_prefix(r#"{"tools":["#).and_then(|page| page.strip_suffix("]}"));
    tool.unwrap_or_else(|| panic!("{page}")).to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_argument_is_added_to_the_schema_and_nothing_else_of_it_changes() {
    let added = format!(r#""properties":{{{SITE}}},"required":["site"]"#);
    for (case, schema, expected) in [
        ("a type", r#"{"type":"object"}"#, format!(r#"{{"type":"object",{added}}}"#)),
        ("nothing", "{ }", format!(r#"{{ "type":"object",{added}}}"#)),
        (
            "empty parts",
            r#"{"required":[ ],"properties":{ },"type":"object"}"#,
            format!(r#"{{"required":[ "site"],"properties":{{ {SITE}}},"type":"object"}}"#),
        ),
        (
            "parts that are null",
            r#"{"type":"object","properties":null,"required":null}"#,
            format!(r#"{{"type":"object",{added}}}"#),
        ),
        (
            "everything",
            r##"{"$defs":{"P":{"properties":{"site":{}}}},"properties": {"p":{"$ref":"#/$defs/P"}, "n":{"default":1.0}},"required":["n"],"type":"object"}"##,
            format!(
                r##"{{"$defs":{{"P":{{"properties":{{"site":{{}}}}}}}},"properties": {{"p":{{"$ref":"#/$defs/P"}}, "n":{{"default":1.0}},{SITE}}},"required":["n","site"],"type":"object"}}"##
            ),
        ),
    ] {
        let tool = format!(r#"{{"name":"t","inputSchema":{schema},"description":"D"}}"#);
        let expected =
            format!(r#"{{"name":"x_fam_t","inputSchema":{expected},"description":"D {TRAILER}"}}"#);
        assert_eq!(listed(&tool).await, expected, "{case}");
    }
    let bare = listed(r#"{"name":"t", "x-own":[1e2]}"#).await;
    let expected = format!(
        r#"{{"name":"x_fam_t", "x-own":[1e2],"description":"{TRAILER}","inputSchema":{{"type":"object",{added}}}}}"#
    );
    assert_eq!(bare, expected, "neither schema nor description");
}

#[tokio::test(start_paused = true)]
async fn the_description_says_last_where_the_tool_is() {
    for (case, text, expected) in [
        ("empty", "", TRAILER.to_owned()),
        ("quotes and lines", "a \"b\"\nc\n", format!("a \"b\"\nc {TRAILER}")),
        ("another's trailer", "D (available on servers: z, y) ", format!("D {TRAILER}")),
        (
            "one in the middle",
            "(available on servers: z) and (more)",
            format!("(available on servers: z) and (more) {TRAILER}"),
        ),
        ("nothing else", "(available on servers: z)", TRAILER.to_owned()),
    ] {
        let tool = listed(&json!({ "name": "t", "description": text }).to_string()).await;
        let tool: Value = serde_json::from_str(&tool).unwrap();
        assert_eq!(tool["description"], expected, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_members_tool_is_shown_and_each_has_its_own() {
    let context = context();
    let (a, b) = (
        r#"{"name":"t","description":"D","annotations":{"title":"A"},"outputSchema":{"type":"object"}}"#,
        r#"{"name":"t","inputSchema":{"type":"object","properties":{"more":{}}},"description":"D"}"#,
    );
    let gate = fam(&[("b", &[b]), ("a", &[a])], &context).await;
    let page = page(&gate).await;
    assert!(page.contains(r#""annotations":{"title":"A"},"outputSchema":{"type":"object"}"#));
    assert!(!page.contains("more"), "{page}");
    let family = found(&gate, "x_fam_t");
    assert_eq!(family.available(), Some("a, b"));
    let b = family.instance("b").expect("a member");
    assert_eq!((b.server(), &*b.original, &*b.exposed), ("b", "t", "x_fam_t"));
    assert_eq!(b.target().name.as_deref(), Some("t"), "the backend hears its own name");
    assert!(family.instance("c").is_none());
}

#[tokio::test(start_paused = true)]
async fn members_need_not_have_the_same_tools_and_one_is_enough() {
    let context = context();
    let one = member("a", &[r#"{"name":"y"}"#, r#"{"name":"x"}"#], family("fam", "site"), &context);
    let two = member("b", &[r#"{"name":"x"}"#, r#"{"name":"x"}"#], family("fam", "site"), &context);
    let other = member("c", &[r#"{"name":"z"}"#], family("early", "site"), &context);
    let solo = member_of("z", &Backend::with_tools(&["x"]), None, &context);
    let gate = gate(vec![solo, two, one, other], &context).await;
    // Solo tools by server, then families by name, in each the tools by theirs.
    let names = gate.tools(&anybody()).await;
    assert_eq!(names, ["x_z_x", "x_early_z", "x_fam_x", "x_fam_y"]);
    let available = |name: &str| found(&gate, name).available().map(str::to_owned);
    assert_eq!(available("x_fam_x").as_deref(), Some("a, b"));
    assert_eq!(available("x_fam_y").as_deref(), Some("a"));
    assert_eq!(available("x_early_z").as_deref(), Some("c"));
    assert!(gate.catalogue.collisions().is_empty());
}

/// What one member offers while the others offer a tool `t` with no more than a name, and why that
/// keeps them from being one.
const OTHERS: [(&str, &str, Option<Unlike>); 12] = [
    ("a description", r#""description":"Two""#, Some(Unlike::Descriptions)),
    ("an empty description", r#""description":"""#, None),
    ("another schema", r#""inputSchema":{"type":"object","properties":{"p":{}}}"#, None),
    (
        "an argument of that name",
        r#""inputSchema":{"type":"object","properties":{"site":{"type":"string"}}}"#,
        Some(Unlike::Argument),
    ),
    (
        "one that is escaped",
        r#""inputSchema":{"properties":{"s\u0069te":{}}}"#,
        Some(Unlike::Argument),
    ),
    ("one without a schema", r#""inputSchema":{"required":["site"]}"#, Some(Unlike::Argument)),
    ("one further in", r#""inputSchema":{"properties":{"p":{"properties":{"site":{}}}}}"#, None),
    ("a schema that is no object", r#""inputSchema":true"#, Some(Unlike::Schema)),
    ("a schema that is a list", r#""inputSchema":[1,{},[]]"#, Some(Unlike::Schema)),
    ("properties that are none", r#""inputSchema":{"properties":[]}"#, Some(Unlike::Schema)),
    ("required that is none", r#""inputSchema":{"required":true}"#, Some(Unlike::Schema)),
    (
        "properties twice",
        r#""inputSchema":{"properties":{},"properties":{}}"#,
        Some(Unlike::Schema),
    ),
];

#[tokio::test(start_paused = true)]
async fn members_that_are_not_alike_in_one_tool_have_that_tool_alone() {
    for (case, other, why) in OTHERS {
        let context = context();
        let (plain, also) = (r#"{"name":"t"}"#, r#"{"name":"also"}"#);
        let other = format!(r#"{{"name":"t",{other}}}"#);
        let gate = fam(&[("a", &[plain, also]), ("b", &[&other, also])], &context).await;
        let names = gate.tools(&anybody()).await;
        let apart = gate.catalogue.snapshot().apart().to_vec();
        let Some(why) = why else {
            assert_eq!(names, ["x_fam_also", "x_fam_t"], "{case}");
            assert!(apart.is_empty(), "{case}: {apart:?}");
            continue;
        };
        assert_eq!(names, ["x_a_t", "x_b_t", "x_fam_also"], "{case}");
        assert_eq!(apart.iter().map(|it| it.why).collect::<Vec<_>>(), [why], "{case}");
        assert!(apart[0].to_string().starts_with("tool \"t\" of family fam is exposed for"));
        assert_eq!(gate.tool("x_b_t", &anybody()), Some(("b".into(), "t".into())), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn members_with_different_arguments_are_no_family() {
    let context = context();
    let tool = r#"{"name":"t"}"#;
    let members = vec![
        member("a", &[tool], family("fam", "site"), &context),
        member("b", &[tool], family("fam", "place"), &context),
        member("c", &[tool], family("fam", "site"), &context),
        member("d", &[tool], family("other", "place"), &context),
    ];
    let gate = gate(members, &context).await;
    assert_eq!(gate.tools(&anybody()).await, ["x_a_t", "x_b_t", "x_c_t", "x_other_t"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_of_a_family_is_shortened_and_can_be_taken_like_any_other() {
    let context = context();
    let long = json!({ "name": "t".repeat(80) }).to_string();
    let tools: [&str; 2] = [&long, r#"{"name":"t"}"#];
    let solo = member_of("fam", &Backend::with_tools(&["t"]), None, &context);
    let one = member("a", &tools, family("fam", "site"), &context);
    let two = member("b", &tools, family("fam", "site"), &context);
    let gate = gate(vec![solo, one, two], &context).await;
    let names = gate.tools(&anybody()).await;
    assert_eq!((names.len(), &*names[0]), (2, "x_fam_t"));
    assert_eq!(names[1].len(), MAX_NAME_CHARS);
    assert!(names[1].starts_with("x_fam_ttt"), "{names:?}");
    assert_eq!(found(&gate, &names[1]).instance("b").unwrap().original.len(), 80);
    assert_eq!(gate.tool("x_fam_t", &anybody()), Some(("fam".into(), "t".into())));
    let collisions = gate.catalogue.collisions();
    let hidden: Vec<_> = collisions.iter().map(|it| (&*it.kept_by, &*it.hidden)).collect();
    assert_eq!(hidden, [("fam", "a"), ("fam", "b")], "each that lost its tool is reported");
}

#[tokio::test(start_paused = true)]
async fn the_values_of_the_argument_are_the_members_that_have_the_tool_now() {
    let context = context();
    let (one, two) = (Backend::with_tools(&["t"]), Backend::with_tools(&["t", "u"]));
    let name = || Some(family("fam", "site"));
    let members =
        vec![member_of("a", &one, name(), &context), member_of("b", &two, name(), &context)];
    let gate = gate(members, &context).await;
    let available = |name: &str| found(&gate, name).available().map(str::to_owned);
    assert_eq!(available("x_fam_t").as_deref(), Some("a, b"), "without having been listed");

    let mut changes = gate.catalogue.changes();
    two.offer(Kind::Tool, &["u"]);
    two.connections()[0].notification("notifications/tools/list_changed");
    changes.recv().await.unwrap();
    assert_eq!(available("x_fam_t").as_deref(), Some("a"), "it does not have it any more");
    assert!(page(&gate).await.contains(r#""enum":["a"]"#));

    gate.registry.get("a").unwrap().publish(crate::backends::BackendState::Stopped);
    changes.recv().await.unwrap();
    assert_eq!(gate.tools(&anybody()).await, ["x_fam_u"]);
    let down = |server: &str| gate.catalogue.down_in_family("fam", server, Visibility::default());
    let error = down("a").expect("a member that is down").to_string();
    assert_eq!(error, "backend a is not available (stopped)");
    assert!(down("b").is_none() && down("c").is_none());
    let missing = gate
        .catalogue
        .missing(&AGGREGATE, Kind::Tool, "x_fam_t", Visibility::default())
        .to_string();
    assert_eq!(missing, "backend a is not available (stopped)");
}

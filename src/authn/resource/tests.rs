use super::*;

const HTTPS: Origin<'_> = Origin { scheme: "https", authority: "gate.example" };
const LOCAL: Origin<'_> = Origin { scheme: "http", authority: "localhost:8090" };

fn resources(public: Option<&str>) -> Resources {
    let scopes = ["mcp", "offline_access"].into_iter().collect();
    Resources::new(public.map(|url| url.parse().unwrap()))
        .at("/mcp", Some(8090), &["gate.example".to_owned()])
        .guarded_by(["https://login.example/".into()], &scopes)
}

#[test]
fn the_well_known_part_stands_between_host_and_path() {
    const ROOT: &str = "/.well-known/oauth-protected-resource";
    for (public, origin, path, url) in [
        (None, LOCAL, "/mcp", Some(format!("http://localhost:8090{ROOT}/mcp"))),
        (None, HTTPS, "/servers/a/mcp", Some(format!("https://gate.example{ROOT}/servers/a/mcp"))),
        (None, HTTPS, "/message", Some(format!("https://gate.example{ROOT}/sse"))),
        (None, HTTPS, "/ready", Some(format!("https://gate.example{ROOT}/mcp"))),
        (Some("https://x.example/"), LOCAL, "/mcp", Some(format!("https://x.example{ROOT}/mcp"))),
        (
            Some("https://x.example/gw"),
            LOCAL,
            "/mcp",
            Some(format!("https://x.example{ROOT}/gw/mcp")),
        ),
        (
            Some("https://x.example:8443/gw/"),
            LOCAL,
            "/sse",
            Some(format!("https://x.example:8443{ROOT}/gw/sse")),
        ),
        (None, LOCAL, "/servers/../mcp", None),
        (None, LOCAL, "/servers/a\"b/mcp", None),
        (None, LOCAL, "/servers/ä/mcp", None),
        (None, LOCAL, "/health", None),
        (None, Origin { scheme: "http", authority: "" }, "/mcp", None),
        (None, Origin { scheme: "http", authority: "a\", x=\"b" }, "/mcp", None),
    ] {
        let found = resources(public).metadata_url(origin, path);
        assert_eq!(found, url, "{public:?} {origin:?} {path}");
    }
    assert_eq!(Resources::new(None).metadata_url(LOCAL, "/mcp"), None, "nobody gives tokens");
}

#[test]
fn the_document_says_what_a_client_needs_and_nothing_else() {
    let expected = json!({
        "resource": "https://gate.example/gw/servers/a/mcp",
        "authorization_servers": ["https://login.example/"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["mcp"],
        "resource_name": "Portcullis",
    });
    let guarded = resources(Some("https://Gate.example:443/gw/"));
    assert_eq!(guarded.document(LOCAL, "/servers/a/mcp"), Some(expected));
    let without = guarded.guarded_by(["https://a.example".into()], &Names::default());
    let document = without.document(LOCAL, "/mcp").unwrap();
    assert!(document.get("scopes_supported").is_none(), "{document}");
    assert_eq!(Resources::new(None).document(LOCAL, "/mcp"), None);
}

#[test]
fn a_token_is_for_the_endpoint_that_is_called() {
    for (name, public, origin, path, audience, accepted) in [
        ("itself", None, LOCAL, "/mcp", "http://localhost:8090/mcp", true),
        ("upper case", None, LOCAL, "/mcp", "HTTP://LOCALHOST:8090/mcp", true),
        ("the gateway's", None, LOCAL, "/ready", "http://localhost:8090/mcp", true),
        ("a server's alone", None, LOCAL, "/ready", "http://localhost:8090/servers/a/mcp", false),
        ("another path", None, LOCAL, "/mcp", "http://localhost:8090/servers/a/mcp", false),
        ("its parent", None, LOCAL, "/mcp", "http://localhost:8090", false),
        ("a slash behind", None, LOCAL, "/mcp", "http://localhost:8090/mcp/", false),
        ("an upper-case path", None, LOCAL, "/mcp", "http://localhost:8090/MCP", false),
        ("an escaped path", None, LOCAL, "/mcp", "http://localhost:8090/%6Dcp", false),
        ("a query", None, LOCAL, "/mcp", "http://localhost:8090/mcp?x", false),
        ("a user", None, LOCAL, "/mcp", "http://u@localhost:8090/mcp", false),
        ("another scheme", None, LOCAL, "/mcp", "https://localhost:8090/mcp", false),
        ("another port", None, LOCAL, "/mcp", "http://localhost:1/mcp", false),
        ("no port", None, LOCAL, "/mcp", "http://localhost/mcp", false),
        ("the default port", None, HTTPS, "/mcp", "https://gate.example:443/mcp", true),
        ("another's default port", None, HTTPS, "/mcp", "https://gate.example:80/mcp", false),
        ("no URL", None, LOCAL, "/mcp", "portcullis", false),
        ("nothing", None, LOCAL, "/mcp", "", false),
        ("messages of /sse", None, LOCAL, "/message", "http://localhost:8090/sse", true),
        ("the state alone", None, LOCAL, "/ready", "http://localhost:8090/ready", false),
        (
            "the public URL",
            Some("https://x.example/gw"),
            LOCAL,
            "/mcp",
            "https://X.example/gw/mcp",
            true,
        ),
        (
            "the host beside it",
            Some("https://x.example"),
            LOCAL,
            "/mcp",
            "http://localhost:8090/mcp",
            false,
        ),
    ] {
        assert_eq!(resources(public).accepts(audience, origin, path), accepted, "{name}");
    }
}

#[test]
fn what_a_client_connects_to_tells_what_its_token_is_for() {
    for (public, url, audience) in [
        (None, "http://localhost:8090/mcp", Some("http://localhost:8090/mcp")),
        (None, "http://LOCALHOST:8090/mcp", Some("http://localhost:8090/mcp")),
        (None, "http://localhost:9999/mcp", None),
        (None, "https://gate.example/servers/a/mcp", Some("https://gate.example/servers/a/mcp")),
        (None, "http://localhost:8090/message?x=1", Some("http://localhost:8090/sse")),
        (None, "http://localhost:8090/health", None),
        (None, "http://evil.example/mcp", None),
        (None, "http://gate.example@evil.example/mcp", None),
        (
            Some("https://x.example/gw"),
            "https://x.example/gw/mcp",
            Some("https://x.example/gw/mcp"),
        ),
        (
            Some("https://x.example/gw/"),
            "https://x.example/gw/sse",
            Some("https://x.example/gw/sse"),
        ),
        (Some("https://x.example/gw"), "https://x.example/mcp", None),
        // Past the proxy, it is called as clients know it.
        (
            Some("https://x.example/gw"),
            "http://10.0.0.1:8090/mcp",
            Some("https://x.example/gw/mcp"),
        ),
    ] {
        let found = resources(public).audience_at(&url.parse().unwrap());
        assert_eq!(found.as_deref(), audience, "{public:?} {url}");
    }
}

#[test]
fn a_host_that_anybody_can_make_up_makes_no_audience() {
    let at = |authority| Origin { scheme: "https", authority };
    let loopback = resources(None);
    let beyond = |hosts: &[&str]| {
        let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        Resources::new(None).at("/mcp", None, &hosts)
    };
    for (name, resources, authority, is_ours) in [
        ("loopback", loopback.clone(), "127.0.0.1:8090", true),
        ("another service of this machine", loopback.clone(), "127.0.0.1:1", false),
        ("the default port", loopback.clone(), "localhost", false),
        ("listed", loopback.clone(), "Gate.example:1", true),
        ("neither", loopback.clone(), "evil.example", false),
        ("none", loopback, "", false),
        ("nothing listed", beyond(&[]), "gate.example", false),
        ("beyond loopback", beyond(&["gate.example"]), "localhost", false),
        ("listed beyond loopback", beyond(&["gate.example"]), "gate.example", true),
        ("behind a user", beyond(&["gate.example"]), "x@gate.example", false),
    ] {
        let audience = resources.audience(at(authority), "/mcp");
        assert_eq!(audience.is_some(), is_ours, "{name}");
        let ours = format!("https://{authority}/mcp");
        assert_eq!(resources.accepts(&ours, at(authority), "/mcp"), is_ours, "{name}");
    }
}

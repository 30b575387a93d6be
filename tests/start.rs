//! What whoever starts the gateway gets to see, and when it says that it is ready.

use portcullis_test_support::wire::Request;
use portcullis_test_support::{ConfigDir, Gateway, within};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// One server that works, one that cannot start, one that never answers, one that nobody starts,
/// and an object that is wrong.
fn mixed() -> ConfigDir {
    let demo = ["portcullis", "demo-server"].map(str::to_owned);
    let silent = ["sh", "-c", "cat >/dev/null"].map(str::to_owned);
    ConfigDir::new()
        .stdio("works", &demo, &json!({}))
        .stdio("missing", &["no-such-program-anywhere".to_owned()], &json!({}))
        .stdio("silent", &silent, &json!({}))
        .server("idle", &json!({"type": "stdio", "command": "portcullis", "args": ["demo-server"]}))
        .server("wrong", &json!({"type": "stdio"}))
}

async fn until_ready(gateway: &Gateway) {
    let url = format!("{}/ready", gateway.origin());
    within("readiness", async {
        while Request::new("GET", &url).send().await.status != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_backend_that_never_answers_holds_up_neither_readiness_nor_the_others() {
    let config = mixed();
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_works_echo"]).await;
    let answer = client.call_tool("x_works_echo", &json!({"message": "hello"})).await;
    assert!(answer.contains("hello"), "{answer}");
    until_ready(&gateway).await;

    let url = format!("{}/ready?verbose", gateway.metrics_origin());
    let text = Request::new("GET", &url).send().await.text().await;
    let status: Value = serde_json::from_str(&text).expect("JSON");
    let backends = status["backends"].as_array().expect("backends");
    let state = |name: &str| {
        let found = backends.iter().find(|backend| backend["name"] == name);
        let found = found.unwrap_or_else(|| panic!("{name} is missing: {text}"));
        (found["state"].as_str().unwrap_or_default(), found["error"].as_str().unwrap_or_default())
    };
    assert_eq!(state("works"), ("running", ""));
    assert_eq!(state("silent"), ("starting", ""));
    assert_eq!(state("idle"), ("stopped", ""));
    let (word, error) = state("missing");
    assert!(word == "failed" && error.contains("no such program in PATH; install it"), "{error}");
    let (word, error) = state("wrong");
    assert!(word == "quarantined" && error.contains("spec.command"), "{error}");

    for (tool, said) in [
        ("x_missing_echo", "backend missing is not available (failed)"),
        ("x_idle_echo", "backend idle is not available (stopped)"),
        ("x_silent_echo", "backend silent is not available (starting)"),
    ] {
        let answer = client.call_tool(tool, &json!({})).await;
        assert!(answer.contains(said), "{answer}");
    }
}

#[tokio::test]
async fn the_start_says_where_it_listens_how_backends_are_and_what_to_paste() {
    let config = mixed();
    let gateway = Gateway::start(BINARY, config.path()).await;
    let url = format!(r#""url": "{}""#, gateway.url());
    gateway.process().line("the block to paste", |line| line.contains(&url).then_some(())).await;
    let said = gateway.process().stdout().join("\n");
    for expected in [
        "  works    running",
        "  missing  failed: ",
        "  idle     stopped",
        "  wrong    quarantined: ",
        r#""mcpServers""#,
        "authentication: none",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
    }
}

#[tokio::test]
async fn probes_come_by_address_and_pages_of_strangers_do_not_get_in() {
    let gateway = Gateway::start(BINARY, ConfigDir::new().path()).await;
    for (path, status) in [("/health", 200), ("/ready", 200), ("/mcp", 403)] {
        let url = format!("{}{path}", gateway.origin());
        until_ready(&gateway).await;
        let request = Request::new("GET", &url).without("host").header("Host", "evil.example");
        assert_eq!(request.send().await.status, status, "{path}");
    }
    let metrics = Request::new("GET", gateway.metrics_url()).without("host");
    assert_eq!(metrics.header("Host", "evil.example").send().await.status, 403);
    let page = Request::new("GET", &format!("{}/", gateway.origin()));
    let page = page.header("Accept", "text/html").send().await.text().await;
    assert!(page.contains(gateway.url()) && page.contains("mcpServers"), "{page}");
}

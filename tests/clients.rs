//! Clients and servers nobody here wrote, with the gateway between them.

use std::process::Command;

use portcullis_test_support::scenes::demo;
use portcullis_test_support::{
    Backend, Client, ConfigDir, Gateway, Peers, RawClient, member, within,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const NATIVE: &str = "aggregator: {exposure: native}\n";
/// For gateways that several clients start: no port twice, and patience with servers that start.
const STDIO: &str =
    "aggregator: {exposure: native}\nmetrics: {port: 0}\ncatalogue: {firstListWait: 20s}\n";

/// The reference servers behind one gateway, and what they work on.
struct Bench {
    gateway: Gateway,
    files: TempDir,
    _everything: [Backend; 2],
}

impl Bench {
    async fn start(peers: &Peers) -> Self {
        let files = TempDir::new().expect("a temporary directory");
        std::fs::write(files.path().join("note.txt"), "a note").expect("a file to read");
        let git = Command::new("git").args(["init", "--quiet"]).current_dir(files.path()).status();
        assert!(git.is_ok_and(|status| status.success()), "git init");
        let everything =
            [Backend::everything_http(peers).await, Backend::everything_sse(peers).await];
        let none = json!({});
        let memory = peers.memory_stdio();
        let memory = json!({
            "type": "stdio", "command": memory[0], "args": memory[1..], "autoStart": true,
            "env": {"MEMORY_FILE_PATH": files.path().join("memory.jsonl")},
        });
        let config = ConfigDir::new()
            .config(NATIVE)
            .http("web", everything[0].url(), &none)
            .sse("old", everything[1].url(), &none)
            .stdio("pipe", &peers.everything_stdio(), &none)
            .stdio("files", &peers.filesystem_stdio(files.path()), &none)
            .server("memory", &memory)
            .stdio("time", &peers.time_stdio(), &none)
            .stdio("git", &peers.git_stdio(files.path()), &none);
        let gateway = Gateway::start(BINARY, config.path()).await;
        let bench = Self { gateway, files, _everything: everything };
        let calls = bench.calls("nobody");
        let tools: Vec<_> = calls.iter().map(|(tool, ..)| *tool).collect();
        bench.gateway.client_that_sees(&tools).await;
        bench
    }

    /// A tool of each server, its arguments, and a part of its answer.
    fn calls(&self, client: &str) -> Vec<(&'static str, Value, String)> {
        let path = self.files.path().to_str().expect("a UTF-8 path");
        let entity = json!({"name": client, "entityType": "client", "observations": []});
        vec![
            ("x_web_echo", json!({"message": "Grüße"}), "Echo: Grüße".to_owned()),
            ("x_old_echo", json!({"message": "Grüße"}), "Echo: Grüße".to_owned()),
            ("x_pipe_get-sum", json!({"a": 2, "b": 40}), "42".to_owned()),
            (
                "x_files_read_text_file",
                json!({"path": format!("{path}/note.txt")}),
                "a note".to_owned(),
            ),
            ("x_memory_create_entities", json!({"entities": [entity]}), client.to_owned()),
            ("x_time_get_current_time", json!({"timezone": "UTC"}), "UTC".to_owned()),
            ("x_git_status", json!({"repo_path": path}), "note.txt".to_owned()),
        ]
    }
}

/// The text of a result.
fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result:#}"))
}

#[tokio::test]
async fn every_client_calls_every_reference_server() {
    let Some(peers) = Peers::installed() else { return };
    let bench = Bench::start(&peers).await;
    let (http, sse) = (bench.gateway.url().to_owned(), bench.gateway.sse_url());
    let over_http = Client::ALL.map(|client| (client, &http));
    let over_sse = Client::SSE.map(|client| (client, &sse));
    for (client, url) in over_http.into_iter().chain(over_sse) {
        let table = bench.calls(&format!("{client:?} {url}"));
        let calls: Vec<_> = table.iter().map(|(tool, args, _)| (*tool, args.clone())).collect();
        let report = client.run_all(&peers, url, &calls).await;
        assert_eq!(report["ok"], true, "{client:?} {url}: {report:#}");
        for (at, (tool, _, wanted)) in table.iter().enumerate() {
            let seen = text(&report["results"][at]);
            assert!(seen.contains(wanted), "{client:?} {url}: {tool}: {seen}");
        }
    }
}

#[tokio::test]
async fn every_client_that_starts_its_servers_starts_the_gateway() {
    let Some(peers) = Peers::installed() else { return };
    let config = ConfigDir::new().config(STDIO).stdio("demo", &demo(), &json!({}));
    let endpoint = Gateway::stdio_endpoint(BINARY, config.path());
    for client in Client::STDIO {
        let report =
            client.run(&peers, &endpoint, "x_demo_echo", &json!({"message": "Grüße"})).await;
        assert_eq!(report["ok"], true, "{client:?}: {report:#}");
        assert_eq!(report["protocol"], "2025-11-25", "{client:?}");
        let result = &report["result"];
        assert!(result["content"].is_array(), "{client:?}: {result:#}");
        assert_eq!(text(result), "Grüße", "{client:?}");
    }
}

#[tokio::test]
async fn every_client_uses_the_endpoint_of_one_server() {
    let Some(peers) = Peers::installed() else { return };
    let (web, old) =
        (Backend::everything_http(&peers).await, Backend::everything_sse(&peers).await);
    let config = ConfigDir::new().config(NATIVE).http("web", web.url(), &json!({})).sse(
        "old",
        old.url(),
        &json!({}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_web_echo", "x_old_echo"]).await;
    for (name, client) in
        ["web", "old"].into_iter().flat_map(|name| Client::ALL.map(|it| (name, it)))
    {
        let url = gateway.server_url(name);
        let report = client.run(&peers, &url, "echo", &json!({"message": "Grüße"})).await;
        assert_eq!(report["ok"], true, "{client:?}: {name}: {report:#}");
        assert_eq!(text(&report["result"]), "Echo: Grüße", "{client:?}: {name}");
    }
}

#[tokio::test]
async fn servers_of_every_sdk_answer_over_both_transports_of_http() {
    let Some(peers) = Peers::installed() else { return };
    let servers = [
        ("tsv2", Backend::ts_v2_http(&peers).await),
        ("pyv1", Backend::py_v1_http(&peers).await),
        ("pyv2", Backend::py_v2_http(&peers).await),
    ];
    let config = servers.iter().fold(ConfigDir::new().config(NATIVE), |config, (name, server)| {
        config.http(name, server.url(), &json!({}))
    });
    let old = [
        ("oldpyv1", Backend::py_v1_sse(&peers).await),
        ("oldpyv2", Backend::py_v2_sse(&peers).await),
    ];
    let config = old
        .iter()
        .fold(config, |config, (name, server)| config.sse(name, server.url(), &json!({})));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let tools = ["tsv2", "pyv1", "pyv2", "oldpyv1", "oldpyv2"].map(|name| format!("x_{name}_add"));
    gateway.client_that_sees(&tools.each_ref().map(String::as_str)).await;
    for (name, _) in servers.iter().chain(&old) {
        let report = Client::TsV1
            .run(&peers, gateway.url(), &format!("x_{name}_add"), &json!({"a": 2, "b": 40}))
            .await;
        assert_eq!(text(&report["result"]), "42", "{name}");
    }
}

/// The transcript of a conversation without what differs behind a prefix and over a pipe: names, the server that
/// introduces itself, and the id of a session that a pipe does not have.
fn comparable(transcript: &Value) -> Vec<Value> {
    let text = transcript.to_string().replace("x_pipe_", "").replace("x_web_", "");
    let text = text.replace(" from session UUID", " ");
    let mut steps: Vec<Value> = serde_json::from_str(&text).expect("a transcript");
    steps.iter_mut().for_each(without_our_own);
    steps.into_iter().filter(|step| step[0] != "server").collect()
}

/// Takes what Portcullis itself offers out of lists.
fn without_our_own(value: &mut Value) {
    let is_ours = |name: &Value| name.as_str().is_some_and(|it| it.starts_with("core_"));
    match value {
        Value::Array(items) => {
            let is_own =
                |it: &Value| is_ours(it) || is_ours(&it["name"]) || it["uri"] == "auth://status";
            items.retain(|item| !is_own(item));
            items.iter_mut().for_each(without_our_own);
        }
        Value::Object(fields) => fields.values_mut().for_each(without_our_own),
        _ => {}
    }
}

#[tokio::test]
async fn all_a_client_can_do_works_with_a_child_of_its_own() {
    let Some(peers) = Peers::installed() else { return };
    let direct = Backend::everything_http(&peers).await;
    let session = json!({"isolation": "session"});
    let config = ConfigDir::new().config(STDIO).stdio("pipe", &peers.everything_stdio(), &session);
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_pipe_echo"]).await;
    let skip = "unknownTool,unknownPrompt";
    let wanted = peers.conversation(direct.url(), &["--skip", skip, "--no-resume"]).await;
    let wanted_in_python = peers.python_conversation(direct.url(), "").await;
    let stdio = Gateway::stdio_endpoint(BINARY, config.path());
    for endpoint in [gateway.url(), &gateway.sse_url(), &stdio] {
        let seen = peers.conversation(endpoint, &["--skip", skip, "--prefix", "x_pipe_"]).await;
        let (mut wanted, mut seen) = (comparable(&wanted), comparable(&seen));
        if endpoint != gateway.url() {
            // This SDK forgets who waits for progress while the last of it is on its way, if the
            // response comes in the same piece, on any stream that carries more than one answer.
            for steps in [&mut wanted, &mut seen] {
                steps.retain(|step| step[0] != "progress");
            }
        }
        assert_eq!(wanted, seen, "{endpoint}");
        let seen = peers.python_conversation(endpoint, "x_pipe_").await;
        assert_eq!(comparable(&wanted_in_python), comparable(&seen), "{endpoint}");
    }
}

#[tokio::test]
async fn what_belongs_to_a_call_works_with_a_shared_backend() {
    let Some(peers) = Peers::installed() else { return };
    let direct = Backend::everything_http(&peers).await;
    let config = ConfigDir::new().config(NATIVE).http("web", direct.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_web_echo"]).await;
    // What a shared backend says outside of calls belongs to nobody, so it reaches nobody.
    let skip = "unknownTool,unknownPrompt,roots,logging,subscription";
    let wanted = peers.conversation(direct.url(), &["--skip", skip, "--no-resume"]).await;
    let seen = peers.conversation(gateway.url(), &["--skip", skip, "--prefix", "x_web_"]).await;
    assert_eq!(comparable(&wanted), comparable(&seen));
}

/// The next message of that method.
async fn next(stream: &mut portcullis_test_support::wire::Response, method: &str) -> String {
    within(method, async {
        loop {
            let event = stream.event().await.expect("the stream stays open");
            let Some(message) = event.message() else { continue };
            if member(message, "method").is_some_and(|seen| seen.trim_matches('"') == method) {
                return message.to_owned();
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_update_of_a_shared_backend_reaches_who_subscribed_to_it() {
    let Some(peers) = Peers::installed() else { return };
    let everything = Backend::everything_http(&peers).await;
    let config = ConfigDir::new().config(NATIVE).http("web", everything.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_web_echo"]).await;
    let one = RawClient::connect(gateway.url(), &json!({})).await;
    let other = RawClient::connect(gateway.url(), &json!({})).await;
    let (first, second) = ("demo://resource/dynamic/text/1", "demo://resource/dynamic/text/2");
    let (mut to_one, mut to_other) = (one.listen().await, other.listen().await);
    one.call("resources/subscribe", &json!({"uri": first})).await;
    other.call("resources/subscribe", &json!({"uri": second})).await;
    one.call_tool("x_web_toggle-subscriber-updates", &json!({})).await;
    for (stream, uri) in [(&mut to_one, first), (&mut to_other, second)] {
        let update = next(stream, "notifications/resources/updated").await;
        assert!(update.contains(uri), "{update}");
    }
}

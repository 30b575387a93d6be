//! Two gateways behind one ingress.

use std::net::Ipv4Addr;

use portcullis_test_support::{
    Backend, Client, ConfigDir, Door, Gateway, Ingress, Peers, Proxy, RawClient, member,
};
use serde_json::{Value, json};

use crate::page::{Site, block};
use crate::{BINARY, behind_both, demo, installed};

const IN_TURN: &str = "replicas in turn";
const STICKY: &str = "replicas, sticky";

/// An ingress and its replicas.
pub(crate) struct Bench {
    pub(crate) ingress: Ingress,
    replicas: [Gateway; 2],
}

impl Bench {
    /// `config` lacks what makes replicas of gateways; each of them has to see `tools`.
    async fn start(peers: &Peers, site: Site, config: ConfigDir, tools: &[&str]) -> Self {
        let shared = block("yaml", "config.yaml of every replica");
        let config = config
            .file("session.key", &"a7".repeat(32))
            .config(&format!("{shared}aggregator: {{exposure: native}}\n"));
        let start = Gateway::start(BINARY, config.path());
        let replicas = tokio::join!(start, Gateway::start(BINARY, config.path()));
        let replicas = <[Gateway; 2]>::from(replicas);
        for replica in &replicas {
            replica.client_that_sees(tools).await;
        }
        let ingress = site.plain(peers, Door::new(), &[&replicas[0], &replicas[1]]);
        Self { ingress, replicas }
    }

    fn url(&self) -> String {
        format!("{}/mcp", self.ingress.origin())
    }

    /// A metric of each replica.
    async fn metrics(&self, series: &str) -> [f64; 2] {
        [self.replicas[0].metric(series).await, self.replicas[1].metric(series).await]
    }
}

fn call(tool: &str, arguments: &Value) -> String {
    let params = json!({"name": tool, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

#[tokio::test]
async fn every_client_uses_shared_servers_on_replicas_in_turn() {
    let Some(peers) = installed() else { return };
    let everything = Backend::everything_http(&peers).await;
    behind_both(async |proxy| {
        let config = ConfigDir::new().http("web", everything.url(), &json!({})).stdio(
            "demo",
            &demo(),
            &json!({}),
        );
        let tools = ["x_web_echo", "x_demo_echo"];
        let bench = Bench::start(&peers, Site::new(proxy).upstream(IN_TURN), config, &tools).await;
        let message = json!({"message": "Grüße"});
        let calls = tools.map(|tool| (tool, message.clone()));
        for client in Client::ALL {
            let before = bench.metrics("portcullis_calls_total").await;
            let report = client.run_all(&peers, &bench.url(), &calls).await;
            assert_eq!(report["ok"], true, "{proxy:?}: {client:?}: {report:#}");
            let results = report["results"].as_array().expect("results");
            for result in results {
                let text = result["content"][0]["text"].as_str().unwrap_or_default();
                assert!(text.contains("Grüße"), "{proxy:?}: {client:?}: {report:#}");
            }
            let after = bench.metrics("portcullis_calls_total").await;
            let both = before.iter().zip(after).all(|(before, after)| after > *before);
            assert!(both, "{proxy:?}: {client:?}: both replicas serve: {before:?}, {after:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_lives_at_home_is_not_found_elsewhere_and_a_new_connection_works() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let config = ConfigDir::new().stdio("demo", &demo(), &json!({})).stdio(
            "own",
            &demo(),
            &json!({"isolation": "session"}),
        );
        let tools = ["x_demo_echo", "x_own_echo"];
        let bench = Bench::start(&peers, Site::new(proxy).upstream(IN_TURN), config, &tools).await;
        let client = RawClient::connect(&bench.url(), &json!({})).await;
        // Two in a row reach both replicas; which is first does not matter.
        let body = call("x_own_echo", &json!({"message": "hello"}));
        let statuses = [client.post(body.clone()).await.status, client.post(body).await.status];
        assert!([[200, 404], [404, 200]].contains(&statuses), "{proxy:?}: a call: {statuses:?}");
        let delete = client.request("DELETE");
        let statuses = [delete.send().await.status, delete.send().await.status];
        assert!([[200, 404], [404, 200]].contains(&statuses), "{proxy:?}: DELETE: {statuses:?}");

        let again = RawClient::connect(&bench.url(), &json!({})).await;
        for _ in 0..2 {
            let answer = again.call_tool("x_demo_echo", &json!({"message": "again"})).await;
            assert!(answer.contains("again"), "{proxy:?}: {answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_log_level_goes_for_the_replica_that_hears_it() {
    let Some(peers) = installed() else { return };
    let web = Backend::misbehave_http(&peers, &[]).await;
    behind_both(async |proxy| {
        let config = ConfigDir::new().http("web", web.url(), &json!({}));
        let site = Site::new(proxy).upstream(IN_TURN);
        let bench = Bench::start(&peers, site, config, &["x_web_flood"]).await;
        let client = RawClient::connect(&bench.url(), &json!({})).await;
        let params = json!({"name": "x_web_flood", "arguments": {"count": 1}});
        for (level, messages) in [("info", 2), ("error", 1)] {
            for _ in &bench.replicas {
                let answer = client.call("logging/setLevel", &json!({"level": level})).await;
                assert_eq!(member(&answer, "result"), Some("{}"), "{proxy:?}: {answer}");
            }
            for _ in &bench.replicas {
                let seen = client.start("tools/call", &params).await.messages().await;
                assert_eq!(seen.len(), messages, "{proxy:?}: {level}: {seen:?}");
            }
        }
    })
    .await;
}

/// Addresses of this machine.
pub(crate) fn addresses() -> impl Iterator<Item = Ipv4Addr> {
    (2..22).map(|last| Ipv4Addr::new(127, 0, 0, last))
}

pub(crate) async fn sticky(
    peers: &Peers,
    proxy: Proxy,
    name: &str,
    line: &[String],
    tool: &str,
) -> Bench {
    let config = ConfigDir::new().stdio(name, line, &json!({"isolation": "session"}));
    Bench::start(peers, Site::new(proxy).upstream(STICKY), config, &[tool]).await
}

#[tokio::test]
async fn a_sticky_ingress_brings_questions_and_answers_home() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let bench = sticky(&peers, proxy, "odd", &peers.misbehave_stdio(), "x_odd_ask").await;
        let before = bench.metrics("portcullis_sessions_opened_total").await;
        for (at, address) in addresses().enumerate() {
            let capabilities = json!({"sampling": {}});
            let client = RawClient::connect_from(address, &bench.url(), &capabilities).await;
            // A child of its own is dear, so not each of them asks.
            if at % 5 == 0 {
                let params = json!({"name": "x_odd_ask", "arguments": {}});
                let mut asked = client.start("tools/call", &params).await;
                let question = asked.message().await.expect("a question");
                assert_eq!(member(&question, "method"), Some(r#""sampling/createMessage""#));
                let content = json!({"type": "text", "text": "the answer"});
                let result = json!({"role": "assistant", "model": "none", "content": content});
                client.answer(&question, &result).await;
                let answer = asked.response_message().await;
                assert!(answer.contains("the answer"), "{proxy:?}: {answer}");
            }
            assert_eq!(client.close().await, 200, "{proxy:?}: at home");
        }
        let after = bench.metrics("portcullis_sessions_opened_total").await;
        let both = before.iter().zip(after).all(|(before, after)| after > *before);
        assert!(both, "{proxy:?}: both replicas have sessions: {before:?}, {after:?}");
    })
    .await;
}

#[tokio::test]
async fn haproxy_follows_a_session_to_other_addresses() {
    let Some(peers) = installed() else { return };
    let bench = sticky(&peers, Proxy::HaProxy, "own", &demo(), "x_own_echo").await;
    let client = RawClient::connect(&bench.url(), &json!({})).await;
    for address in addresses() {
        let request = client.request("POST").from(address);
        let body = call("x_own_echo", &json!({"message": "hello"}));
        let request = request.header("Content-Type", "application/json").body(body);
        assert_eq!(request.send().await.status, 200, "{address}");
    }
}

#[tokio::test]
async fn all_a_client_can_do_works_behind_a_sticky_ingress() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let bench = sticky(&peers, proxy, "pipe", &peers.everything_stdio(), "x_pipe_echo").await;
        let options = ["--skip", "unknownTool,unknownPrompt", "--prefix", "x_pipe_"];
        let wanted = peers.conversation(bench.replicas[0].url(), &options).await;
        let seen = peers.conversation(&bench.url(), &options).await;
        assert_eq!(wanted, seen, "{proxy:?}");
        for step in ["sampling", "elicitation"] {
            assert!(seen.to_string().contains(step), "{proxy:?}: {step}: {seen:#}");
        }
    })
    .await;
}

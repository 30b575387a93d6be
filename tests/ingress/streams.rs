//! Streams are neither held back nor cut.

use std::time::Duration;

use portcullis::app::config::Config;
use portcullis_test_support::wire::Response;
use portcullis_test_support::{
    ConfigDir, Door, Gateway, Ingress, Peers, RawClient, member, within,
};
use serde_json::json;

use crate::page::{Site, block};
use crate::{BINARY, behind_both, installed};

/// The idle timeout of an ingress in these tests, and a quarter of it or less for the gateway, as 60 and 15 seconds are.
pub(crate) const IDLE: &str = "4s";
const IDLE_SECONDS: usize = 4;
pub(crate) const ALIVE: &str = "1s";

/// An ingress before a gateway before a server that waits for the test.
pub(crate) struct Bench {
    pub(crate) ingress: Ingress,
    _gateway: Gateway,
}

impl Bench {
    pub(crate) async fn start(peers: &Peers, site: Site, keep_alive: &str) -> Self {
        let config =
            format!("aggregator: {{exposure: native}}\nhttp: {{keepAlive: {keep_alive}}}\n");
        let config =
            ConfigDir::new().config(&config).stdio("odd", &peers.misbehave_stdio(), &json!({}));
        let gateway = Gateway::start(BINARY, config.path()).await;
        gateway.client_that_sees(&["x_odd_steps"]).await;
        let ingress = site.plain(peers, Door::new(), &[&gateway]);
        Self { ingress, _gateway: gateway }
    }

    async fn client(&self) -> RawClient {
        RawClient::connect(&format!("{}/mcp", self.ingress.origin()), &json!({})).await
    }
}

#[tokio::test]
async fn each_progress_arrives_before_the_next_is_made() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let bench = Bench::start(&peers, Site::new(proxy), "15s").await;
        let client = bench.client().await;
        let params = json!({"name": "x_odd_steps", "arguments": {"count": 3}, "_meta": {"progressToken": "p"}});
        let mut call = client.start("tools/call", &params).await;
        for step in 1..=3 {
            let message = call.message().await.expect("the stream stays open");
            let params = member(&message, "params").expect("progress");
            assert_eq!(member(params, "progress"), Some(step.to_string().as_str()), "{proxy:?}: {message}");
            // The server says nothing more until it hears this.
            client.call_tool("x_odd_go", &json!({})).await;
        }
        let answer = call.response_message().await;
        assert!(answer.contains("arrived"), "{proxy:?}: {answer}");
    })
    .await;
}

/// Reads signs of life until the ingress would have cut the stream, had there been none.
pub(crate) async fn outlast(stream: &mut Response) {
    // One a second, the first after at most one.
    within("signs of life", signs_of_life(stream, IDLE_SECONDS + 2)).await;
}

async fn signs_of_life(stream: &mut Response, wanted: usize) {
    let mut signs = 0;
    while signs < wanted {
        let event = stream.event().await.expect("the stream stays open");
        assert_eq!(event.message().filter(|text| !text.contains("list_changed")), None);
        signs += event.comments.len();
    }
}

#[tokio::test]
async fn silent_streams_outlive_the_idle_timeout() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let site = Site::new(proxy).replacing("60s", IDLE);
        let bench = Bench::start(&peers, site, ALIVE).await;
        let client = bench.client().await;
        let params = json!({"name": "x_odd_steps", "arguments": {"count": 1}});
        let (mut listen, mut call) =
            tokio::join!(client.listen(), client.start("tools/call", &params));
        tokio::join!(outlast(&mut listen), outlast(&mut call.response));
        for tool in ["x_odd_go", "x_odd_grow"] {
            client.call_tool(tool, &json!({})).await;
        }
        let answer = call.response_message().await;
        assert!(answer.contains("arrived"), "{proxy:?}: {answer}");
        let changed = async {
            while !listen
                .event()
                .await
                .expect("the stream stays open")
                .message()
                .is_some_and(|text| text.contains("tools/list_changed"))
            {}
        };
        within("the change of the list", changed).await;
    })
    .await;
}

/// What the page shows, as it stands: an idle timeout of a minute, and a sign of life every 15 seconds.
#[tokio::test]
async fn silent_streams_outlive_an_idle_timeout_of_a_minute() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let bench = Bench::start(&peers, Site::new(proxy), "15s").await;
        let client = bench.client().await;
        let params = json!({"name": "x_odd_steps", "arguments": {"count": 1}});
        let (mut listen, mut call) =
            tokio::join!(client.listen(), client.start("tools/call", &params));
        let signs = async {
            tokio::join!(signs_of_life(&mut listen, 5), signs_of_life(&mut call.response, 5));
        };
        let signs = tokio::time::timeout(Duration::from_mins(2), signs).await;
        signs.unwrap_or_else(|_| panic!("{proxy:?}: five signs of life in 75 seconds"));
        client.call_tool("x_odd_go", &json!({})).await;
        let answer = call.response_message().await;
        assert!(answer.contains("arrived"), "{proxy:?}: {answer}");
    })
    .await;
}

#[tokio::test]
async fn a_silence_longer_than_the_idle_timeout_is_cut() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let bench = Bench::start(&peers, Site::new(proxy).replacing("60s", IDLE), "15s").await;
        let call = bench
            .client()
            .await
            .start("tools/call", &json!({"name": "x_odd_hang", "arguments": {}}))
            .await;
        assert_eq!(call.response.status, 504, "{proxy:?}: the other test would show nothing");
    })
    .await;
}

#[tokio::test]
async fn a_large_request_passes() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let bench = Bench::start(&peers, Site::new(proxy), "15s").await;
        let text = "x".repeat(3 << 20);
        let answer = bench.client().await.call_tool("x_odd_echo", &json!({"message": text})).await;
        assert!(answer.contains(&text), "{proxy:?}: {answer:.200}");
    })
    .await;
}

#[test]
fn documented_idle_timeouts_are_longer_than_the_keep_alive() {
    let keep_alive = Config::default().http.keep_alive;
    let nginx = block("nginx", "/etc/nginx/conf.d/portcullis.conf");
    let haproxy = block("haproxy", "/etc/haproxy/haproxy.cfg, below `global`");
    for (text, setting) in [
        (&nginx, "proxy_read_timeout "),
        (&nginx, "proxy_send_timeout "),
        (&haproxy, "timeout client "),
        (&haproxy, "timeout server "),
    ] {
        let value = text.split(setting).nth(1).and_then(|rest| rest.split(['s', ';']).next());
        let value = value.and_then(|value| value.parse().ok()).map(Duration::from_secs);
        let value = value.unwrap_or_else(|| panic!("{setting} in\n{text}"));
        assert!(value >= 4 * keep_alive, "{setting}{value:?}, keep-alive {keep_alive:?}");
    }
}

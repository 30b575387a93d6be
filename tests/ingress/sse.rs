//! Clients of HTTP+SSE: one stream, and an endpoint for messages that the gateway names.

use std::net::Ipv4Addr;

use portcullis_test_support::wire::{Request, Response};
use portcullis_test_support::{Door, within};
use serde_json::{Value, json};

use crate::names::behind_prefix;
use crate::page::Site;
use crate::replicas::{addresses, sticky};
use crate::streams::{self, outlast};
use crate::{behind_both, demo, installed};

/// A connection of MCP 2024-11-05.
struct Sse {
    origin: String,
    endpoint: String,
    source: Ipv4Addr,
    stream: Response,
}

impl Sse {
    /// Opens the stream under `prefix` and initialises.
    async fn connect(origin: &str, prefix: &str, source: Ipv4Addr) -> Self {
        let open = Request::new("GET", &format!("{origin}{prefix}/sse")).from(source);
        let mut stream = open.header("Accept", "text/event-stream").send().await;
        assert_eq!(stream.status, 200);
        let first = within("the endpoint", stream.event()).await.expect("an event");
        assert_eq!(first.event.as_deref(), Some("endpoint"));
        let endpoint = first.data.expect("a path");
        let expected = format!("{prefix}/message?sessionId=");
        assert!(endpoint.starts_with(&expected), "{endpoint} begins with {expected}");
        let mut client = Self { origin: origin.to_owned(), endpoint, source, stream };
        let info = json!({"name": "raw", "version": "0"});
        let params =
            json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info});
        let hello = client.request("initialize", &params).await;
        assert!(hello.contains(r#""protocolVersion":"2024-11-05""#), "{hello}");
        client.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        client
    }

    async fn say(&self, message: &Value) {
        let request = Request::new("POST", &format!("{}{}", self.origin, self.endpoint));
        let request = request.from(self.source).header("Content-Type", "application/json");
        assert_eq!(request.body(message.to_string()).send().await.status, 202, "{message}");
    }

    /// Sends a request and reads its answer, which comes on the stream.
    async fn request(&mut self, method: &str, params: &Value) -> String {
        self.say(&json!({"jsonrpc": "2.0", "id": "mine", "method": method, "params": params}))
            .await;
        within("the answer", async {
            loop {
                let event = self.stream.event().await.expect("the stream stays open");
                let answer = event.message().filter(|message| message.contains(r#""id":"mine""#));
                if let Some(answer) = answer {
                    return answer.to_owned();
                }
            }
        })
        .await
    }

    async fn echo(&mut self, tool: &str) {
        let params = json!({"name": tool, "arguments": {"message": "Grüße"}});
        let answer = self.request("tools/call", &params).await;
        assert!(answer.contains("Grüße"), "{answer}");
    }
}

#[tokio::test]
async fn messages_are_sent_where_the_prefix_leads() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let door = Door::new();
        let origin = format!("http://{}", door.address());
        let _running = behind_prefix(&peers, proxy, door).await;
        Sse::connect(&origin, "/mcp-gateway", Ipv4Addr::LOCALHOST).await.echo("x_demo_echo").await;
    })
    .await;
}

#[tokio::test]
async fn a_silent_stream_of_a_client_outlives_the_idle_timeout() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let site = Site::new(proxy).replacing("60s", streams::IDLE);
        let bench = streams::Bench::start(&peers, site, streams::ALIVE).await;
        let mut client = Sse::connect(&bench.ingress.origin(), "", Ipv4Addr::LOCALHOST).await;
        outlast(&mut client.stream).await;
        client.echo("x_odd_echo").await;
    })
    .await;
}

#[tokio::test]
async fn a_sticky_ingress_brings_messages_to_their_stream() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let bench = sticky(&peers, proxy, "demo", &demo(), "x_demo_echo").await;
        for address in addresses().take(8) {
            Sse::connect(&bench.ingress.origin(), "", address).await.echo("x_demo_echo").await;
        }
    })
    .await;
}

//! A session belongs to whoever opened it: another token leads to nothing of it.

use portcullis::authn::Digest;
use portcullis_test_support::wire::{Request, Response};
use portcullis_test_support::{ConfigDir, Gateway};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// Somebody with a token.
struct Holder<'g> {
    gateway: &'g Gateway,
    token: &'static str,
}

impl Holder<'_> {
    fn request(&self, method: &str, url: &str) -> Request {
        Request::new(method, url)
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .header("Authorization", &format!("Bearer {}", self.token))
    }

    async fn post(&self, session: Option<&str>, message: &Value) -> Response {
        let request = self.request("POST", self.gateway.url()).body(message.to_string());
        match session {
            Some(session) => request.header("Mcp-Session-Id", session).send().await,
            None => request.send().await,
        }
    }

    async fn open(&self) -> String {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "0"}});
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let response = self.post(None, &hello).await;
        assert_eq!(response.status, 200);
        response.header("mcp-session-id").expect("a session").to_owned()
    }
}

#[tokio::test]
async fn a_session_id_is_worth_nothing_with_another_token() {
    let (ann, bob) = ("ann-7Yt5qkJ0m2Xw", "bob-4Rz8vLp1s6Qn");
    let tokens = [("ann", ann), ("bob", bob)].map(|(name, token)| {
        format!("{{name: {name}, sha256: '{}'}}", Digest::of(token.as_bytes()))
    });
    let yaml = format!("auth: {{mode: tokens, tokens: [{}]}}\n", tokens.join(", "));
    let config = ConfigDir::new().config(&yaml);
    let gateway = Gateway::start(BINARY, config.path()).await;
    let ann = Holder { gateway: &gateway, token: ann };
    let bob = Holder { gateway: &gateway, token: bob };

    let session = ann.open().await;
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    assert_eq!(ann.post(Some(&session), &ping).await.status, 200);
    assert_eq!(bob.post(Some(&session), &ping).await.status, 404);
    let without = Request::new("POST", gateway.url())
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .header("Mcp-Session-Id", &session)
        .body(ping.to_string());
    let refused = without.send().await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));

    let listen = |holder: &Holder<'_>, method| {
        holder.request(method, gateway.url()).header("Mcp-Session-Id", &session)
    };
    let mut stream = listen(&ann, "GET").send().await;
    let last = stream.event().await.expect("the opening").id.expect("an id");
    for (name, request) in [
        ("listens", listen(&bob, "GET")),
        ("comes back", listen(&bob, "GET").header("Last-Event-ID", &last)),
        ("ends it", listen(&bob, "DELETE")),
    ] {
        assert_eq!(request.send().await.status, 404, "{name}");
    }

    let mut sse = ann.request("GET", &gateway.sse_url()).send().await;
    let endpoint = sse.event().await.and_then(|event| event.data).expect("the endpoint");
    let url = format!("{}{endpoint}", gateway.origin());
    let say = |holder: &Holder<'_>| holder.request("POST", &url).body(ping.to_string());
    assert_eq!(say(&bob).send().await.status, 404);
    assert_eq!(say(&ann).send().await.status, 202);

    assert_eq!(listen(&ann, "DELETE").send().await.status, 200, "it is still hers");
    assert_eq!(ann.post(Some(&session), &ping).await.status, 404);
}

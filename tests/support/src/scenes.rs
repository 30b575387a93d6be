//! What many tests begin with.

use std::time::Duration;

use serde_json::{Value, json};

use crate::wire::{Request, Response};
use crate::{ConfigDir, DEADLINE, Gateway, Peers, RawClient, RawDuplex, within};

/// `config.yaml` with which a call that stays silent becomes a stream soon.
pub const QUICK: &str = "aggregator: {exposure: native}\nhttp: {keepAlive: 1s}\n";
/// A request that needs no session.
pub const KNOCK: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"knock","version":"0"}}}"#;
const SMALL: &str = "aggregator: {exposure: native}\nhttp: {maxBodyBytes: 65536}\n";

/// The command line of the demo server.
pub fn demo() -> Vec<String> {
    ["portcullis", "demo-server"].map(str::to_owned).to_vec()
}

/// `config.yaml` of a gateway that lets in whoever has a token of `issuer` with the scope `mcp:read`. `more` are lines
/// of `auth`.
pub fn guarded(issuer: &str, more: &[&str]) -> String {
    let mut config = format!(
        "aggregator: {{exposure: native}}\n\
         http: {{keepAlive: 1s}}\n\
         auth:\n  mode: oauth\n  issuers: [{{issuer: \"{issuer}\", allowPrivateIPJWKS: true}}]\n"
    );
    for line in more.iter().chain(&["scopes: {required: [\"mcp:read\"]}"]) {
        config = format!("{config}  {line}\n");
    }
    config
}

/// What a request without a session gets at `url`, with this token or none.
pub async fn knock(url: &str, token: Option<&str>) -> Response {
    let request = Request::new("POST", url)
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .body(KNOCK);
    match token {
        Some(token) => request.header("Authorization", &format!("Bearer {token}")).send().await,
        None => request.send().await,
    }
}

/// Waits until a good token is let in, for a gateway that has only just begun to ask for keys.
pub async fn until_let_in(url: &str, token: &str) {
    until_knock_is(url, Some(token), 200).await;
}

/// Waits until a request without a session gets this status, with this token or none.
pub async fn until_knock_is(url: &str, token: Option<&str>, status: u16) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut last = String::new();
    let wait = async {
        loop {
            let mut response = knock(url, token).await;
            if response.status == status {
                return;
            }
            let body = response.text().await;
            last = format!("{}{body}", response.head());
            ticks.tick().await;
        }
    };
    let is_in_time = tokio::time::timeout(DEADLINE, wait).await.is_ok();
    assert!(is_in_time, "not {status} within {DEADLINE:?}, but {last}");
}

/// The configuration of a gateway in front of one demo server that takes bodies of 65536 bytes.
pub fn small_demo() -> ConfigDir {
    ConfigDir::new().config(SMALL).stdio("demo", &demo(), &json!({}))
}

/// A gateway with [`small_demo`], and a client that has seen its tools.
pub async fn small_demo_gateway(binary: &str) -> (Gateway, RawClient) {
    let config = small_demo();
    let gateway = Gateway::start(binary, config.path()).await;
    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    (gateway, client)
}

/// A gateway in front of the demo server and `odd`, which does what tests ask for; its keep-alive is short.
pub async fn odd_gateway(binary: &str, peers: &Peers) -> Gateway {
    let config = ConfigDir::new().config(QUICK).stdio("demo", &demo(), &json!({})).stdio(
        "odd",
        &peers.misbehave_stdio(),
        &json!({}),
    );
    let gateway = Gateway::start(binary, config.path()).await;
    gateway.client_that_sees(&["x_demo_slow", "x_odd_grow"]).await;
    gateway
}

/// A session with a stream of its own.
pub async fn listener(url: &str) -> (RawClient, Response) {
    let client = RawClient::connect(url, &json!({})).await;
    let stream = client.listen().await;
    assert_eq!(stream.status, 200);
    (client, stream)
}

/// What a stream still says until it ends. That lists changed can be said late, when a server has only just started.
pub async fn rest(stream: &mut Response) -> Vec<String> {
    within("the end of the stream", async {
        let mut messages = Vec::new();
        while let Some(event) = stream.event().await {
            let said = event.message().filter(|message| !message.contains("/list_changed"));
            messages.extend(said.map(str::to_owned));
        }
        messages
    })
    .await
}

/// The code and the message of a JSON-RPC error.
pub fn error_of(body: &str) -> (i64, String) {
    let value: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {body}"));
    let error = &value["error"];
    assert_eq!(value["jsonrpc"], "2.0", "{body}");
    let message = error["message"].as_str().unwrap_or_else(|| panic!("no error: {body}"));
    (error["code"].as_i64().expect("a code"), message.to_owned())
}

/// Asserts that a response is this status and this error.
pub async fn assert_refused(
    name: &str,
    mut response: Response,
    status: u16,
    code: i64,
    says: &str,
) {
    let body = response.text().await;
    assert_eq!(response.status, status, "{name}: {body}");
    assert_error(name, &body, code, says);
}

/// Asserts that a message is this error.
pub fn assert_error(name: &str, message: &str, code: i64, says: &str) {
    let (found, text) = error_of(message);
    assert_eq!(found, code, "{name}: {message}");
    assert!(text.contains(says), "{name}: {message}");
}

/// A client at one of the ways in.
pub enum Entrant {
    /// Streamable HTTP.
    Http(RawClient),
    /// HTTP+SSE, or stdio.
    Duplex(RawDuplex),
}

/// What became of a message.
pub struct Taken {
    /// The status of the response to the POST, if there was one.
    pub status: Option<u16>,
    /// The message that answers it.
    pub answer: String,
}

impl Entrant {
    /// A client with a session at each way in of a gateway with [`small_demo`], under the name of the way, and the
    /// gateway of two of them. All have seen the tools.
    pub async fn all(binary: &str) -> (Gateway, Vec<(&'static str, Self)>) {
        let config = small_demo();
        let gateway = Gateway::start(binary, config.path()).await;
        let http = gateway.client_that_sees(&["x_demo_echo"]).await;
        let mut sse = RawDuplex::open_sse(&gateway.sse_url()).await;
        let mut stdio = RawDuplex::open_stdio(binary, config.path());
        for client in [&mut sse, &mut stdio] {
            client.initialize("2025-11-25", &json!({})).await;
            client.until_listed(&["x_demo_echo"]).await;
        }
        let all = [
            ("streamable HTTP", Self::Http(http)),
            ("HTTP+SSE", Self::Duplex(sse)),
            ("stdio", Self::Duplex(stdio)),
        ];
        (gateway, all.into())
    }

    /// Sends a message as it is and waits for what answers it.
    pub async fn tell(&mut self, message: impl Into<Vec<u8>>) -> Taken {
        match self {
            Self::Http(client) => {
                let mut response = client.post(message).await;
                Taken { status: Some(response.status), answer: response.text().await }
            }
            Self::Duplex(client) => match client.send(message).await {
                Some(mut refused) => {
                    Taken { status: Some(refused.status), answer: refused.text().await }
                }
                None => Taken { status: None, answer: client.answer_to_me().await },
            },
        }
    }
}

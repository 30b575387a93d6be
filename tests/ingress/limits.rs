//! Who a client is, as far as limits go.

use std::net::Ipv4Addr;

use portcullis_test_support::wire::{Request, Response};
use portcullis_test_support::{ConfigDir, Door, Gateway};
use serde_json::json;

use crate::page::{Site, block};
use crate::{BINARY, behind_both, installed};

// Neither is the address that the ingress itself has, which is trusted.
const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Far more requests than a second can hold back.
const MANY: u8 = 200;

/// A header and what it says.
type Claim = (&'static str, String);

/// A request from `source` that says something else in its headers.
async fn request(origin: &str, source: Ipv4Addr, headers: &[Claim]) -> Response {
    let info = json!({"name": "raw", "version": "0"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let request = Request::new("POST", &format!("{origin}/mcp"))
        .from(source)
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .body(message.to_string());
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().await
}

/// Sends requests until one is refused, with the headers that `claims` makes for each; whether one was.
async fn is_limited(origin: &str, source: Ipv4Addr, claims: impl Fn(u8) -> Vec<Claim>) -> bool {
    for turn in 0..MANY {
        let response = request(origin, source, &claims(turn)).await;
        if response.status == 429 {
            assert!(response.header("retry-after").is_some(), "{}", response.head());
            return true;
        }
        assert_eq!(response.status, 200);
    }
    false
}

#[tokio::test]
async fn clients_are_limited_by_the_address_they_come_from_whatever_they_say() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let config = block("yaml", "config.yaml, where addresses have limits");
        let config = ConfigDir::new().config(&config);
        let gateway = Gateway::start(BINARY, config.path()).await;
        let ingress = Site::new(proxy).plain(&peers, Door::new(), &[&gateway]);
        let origin = ingress.origin();
        let passes = async |source| request(&origin, source, &[]).await.status == 200;

        assert!(is_limited(&origin, ONE, |_| Vec::new()).await, "{proxy:?}: too many are refused");
        assert!(passes(OTHER).await, "{proxy:?}: another client has a limit of its own");

        let names: [fn(u8) -> Claim; 4] = [
            |turn| ("X-Forwarded-For", format!("198.51.100.{turn}")),
            |turn| ("X-Forwarded-For", format!("198.51.100.{turn}, 127.0.0.1")),
            |turn| ("Forwarded", format!("for=198.51.100.{turn}")),
            |turn| ("X-Real-IP", format!("198.51.100.{turn}")),
        ];
        for name in names {
            let limited = is_limited(&origin, ONE, |turn| vec![name(turn)]).await;
            assert!(limited, "{proxy:?}: {:?} buys no requests", name(1));
        }
        let both = |turn| names.map(|name| name(turn)).into();
        assert!(is_limited(&origin, ONE, both).await, "{proxy:?}: all of them buy none");

        let blame = [("X-Forwarded-For", OTHER.to_string()), ("Forwarded", format!("for={OTHER}"))];
        assert!(is_limited(&origin, ONE, |_| blame.to_vec()).await, "{proxy:?}");
        assert!(passes(OTHER).await, "{proxy:?}: nobody spends the requests of another");
    })
    .await;
}

//! Clients that nobody here wrote get past the gate by what its challenge tells them, and call a tool.

use portcullis_test_support::scenes::{demo, guarded, until_let_in};
use portcullis_test_support::{Client, ConfigDir, Gateway, IdentityProvider, Login, Peers};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// A gateway that takes the tokens of an issuer.
struct Bench {
    peers: Peers,
    issuer: IdentityProvider,
    gateway: Gateway,
    _config: ConfigDir,
    _turn: MutexGuard<'static, ()>,
}

/// Clients give up on a login that takes long, and many at once do on a machine with few cores.
static TURN: Mutex<()> = Mutex::const_new(());

impl Bench {
    async fn start(peers: &Peers, algorithm: &str) -> Self {
        let turn = TURN.lock().await;
        let issuer = IdentityProvider::with(peers, algorithm).await;
        let config = guarded(issuer.url(), &[]);
        let config = ConfigDir::new().config(&config).stdio("demo", &demo(), &json!({}));
        let gateway = Gateway::start(BINARY, config.path()).await;
        gateway.until_connected().await;
        let robot = issuer.token(IdentityProvider::ROBOT, "mcp:read", gateway.url()).await;
        until_let_in(gateway.url(), &robot).await;
        Self { peers: peers.clone(), issuer, gateway, _config: config, _turn: turn }
    }

    async fn log_in(&self, client: Client, url: &str, login: Login<'_>) {
        let message = json!({"message": "Grüße"});
        let report = client.log_in(&self.peers, url, "x_demo_echo", &message, login).await;
        let text = &report["result"]["content"][0]["text"];
        assert_eq!(text, "Grüße", "{client:?} {login:?} at {url}: {report:#}");
    }
}

#[tokio::test]
async fn every_client_that_has_a_browser_logs_in_over_streamable_http() {
    let Some(peers) = Peers::installed() else { return };
    let bench = Bench::start(&peers, "RS256").await;
    for client in Client::LOGIN_BY_CODE {
        bench.log_in(client, bench.gateway.url(), Login::Code).await;
    }
    let requests = bench.issuer.requests().await;
    let clients = Client::LOGIN_BY_CODE.len() as u64;
    assert_eq!(requests["/reg"], clients, "each registers itself: {requests:?}");
}

#[tokio::test]
async fn every_client_that_has_a_browser_logs_in_over_sse() {
    let Some(peers) = Peers::installed() else { return };
    let bench = Bench::start(&peers, "RS256").await;
    for client in Client::LOGIN_BY_CODE {
        bench.log_in(client, &bench.gateway.sse_url(), Login::Code).await;
    }
}

#[tokio::test]
async fn every_client_that_has_credentials_logs_in_over_both_transports() {
    let Some(peers) = Peers::installed() else { return };
    let bench = Bench::start(&peers, "ES256").await;
    let login = Login::Credentials(bench.issuer.url());
    for client in Client::LOGIN_BY_CREDENTIALS {
        for url in [bench.gateway.url(), &bench.gateway.sse_url()] {
            bench.log_in(client, url, login).await;
        }
    }
}

#[tokio::test]
async fn a_client_logs_in_whatever_its_issuer_signs_with() {
    let Some(peers) = Peers::installed() else { return };
    for algorithm in IdentityProvider::ALGORITHMS {
        let bench = Bench::start(&peers, algorithm).await;
        for login in [Login::Code, Login::Credentials(bench.issuer.url())] {
            bench.log_in(Client::TsV1, bench.gateway.url(), login).await;
        }
    }
}

#[tokio::test]
async fn the_endpoint_of_one_server_has_tokens_of_its_own() {
    let Some(peers) = Peers::installed() else { return };
    let bench = Bench::start(&peers, "EdDSA").await;
    let url = bench.gateway.server_url("demo");
    for client in [Client::TsV2, Client::PyV2] {
        let message = json!({"message": "Grüße"});
        let report = client.log_in(&peers, &url, "echo", &message, Login::Code).await;
        assert_eq!(report["result"]["content"][0]["text"], "Grüße", "{client:?}: {report:#}");
    }
}

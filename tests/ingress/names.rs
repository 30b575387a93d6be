//! Under which URL the gateway is reached, and under which it is not.

use std::net::Ipv4Addr;
use std::sync::Arc;

use portcullis_test_support::wire::Request;
use portcullis_test_support::{Client, ConfigDir, Door, Gateway, Ingress, Peers, Proxy, RawClient};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::page::{Certificates, NAME, Site, block, replaced};
use crate::{BINARY, behind_both, demo, installed};

/// The endpoints of streamable HTTP, and the name of a tool there.
const ENDPOINTS: [(&str, &str); 2] = [("/mcp", "x_demo_echo"), ("/servers/demo/mcp", "echo")];

async fn gateway(config: &str) -> Gateway {
    // The blocks of the page end inside `aggregator`.
    let config = format!("{config}  exposure: native\n");
    let config = ConfigDir::new().config(&config).stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_demo_echo"]).await;
    gateway
}

/// A gateway under the documented prefix at `door`, and its ingress.
pub(crate) async fn behind_prefix(peers: &Peers, proxy: Proxy, door: Door) -> (Gateway, Ingress) {
    let public = format!("http://{}/mcp-gateway", door.address());
    let config = block("yaml", "config.yaml, under a path prefix");
    let config = replaced(&config, &format!("https://{NAME}/mcp-gateway"), &public);
    let gateway = gateway(&config).await;
    let ingress = Site::new(proxy).under_prefix().plain(peers, door, &[&gateway]);
    (gateway, ingress)
}

#[tokio::test]
async fn every_endpoint_is_reached_under_a_path_prefix() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let door = Door::new();
        let public = format!("http://{}/mcp-gateway", door.address());
        let (_gateway, ingress) = behind_prefix(&peers, proxy, door).await;
        for (path, tool) in ENDPOINTS {
            let url = format!("{public}{path}");
            let arguments = json!({"message": "Grüße"});
            let client = RawClient::connect(&url, &json!({})).await;
            let answer = client.call_tool(tool, &arguments).await;
            assert!(answer.contains("Grüße"), "{proxy:?}: {url}: {answer}");
            let report = Client::TsV1.run(&peers, &url, tool, &arguments).await;
            assert_eq!(report["ok"], true, "{proxy:?}: {url}: {report:#}");
            assert_eq!(client.close().await, 200);
        }
        let page = Request::new("GET", &format!("{public}/")).header("Accept", "text/html");
        let page = page.send().await.text().await;
        assert!(page.contains(&format!("{public}/mcp")), "{proxy:?}: {page}");
        let outside = Request::new("GET", &format!("{}/health", ingress.origin())).send().await;
        assert_eq!(outside.status, 404, "{proxy:?}");
    })
    .await;
}

/// The near end of a tunnel whose far end is a TLS client of `address` that expects it to be [`NAME`].
async fn tunnel(tasks: &mut JoinSet<()>, authority: &str, address: &str) -> String {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(authority.as_bytes()).expect("a certificate");
    roots.add(authority).expect("a certificate");
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let near = listener.local_addr().expect("a bound socket has an address");
    let address = address.to_owned();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let (connector, address) = (connector.clone(), address.clone());
            connections.spawn(async move {
                let far = TcpStream::connect(address).await.expect("the ingress listens");
                let name = ServerName::try_from(NAME).expect("a name");
                let mut far = connector.connect(name, far).await.expect("a certificate of ours");
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    near.to_string()
}

#[tokio::test]
async fn behind_tls_the_public_name_passes_and_no_other() {
    let Some(peers) = installed() else { return };
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let public = format!("https://{NAME}");
    let rows = [
        ("the public name", NAME, None, 200),
        ("a page of our own", NAME, Some(public.as_str()), 200),
        ("a stranger's name", "gateway.attacker.example", None, 403),
        ("a stranger's page", NAME, Some("https://attacker.example"), 403),
        ("our page without TLS", NAME, Some("http://gateway.example.com"), 403),
    ];
    behind_both(async |proxy| {
        let gateway = gateway(&block("yaml", "config.yaml")).await;
        let (door, certificates) = (Door::new(), Certificates::new());
        let ingress = Site::new(proxy).tls(&peers, door, &gateway, &certificates);
        let mut tasks = JoinSet::new();
        let near = tunnel(&mut tasks, &certificates.authority, ingress.address()).await;
        let session = RawClient::connect(gateway.url(), &json!({})).await;
        let session = session.session().expect("a session");
        for (what, host, origin, status) in rows {
            let mut request = Request::new("POST", &format!("http://{near}/mcp"))
                .header("Host", host)
                .header("Accept", "application/json, text/event-stream")
                .header("Content-Type", "application/json")
                .header("Mcp-Session-Id", session)
                .body(ping);
            if let Some(origin) = origin {
                request = request.header("Origin", origin);
            }
            let mut response = request.send().await;
            let text = response.text().await;
            assert_eq!(response.status, status, "{proxy:?}: {what}: {text}");
        }
    })
    .await;
}

#[tokio::test]
async fn clients_that_trust_its_authority_connect_over_tls() {
    let Some(peers) = installed() else { return };
    behind_both(async |proxy| {
        let gateway = gateway(&block("yaml", "config.yaml")).await;
        let (door, certificates) = (Door::new(), Certificates::new());
        let ingress = Site::new(proxy).tls(&peers, door, &gateway, &certificates);
        let files = TempDir::new().expect("a temporary directory");
        let authority = files.path().join("authority.pem");
        std::fs::write(&authority, &certificates.authority).expect("a file");
        let peers = peers.trusting(&authority);
        let url = format!("https://{}/mcp", ingress.address());
        for client in [Client::TsV1, Client::TsV2Auto, Client::PyV1, Client::PyV2] {
            let message = json!({"message": "hello"});
            let report = client.run(&peers, &url, "x_demo_echo", &message).await;
            assert_eq!(report["ok"], true, "{proxy:?}: {client:?}: {report:#}");
        }
    })
    .await;
}

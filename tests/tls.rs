//! TLS on the listeners, and callers who are known by their certificates.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portcullis_test_support::{Client, ConfigDir, Gateway, Peers, wire, within};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}"#;
const TLS: &str =
    "aggregator: {exposure: native, tls: {certFile: server.pem, keyFile: server.key}}\n";
const MTLS: &str = "\
aggregator: {tls: {certFile: server.pem, keyFile: server.key, clientCaFile: ca.pem}}
auth: {mode: mtls}
";

/// A certification authority that nobody else knows.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A certificate that has the name of its issuer is taken for its own.
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Certificate and key in PEM.
    fn issue(&self, names: Vec<SanType>, not_after: i32) -> (String, String) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.not_after = date_time_ymd(not_after, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    fn server(&self, not_after: i32) -> (String, String) {
        self.issue(vec![SanType::IpAddress([127, 0, 0, 1].into())], not_after)
    }

    /// A directory with `ca.pem`, `server.pem`, `server.key` and this `config.yaml`.
    fn config(&self, yaml: &str) -> ConfigDir {
        let (certificate, key) = self.server(2100);
        ConfigDir::new()
            .config(yaml)
            .file("ca.pem", &self.0.pem())
            .file("server.pem", &certificate)
            .file("server.key", &key)
    }
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().expect("ASCII"))
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().expect("ASCII"))
}

/// What curl says, with the files in this directory.
fn curl(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.current_dir(directory).args(["-sS", "--max-time", "20", "--cacert", "ca.pem"]);
    command.args(arguments).output().expect("curl runs")
}

fn text(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn both_versions_of_http_and_of_tls_are_spoken_and_plain_http_is_told_so() {
    let config = Authority::new().config(TLS);
    let gateway = Gateway::start(BINARY, config.path()).await;
    assert!(gateway.url().starts_with("https://"), "{}", gateway.url());
    let health = format!("{}/health", gateway.origin());
    for (http, tls, version) in [
        ("--http1.1", "--tlsv1.3", "1.1 200"),
        ("--http2", "--tlsv1.3", "2 200"),
        ("--http1.1", "--tls-max=1.2", "1.1 200"),
        ("--http2", "--tls-max=1.2", "2 200"),
        ("--no-alpn", "--tlsv1.3", "1.1 200"),
    ] {
        let mut arguments = vec![http, "-o", "/dev/null", "-w", "%{http_version} %{http_code}"];
        arguments.extend(tls.split('='));
        arguments.push(&health);
        assert_eq!(text(&curl(config.path(), &arguments)), version, "{http} {tls}");
    }
    let plain = health.replace("https://", "http://");
    let mut answer = wire::Request::new("GET", &plain).send().await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().await.contains("https://"));
}

#[tokio::test]
async fn other_peoples_clients_connect_over_tls() {
    let Some(peers) = Peers::installed() else { return };
    let demo = ["portcullis", "demo-server"].map(str::to_owned);
    let config = Authority::new().config(TLS).stdio("demo", &demo, &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let peers = peers.trusting(&config.path().join("ca.pem"));
    for client in [Client::TsV1, Client::PyV2] {
        let arguments = json!({"message": "secured"});
        let report = client.run(&peers, gateway.url(), "x_demo_echo", &arguments).await;
        assert_eq!(report["ok"], true, "{client:?}: {report}");
        assert!(report["result"].to_string().contains("secured"), "{client:?}: {report}");
    }
}

/// Posts to `/mcp` with the certificate `who`, perhaps in a session: curl's whole answer with its head.
fn post(directory: &Path, url: &str, who: &str, session: Option<&str>, body: &str) -> Output {
    let (certificate, key) = (format!("{who}.pem"), format!("{who}.key"));
    let session = session.map(|id| format!("Mcp-Session-Id: {id}"));
    let mut arguments = vec!["-i", "--http1.1", "-H", "Content-Type: application/json"];
    arguments.extend(["-H", "Accept: application/json, text/event-stream", "-d", body]);
    if let Some(session) = &session {
        arguments.extend(["-H", session]);
    }
    if !who.is_empty() {
        arguments.extend(["--cert", &certificate, "--key", &key]);
    }
    arguments.push(url);
    curl(directory, &arguments)
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn session(answer: &str) -> String {
    let mut lines = answer.lines().filter_map(|line| line.split_once(": "));
    let id = lines.find(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id"));
    id.unwrap_or_else(|| panic!("no session: {answer}")).1.trim().to_owned()
}

#[tokio::test]
async fn a_client_certificate_says_who_is_calling() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut config = authority.config(MTLS);
    for (name, issuer, names, not_after) in [
        ("spiffe", &authority, vec![uri("spiffe://example.org/agent")], 2100),
        ("renewed", &authority, vec![uri("spiffe://example.org/agent")], 2101),
        ("dns", &authority, vec![dns("agent.example.org")], 2100),
        ("nobody", &authority, vec![uri("https://example.org/")], 2100),
        ("expired", &authority, vec![dns("agent.example.org")], 2020),
        ("stranger", &stranger, vec![dns("agent.example.org")], 2100),
    ] {
        let (certificate, key) = issuer.issue(names, not_after);
        config = config.file(&format!("{name}.pem"), &certificate);
        config = config.file(&format!("{name}.key"), &key);
    }
    let gateway = Gateway::start(BINARY, config.path()).await;
    let post = |who: &str, session, body| post(config.path(), gateway.url(), who, session, body);

    let sessions = ["spiffe", "dns"].map(|who| {
        let answer = text(&post(who, None, INITIALIZE));
        assert_eq!(status(&answer), "200", "{who}: {answer}");
        session(&answer)
    });
    for (who, index, expected) in [
        ("spiffe", 0, "200"),
        ("renewed", 0, "200"),
        ("dns", 1, "200"),
        ("dns", 0, "404"),
        ("spiffe", 1, "404"),
    ] {
        let answer = text(&post(who, Some(&sessions[index]), PING));
        assert_eq!(status(&answer), expected, "{who} in session {index}: {answer}");
    }

    let answer = text(&post("nobody", None, INITIALIZE));
    assert_eq!(status(&answer), "403", "{answer}");
    assert!(answer.contains("it needs one URI spiffe://trust-domain/path"), "{answer}");

    for who in ["", "expired", "stranger"] {
        let output = post(who, None, INITIALIZE);
        assert!(!output.status.success(), "{who:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[tokio::test]
async fn auth_mtls_trust_domain_decides_whose_certificates_count() {
    let authority = Authority::new();
    let yaml = MTLS.replace("mtls}", "mtls, mtls: {trustDomain: example.org}}");
    let mut config = authority.config(&yaml);
    for (name, san) in [
        ("ours", uri("spiffe://example.org/agent")),
        ("theirs", uri("spiffe://example.com/agent")),
        ("dns", dns("example.org")),
    ] {
        let (certificate, key) = authority.issue(vec![san], 2100);
        config = config.file(&format!("{name}.pem"), &certificate);
        config = config.file(&format!("{name}.key"), &key);
    }
    let gateway = Gateway::start(BINARY, config.path()).await;
    for (who, expected) in [("ours", "200"), ("theirs", "403"), ("dns", "403")] {
        let answer = text(&post(config.path(), gateway.url(), who, None, INITIALIZE));
        assert_eq!(status(&answer), expected, "{who}: {answer}");
    }
}

#[tokio::test]
async fn the_metrics_listener_speaks_tls_and_health_asks_where_no_certificate_is_needed() {
    let yaml = format!("{MTLS}metrics: {{tls: {{certFile: server.pem, keyFile: server.key}}}}\n");
    for yaml in [TLS, &yaml] {
        let config = Authority::new().config(yaml);
        let gateway = Gateway::start(BINARY, config.path()).await;
        let metrics = text(&curl(config.path(), &[gateway.metrics_url()]));
        let expires =
            r#"portcullis_tls_certificate_not_after_timestamp_seconds{listener="mcp"} 4102444800"#;
        assert!(metrics.contains(expires), "{metrics}");

        let port = |origin: &str| origin.rsplit(':').next().unwrap_or_default().to_owned();
        let health = Command::new(BINARY)
            .args(["health", "--config"])
            .arg(config.path())
            .env_clear()
            .env("PORTCULLIS_AGGREGATOR_PORT", port(gateway.origin()))
            .env("PORTCULLIS_METRICS_PORT", port(gateway.metrics_origin()))
            .output()
            .expect("it runs");
        assert_eq!(text(&health).trim(), "healthy");
    }
}

#[test]
fn the_mode_mtls_needs_authorities_for_clients() {
    let config = Authority::new().config(&format!("{TLS}auth: {{mode: mtls}}\n"));
    let check =
        Command::new(BINARY).env_clear().arg("check").arg(config.path()).output().expect("it runs");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(!check.status.success(), "{said}");
    assert!(said.contains("auth.mode: is mtls, which needs aggregator.tls.clientCaFile"), "{said}");
}

type Sender = http1::SendRequest<Empty<Bytes>>;

/// A connection, and the certificate that it was shown.
async fn connect(address: &str, authority: &Authority) -> (Sender, CertificateDer<'static>) {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.0.der().clone()).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(address).await.expect("a connection");
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, socket).await.expect("a handshake");
    let shown = stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    TaskTracker::new().spawn(connection);
    (sender, shown)
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    let request = Request::get(path).header("host", "127.0.0.1").header("accept", "*/*");
    request.body(Empty::new()).expect("a request")
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_open_ones_go_on() {
    let authority = Authority::new();
    let config = authority.config(&format!("{TLS}http: {{keepAlive: 1s}}\n"));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let address = gateway.origin().trim_start_matches("https://");
    let (mut open, first) = connect(address, &authority).await;
    let (mut streaming, _) = connect(address, &authority).await;
    let mut stream = streaming.send_request(get("/sse")).await.expect("a stream").into_body();
    within("the first event", stream.frame()).await.expect("a frame").expect("an event");

    let write = |name: &str, text: &str| fs::write(config.path().join(name), text).expect("a file");
    let (certificate, key) = authority.server(2101);
    write("server.key", &key);
    let warned = |line: &str| line.contains("does not belong to the certificate").then_some(());
    gateway.process().line("warning about the key", warned).await;
    assert_eq!(connect(address, &authority).await.1, first, "the old pair is still in use");

    write("server.pem", &certificate);
    let mut ticks = time::interval(Duration::from_millis(100));
    within("the new certificate", async {
        while connect(address, &authority).await.1 == first {
            ticks.tick().await;
        }
    })
    .await;
    let health = open.send_request(get("/health")).await.expect("an answer");
    assert_eq!(health.status(), StatusCode::OK);
    for _ in 0..2 {
        within("a sign of life", stream.frame()).await.expect("a frame").expect("a comment");
    }
    let expires = r#"portcullis_tls_certificate_not_after_timestamp_seconds{listener="mcp"}"#;
    gateway.until_metric(expires, |at| at > 4.103e9).await;
}

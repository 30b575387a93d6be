use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio_util::task::TaskTracker;
use url::Url;

use super::scripted::{Server, json, spec};
use super::tests::post;
use super::*;

/// A certification authority that nobody else knows, and files signed by it.
struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { directory: tempfile::tempdir().unwrap(), issuer }
    }

    fn file(&self, name: &str, text: String) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn ca_file(&self) -> PathBuf {
        self.file("ca.pem", self.issuer.pem())
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn server(&self, name: &str, clients: Option<&Self>, alpn: &[&[u8]]) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.issuer.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let (certificate, key) = self.issue(name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

async fn start(config: Arc<ServerConfig>) -> (Server, Url) {
    let server = Server::start_with(Some(config), |request| async move {
        json(format!("{:?}", request.version()))
    })
    .await;
    let url = Url::parse(&format!("https://localhost:{}/mcp", server.address.port())).unwrap();
    (server, url)
}

async fn ask(trust: Trust, spec: Spec) -> Result<String, Error> {
    let client = Client::new(Arc::new(trust), TaskTracker::new());
    let to = client.destination(spec).await?;
    let response = post(&client, &to, "").await?;
    let body = response.into_body().collect(100).await.expect("a whole body");
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

fn trust() -> Trust {
    Trust::new(&[]).unwrap()
}

fn with_tls(url: &Url, tls: Tls) -> Spec {
    Spec { tls, ..spec(url.clone()) }
}

#[tokio::test]
async fn a_private_authority_is_believed_where_it_is_named_and_nowhere_else() {
    let authority = Authority::new();
    let (_server, url) = start(authority.server("localhost", None, &[])).await;

    let error = ask(trust(), spec(url.clone())).await.unwrap_err();
    assert!(!error.may_have_been_processed());
    assert!(error.chain().contains("UnknownIssuer"), "{}", error.chain());

    let tls = Tls { ca_file: Some(authority.ca_file()), ..Tls::default() };
    assert_eq!(ask(trust(), with_tls(&url, tls)).await.unwrap(), "HTTP/1.1");

    let everywhere = Trust::new(&[authority.ca_file()]).unwrap();
    assert_eq!(ask(everywhere, spec(url)).await.unwrap(), "HTTP/1.1");
}

#[tokio::test]
async fn a_large_message_arrives_whole_on_both_sides() {
    let authority = Authority::new();
    let config = authority.server("localhost", None, &[]);
    let echo = |request: http::Request<Bytes>| async move { json(request.into_body()) };
    let server = Server::start_with(Some(config), echo).await;
    let url = Url::parse(&format!("https://localhost:{}/", server.address.port())).unwrap();
    let trust = Trust::new(&[authority.ca_file()]).unwrap();
    let client = Client::new(Arc::new(trust), TaskTracker::new());
    let to = client.destination(spec(url)).await.unwrap();
    let large: Bytes = (0..3_000_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    for _ in 0..2 {
        let response = post(&client, &to, large.clone()).await.unwrap();
        assert!(response.into_body().collect(large.len()).await.unwrap() == large);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_certificate_is_for_the_configured_server_name() {
    let authority = Authority::new();
    let (_server, url) = start(authority.server("inner.example", None, &[])).await;
    let tls = Tls { ca_file: Some(authority.ca_file()), ..Tls::default() };
    let error = ask(trust(), with_tls(&url, tls.clone())).await.unwrap_err();
    assert!(error.chain().contains("not valid for name"), "{}", error.chain());
    let tls = Tls { server_name: Some("inner.example".to_owned()), ..tls };
    assert_eq!(ask(trust(), with_tls(&url, tls)).await.unwrap(), "HTTP/1.1");
}

#[tokio::test]
async fn a_server_that_wants_to_know_its_client_gets_our_certificate() {
    let authority = Authority::new();
    let clients = Authority::new();
    let (_server, url) = start(authority.server("localhost", Some(&clients), &[])).await;
    let tls = Tls { ca_file: Some(authority.ca_file()), ..Tls::default() };
    ask(trust(), with_tls(&url, tls.clone())).await.unwrap_err();

    let (certificate, key) = clients.issue("gateway");
    let identity = (
        clients.file("client.pem", certificate.pem()),
        clients.file("client.key", key.serialize_pem()),
    );
    let tls = Tls { identity: Some(identity), ..tls };
    assert_eq!(ask(trust(), with_tls(&url, tls)).await.unwrap(), "HTTP/1.1");
}

#[tokio::test]
async fn http2_is_chosen_by_alpn_and_is_not_forced_on_a_server() {
    let authority = Authority::new();
    let tls = Tls { ca_file: Some(authority.ca_file()), ..Tls::default() };
    for (offered, spoken) in [(&b"h2"[..], "HTTP/2.0"), (b"http/1.1", "HTTP/1.1")] {
        let (_server, url) = start(authority.server("localhost", None, &[offered])).await;
        let spec = Spec { http2: true, ..with_tls(&url, tls.clone()) };
        assert_eq!(ask(trust(), spec).await.unwrap(), spoken);
    }
}

#[tokio::test]
async fn a_fetch_goes_on_encrypted_once_it_is() {
    let plain = Server::start(|_| async { json("plain") }).await;
    let elsewhere = format!("http://localhost:{}/", plain.address.port());
    let authority = Authority::new();
    let config = authority.server("localhost", None, &[]);
    let server = Server::start_with(Some(config), move |request| {
        let mut answer = json("encrypted");
        if request.uri().path() == "/away" {
            *answer.status_mut() = http::StatusCode::FOUND;
            answer.headers_mut().insert("location", elsewhere.parse().unwrap());
        }
        async { answer }
    })
    .await;
    let trust = Arc::new(Trust::new(&[authority.ca_file()]).unwrap());
    let guard = Guard { allow_private: true, private_hosts: Vec::new() };
    let fetcher = Fetcher::new(Client::new(trust, TaskTracker::new()), guard, Bounds::default());
    let url = Url::parse(&format!("https://localhost:{}/", server.address.port())).unwrap();
    assert_eq!(fetcher.get(&url).await.unwrap(), "encrypted");
    let error = fetcher.get(&url.join("away").unwrap()).await.unwrap_err();
    assert!(matches!(error, FetchError::NotEncrypted { .. }), "{error}");
    assert_eq!(plain.connections(), 0);
}

#[tokio::test]
async fn a_file_that_is_of_no_use_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, "nothing").unwrap();
    let error = Trust::new(std::slice::from_ref(&path)).unwrap_err();
    assert!(error.to_string().ends_with("ca.pem: there is no certificate in it"), "{error}");

    let tls = Tls { ca_file: Some(directory.path().join("missing.pem")), ..Tls::default() };
    let url = Url::parse("https://localhost/").unwrap();
    let error = ask(trust(), with_tls(&url, tls)).await.unwrap_err();
    assert!(error.to_string().contains("missing.pem"), "{error}");
}

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd,
};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::handshake::Refused;
use super::*;
use crate::config::{Environment, Location, Reader, Section, parse_yaml};

/// A certification authority that nobody else knows.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, name: &str, not_after: i32) -> (Certificate, KeyPair) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(not_after, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }
}

/// A directory with `a.pem`, `a.key`, `b.pem`, `b.key`, `old.pem`, `old.key`, `ca.pem` and files
/// without any use.
fn directory(authority: &Authority) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    for (name, year) in [("a", 2100), ("b", 2101), ("old", 2020)] {
        let (certificate, key) = authority.issue("localhost", year);
        write(&format!("{name}.pem"), &certificate.pem());
        write(&format!("{name}.key"), &key.serialize_pem());
    }
    write("ca.pem", &authority.0.pem());
    write("empty.pem", "");
    write("text.pem", "not a certificate");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    write("broken.pem", broken);
    directory
}

fn files(directory: &Path, client_ca: Option<&str>) -> Files {
    let path = |name: &str| directory.join(name);
    Files { certificate: path("a.pem"), key: path("a.key"), client_ca: client_ca.map(path) }
}

/// What is read from a section, and what is said about it.
fn section(directory: &Path, text: &str) -> (Tls, Vec<String>, Vec<String>) {
    let location = Location::file(Path::new("x.yaml"));
    let (documents, _) = parse_yaml(text, &location);
    let environment = Environment::default();
    let mut reader = Reader::new(location, directory, &environment);
    let mut tls = Tls::default();
    reader.document(Some(&documents[0].root), |fields| tls.read(fields));
    let (problems, warnings) = reader.finish();
    let said = |problems: Vec<crate::config::Problem>| {
        let place = format!("{}/", directory.display());
        problems.iter().map(|it| it.to_string().replace(&place, "")).collect()
    };
    (tls, said(problems), said(warnings))
}

#[test]
fn every_file_that_is_of_no_use_is_named_with_its_key() {
    let directory = directory(&Authority::new());
    for (text, problem) in [
        ("{certFile: a.pem}", r"keyFile: is missing; certFile needs it"),
        ("{keyFile: a.key}", r"certFile: is missing; keyFile needs it"),
        ("{clientCaFile: ca.pem}", r"certFile: is missing; clientCaFile needs it, and keyFile"),
        ("{certFile: no.pem, keyFile: a.key}", r#"certFile: "no.pem" cannot be read: No such"#),
        ("{certFile: a.pem, keyFile: no.key}", r#"keyFile: "no.key" cannot be read: No such"#),
        ("{certFile: empty.pem, keyFile: a.key}", r#"certFile: "empty.pem" holds no certificate"#),
        ("{certFile: a.key, keyFile: a.key}", r#"certFile: "a.key" holds no certificate"#),
        ("{certFile: broken.pem, keyFile: a.key}", r#"certFile: "broken.pem" cannot be used"#),
        ("{certFile: a.pem, keyFile: text.pem}", r#"keyFile: "text.pem" holds no private key"#),
        ("{certFile: a.pem, keyFile: a.pem}", r#"keyFile: "a.pem" holds no private key"#),
        (
            "{certFile: a.pem, keyFile: b.key}",
            r#"keyFile: "b.key" does not belong to the certificate in certFile, a.pem"#,
        ),
        (
            "{certFile: a.pem, keyFile: a.key, clientCaFile: text.pem}",
            r#"clientCaFile: "text.pem" holds no certificate"#,
        ),
        (
            "{certFile: a.pem, keyFile: a.key, clientCaFile: broken.pem}",
            r#"clientCaFile: "broken.pem" cannot be used, certificate 1"#,
        ),
        ("{certFile: a.pem, keyFile: a.key, minVersion: 1}", "minVersion: unknown key"),
    ] {
        let (_, problems, _) = section(directory.path(), text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(problems[0].starts_with(&format!("x.yaml:1: {problem}")), "{text}: {problems:?}");
    }
}

#[test]
fn a_certificate_that_has_expired_is_a_warning() {
    let directory = directory(&Authority::new());
    let (tls, problems, warnings) =
        section(directory.path(), "{certFile: old.pem, keyFile: old.key}");
    assert!(tls.0.is_some() && problems.is_empty(), "{problems:?}");
    assert_eq!(
        warnings,
        ["x.yaml:1: certFile: holds a certificate that has expired; renew it"],
        "a gateway that does not start helps nobody"
    );
}

#[test]
fn files_without_an_end_are_not_read_to_it() {
    let files = Files { certificate: "/dev/zero".into(), ..Files::default() };
    assert!(Acceptor::new(files).unwrap_err().to_string().contains("is larger than"));
}

/// What a client that trusts `authority` sees.
async fn shown(acceptor: &Acceptor, authority: &Authority) -> CertificateDer<'static> {
    let (client, server) = connected(acceptor, authority, None).await;
    server.unwrap();
    client.unwrap()
}

async fn connected(
    acceptor: &Acceptor,
    authority: &Authority,
    identity: Option<(Certificate, KeyPair)>,
) -> (std::io::Result<CertificateDer<'static>>, Result<Secured, Refused>) {
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
        }
    };
    let (client, server) = sockets().await;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let (client, server) =
        tokio::join!(connector.connect(name, client), handshake(server, acceptor));
    let shown = client.map(|client| client.get_ref().1.peer_certificates().unwrap()[0].clone());
    (shown, server)
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

#[tokio::test]
async fn what_changes_is_shown_next_and_what_does_not_fit_is_not() {
    let authority = Authority::new();
    let directory = directory(&authority);
    let files = files(directory.path(), None);
    let acceptor = Acceptor::new(files.clone()).unwrap();
    let shared = Arc::clone(&acceptor.0);
    assert!(matches!(shared.look(shared.first), reload::Look::Same));
    let before = shown(&acceptor, &authority).await;

    let copy = |from: &str, to: &Path| fs::copy(directory.path().join(from), to).unwrap();
    copy("b.key", &files.key);
    let reload::Look::Unusable(Some(_), error) = shared.look(shared.first) else {
        panic!("a key that does not match is no pair");
    };
    assert_eq!(error.key, "keyFile");
    assert_eq!(shown(&acceptor, &authority).await, before);

    copy("b.pem", &files.certificate);
    let reload::Look::Changed(pair) = shared.look(shared.first) else {
        panic!("a new pair is one");
    };
    assert_ne!(pair.not_after, acceptor.not_after());
    shared.config.store(Arc::new(pair.config));
    assert!(matches!(shared.look(pair.digest), reload::Look::Same));
    assert_ne!(shown(&acceptor, &authority).await, before);

    fs::remove_file(&files.certificate).unwrap();
    assert!(matches!(shared.look(pair.digest), reload::Look::Unusable(None, _)));
}

#[tokio::test]
async fn a_client_certificate_is_asked_for_and_verified() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let directory = directory(&authority);
    let acceptor = Acceptor::new(files(directory.path(), Some("ca.pem"))).unwrap();
    let known = authority.issue("client.example", 2100);
    let expected = known.0.der().clone();
    for (identity, is_let_in) in [
        (Some(known), true),
        (None, false),
        (Some(stranger.issue("client.example", 2100)), false),
        (Some(authority.issue("client.example", 2020)), false),
    ] {
        let (_, server) = connected(&acceptor, &authority, identity).await;
        assert_eq!(server.is_ok(), is_let_in);
        if let Ok(secured) = server {
            assert_eq!(secured.certificate.as_ref(), Some(&expected));
        }
    }
}

#[tokio::test]
async fn who_speaks_plain_http_is_told_what_to_do() {
    let directory = directory(&Authority::new());
    let acceptor = Acceptor::new(files(directory.path(), None)).unwrap();
    let (mut client, server) = sockets().await;
    let client = async {
        client.write_all(b"GET /mcp HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (answer, refused) = tokio::join!(client, handshake(server, &acceptor));
    assert!(matches!(refused, Err(Refused::Plain)));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 ") && head.contains("connection: close"), "{head}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    assert!(body.contains("https://"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_hung_up_on() {
    let directory = directory(&Authority::new());
    let acceptor = Acceptor::new(files(directory.path(), None)).unwrap();
    let (_client, server) = sockets().await;
    assert!(matches!(handshake(server, &acceptor).await, Err(Refused::Slow)));
}

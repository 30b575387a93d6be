use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request};
use url::Url;

use super::scripted::{Answer, Server, answer, client, endless, json};
use super::*;

fn allowing(hosts: &[&str]) -> Fetcher {
    let private_hosts = hosts.iter().map(|host| (*host).into()).collect();
    let guard = Guard { allow_private: false, private_hosts };
    Fetcher::new(client(), guard, Bounds::default())
}

fn at(host: &str, server: &Server, path: &str) -> Url {
    Url::parse(&format!("http://{host}:{}{path}", server.address.port())).unwrap()
}

fn redirect(to: &str) -> Answer {
    let mut answer = answer(302, "", "");
    answer.headers_mut().insert("location", to.parse().unwrap());
    answer
}

/// A server at which every path is a redirect to what the query says.
async fn redirecting() -> Server {
    Server::start(|request: Request<Bytes>| async move {
        match request.uri().query() {
            Some(to) => redirect(to),
            None => json("{}"),
        }
    })
    .await
}

#[tokio::test]
async fn a_host_of_this_machine_is_asked_only_where_that_is_allowed() {
    let server = Server::start(|_| async { json("{}") }).await;
    let by_address = at("127.0.0.1", &server, "/");
    let by_name = at("localhost", &server, "/");
    for (hosts, url, is_allowed) in [
        (&["127.0.0.1"][..], &by_address, true),
        (&["LOCALHOST"], &by_name, true),
        (&[], &by_address, false),
        (&["localhost"], &by_address, false),
        (&["127.0.0.1", "[::1]"], &by_name, false),
    ] {
        let answer = allowing(hosts).get(url).await;
        assert_eq!(answer.is_ok(), is_allowed, "{hosts:?} {url} {answer:?}");
        assert_eq!(answer.is_err_and(|it| it.is_for_being_private()), !is_allowed);
    }
    let guard = Guard { allow_private: true, private_hosts: Vec::new() };
    let fetcher = Fetcher::new(client(), guard, Bounds::default());
    assert_eq!(fetcher.get(&by_name).await.unwrap(), "{}");
    assert_eq!(fetcher.get(&by_name).await.unwrap(), "{}");
    assert_eq!(server.connections(), 3, "the connection of a fetcher is used again");
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_named_and_not_connected_to() {
    for (url, message) in [
        ("https://127.0.0.1:1/", "127.0.0.1:1 is at 127.0.0.1, an address of this machine"),
        ("https://10.0.0.1/keys", "10.0.0.1 is at 10.0.0.1, a private address"),
        ("https://[::ffff:10.0.0.1]/", "[::ffff:a00:1] is at ::ffff:10.0.0.1, a private address"),
        ("https://0x7f.1/", "127.0.0.1 is at 127.0.0.1, an address of this machine"),
    ] {
        let error = allowing(&[]).get(&Url::parse(url).unwrap()).await.unwrap_err();
        assert_eq!(error.chain(), message);
        assert!(error.is_for_being_private(), "{url}");
    }
    let guard = Guard { allow_private: true, private_hosts: Vec::new() };
    let fetcher = Fetcher::new(client(), guard, Bounds::default());
    for url in ["https://169.254.169.254/", "https://[fd00:ec2::254]/", "https://0.0.0.0/"] {
        let error = fetcher.get(&Url::parse(url).unwrap()).await.unwrap_err();
        assert!(matches!(error, FetchError::Send(Error::OutOfReach { .. })), "{url}: {error}");
        assert!(!error.is_for_being_private(), "{url}: no key allows it");
    }
}

#[tokio::test]
async fn what_is_not_encrypted_is_asked_on_this_machine_alone() {
    let guard = Guard { allow_private: true, private_hosts: Vec::new() };
    let fetcher = Fetcher::new(client(), guard, Bounds::default());
    for url in ["http://10.0.0.1/", "http://idp.example/", "http://127.0.0.1.nip.io/"] {
        let error = fetcher.get(&Url::parse(url).unwrap()).await.unwrap_err();
        assert!(matches!(error, FetchError::NotEncrypted { .. }), "{url}: {error}");
    }
    let url = Url::parse("https://user:secret@localhost/").unwrap();
    let error = fetcher.get(&url).await.unwrap_err();
    assert_eq!(error.to_string(), "the URL holds credentials");
}

#[tokio::test]
async fn a_redirect_is_followed_to_where_its_target_may_be_asked() {
    let other = Server::start(|_| async { json("there") }).await;
    let server = redirecting().await;
    let there = at("127.0.0.1", &other, "/");
    let fetcher = allowing(&["localhost", "127.0.0.1"]);
    let url = at("localhost", &server, &format!("/?{there}"));
    assert_eq!(fetcher.get(&url).await.unwrap(), "there");
    assert_eq!(fetcher.get(&at("localhost", &server, "/?/path")).await.unwrap(), "{}");

    let fetcher = allowing(&["localhost"]);
    for to in [there.as_str(), "https://127.0.0.1:1/", "https://192.168.0.1/", "http://a.example/"]
    {
        let error = fetcher.get(&at("localhost", &server, &format!("/?{to}"))).await.unwrap_err();
        assert!(!error.is_answer(), "{to}: {error}");
    }
    assert_eq!(other.connections(), 1, "what is not allowed is not connected to");
    for to in ["", "file:///etc/passwd", "data:,x"] {
        let error = fetcher.get(&at("localhost", &server, &format!("/?{to}"))).await.unwrap_err();
        assert!(!error.is_for_being_private(), "{to}: {error}");
    }
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let server = Server::start(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { redirect("/again") }
    })
    .await;
    let error = allowing(&["localhost"]).get(&at("localhost", &server, "/")).await.unwrap_err();
    assert!(matches!(error, FetchError::TooManyRedirects), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_body_that_is_too_large_or_never_ends_is_cut() {
    let server = Server::start(|request: Request<Bytes>| async move {
        match request.uri().path() {
            "/large" => json(vec![b' '; 10 << 20]),
            _ => endless(),
        }
    })
    .await;
    for path in ["/large", "/endless"] {
        let error = allowing(&["localhost"]).get(&at("localhost", &server, path)).await;
        let error = error.unwrap_err();
        assert!(matches!(error, FetchError::Body(BodyError::TooLarge { .. })), "{path}: {error}");
    }
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let (_events, stream) = scripted::open_sse();
    let silent = parking_lot::Mutex::new(Some(stream));
    let server = Server::start(move |request: Request<Bytes>| {
        let is_head = request.uri().path() == "/head";
        let silent = (!is_head).then(|| silent.lock().take()).flatten();
        async move {
            match silent {
                Some(silent) => silent,
                None => std::future::pending().await,
            }
        }
    })
    .await;
    let guard = Guard { allow_private: true, private_hosts: Vec::new() };
    let bounds = Bounds { deadline: Duration::from_millis(100), ..Bounds::default() };
    let fetcher = Fetcher::new(client(), guard, bounds);
    for path in ["/head", "/body"] {
        let error = fetcher.get(&at("localhost", &server, path)).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no complete answer within 0.1 s", "{path}");
    }
}

#[tokio::test]
async fn a_form_goes_to_the_address_it_is_for_and_nowhere_else() {
    let server = Server::start(|request: Request<Bytes>| async move {
        if request.uri().path() == "/elsewhere" {
            return redirect("/");
        }
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        let (kind, who) = (header("content-type"), header("authorization"));
        json(format!("{kind} {who} {}", String::from_utf8_lossy(request.body())))
    })
    .await;
    let fetcher = allowing(&["localhost"]);
    let who = HeaderValue::from_static("Basic x");
    let url = at("localhost", &server, "/");
    let answer = fetcher.post_form(&url, "token=t", who.clone()).await.unwrap();
    assert_eq!(answer, "application/x-www-form-urlencoded Basic x token=t");
    let url = at("localhost", &server, "/elsewhere");
    let error = fetcher.post_form(&url, "token=t", who).await.unwrap_err();
    assert!(matches!(error, FetchError::Redirect(_)), "{error}");
    assert!(error.is_answer());
}

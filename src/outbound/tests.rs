use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::scripted::{Server, answer, client, json, open_sse, spec};
use super::*;

/// Sends a POST.
pub(super) async fn post(
    client: &Client,
    to: &Destination,
    body: impl Into<Bytes>,
) -> Result<Response<Body>, Error> {
    let head = Head::new(Method::POST, &Uri::from_static("/mcp"), HeaderMap::new());
    client.send(to, &head, body.into()).await
}

async fn echo(request: Request<Bytes>) -> scripted::Answer {
    json(request.into_body())
}

#[tokio::test]
async fn a_connection_is_used_again_once_its_response_has_been_read() {
    let server = Server::start(echo).await;
    let client = client();
    let to = client.destination(spec(server.url())).await.unwrap();
    for _ in 0..5 {
        let response = post(&client, &to, "hello").await.unwrap();
        assert_eq!(response.into_body().collect(100).await.unwrap(), "hello");
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(client.idle_connections(), 1);
    client.close();
    assert_eq!(client.idle_connections(), 0);
}

#[tokio::test]
async fn a_connection_on_which_a_large_request_was_refused_is_not_used_again() {
    let refused = |_| async { answer(413, "text/plain", "too large") };
    for (size, connections) in [(100, 1), (200_000, 2)] {
        let server = Server::start(refused).await;
        let client = client();
        let to = client.destination(spec(server.url())).await.unwrap();
        for _ in 0..2 {
            let response = post(&client, &to, vec![b'x'; size]).await;
            let text = response.unwrap().into_body().collect(100).await.unwrap();
            assert_eq!(text, "too large", "{size}");
        }
        assert_eq!(server.connections(), connections, "{size}");
    }
}

#[tokio::test]
async fn requests_at_one_time_have_connections_of_their_own() {
    let server = Server::start(echo).await;
    let client = client();
    let to = client.destination(spec(server.url())).await.unwrap();
    let first = post(&client, &to, "1").await.unwrap();
    // Not read yet, but already complete or not: either way the second one must not wait for it.
    let second = post(&client, &to, "2").await.unwrap();
    assert_eq!(second.into_body().collect(100).await.unwrap(), "2");
    assert_eq!(first.into_body().collect(100).await.unwrap(), "1");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_body_that_is_dropped_half_way_closes_its_connection() {
    let (events, stream) = open_sse();
    let stream = parking_lot::Mutex::new(Some(stream));
    let server = Server::start(move |_| {
        let stream = stream.lock().take();
        async move { stream.unwrap_or_else(|| json("second")) }
    })
    .await;
    let client = client();
    let to = client.destination(spec(server.url())).await.unwrap();
    let response = post(&client, &to, "").await.unwrap();
    drop(response);
    events.closed().await;
    post(&client, &to, "").await.unwrap().into_body().collect(10).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_body_larger_than_the_limit_is_refused() {
    let server = Server::start(echo).await;
    let client = client();
    let to = client.destination(spec(server.url())).await.unwrap();
    let response = post(&client, &to, "0123456789").await.unwrap();
    let error = response.into_body().collect(9).await.unwrap_err();
    assert!(matches!(error, BodyError::TooLarge { limit: 9 }), "{error}");
    assert_eq!(client.idle_connections(), 0);
}

#[tokio::test]
async fn the_limit_holds_also_for_a_body_that_does_not_say_its_length() {
    let (sender, stream) = open_sse();
    let stream = parking_lot::Mutex::new(Some(stream));
    let server = Server::start(move |_| {
        let stream = stream.lock().take().expect("one request");
        async { stream }
    })
    .await;
    let client = client();
    let to = client.destination(spec(server.url())).await.unwrap();
    let response = post(&client, &to, "").await.unwrap();
    sender.send("0123456789".to_owned()).await.unwrap();
    drop(sender);
    let error = response.into_body().collect(9).await.unwrap_err();
    assert!(matches!(error, BodyError::TooLarge { limit: 9 }), "{error}");
}

#[tokio::test]
async fn equal_specs_share_a_destination() {
    let client = client();
    let url = Url::parse("http://localhost:1/a").unwrap();
    let one = client.destination(spec(url.clone())).await.unwrap();
    let two = client.destination(spec(url.clone())).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&one, &two));
    let other = client.destination(Spec { http2: true, ..spec(url) }).await.unwrap();
    assert!(!std::sync::Arc::ptr_eq(&one, &other));
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"body") {
        let mut buffer = [0; 1024];
        let read = socket.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the request is complete");
        text.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(text).unwrap()
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn raw_server() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, Url::parse(&url).unwrap())
}

#[tokio::test]
async fn a_request_moves_on_from_an_idle_connection_that_the_server_has_closed() {
    let (listener, url) = raw_server().await;
    let client = client();
    let to = client.destination(spec(url)).await.unwrap();
    let server = async {
        let (mut first, _) = listener.accept().await.unwrap();
        read_request(&mut first).await;
        first.write_all(OK).await.unwrap();
        drop(first);
        let (mut second, _) = listener.accept().await.unwrap();
        let request = read_request(&mut second).await;
        second.write_all(OK).await.unwrap();
        (second, request)
    };
    let requests = async {
        for _ in 0..2 {
            let response = post(&client, &to, "body").await.unwrap();
            response.into_body().collect(10).await.unwrap();
            // Lets the driver see the end of the first connection, or not: both must do.
            tokio::task::yield_now().await;
        }
    };
    let ((_socket, request), ()) = tokio::join!(server, requests);
    let head = request.to_ascii_lowercase();
    assert!(head.starts_with("post /mcp http/1.1\r\n"), "{head}");
    assert_eq!(head.matches("\r\nhost: 127.0.0.1:").count(), 1, "{head}");
}

#[tokio::test]
async fn a_request_that_may_have_been_processed_is_not_sent_again() {
    let (listener, url) = raw_server().await;
    let client = client();
    let to = client.destination(spec(url)).await.unwrap();
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await;
        socket.write_all(OK).await.unwrap();
        read_request(&mut socket).await;
        drop(socket); // read, and no answer
    };
    let requests = async {
        let first = post(&client, &to, "body").await.unwrap();
        first.into_body().collect(10).await.unwrap();
        post(&client, &to, "body").await
    };
    let ((), result) = tokio::join!(server, requests);
    let error = result.unwrap_err();
    assert!(error.may_have_been_processed(), "{error}");
    let again = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(again.is_err(), "there is no second connection");
}

#[tokio::test]
async fn a_connection_is_not_kept_longer_than_the_server_announces() {
    let server = Server::start(|_| async {
        let mut answer = json("ok");
        answer.headers_mut().insert("keep-alive", "timeout=1, max=100".parse().unwrap());
        answer
    })
    .await;
    let client = client();
    let to = client.destination(spec(server.url())).await.unwrap();
    for _ in 0..2 {
        let response = post(&client, &to, "").await.unwrap();
        response.into_body().collect(10).await.unwrap();
    }
    assert_eq!(server.connections(), 2, "one second less a second is nothing");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_that_says_nothing_was_sent() {
    let (listener, url) = raw_server().await;
    drop(listener);
    let client = client();
    let to = client.destination(spec(url)).await.unwrap();
    let error = post(&client, &to, "").await.unwrap_err();
    assert!(!error.may_have_been_processed());
    let text = error.chain();
    assert!(text.starts_with("cannot connect to 127.0.0.1:"), "{text}");
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start(|_| async {
        let mut answer = answer(307, "", "");
        answer.headers_mut().insert("location", "http://127.0.0.1:1/".parse().unwrap());
        answer
    })
    .await;
    let client = client();
    let to = client.destination(spec(server.url())).await.unwrap();
    assert_eq!(post(&client, &to, "").await.unwrap().status(), 307);
}

#[tokio::test]
async fn http2_with_prior_knowledge_shares_one_connection() {
    let server = Server::start(|request: Request<Bytes>| async move {
        assert_eq!(request.version(), Version::HTTP_2);
        assert_eq!(request.uri().path(), "/mcp");
        assert!(request.uri().authority().is_some());
        json(request.into_body())
    })
    .await;
    let client = client();
    let to = client.destination(Spec { http2: true, ..spec(server.url()) }).await.unwrap();
    let send = async |body| {
        let response = post(&client, &to, body).await.unwrap();
        assert_eq!(response.into_body().collect(10).await.unwrap(), body);
    };
    tokio::join!(send("1"), send("2"), send("3"));
    send("4").await;
    assert_eq!(server.connections(), 1);
}

//! A keep-alive HTTP/1.1 connection that is made again when it is broken.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::answer::error_of;
use super::body::Body;
use super::session::Session;
use crate::load::Endpoint;

/// How long an answer may take; a closed loop would wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait when nobody listens, so that the wait for somebody does not eat the machine.
const PAUSE: Duration = Duration::from_millis(100);

/// One place from which requests are sent, one at a time.
pub(crate) struct Connection {
    address: SocketAddr,
    path: Uri,
    /// What all requests say.
    headers: HeaderMap,
    link: Option<Link>,
    /// The body of the last response.
    body: Vec<u8>,
}

struct Link {
    sender: SendRequest<Body>,
    /// Drives the connection.
    _driver: JoinSet<()>,
}

/// A response that has been read to its end.
pub(crate) struct Exchange<'a> {
    status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Connection {
    /// # Errors
    ///
    /// When the endpoint is not on loopback. It connects when there is something to send.
    pub(crate) async fn new(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let address = endpoint.address().await?;
        let host = endpoint.url.authority().context("the URL has no authority")?.as_str();
        let path = endpoint.url.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some(bearer) = &endpoint.bearer {
            headers.insert(AUTHORIZATION, bearer.header().clone());
        }
        Ok(Self { address, path: path.parse()?, headers, link: None, body: Vec::new() })
    }

    /// Sends a message of a session.
    ///
    /// # Errors
    ///
    /// As [`Connection::exchange`].
    pub(crate) async fn post(
        &mut self,
        session: &Session,
        body: Body,
    ) -> anyhow::Result<Exchange<'_>> {
        self.exchange(Method::POST, Some(session), body).await
    }

    /// Opens the stream of a session; it lasts no longer than the connection.
    ///
    /// # Errors
    ///
    /// When there is none, or not in time.
    pub(crate) async fn stream(&mut self, session: &Session) -> anyhow::Result<Incoming> {
        let opening = self.send(Method::GET, Some(session), Body::default());
        let response = timeout(PATIENCE, opening).await.context("no answer in time")??;
        ensure!(response.status() == StatusCode::OK, "HTTP status {}", response.status());
        Ok(response.into_body())
    }

    /// Sends a request and reads the response to its end.
    ///
    /// # Errors
    ///
    /// When the connection breaks or it takes too long. The next request then gets a new connection.
    pub(crate) async fn exchange(
        &mut self,
        method: Method,
        session: Option<&Session>,
        body: Body,
    ) -> anyhow::Result<Exchange<'_>> {
        let response = timeout(PATIENCE, self.attempt(method, session, body)).await;
        match response.context("no answer in time").flatten() {
            Ok((status, headers)) => Ok(Exchange { status, headers, body: &self.body }),
            Err(error) => {
                self.link = None;
                Err(error)
            }
        }
    }

    async fn attempt(
        &mut self,
        method: Method,
        session: Option<&Session>,
        body: Body,
    ) -> anyhow::Result<(StatusCode, HeaderMap)> {
        let (head, mut body) = self.send(method, session, body).await?.into_parts();
        self.body.clear();
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame?.data_ref() {
                self.body.extend_from_slice(data);
            }
        }
        Ok((head.status, head.headers))
    }

    async fn send(
        &mut self,
        method: Method,
        session: Option<&Session>,
        body: Body,
    ) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.path.clone();
        request.headers_mut().clone_from(&self.headers);
        if let Some(session) = session {
            session.mark(request.headers_mut());
        }
        Ok(self.ready().await?.send_request(request).await?)
    }

    /// A connection that the server has closed since the last response is no error, but made again.
    async fn ready(&mut self) -> anyhow::Result<&mut SendRequest<Body>> {
        let is_ready = match &mut self.link {
            Some(link) => link.sender.ready().await.is_ok(),
            None => false,
        };
        if !is_ready {
            self.link = Some(self.connect().await?);
        }
        Ok(&mut self.link.as_mut().context("not connected")?.sender)
    }

    async fn connect(&self) -> anyhow::Result<Link> {
        let socket = match TcpStream::connect(self.address).await {
            Ok(socket) => socket,
            Err(error) => {
                sleep(PAUSE).await;
                return Err(error).with_context(|| format!("cannot connect to {}", self.address));
            }
        };
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        let mut driver = JoinSet::new();
        // Whoever sends learns of a failure by the failed request.
        driver.spawn(async move { connection.await.unwrap_or_default() });
        Ok(Link { sender, _driver: driver })
    }
}

impl Exchange<'_> {
    /// # Errors
    ///
    /// When the response has another status; the error says what the server says of it.
    pub(crate) fn expect(&self, status: StatusCode) -> anyhow::Result<()> {
        self.ensure(self.status == status)
    }

    /// # Errors
    ///
    /// When the response has no status of success; the error says what the server says of it.
    pub(crate) fn expect_success(&self) -> anyhow::Result<()> {
        self.ensure(self.status.is_success())
    }

    fn ensure(&self, is_expected: bool) -> anyhow::Result<()> {
        ensure!(is_expected, "HTTP status {}{}", self.status, error_of(self.body));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What a server says on each of its connections, after the first bytes of a request.
    async fn serve(listener: TcpListener, answers: &[&str]) {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let _ = socket.read(&mut [0; 1024]).await.expect("a request");
            socket.write_all(answer.as_bytes()).await.expect("somebody who reads");
        }
    }

    /// What comes of a request for each of these answers and one more, for which nobody listens.
    async fn outcomes(answers: &[&str]) -> Vec<Result<String, String>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let url = url.parse().expect("a URL");
        let endpoint = Endpoint { url, bearer: None, tools: Vec::new() };
        let mut connection = Connection::new(&endpoint).await.expect("loopback");
        let mut outcomes = Vec::new();
        let ask = async {
            for _ in 0..=answers.len() {
                let response = connection.exchange(Method::POST, None, Body::default()).await;
                let body = response.map(|response| String::from_utf8_lossy(response.body).into());
                outcomes.push(body.map_err(|error| format!("{error:#}")));
            }
        };
        tokio::join!(ask, serve(listener, answers));
        outcomes
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_or_is_broken_is_made_again() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok";
        let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
        let outcomes = outcomes(&[last, half, "nonsense\r\n\r\n", last, answer]).await;
        let is_answered: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(is_answered, [true, false, false, true, true, false], "{outcomes:?}");
        assert_eq!(outcomes[3].as_deref(), Ok("ok"));
    }
}

//! HTTP/1.1 over one TCP connection, with nothing between the test and the bytes.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::{Event, Parser, within};

/// The parts of `http://HOST:PORT/PATH`.
#[derive(Clone, Debug)]
pub struct Url {
    /// `HOST:PORT`.
    pub authority: String,
    /// The path and the query.
    pub path: String,
}

impl Url {
    /// Takes an absolute `http` URL apart.
    pub fn parse(url: &str) -> Self {
        let rest =
            url.strip_prefix("http://").unwrap_or_else(|| panic!("{url} is not an http URL"));
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        Self { authority: authority.to_owned(), path: path.to_owned() }
    }
}

/// A request; `Host` and `Content-Length` are added unless they are given.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    url: Url,
    source: Ipv4Addr,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.to_owned(),
            url: Url::parse(url),
            source: Ipv4Addr::UNSPECIFIED,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Sends it from this address of the machine; all of 127.0.0.0/8 are.
    #[must_use]
    pub fn from(mut self, source: Ipv4Addr) -> Self {
        self.source = source;
        self
    }

    /// Adds a header, replacing one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header beside those of the same name.
    #[must_use]
    pub fn another(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Removes a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The request as it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let given =
            |name: &str| self.headers.iter().any(|(present, _)| present.eq_ignore_ascii_case(name));
        let length = self.body.len().to_string();
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if !given("host") {
            headers.push(("Host", &self.url.authority));
        }
        if !self.body.is_empty() && !given("content-length") && !given("transfer-encoding") {
            headers.push(("Content-Length", &length));
        }
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.url.path).into_bytes();
        for (name, value) in headers {
            bytes.extend([name, ": ", value, "\r\n"].concat().bytes());
        }
        [bytes, b"\r\n".to_vec(), self.body.clone()].concat()
    }

    /// Sends it over a connection of its own and waits for the head of the response.
    pub async fn send(&self) -> Response {
        let mut connection = Connection::open_from(self.source, &self.url.authority).await;
        connection.write(&self.to_bytes()).await;
        connection.response().await
    }
}

/// A TCP connection.
pub struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to `HOST:PORT`.
    pub async fn open(authority: &str) -> Self {
        Self::open_from(Ipv4Addr::UNSPECIFIED, authority).await
    }

    /// Connects from this address of the machine; the unspecified one leaves the choice to the system.
    pub async fn open_from(source: Ipv4Addr, authority: &str) -> Self {
        let connect = async {
            if source.is_unspecified() {
                return TcpStream::connect(authority).await;
            }
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from((source, 0)))?;
            let to = tokio::net::lookup_host(authority).await?.find(SocketAddr::is_ipv4);
            socket.connect(to.expect("an IPv4 address")).await
        };
        let socket = within("connect", connect).await;
        let socket = socket.unwrap_or_else(|error| panic!("connect to {authority}: {error}"));
        Self { socket, buffer: Vec::new() }
    }

    /// Writes bytes as they are: half a request, two of them, or none at all.
    pub async fn write(&mut self, bytes: &[u8]) {
        let written = within("write", self.socket.write_all(bytes)).await;
        written.unwrap_or_else(|error| panic!("write: {error}"));
    }

    /// Reads the head of the next response.
    pub async fn response(mut self) -> Response {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            let so_far = String::from_utf8_lossy(&self.buffer).into_owned();
            assert!(
                self.fill().await,
                "the connection ended before the head of the response: {so_far:?}"
            );
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        Response::new(String::from_utf8(head).expect("the head of a response is ASCII"), self)
    }

    /// Waits until the other side closes; panics if it sends something instead.
    pub async fn closed(mut self) {
        let more = self.fill().await;
        assert!(!more, "unexpected bytes: {:?}", String::from_utf8_lossy(&self.buffer));
    }

    /// Reads more bytes; `false` at the end of the connection. A reset is an end too.
    async fn fill(&mut self) -> bool {
        let read = within("read", self.socket.read_buf(&mut self.buffer)).await;
        read.is_ok_and(|read| read > 0)
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Some(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// At most `limit` bytes, at least one unless the connection ends.
    async fn some(&mut self, limit: usize) -> Vec<u8> {
        if self.buffer.is_empty() {
            self.fill().await;
        }
        let length = limit.min(self.buffer.len());
        self.buffer.drain(..length).collect()
    }
}

/// How much of the body is still to come.
enum Framing {
    Length(usize),
    Chunked { left: usize, first: bool },
    UntilClose,
    Done,
}

/// A response whose body is read as it comes.
pub struct Response {
    /// The status code.
    pub status: u16,
    head: String,
    connection: Connection,
    framing: Framing,
    events: Parser,
}

impl Response {
    fn new(head: String, connection: Connection) -> Self {
        let status = head.get(9..12).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {head:?}"));
        let mut response =
            Self { status, head, connection, framing: Framing::Done, events: Parser::default() };
        response.framing =
            match (status, response.header("transfer-encoding"), response.header("content-length"))
            {
                (100..=199 | 204 | 304, ..) | (_, None, Some("0")) => Framing::Done,
                (_, Some("chunked"), _) => Framing::Chunked { left: 0, first: true },
                (_, _, Some(length)) => {
                    Framing::Length(length.parse().expect("Content-Length is a number"))
                }
                _ => Framing::UntilClose,
            };
        response
    }

    /// A header; the first one if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines
            .filter(|(present, _)| present.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .next()
    }

    /// The status line and the headers, as they came.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// The next piece of the body, or `None` at its end. Panics if the connection ends inside a framed body.
    pub async fn data(&mut self) -> Option<Vec<u8>> {
        loop {
            match &mut self.framing {
                Framing::Done => return None,
                Framing::UntilClose => {
                    let data = self.connection.some(usize::MAX).await;
                    return (!data.is_empty()).then_some(data);
                }
                Framing::Length(left) => {
                    let data = self.connection.some(*left).await;
                    assert!(
                        !data.is_empty(),
                        "the connection ended {left} bytes before the body did"
                    );
                    *left -= data.len();
                    if *left == 0 {
                        self.framing = Framing::Done;
                    }
                    return Some(data);
                }
                Framing::Chunked { left: 0, .. } => self.next_chunk().await,
                Framing::Chunked { left, .. } => {
                    let data = self.connection.some(*left).await;
                    assert!(!data.is_empty(), "the connection ended inside a chunk");
                    *left -= data.len();
                    return Some(data);
                }
            }
        }
    }

    async fn next_chunk(&mut self) {
        if let Framing::Chunked { first: false, .. } = self.framing {
            self.connection.line().await;
        }
        let line = self.connection.line().await.expect("the connection ended between two chunks");
        let size = line.split(';').next().unwrap_or_default().trim();
        let left = usize::from_str_radix(size, 16)
            .unwrap_or_else(|_| panic!("not the size of a chunk: {line:?}"));
        self.framing = Framing::Chunked { left, first: false };
        if left == 0 {
            // Trailers, up to an empty line.
            while self.connection.line().await.is_some_and(|line| !line.is_empty()) {}
            self.framing = Framing::Done;
        }
    }

    /// The rest of the body.
    pub async fn bytes(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some(data) = self.data().await {
            body.extend(data);
        }
        body
    }

    /// The rest of the body, as text.
    pub async fn text(&mut self) -> String {
        String::from_utf8(self.bytes().await).expect("the body is UTF-8")
    }

    /// The next server-sent event of the body, or `None` at its end; comments are events too.
    pub async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.next_event() {
                return Some(event);
            }
            let data = self.data().await?;
            self.events.push(&data);
        }
    }

    /// The connection, for the next request. The body has to be read first.
    pub fn into_connection(self) -> Connection {
        assert!(matches!(self.framing, Framing::Done), "the body has not been read to its end");
        self.connection
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

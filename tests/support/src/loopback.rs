//! An HTTP server that answers what the test says and keeps every byte it gets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::within;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// `GET`, `POST`, ….
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// The request line and the headers.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What to answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status, a content type and a body.
    Whole(u16, &'static str, Vec<u8>),
    /// Somebody else's address, with 302.
    Redirect(String),
    /// A JSON document that begins and does not end.
    Endless,
    /// Nothing, while the connection stays open.
    Silence,
}

impl Answer {
    /// A JSON document.
    pub fn json(body: &(impl ToString + ?Sized)) -> Self {
        Self::Whole(200, "application/json", body.to_string().into_bytes())
    }

    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self::Whole(status, "text/plain", Vec::new())
    }
}

type Handler = dyn Fn(&Received) -> Answer + Send + Sync;

struct Shared {
    handler: Box<Handler>,
    bytes: Mutex<Vec<u8>>,
    requests: Mutex<Vec<Received>>,
}

/// A running server; it stops when it is dropped.
pub struct Loopback {
    address: SocketAddr,
    shared: Arc<Shared>,
    _acceptor: JoinSet<()>,
}

impl Loopback {
    /// Listens on a free port of loopback and asks `handler` what to answer, which is told the server's own URL first.
    pub async fn start<H>(handler: impl FnOnce(&str) -> H) -> Self
    where
        H: Fn(&Received) -> Answer + Send + Sync + 'static,
    {
        Self::start_at(Ipv4Addr::LOCALHOST, handler).await
    }

    /// The same at another address of this machine; all of 127.0.0.0/8 are.
    pub async fn start_at<H>(host: Ipv4Addr, handler: impl FnOnce(&str) -> H) -> Self
    where
        H: Fn(&Received) -> Answer + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((host, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let handler = Box::new(handler(&format!("http://{address}")));
        let (bytes, requests) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { handler, bytes, requests });
        let mut acceptor = JoinSet::new();
        acceptor.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, _acceptor: acceptor }
    }

    /// `http://ADDRESS:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every byte so far, of all connections.
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move { serve(socket, &shared).await });
    }
}

/// Answers until the other side closes or says something that is not HTTP.
async fn serve(mut socket: TcpStream, shared: &Shared) {
    let mut buffer = Vec::new();
    while let Some(request) = receive(&mut socket, &mut buffer, shared).await {
        let answer = (shared.handler)(&request);
        shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        if send(&mut socket, answer).await.is_none() {
            break;
        }
    }
}

async fn receive(
    socket: &mut TcpStream,
    buffer: &mut Vec<u8>,
    shared: &Shared,
) -> Option<Received> {
    let mut end = None;
    loop {
        if end.is_none() {
            end = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4);
        }
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let whole = end + content_length(&head);
            if buffer.len() >= whole {
                let body = buffer.drain(..whole).skip(end).collect();
                let mut words = head.split(' ').map(str::to_owned);
                let (method, target) = (words.next()?, words.next()?);
                return Some(Received { method, target, head, body });
            }
        }
        let before = buffer.len();
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
        let mut bytes = shared.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(&buffer[before..]);
    }
}

fn content_length(head: &str) -> usize {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}

/// `None` once there is nothing more to say on this connection.
async fn send(socket: &mut TcpStream, answer: Answer) -> Option<()> {
    match answer {
        Answer::Whole(status, kind, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
            );
            socket.write_all(&[head.into_bytes(), body].concat()).await.ok()
        }
        Answer::Redirect(to) => {
            let head = format!("HTTP/1.1 302 -\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            socket.write_all(head.as_bytes()).await.ok()
        }
        Answer::Endless => {
            let head = "HTTP/1.1 200 -\r\nContent-Type: application/json\r\n\r\n{\"keys\":[";
            socket.write_all(head.as_bytes()).await.ok()?;
            let piece = br#"{"kty":"OKP"},"#.repeat(4096);
            // Until the other side has had enough; a test that still reads then has failed anyway.
            let pour = async { while socket.write_all(&piece).await.is_ok() {} };
            within("somebody to stop reading", pour).await;
            None
        }
        Answer::Silence => {
            // Whatever comes now belongs to no request.
            let mut rest = Vec::new();
            socket.read_to_end(&mut rest).await.ok()?;
            None
        }
    }
}

//! A client over one connection that sends the same again and again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use portcullis_test_support::DEADLINE;
use tokio::time::Instant;

/// Longer than any answer.
const ANSWER_BYTES: usize = 1 << 20;

/// A client in a session.
pub(crate) struct Client {
    socket: TcpStream,
    /// What every request begins with.
    head: String,
    answer: Vec<u8>,
}

impl Client {
    /// Opens a session at `path`, as soon as it is let in.
    pub(crate) fn initialized(host: &str, path: &str, token: &str) -> Self {
        let socket = TcpStream::connect(host).expect("it listens");
        socket.set_nodelay(true).expect("a TCP socket");
        socket.set_read_timeout(Some(DEADLINE)).expect("a TCP socket");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        );
        let mut client = Self { socket, head, answer: vec![0; ANSWER_BYTES] };
        let initialize = concat!(
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
            r#""capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#
        );
        let answer = client.until(initialize, "serverInfo");
        let mut lines = answer.lines().map(|line| line.split_once(": ").unwrap_or_default());
        let is_session = |name: &str| name.eq_ignore_ascii_case("mcp-session-id");
        let (_, session) = lines.find(|(name, _)| is_session(name)).expect("a session");
        let more = format!("Mcp-Session-Id: {session}\r\nMcp-Protocol-Version: 2025-11-25\r\n");
        client.head.push_str(&more);
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        client.until(initialized, "202");
        client
    }

    /// A message as it goes over the wire.
    pub(crate) fn request(&self, message: &str) -> Vec<u8> {
        let length = message.len();
        format!("{}Content-Length: {length}\r\n\r\n{message}", self.head).into_bytes()
    }

    /// Sends a message again until the answer has `part`: what a gateway needs may come after it listens.
    pub(crate) fn until(&mut self, message: &str, part: &str) -> String {
        let (request, start) = (self.request(message), Instant::now());
        loop {
            let answer = self.ask(&request);
            if answer.contains(part) {
                return answer.to_owned();
            }
            assert!(start.elapsed() < DEADLINE, "{message} got no {part} but {answer}");
        }
    }

    /// The answer to a request, head and all.
    pub(crate) fn ask(&mut self, request: &[u8]) -> &str {
        self.socket.write_all(request).expect("it reads");
        let mut filled = 0;
        while !is_whole(&self.answer[..filled]) {
            match self.socket.read(&mut self.answer[filled..]).expect("it answers in time") {
                0 => {
                    panic!("it hung up after {:?}", String::from_utf8_lossy(&self.answer[..filled]))
                }
                read => filled += read,
            }
        }
        str::from_utf8(&self.answer[..filled]).expect("UTF-8")
    }
}

/// Whether one message of HTTP/1.1 is there to its end: by its length, or by its last chunk.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else { return false };
    let lines = str::from_utf8(&bytes[..head]).expect("UTF-8").lines();
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    if fields.clone().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding")) {
        return bytes.ends_with(b"\r\n0\r\n\r\n");
    }
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map_or(0, |(_, length)| length.trim().parse().expect("a number"));
    bytes.len() == head + 4 + length
}

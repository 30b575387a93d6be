//! An MCP server that allocates nothing while it answers calls.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::client::is_whole;

/// Longer than any request.
const REQUEST_BYTES: usize = 64 << 10;

/// What a streamed answer is made of.
const EVENT: &str = concat!(
    r#"data: {"jsonrpc":"2.0","method":"notifications/message","#,
    r#""params":{"level":"info","data":"on its way"}}"#,
    "\n\n"
);

/// Starts one that ends with this process; at the path `/20` it has 20 tools.
pub(crate) fn start() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for socket in listener.incoming() {
            let socket = socket.expect("a connection");
            thread::spawn(move || serve(socket));
        }
    });
    address
}

/// Answers until the connection ends.
fn serve(mut socket: TcpStream) {
    let (mut request, mut body, mut answer) =
        (vec![0; REQUEST_BYTES], String::new(), String::new());
    let mut filled = 0;
    while let Ok(read @ 1..) = socket.read(&mut request[filled..]) {
        filled += read;
        if !is_whole(&request[..filled]) {
            continue;
        }
        let text = str::from_utf8(&request[..filled]).expect("UTF-8");
        body.clear();
        let head = write(text, &mut body);
        answer.clear();
        let length = body.len();
        write!(answer, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}")
            .expect("a string takes everything");
        if socket.write_all(answer.as_bytes()).is_err() {
            return;
        }
        filled = 0;
    }
}

/// Writes the body of the answer to a request; its status and what it is.
fn write(request: &str, body: &mut String) -> &'static str {
    let Some(rest) = request.strip_prefix("POST /") else { return "405 Method Not Allowed" };
    let (tools, _) = rest.split_once(' ').expect("a version");
    let method = between(rest, r#""method":""#, '"').unwrap_or_default();
    let Some(id) = between(rest, r#""id":"#, ',').map(|id| id.trim_end_matches('}')) else {
        return "202 Accepted";
    };
    let events = between(rest, r#""events":"#, '}').map(|count| count.parse().expect("a number"));
    for _ in 0..events.unwrap_or_default() {
        body.push_str(EVENT);
    }
    if events.is_some() {
        body.push_str("data: ");
    }
    write!(body, r#"{{"jsonrpc":"2.0","id":{id},"result":"#).expect("a string takes everything");
    match method {
        "initialize" => body.push_str(concat!(
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"#,
            r#""serverInfo":{"name":"backend","version":"1"}}"#
        )),
        "tools/list" => list(tools.parse().expect("a number"), body),
        "tools/call" => body.push_str(r#"{"content":[{"type":"text","text":"hello"}]}"#),
        _ => body.push_str("{}"),
    }
    body.push('}');
    if events.is_none() {
        return "200 OK\r\nContent-Type: application/json";
    }
    body.push_str("\n\n");
    "200 OK\r\nContent-Type: text/event-stream"
}

fn list(tools: usize, body: &mut String) {
    body.push_str(r#"{"tools":["#);
    for number in 0..tools {
        let comma = if number > 0 { "," } else { "" };
        write!(body, r#"{comma}{{"name":"tool{number}","inputSchema":{{"type":"object"}}}}"#)
            .expect("a string takes everything");
    }
    body.push_str("]}");
}

fn between<'a>(text: &'a str, start: &str, end: char) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end).map_or(rest, |(found, _)| found))
}

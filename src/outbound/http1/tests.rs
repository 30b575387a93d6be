//! One answer after another, over a pipe instead of a socket.

use http::{HeaderMap, Uri};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::outbound::scripted::{client, spec};

/// More than any answer here.
const PIPE: usize = 1 << 20;
const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{body}")
}

fn chunked(body: &str) -> String {
    ok("Transfer-Encoding: Chunked", body)
}

async fn destination() -> std::sync::Arc<Destination> {
    client().destination(spec("http://host.example/".parse().unwrap())).await.unwrap()
}

fn head(method: Method) -> Head {
    Head::new(method, &Uri::from_static("/mcp?a=b"), HeaderMap::new())
}

/// A connection, and its other end.
fn pair(pipe: usize) -> (Http1<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(pipe);
    (Http1::new(ours), theirs)
}

async fn ask(connection: &mut Http1<DuplexStream>, method: Method) -> Result<Response<()>, Failed> {
    connection.send(&*destination().await, &head(method), Bytes::new()).await
}

async fn text(connection: &mut Http1<DuplexStream>) -> Result<String, Fault> {
    let mut text = Vec::new();
    while let Some(data) = poll_fn(|cx| connection.poll_data(cx)).await {
        text.extend_from_slice(&data?);
    }
    Ok(String::from_utf8(text).unwrap())
}

/// Takes the request that is there.
async fn take_request(server: &mut DuplexStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(server.read_u8().await.unwrap());
    }
    String::from_utf8(request).unwrap()
}

/// What comes of `answer`, after which the server hangs up if it `closes`: the status and the body,
/// and whether the connection can be used again.
async fn outcome(
    method: Method,
    answer: &[u8],
    closes: bool,
) -> Result<(u16, String, bool), Fault> {
    let (mut connection, mut server) = pair(PIPE);
    let serving = async {
        take_request(&mut server).await;
        server.write_all(answer).await.unwrap();
        if closes {
            server.shutdown().await.unwrap();
        }
    };
    let asking = async {
        let head = ask(&mut connection, method).await.map_err(|failed| {
            assert!(failed.sent);
            failed.fault
        })?;
        Ok((head.status().as_u16(), text(&mut connection).await?, connection.is_ready()))
    };
    tokio::join!(serving, asking).1
}

#[tokio::test]
async fn a_request_is_written_as_it_is_meant() {
    let (mut connection, mut server) = pair(PIPE);
    let headers =
        [("x-one", "1"), ("x-one", "2"), ("content-length", "7"), ("connection", "close")];
    let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        let _: bool = all.append::<http::HeaderName>(name, value);
    }
    let head = Head::new(Method::POST, &Uri::from_static("/mcp?a=b"), all);
    let to = destination().await;
    let asking = connection.send(&to, &head, Bytes::from_static(b"body\r\n\r\n"));
    let serving = async {
        let request = take_request(&mut server).await;
        let body = take_request(&mut server).await;
        server.write_all(HELLO.as_bytes()).await.unwrap();
        request + &body
    };
    let (answer, request) = tokio::join!(asking, serving);
    assert_eq!(answer.map_err(|it| it.fault).unwrap().status(), 200);
    let expected = "POST /mcp?a=b HTTP/1.1\r\nx-one: 1\r\nx-one: 2\r\nhost: host.example\r\n\
                    content-length: 8\r\n\r\nbody\r\n\r\n";
    assert_eq!(request, expected);
}

#[test]
fn a_head_does_not_show_what_may_be_secret() {
    let headers = HeaderMap::from_iter([("x-key".parse().unwrap(), "secret".parse().unwrap())]);
    let head = Head::new(Method::GET, &Uri::from_static("/mcp?key=secret"), headers);
    assert_eq!(format!("{head:?}"), "Head(GET /mcp)");
}

#[tokio::test]
async fn a_body_ends_where_its_head_says() {
    let old_that_lasts = "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nh";
    let interim = "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hints\r\nContent-Length: 7\r\n\r\n";
    let hints = format!("{interim}{HELLO}");
    let both = "Transfer-Encoding: chunked\r\nContent-Length: 2";
    let table = [
        ("a length", ok("Content-Length: 5", "hello"), "hello", true),
        ("nothing", ok("Content-Length: 0", ""), "", true),
        ("a length twice", ok("Content-Length: 5\r\nContent-Length: 5", "hello"), "hello", true),
        ("a length in a list", ok("Content-Length: 5, 5", "hello"), "hello", true),
        ("more than its length", ok("Content-Length: 5", "hello!"), "hello", false),
        ("a length and a close", ok("Connection: a, Close\r\nContent-Length: 1", "h"), "h", false),
        ("chunks", chunked("2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n"), "hello", true),
        ("no chunks", chunked("0\r\n\r\n"), "", true),
        ("trailers", chunked("005 \r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n"), "hello", true),
        ("more than its chunks", chunked("1\r\nh\r\n0\r\n\r\nHTTP/1.1 200 OK"), "h", false),
        ("both", ok(both, "1\r\nh\r\n0\r\n\r\n"), "h", false),
        ("the connection", ok("A: b", "hello"), "hello", false),
        ("no content", "HTTP/1.1 204 No Content\r\n\r\n".into(), "", true),
        ("not modified", "HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n".into(), "", true),
        ("more than no content", "HTTP/1.1 204 No\r\n\r\nhello".into(), "", false),
        ("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nh".into(), "h", false),
        ("HTTP/1.0 that lasts", old_that_lasts.into(), "h", true),
        ("hints", hints, "hello", true),
    ];
    for (name, answer, expected, is_ready) in table {
        // Without a length or chunks, only the end of the connection is the end.
        let closes = name == "the connection";
        let (_, body, was_ready) =
            outcome(Method::GET, answer.as_bytes(), closes).await.expect(name);
        assert_eq!((&*body, was_ready), (expected, is_ready), "{name}");
    }
}

#[test]
fn an_answer_does_not_show_what_frames_it() {
    let answer = "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\nconnection: A\r\n\r\n";
    let Ok(Parsed::Final(length, parsed)) = answer::parse(answer.as_bytes(), false) else {
        panic!("it is an answer");
    };
    assert_eq!(length, answer.len());
    let headers = HeaderMap::from_iter([("a".parse().unwrap(), "b".parse().unwrap())]);
    assert_eq!(*parsed.head.headers(), headers);
}

#[tokio::test]
async fn no_body_belongs_to_an_answer_to_head() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let outcome = outcome(Method::HEAD, answer, false).await.unwrap();
    assert_eq!(outcome, (200, String::new(), true));
}

#[tokio::test]
async fn what_makes_no_sense_is_an_error_and_no_answer() {
    const EARLY: &str = "the server closed the connection before the end of its answer";
    const LENGTH: &str = "the answer has no Content-Length that makes sense";
    const CODING: &str = "the answer has an unknown Transfer-Encoding";
    const CHUNK: &str = "the answer has a malformed chunk";
    const TRAILERS: &str = "the answer has trailers of more than 16384 bytes";
    const LARGE: &str = "the head of the answer is larger than 65536 bytes";
    const VERSION: &str = "the answer has no head of HTTP/1: invalid HTTP version";
    let long = "x".repeat(70_000);
    let old_chunks = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let within_head = "the server closed the connection within the head of its answer";
    let many = "the answer has no head of HTTP/1: too many headers";
    let upgrade = "the server switches to another protocol";
    let table = [
        ("nothing", String::new(), "the server closed the connection"),
        ("half a head", "HTTP/1.1 200 OK\r\nConte".into(), within_head),
        ("half a body", ok("Content-Length: 5", "hell"), EARLY),
        ("no body", ok("Content-Length: 5", ""), EARLY),
        ("half a chunk", chunked("5\r\nhell"), EARLY),
        ("no last chunk", chunked("5\r\nhello\r\n"), EARLY),
        ("no end of trailers", chunked("5\r\nhello\r\n0\r\n"), EARLY),
        ("a chunk without size", chunked("\r\nhello"), CHUNK),
        ("a negative chunk", chunked("-5\r\nhello"), CHUNK),
        ("a chunk beyond numbers", chunked("10000000000000000\r\nhello"), CHUNK),
        ("a chunk that goes on", chunked("2\r\nhello\r\n0\r\n\r\n"), CHUNK),
        ("an endless extension", chunked(&format!("5;{long}\r\nhello")), CHUNK),
        ("a line in an extension", chunked("5;\n0\r\nhello"), CHUNK),
        ("endless trailers", chunked(&format!("0\r\n{long}")), TRAILERS),
        ("many trailers", chunked(&format!("0\r\n{}", "a: b\r\n".repeat(5000))), TRAILERS),
        ("a signed length", ok("Content-Length: +5", "hello"), LENGTH),
        ("an empty length", ok("Content-Length: ", "hello"), LENGTH),
        ("two lengths", ok("Content-Length: 5\r\nContent-Length: 6", "hello"), LENGTH),
        ("two lengths in a list", ok("Content-Length: 5, 6", "hello"), LENGTH),
        ("a length beyond numbers", ok("Content-Length: 99999999999999999999", ""), LENGTH),
        ("gzip", ok("Transfer-Encoding: gzip, chunked", ""), CODING),
        (
            "chunks twice",
            ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", ""),
            CODING,
        ),
        ("old chunks", old_chunks.into(), CODING),
        ("another protocol", "HTTP/1.1 101 Switching\r\n\r\n".into(), upgrade),
        ("a large head", ok(&format!("a: {long}"), ""), LARGE),
        ("an endless head", format!("HTTP/1.1 200 OK\r\na: {long}"), LARGE),
        ("many headers", ok(&"a: b\r\n".repeat(101), ""), many),
        ("garbage", "garbage\r\n\r\n".into(), VERSION),
        ("HTTP/2", "HTTP/2 200 OK\r\n\r\n".into(), VERSION),
    ];
    for (name, answer, expected) in table {
        let error = outcome(Method::GET, answer.as_bytes(), true).await.expect_err(name);
        assert_eq!(error.to_string(), expected, "{name}");
    }
}

#[tokio::test]
async fn an_answer_is_the_same_however_it_is_cut_into_pieces() {
    let answers = [
        ok("A: b\r\nContent-Length: 12", "hello\r\nworld"),
        chunked("5;a=b\r\nhello\r\n7\r\n\r\nworld\r\n0\r\nA: b\r\n\r\n"),
        ok("A: b", "hello\r\nworld"),
    ];
    for answer in &answers {
        for at in 0..=answer.len() {
            let outcome = in_pieces(answer.as_bytes(), &[at], answer.len()).await;
            assert_eq!(outcome.unwrap(), "hello\r\nworld", "{answer:?} at {at}");
        }
        assert_eq!(in_pieces(answer.as_bytes(), &[], 1).await.unwrap(), "hello\r\nworld");
    }
}

/// What comes of an answer that is written in pieces, through a pipe of that size.
async fn in_pieces(answer: &[u8], cuts: &[usize], pipe: usize) -> Result<String, String> {
    let (mut connection, mut server) = pair(pipe.max(1));
    let serving = async {
        take_request(&mut server).await;
        let mut from = 0;
        for at in cuts.iter().copied().chain([answer.len()]) {
            if server.write_all(&answer[from.min(at)..at]).await.is_err() {
                return; // it has found out that this is no answer
            }
            from = at;
            tokio::task::yield_now().await;
        }
        let _ = server.shutdown().await;
    };
    let asking = async move {
        let failed = |failed: Failed| failed.fault.to_string();
        let head = ask(&mut connection, Method::GET).await.map_err(failed)?;
        let text = text(&mut connection).await.map_err(|fault| fault.to_string())?;
        drop(head);
        Ok(text)
    };
    tokio::join!(serving, asking).1
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let (mut connection, mut server) = pair(PIPE);
    for answer in [HELLO.to_owned(), chunked("5\r\nhello\r\n0\r\n\r\n"), HELLO.to_owned()] {
        let serving = async {
            take_request(&mut server).await;
            server.write_all(answer.as_bytes()).await.unwrap();
        };
        let asking = async {
            ask(&mut connection, Method::GET).await.map_err(|it| it.fault).unwrap();
            assert!(!connection.is_ready());
            assert_eq!(text(&mut connection).await.unwrap(), "hello");
            assert!(connection.is_ready());
            connection.rest();
        };
        tokio::join!(serving, asking);
        connection.look();
        assert!(!connection.is_closed());
    }
    drop(server);
    connection.look();
    assert!(connection.is_closed());
}

#[tokio::test]
async fn what_comes_before_a_request_is_not_its_answer() {
    let (mut connection, mut server) = pair(PIPE);
    server.write_all(HELLO.as_bytes()).await.unwrap();
    let failed = ask(&mut connection, Method::GET).await.unwrap_err();
    assert!(!failed.sent);
    assert!(matches!(failed.fault, Fault::Unasked), "{}", failed.fault);
    assert!(connection.is_closed());
}

#[tokio::test]
async fn a_request_on_a_closed_connection_was_not_sent() {
    let (mut connection, server) = pair(PIPE);
    drop(server);
    let failed = ask(&mut connection, Method::GET).await.unwrap_err();
    assert!(!failed.sent);
    assert!(matches!(failed.fault, Fault::Closed), "{}", failed.fault);
}

#[tokio::test]
async fn a_large_request_may_be_answered_before_it_is_written() {
    let (mut connection, mut server) = pair(1 << 10);
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    let (to, head) = (destination().await, head(Method::POST));
    let serving = async {
        take_request(&mut server).await;
        server.write_all(HELLO.as_bytes()).await.unwrap();
    };
    let asking = async {
        connection.send(&to, &head, large.clone()).await.map_err(|it| it.fault).unwrap();
        assert_eq!(text(&mut connection).await.unwrap(), "hello");
        assert!(!connection.is_ready(), "the rest of the request would come before the next one");
    };
    tokio::join!(serving, asking);
}

#[tokio::test]
async fn an_answer_counts_though_the_server_hung_up_on_the_request() {
    let (mut connection, mut server) = pair(1 << 10);
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    let (to, head) = (destination().await, head(Method::POST));
    let serving = async move {
        take_request(&mut server).await;
        server.write_all(HELLO.as_bytes()).await.unwrap();
        drop(server);
    };
    let asking = connection.send(&to, &head, large.clone());
    let (answer, ()) = tokio::join!(asking, serving);
    assert_eq!(answer.map_err(|it| it.fault).unwrap().status(), 200);
    assert_eq!(text(&mut connection).await.unwrap(), "hello");
    assert!(!connection.is_ready());
}

#[tokio::test]
async fn a_server_that_hangs_up_on_a_request_may_have_seen_it() {
    let (mut connection, mut server) = pair(1 << 10);
    let (to, head) = (destination().await, head(Method::POST));
    let asking = connection.send(&to, &head, Bytes::from(vec![b'x'; 1 << 20]));
    let serving = async move {
        take_request(&mut server).await;
        drop(server);
    };
    let failed = tokio::join!(asking, serving).0.unwrap_err();
    assert!(failed.sent);
    assert!(matches!(failed.fault, Fault::Closed), "{}", failed.fault);
}

#[tokio::test]
async fn a_server_may_answer_while_it_reads() {
    let (mut connection, mut server) = pair(1 << 10);
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    let (to, head) = (destination().await, head(Method::POST));
    let serving = async {
        take_request(&mut server).await;
        server.write_all(ok("Content-Length: 1048576", "").as_bytes()).await.unwrap();
        let mut buffer = vec![0; 1 << 10];
        for _ in 0..1 << 10 {
            server.read_exact(&mut buffer).await.unwrap();
            server.write_all(&buffer).await.unwrap();
        }
    };
    let asking = async {
        connection.send(&to, &head, large.clone()).await.map_err(|it| it.fault).unwrap();
        assert_eq!(text(&mut connection).await.unwrap().as_bytes(), large);
        assert!(connection.is_ready());
    };
    tokio::join!(serving, asking);
}

#[tokio::test]
async fn a_body_of_a_known_length_comes_in_one_piece_with_room_behind_it() {
    let body = "x".repeat(100_000);
    let answer = ok("Content-Length: 100000", &body);
    let (mut connection, mut server) = pair(1 << 10);
    let serving = async {
        take_request(&mut server).await;
        server.write_all(answer.as_bytes()).await.unwrap();
    };
    let asking = async {
        ask(&mut connection, Method::GET).await.map_err(|it| it.fault).unwrap();
        poll_fn(|cx| connection.poll_fill(64, cx)).await.unwrap();
        let whole = poll_fn(|cx| connection.poll_data(cx)).await.unwrap().unwrap();
        assert!(connection.is_ready());
        whole
    };
    let ((), whole) = tokio::join!(serving, asking);
    assert_eq!(whole, body);
    let whole = whole.try_into_mut().expect("nobody else holds it");
    assert!((100_064..110_000).contains(&whole.capacity()), "{}", whole.capacity());
}

#[tokio::test]
async fn a_small_answer_is_not_copied_and_keeps_no_large_buffer() {
    for (padding, expected) in [("x".repeat(10), 3000..4096), ("x".repeat(50_000), 5..6)] {
        let answer = ok(&format!("A: {padding}\r\nContent-Length: 5"), "hello");
        let (mut connection, mut server) = pair(PIPE);
        let serving = async {
            take_request(&mut server).await;
            server.write_all(answer.as_bytes()).await.unwrap();
        };
        let asking = async {
            ask(&mut connection, Method::GET).await.map_err(|it| it.fault).unwrap();
            poll_fn(|cx| connection.poll_data(cx)).await.unwrap().unwrap()
        };
        let ((), hello) = tokio::join!(serving, asking);
        let hello = hello.try_into_mut().expect("nobody else holds it");
        assert!(expected.contains(&hello.capacity()), "{}", hello.capacity());
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_the_same_however_it_is_cut(
        answer in prop_oneof![
            "(HTTP/1\\.[01] [1-5][0-9]{2} [a-z]{0,3}\r\n((content-length: [0-9]{1,2}|transfer-encoding: chunked|connection: (close|keep-alive))\r\n){0,3}\r\n){1,2}[0-9a-f;\r\n]{0,40}",
            "HTTP/1\\.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n(1\r?\n[a-z]\r\n|2;[a-z\n]\r\n[a-z]{2}\r\n){0,5}(0\r\n([a-z]:\r\n)?\r?\n)?",
        ],
        mut cuts in proptest::collection::vec(0_usize..200, 0..8),
        pipe in 1_usize..64,
    ) {
        cuts.sort_unstable();
        cuts.retain(|at| *at < answer.len());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (whole, pieces) = runtime.block_on(async {
            let whole = in_pieces(answer.as_bytes(), &[], PIPE).await;
            (whole, in_pieces(answer.as_bytes(), &cuts, pipe).await)
        });
        prop_assert_eq!(whole.ok(), pieces.ok());
    }
}

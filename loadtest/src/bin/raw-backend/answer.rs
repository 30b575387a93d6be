//! The answers.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;
use std::{iter, vec};

use bytes::Bytes;
use clap::Args;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::json;

use crate::message::Message;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// What the tools do.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// How many tools to offer: tool0, tool1 and so on
    #[arg(long, default_value_t = 20)]
    tools: usize,
    /// How long the text of a result is at least, in bytes
    #[arg(long, default_value_t = 0)]
    size: usize,
    /// Answer with a stream of this many events, the last of them the result; the bytes of --size are spread over them
    #[arg(long, default_value_t = 0)]
    events: usize,
    /// How long to wait before answering, in milliseconds
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// Answer every so manyth call with a tool error; never with 0
    #[arg(long, default_value_t = 0)]
    error_every: u64,
}

pub(crate) struct Backend {
    options: Options,
    tools: String,
    /// What texts are filled up with; made once, because formatting a megabyte takes longer than all the rest.
    filler: String,
    /// All events of a stream but the last, which are the same for every call.
    progress: Vec<Bytes>,
    calls: Cell<u64>,
}

type Framed = fn(Bytes) -> Result<Frame<Bytes>, Infallible>;
type Stream = StreamBody<stream::Iter<iter::Map<vec::IntoIter<Bytes>, Framed>>>;
pub(crate) type Answer = Response<Either<Full<Bytes>, Stream>>;

impl Backend {
    pub(crate) fn new(options: Options) -> Self {
        let tools: Vec<_> = (0..options.tools).map(tool).collect();
        let filler = ".".repeat(options.size / options.events.max(1));
        Self {
            tools: json!({ "tools": tools }).to_string(),
            progress: (1..options.events).map(|number| event(&progress(number, &filler))).collect(),
            filler,
            options,
            calls: Cell::new(0),
        }
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        match *request.method() {
            Method::POST => {}
            Method::DELETE => return empty(StatusCode::OK),
            _ => return empty(StatusCode::METHOD_NOT_ALLOWED),
        }
        let Ok(body) = request.into_body().collect().await else {
            return empty(StatusCode::BAD_REQUEST);
        };
        let body = body.to_bytes();
        let Some(message) = Message::parse(&body) else { return empty(StatusCode::BAD_REQUEST) };
        let (Some(id), Some(method)) = (message.id, message.method) else {
            return empty(StatusCode::ACCEPTED);
        };
        let id = id.get();
        match method {
            "tools/call" => self.call(id, message.text()).await,
            "tools/list" => result(id, &self.tools),
            "initialize" => {
                let mut answer = result(id, &initialized());
                answer.headers_mut().insert(SESSION, HeaderValue::from_static("raw"));
                answer
            }
            "ping" => result(id, "{}"),
            _ => json(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"Method not found"}}}}"#
            )),
        }
    }

    async fn call(&self, id: &str, text: &str) -> Answer {
        if self.options.delay > 0 {
            tokio::time::sleep(Duration::from_millis(self.options.delay)).await;
        }
        self.calls.set(self.calls.get() + 1);
        let every = self.options.error_every;
        let is_error = every > 0 && self.calls.get().is_multiple_of(every);
        let message = called(id, text, &self.filler, is_error);
        if self.options.events == 0 {
            return json(message);
        }
        let events = self.progress.iter().cloned().chain([event(&message)]).collect::<Vec<_>>();
        let frames =
            stream::iter(events.into_iter().map((|event| Ok(Frame::data(event))) as Framed));
        let mut answer = Response::new(Either::Right(StreamBody::new(frames)));
        answer.headers_mut().insert(CONTENT_TYPE, EVENT_STREAM);
        answer
    }
}

fn event(message: &str) -> Bytes {
    Bytes::from(["data: ", message, "\n\n"].concat())
}

/// `text`, and as much of `filler` as makes it as long.
fn filled<'a>(text: &'a str, filler: &'a str) -> [&'a str; 2] {
    [text, filler.get(text.len()..).unwrap_or_default()]
}

fn progress(number: usize, filler: &str) -> String {
    let number = number.to_string();
    let [number, rest] = filled(&number, filler);
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":"{number}{rest}"}}}}"#
    )
}

fn called(id: &str, text: &str, filler: &str, is_error: bool) -> String {
    let [text, rest] = filled(text, filler);
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}{rest}"}}],"isError":{is_error}}}}}"#
    )
}

fn tool(number: usize) -> serde_json::Value {
    json!({
        "name": format!("tool{number}"),
        "description": "Gives the message back, as fast as a server can.",
        "inputSchema": {
            "type": "object",
            "properties": { "message": { "type": "string", "description": "What to give back" } },
            "required": ["message"],
        },
    })
}

fn initialized() -> String {
    let result = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "tools": {}, "logging": {} },
        "serverInfo": { "name": "raw-backend", "version": env!("CARGO_PKG_VERSION") },
    });
    result.to_string()
}

fn result(id: &str, result: &str) -> Answer {
    json(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

fn json(body: String) -> Answer {
    let mut answer = Response::new(Either::Left(Full::from(body)));
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Either::Left(Full::default()));
    *answer.status_mut() = status;
    answer
}

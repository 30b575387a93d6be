//! An MCP client of the transports with one stream for everything, HTTP+SSE and stdio, that shows what it gets byte for
//! byte.

use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command};

use serde_json::{Value, json};

use crate::wire::{Request, Response, Url};
use crate::{Gateway, Process, member, within};

/// A client and its connection.
pub struct RawDuplex {
    link: Link,
    last_id: u64,
}

enum Link {
    Sse {
        /// Where messages go by POST.
        endpoint: String,
        headers: Vec<(String, String)>,
        stream: Response,
    },
    Stdio {
        process: Process,
        stdin: Option<ChildStdin>,
        /// How many lines of the gateway were read.
        read: usize,
    },
}

impl RawDuplex {
    /// Opens the stream at `url`, without a word.
    pub async fn open_sse(url: &str) -> Self {
        Self::open_sse_with(&[], url).await
    }

    /// The same with these headers in all requests.
    pub async fn open_sse_with(headers: &[(&str, &str)], url: &str) -> Self {
        let mut request = Request::new("GET", url).header("Accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = headers.iter().map(own).collect();
        let mut stream = request.send().await;
        assert_eq!(stream.status, 200, "GET {url}");
        let first = within("the endpoint", stream.event()).await.expect("a first event");
        assert_eq!(first.event.as_deref(), Some("endpoint"), "{first:?}");
        let path = first.data.expect("the endpoint");
        assert!(path.starts_with('/'), "{path}");
        let endpoint = format!("http://{}{path}", Url::parse(url).authority);
        Self { link: Link::Sse { endpoint, headers, stream }, last_id: 0 }
    }

    /// Starts a gateway of its own, without a word: with `--stdio`, unless the configuration says so itself.
    pub fn open_stdio(binary: &str, config: &Path) -> Self {
        Self::open_stdio_with(binary, config, |_| {})
    }

    /// As [`RawDuplex::open_stdio`], after `adjust` had a look at the command.
    pub fn open_stdio_with(binary: &str, config: &Path, adjust: impl FnOnce(&mut Command)) -> Self {
        let mut command = Gateway::command(binary, config);
        let own = std::fs::read_to_string(config.join("config.yaml")).unwrap_or_default();
        if !own.contains("transport: stdio") {
            command.arg("--stdio");
        }
        adjust(&mut command);
        let (process, stdin) = Process::spawn_to_talk("portcullis serve --stdio", command);
        Self { link: Link::Stdio { process, stdin: Some(stdin), read: 0 }, last_id: 0 }
    }

    /// Initialises the session at `version`.
    pub async fn initialize(&mut self, version: &str, capabilities: &Value) -> String {
        let info = json!({"name": "raw", "version": "0"});
        let params =
            json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": info});
        let hello = self.call("initialize", &params).await;
        assert!(member(&hello, "result").is_some(), "initialize: {hello}");
        self.notify("notifications/initialized", &json!({})).await;
        hello
    }

    /// Sends a message as it is: a body, or a line. The refusal, if the transport has one beside its stream.
    pub async fn send(&mut self, message: impl Into<Vec<u8>>) -> Option<Response> {
        match &mut self.link {
            Link::Sse { .. } => {
                let response = self.request("POST").body(message).send().await;
                (response.status != 202).then_some(response)
            }
            Link::Stdio { stdin, .. } => {
                let stdin = stdin.as_mut().expect("the client has not hung up");
                let line = [message.into(), b"\n".to_vec()].concat();
                stdin.write_all(&line).expect("the gateway reads");
                None
            }
        }
    }

    /// The URL where messages go over HTTP.
    pub fn endpoint(&self) -> &str {
        let Link::Sse { endpoint, .. } = &self.link else { panic!("stdio has no URLs") };
        endpoint
    }

    /// A request to where messages go over HTTP, to be changed and sent by the test.
    pub fn request(&self, method: &str) -> Request {
        let Link::Sse { endpoint, headers, .. } = &self.link else { panic!("stdio has no URLs") };
        let mut request = Request::new(method, endpoint).header("Content-Type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request
    }

    /// The next message; `None` at the end.
    pub async fn message(&mut self) -> Option<String> {
        match &mut self.link {
            Link::Sse { stream, .. } => {
                let message = async {
                    loop {
                        let event = stream.event().await?;
                        if let Some(message) = event.message() {
                            assert_eq!(event.event.as_deref(), Some("message"));
                            return Some(message.to_owned());
                        }
                    }
                };
                within("a message on the stream", message).await
            }
            Link::Stdio { process, read, .. } => {
                let line = process.stdout_line(*read).await?;
                *read += 1;
                Some(line)
            }
        }
    }

    /// The next message that is no news of changed lists, which come whenever a server has started.
    pub async fn answer_to_me(&mut self) -> String {
        loop {
            let message = self.message().await.expect("the stream goes on");
            if !message.contains("/list_changed\"") {
                return message;
            }
        }
    }

    /// Starts a request and returns its id.
    pub async fn start(&mut self, method: &str, params: &Value) -> u64 {
        self.last_id += 1;
        let message =
            json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params});
        let refused = self.send(message.to_string()).await;
        assert!(refused.is_none(), "{method} is refused");
        self.last_id
    }

    /// Sends a request and returns the message that answers it; those before it are dropped.
    pub async fn call(&mut self, method: &str, params: &Value) -> String {
        let id = self.start(method, params).await.to_string();
        loop {
            let message = self.message().await.expect("the stream goes on");
            if member(&message, "id") == Some(&id) && member(&message, "method").is_none() {
                return message;
            }
        }
    }

    /// Calls a tool and returns the message that answers it.
    pub async fn call_tool(&mut self, name: &str, arguments: &Value) -> String {
        self.call("tools/call", &json!({"name": name, "arguments": arguments})).await
    }

    /// Sends a notification.
    pub async fn notify(&mut self, method: &str, params: &Value) {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        let refused = self.send(message.to_string()).await;
        assert!(refused.is_none(), "{method} is refused");
    }

    /// Waits until all these tools are listed.
    pub async fn until_listed(&mut self, tools: &[&str]) {
        within("a list with all tools", async {
            loop {
                let list = self.call("tools/list", &json!({})).await;
                if tools.iter().all(|tool| list.contains(&format!("\"{tool}\""))) {
                    return;
                }
                // That something changed is told, so there is no need to ask again and again.
                while !self.message().await.expect("news").contains("tools/list_changed") {}
            }
        })
        .await;
    }

    /// Says nothing more over stdio, and listens on.
    pub fn hang_up(&mut self) {
        let Link::Stdio { stdin, .. } = &mut self.link else { panic!("only a pipe has two ends") };
        *stdin = None;
    }

    /// The gateway that was started for this client.
    pub fn process(&mut self) -> &mut Process {
        let Link::Stdio { process, .. } = &mut self.link else { panic!("it has many clients") };
        process
    }
}

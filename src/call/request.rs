//! A call on its way in.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Notes, Principal, SessionId, Spelling};
use crate::mcp::params::InvalidParams;
use crate::mcp::{
    Capabilities, LogLevel, Message, Method, Params, ProtocolVersion, RequestId, Span,
};

/// One request that lists or names something of a backend, with all that decisions hang on.
#[derive(Clone, Debug)]
pub struct Call {
    /// The revision the client speaks.
    pub version: ProtocolVersion,
    /// The client's side of the conversation.
    pub client: Client,
    /// Who makes the call.
    pub principal: Arc<Principal>,
    /// Which of our endpoints it came to.
    pub endpoint: Endpoint,
    /// The request itself.
    pub request: Request,
    /// W3C trace context, if the client sent one.
    pub trace: Option<Arc<str>>,
    /// How the call came to be.
    pub via: Via,
    /// When the work has to be over, whatever happens.
    pub deadline: Option<Instant>,
    /// What layers further in find out, for the record.
    pub notes: Arc<Notes>,
}

/// What matters about the client behind a call.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// What backends may ask of it.
    pub capabilities: Capabilities,
    /// The least severe log messages it wants; `None` if it never said.
    pub log_level: Option<LogLevel>,
    /// Its session; modern clients have none.
    pub session: Option<SessionId>,
}

/// An MCP endpoint of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/mcp`: all backends under one roof.
    Aggregate,
    /// `/servers/{name}/mcp`: one backend under its own names.
    Server(Arc<str>),
}

/// How a call came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The client sent it as it is.
    Native,
    /// It came as a call of a tool that stands for it.
    Spelled(Spelling),
}

/// A JSON-RPC request with the parameters that routing needs.
///
/// Boxed: it is several times as large as all else of a call, which moves from layer to layer.
#[derive(Clone, Debug)]
pub struct Request(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    message: Message,
    id: RequestId,
    params: Params,
}

impl Request {
    /// Reads the parameters of a request.
    ///
    /// # Errors
    /// When the parameters are malformed.
    ///
    /// # Panics
    /// When the message is not a request.
    pub fn new(message: Message) -> Result<Self, InvalidParams> {
        let params = Params::parse(&message)?;
        let id = message.id().expect("a request has an id");
        Ok(Self(Box::new(Parts { message, id, params })))
    }

    /// The same request with its name and arguments replaced, each by JSON of the same type.
    ///
    /// # Errors
    /// When the name is not a string any more.
    ///
    /// # Panics
    /// When the spans overlap or are not in ascending order.
    pub fn spliced(&self, edits: &[(Span, &[u8])]) -> Result<Self, InvalidParams> {
        let message = self.message().spliced(edits);
        let params = self.params().spliced(edits, &message)?;
        Ok(Self(Box::new(Parts { message, id: self.id().clone(), params })))
    }

    /// The client's id.
    pub fn id(&self) -> &RequestId {
        &self.0.id
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.0.message.method()
    }

    /// The parameters that routing needs.
    pub fn params(&self) -> &Params {
        &self.0.params
    }

    /// The message as it came.
    pub fn message(&self) -> &Message {
        &self.0.message
    }
}

//! HTTP+SSE (MCP 2024-11-05, Transports): `GET /sse` opens the one stream of a session, whose first
//! event names where its messages go by POST, `/message?sessionId=…`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use http::{Method, Request, Response};
use tokio::sync::oneshot;
use tokio::time::timeout;
use url::Url;

use super::duplex::{Duplex, Said, Way};
use super::event_stream::lasting_event_stream;
use super::expiry::Expiry;
use super::mcp::{self, Caller, Inbound, Mcp, Stack};
use crate::call::{Endpoint, PrincipalKind};
use crate::error::Error;
use crate::layers::http::streams::Stream as OpenStream;
use crate::mcp::{Kind, sse};
use crate::server::Body;
use crate::sessions::{Connections, Gone, Outbox};

/// How long a message waits for those before it, which wait for the client to read.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it waits to hear that it lacks scopes, which is decided as soon as it is heard.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The open streams, and where clients send what belongs to them.
#[derive(Debug, Default)]
pub struct Sse {
    connections: Connections<Way>,
    /// What stands before `/message` as clients see it.
    prefix: Box<str>,
}

impl Sse {
    /// Clients reach us under `public_url`, if it is given.
    ///
    /// They are told a path without a host: SDKs take no other origin than the one they connected
    /// to, and behind a proxy only they know it. The path is absolute: a relative one would work
    /// behind any prefix, but the Java SDK resolves it against the origin and not against `/sse`.
    pub fn new(public_url: Option<&Url>) -> Self {
        let prefix = public_url.map_or("", |url| url.path().trim_end_matches('/'));
        Self { connections: Connections::default(), prefix: prefix.into() }
    }
}

impl<S: Stack> Mcp<S> {
    /// `/sse`: opens a stream, and with it a connection.
    pub(super) fn sse<B>(&self, request: &Request<B>) -> Result<Response<Body>, Error> {
        if request.method() != Method::GET {
            return Err(Error::Method("GET"));
        }
        mcp::accept_stream(request.headers())?;
        if self.ending.draining.is_cancelled() {
            return Err(Error::Draining);
        }
        let open = self.shared.streams.open()?;
        let Sse { connections, prefix } = &self.shared.sse;
        let (way, said) = Way::new();
        let principal = Caller::of(request).principal;
        let connection = connections.open(&principal, way)?;
        let opening =
            format!("event: endpoint\ndata: {prefix}/message?sessionId={}\n\n", connection.id());
        let outbox = Arc::new(Outbox::default());
        // Messages bring their own tokens; it is by this one that the client reads.
        let expiry = Expiry::of(&principal, self.shared.stream_grace);
        let duplex = Duplex::new(self.clone(), Endpoint::Aggregate, Arc::clone(&outbox));
        let duplex = duplex.until(expiry);
        // A task of its own, so that the client is heard also while it does not read.
        self.keeper.tasks().spawn(async move {
            let _connection = connection;
            duplex.run(said).await;
        });
        let body = Listen {
            opening: Some(opening.into()),
            messages: Some(Box::pin(messages(Reader(outbox)))),
            _open: open,
        };
        Ok(lasting_event_stream(body, self.shared.keep_alive))
    }

    /// `/message`: takes what the client of a stream says. It is answered there.
    pub(super) async fn message(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        if request.method() != Method::POST {
            return Err(Error::Method("POST"));
        }
        mcp::accept_json(request.headers())?;
        let id = session_id(request.uri().query().unwrap_or_default());
        let id = id.ok_or(Error::NoConnection)?;
        let caller = Caller::of(&request);
        let way = self.shared.sse.connections.find(id, &caller.principal).ok_or(Gone)?;
        mcp::protocol_version(request.headers())?;
        let size = request.body().len();
        let what = mcp::decode(request.body().clone())?;
        if let Inbound::Batch(messages) = &what {
            self.shared.rate_limit.charge_batch(&request, messages.len())?;
        }
        let id = match &what {
            Inbound::One(message) if message.kind() == Kind::Request => message.id(),
            Inbound::One(_) | Inbound::Batch(_) => None,
        };
        // Nobody has scopes who does not say who they are.
        let may_lack = id.is_some() && caller.principal.kind != PrincipalKind::Anonymous;
        let (lacking, refusal) = oneshot::channel();
        let said = Said { caller, what: Ok(what), lacking: may_lack.then_some(lacking) };
        match timeout(PATIENCE, way.send(said, size)).await {
            Ok(Ok(())) => Ok(match timeout(AT_ONCE, refusal).await {
                Ok(Ok(error)) => self.refusal(&request, &error, id.as_ref()),
                _ => mcp::accepted(),
            }),
            Ok(Err(gone)) => Err(gone.into()),
            Err(_) => Err(Error::Unread),
        }
    }
}

fn session_id(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("sessionId="))
}

/// The client's side of an outbox: it is closed when the client goes.
struct Reader(Arc<Outbox>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn messages(reader: Reader) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(reader, |reader| async {
        let message = reader.0.next().await?;
        let event = sse::encode(&message, None);
        // The name is the default one, which some clients insist on reading.
        let mut frame = BytesMut::with_capacity(event.len() + MESSAGE.len());
        frame.extend_from_slice(MESSAGE);
        frame.extend_from_slice(&event);
        Some((frame.freeze(), reader))
    })
}

const MESSAGE: &[u8] = b"event: message\n";

/// The body of the stream.
struct Listen {
    opening: Option<Bytes>,
    messages: Option<Pin<Box<dyn Stream<Item = Bytes> + Send>>>,
    _open: OpenStream,
}

impl Stream for Listen {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = &mut *self;
        if let Some(opening) = this.opening.take() {
            return Poll::Ready(Some(opening));
        }
        let Some(messages) = &mut this.messages else { return Poll::Ready(None) };
        let message = std::task::ready!(messages.as_mut().poll_next(cx));
        Poll::Ready(message.or_else(|| {
            this.messages = None;
            Some(Bytes::from_static(mcp::RETRY))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_public_url_stands_before_the_endpoint() {
        for (url, prefix) in [
            (None, ""),
            (Some("https://gate.example"), ""),
            (Some("https://gate.example/"), ""),
            (Some("https://gate.example/team"), "/team"),
            (Some("https://gate.example/a/b/"), "/a/b"),
        ] {
            let url = url.map(|url| url.parse().unwrap());
            assert_eq!(&*Sse::new(url.as_ref()).prefix, prefix, "{url:?}");
        }
    }

    #[test]
    fn the_session_is_found_in_the_query() {
        for (query, id) in [
            ("sessionId=a", Some("a")),
            ("x=1&sessionId=a&y", Some("a")),
            ("sessionId=", Some("")),
            ("sessionid=a", None),
            ("", None),
        ] {
            assert_eq!(session_id(query), id, "{query}");
        }
    }
}

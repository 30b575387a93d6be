//! A reply, and the work that ends with it.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use smallvec::SmallVec;

use super::{Error, Event, Outcome, Response};

type BoxEvents = Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>;
type OnEnd = Box<dyn FnOnce(Outcome) + Send>;
type Shape = Box<dyn FnOnce(Result<Response, Error>) -> Result<Response, Error> + Send>;

/// What a call came to: one message, or a stream of events that ends with the response.
///
/// The reply owns the work behind it. Permits are held, and records are written, until it ends:
/// when the response has been taken, or when the reply is dropped, which means cancelled.
pub struct Reply {
    body: Body,
    work: Work,
}

/// The two forms of a reply.
pub enum Body {
    /// The response alone.
    Message(Response),
    /// Events, then the response.
    Stream(Events),
}

impl Reply {
    /// A reply that is one response.
    pub fn message(response: Response) -> Self {
        Self { body: Body::Message(response), work: Work::default() }
    }

    /// A reply that is a stream of events and ends with [`Event::Response`] or an error.
    pub fn stream(events: impl Stream<Item = Result<Event, Error>> + Send + 'static) -> Self {
        let inner: BoxEvents = Box::pin(events);
        let events = Events { inner: Some(inner), shape: None, work: Work::default() };
        Self { body: Body::Stream(events), work: Work::default() }
    }

    /// Keeps `guard` (a permit, a claim on a connection) until the reply ends.
    pub fn hold(&mut self, guard: impl Send + 'static) {
        self.work_mut().held.push(Box::new(guard));
    }

    /// Calls `then` once, when the reply ends, with how it ended.
    pub fn on_end(&mut self, then: impl FnOnce(Outcome) + Send + 'static) {
        self.work_mut().on_end.push(Box::new(then));
    }

    /// Gives the response, whenever it comes, another shape.
    ///
    /// # Errors
    /// With what `shape` makes of a response that is there already.
    pub fn shaped(
        mut self,
        shape: impl FnOnce(Result<Response, Error>) -> Result<Response, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        match &mut self.body {
            Body::Message(response) => *response = shape(Ok(response.clone()))?,
            Body::Stream(events) => events.shape = Some(Box::new(shape)),
        }
        Ok(self)
    }

    fn work_mut(&mut self) -> &mut Work {
        match &mut self.body {
            Body::Message(_) => &mut self.work,
            Body::Stream(events) => &mut events.work,
        }
    }

    /// Takes the reply: a message has ended with this, a stream ends with its response.
    pub fn into_body(mut self) -> Body {
        if let Body::Message(response) = &self.body {
            self.work.end(response.outcome);
        }
        self.body
    }
}

/// The stream of a reply.
pub struct Events {
    inner: Option<BoxEvents>,
    shape: Option<Shape>,
    work: Work,
}

impl Stream for Events {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(inner) = self.inner.as_mut() else { return Poll::Ready(None) };
        let item = std::task::ready!(inner.as_mut().poll_next(cx));
        let event = self.shaped(item.unwrap_or(Err(Error::NoResponse)));
        let end = match &event {
            Ok(Event::Response(response)) => Some(response.outcome),
            Err(error) => Some(error.outcome()),
            Ok(_) => None,
        };
        if let Some(outcome) = end {
            self.inner = None;
            self.work.end(outcome);
        }
        Poll::Ready(Some(event))
    }
}

impl Events {
    /// The last event has the shape that was asked for.
    fn shaped(&mut self, event: Result<Event, Error>) -> Result<Event, Error> {
        let response = match event {
            Ok(Event::Response(response)) => Ok(response),
            Ok(event) => return Ok(event),
            Err(error) => Err(error),
        };
        let response = match self.shape.take() {
            Some(shape) => shape(response),
            None => response,
        };
        response.map(Event::Response)
    }
}

/// What hangs on a reply.
#[derive(Default)]
struct Work {
    held: SmallVec<[Box<dyn Any + Send>; 2]>,
    on_end: SmallVec<[OnEnd; 2]>,
}

impl Work {
    fn end(&mut self, outcome: Outcome) {
        // The innermost layer attached first and hears first, as with nested calls.
        for then in self.on_end.drain(..) {
            then(outcome);
        }
        self.held.clear();
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled);
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.body {
            Body::Message(_) => "Reply::Message",
            Body::Stream(_) => "Reply::Stream",
        })
    }
}

//! What is open to everybody: is it alive, is it ready, and what is it?

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use tower::Service;

use super::Path;
use super::health::{self, Readiness};
use super::welcome::{WayIn, Welcome, wants_html};
use super::well_known::WellKnown;
use crate::error::Error;
use crate::server::Body;

/// Answers without asking who is there, and without looking at the host: probes come by address.
#[derive(Clone, Debug)]
pub struct Open {
    readiness: Readiness,
    welcome: Welcome,
    well_known: WellKnown,
}

impl Open {
    /// `way` is how clients reach the gateway.
    pub fn new(readiness: Readiness, way: &WayIn, well_known: WellKnown) -> Self {
        Self { readiness, welcome: Welcome::new(way), well_known }
    }

    fn answer<B>(&self, request: &Request<B>) -> Result<Response<Body>, Error> {
        let path = Path::parse(request.uri().path());
        if path != Path::Unknown && !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Error::Method("GET, HEAD"));
        }
        match path {
            Path::Health => Ok(health::health()),
            Path::Ready => Ok(health::ready(&self.readiness)),
            Path::WellKnown(suffix) => self.well_known.response(request, suffix),
            Path::Welcome if wants_html(request.headers()) => Ok(self.welcome.response()),
            Path::Welcome
            | Path::Mcp
            | Path::Server(_)
            | Path::Sse
            | Path::Message
            | Path::Unknown => Err(Error::NotFound),
        }
    }
}

impl<B> Service<Request<B>> for Open {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Ready<Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(self.answer(&request))
    }
}

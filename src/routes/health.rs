//! `/health`: is the process alive? `/ready`: should it get traffic?

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use tokio::sync::watch;

use crate::mcp::header::JSON;
use crate::server::{Body, Shutdown};
use crate::supervise::Status;

/// Whether the gateway should get traffic.
#[derive(Clone, Debug)]
pub struct Readiness {
    started: watch::Receiver<bool>,
    shutdown: Shutdown,
}

impl Readiness {
    /// Ready while `started` says so and `shutdown` has not begun.
    pub fn new(started: watch::Receiver<bool>, shutdown: Shutdown) -> Self {
        Self { started, shutdown }
    }

    fn status(&self) -> (StatusCode, &'static str) {
        if self.shutdown.is_draining() {
            (StatusCode::SERVICE_UNAVAILABLE, "draining")
        } else if *self.started.borrow() {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "starting")
        }
    }
}

/// `GET /health`: whoever can answer is alive.
pub fn health() -> Response<Body> {
    response(StatusCode::OK, Body::from(r#"{"status":"ok"}"#))
}

/// `GET /ready`: 200, or 503 while the gateway starts or drains.
pub fn ready(readiness: &Readiness) -> Response<Body> {
    let (status, word) = readiness.status();
    response(status, Body::from(format!(r#"{{"status":"{word}"}}"#)))
}

/// What operators are told besides.
#[derive(Clone)]
pub struct Details {
    readiness: Readiness,
    backends: Arc<Backends>,
}

type Backends = dyn Fn() -> Vec<Status> + Send + Sync;

impl Details {
    /// `backends` tells how each backend is at the moment.
    pub fn new(
        readiness: Readiness,
        backends: impl Fn() -> Vec<Status> + Send + Sync + 'static,
    ) -> Self {
        Self { readiness, backends: Arc::new(backends) }
    }

    /// `GET /ready`, with the backends if `query` asks for them.
    pub fn ready(&self, query: Option<&str>) -> Response<Body> {
        if is_verbose(query) { self.verbose() } else { ready(&self.readiness) }
    }

    /// `GET /ready?verbose`: readiness, and the backends.
    pub fn verbose(&self) -> Response<Body> {
        let (status, word) = self.readiness.status();
        let backends = (self.backends)();
        let text = serde_json::json!({ "status": word, "backends": backends }).to_string();
        response(status, Body::from(text))
    }
}

/// Whether the query of `/ready` asks for details.
pub fn is_verbose(query: Option<&str>) -> bool {
    let is = |part: &str| part.split('=').next() == Some("verbose");
    query.is_some_and(|query| query.split('&').any(is))
}

fn response(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(response: Response<Body>) -> (u16, String) {
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_gateway_is_ready_from_its_start_to_its_drain() {
        let (started, receiver) = watch::channel(false);
        let shutdown = Shutdown::new();
        let readiness = Readiness::new(receiver, shutdown.clone());
        assert_eq!(text(ready(&readiness)).await, (503, r#"{"status":"starting"}"#.into()));
        started.send_replace(true);
        assert_eq!(text(ready(&readiness)).await, (200, r#"{"status":"ready"}"#.into()));
        shutdown.drain();
        assert_eq!(text(ready(&readiness)).await, (503, r#"{"status":"draining"}"#.into()));
        assert_eq!(text(health()).await, (200, r#"{"status":"ok"}"#.into()));
    }

    #[tokio::test]
    async fn operators_see_each_backend_with_its_error() {
        let readiness = Readiness::new(watch::channel(true).1, Shutdown::new());
        let backends = [
            Status { name: "time".into(), state: "connected", error: None },
            Status { name: "git".into(), state: "failed", error: Some("no such file".into()) },
        ];
        let details = Details::new(readiness, move || backends.to_vec());
        let (status, text) = text(details.verbose()).await;
        assert_eq!(status, 200);
        let backends = r#"[{"name":"time","state":"connected"},{"name":"git","state":"failed","error":"no such file"}]"#;
        assert_eq!(text, format!(r#"{{"status":"ready","backends":{backends}}}"#));
    }
}

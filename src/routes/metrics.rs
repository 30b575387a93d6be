//! The listener for operators: metrics, and health with details that clients should not see.

use std::convert::Infallible;
use std::future;
use std::task::{Context, Poll};

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower::Service;

use super::health::{self, Details};
use crate::observe::exposition::Exposition;
use crate::server::Body;

/// Answers `/metrics`, `/health`, `/ready` and `/ready?verbose`.
#[derive(Clone)]
pub struct Operations {
    exposition: Exposition,
    details: Details,
}

impl Operations {
    /// Whoever reaches the listener is an operator.
    pub fn new(exposition: Exposition, details: Details) -> Self {
        Self { exposition, details }
    }

    fn respond(&self, method: &Method, path: &str, query: Option<&str>) -> Response<Body> {
        let known = matches!(path, "/metrics" | "/health" | "/ready");
        match path {
            _ if known && !matches!(*method, Method::GET | Method::HEAD) => {
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n".into());
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                response
            }
            "/metrics" => plain(StatusCode::OK, self.exposition.render().into()),
            "/health" => health::health(),
            "/ready" => self.details.ready(query),
            _ => plain(
                StatusCode::NOT_FOUND,
                "here are /metrics, /health, /ready and /ready?verbose\n".into(),
            ),
        }
    }
}

fn plain(status: StatusCode, body: Body) -> Response<Body> {
    const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

impl<B> Service<Request<B>> for Operations {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let uri = req.uri();
        future::ready(Ok(self.respond(req.method(), uri.path(), uri.query())))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::sync::watch;

    use super::*;
    use crate::observe::exposition;
    use crate::routes::health::Readiness;
    use crate::server::Shutdown;
    use crate::supervise::Status;

    #[tokio::test]
    async fn each_path_has_its_answer() {
        let readiness = Readiness::new(watch::channel(true).1, Shutdown::new());
        let backends = || vec![Status { name: "time".into(), state: "connected", error: None }];
        let operations =
            Operations::new(exposition::install(false), Details::new(readiness, backends));
        for (method, path, status, says) in [
            (Method::GET, "/metrics", 200, "portcullis_build_info{version="),
            (Method::GET, "/health", 200, "ok"),
            (Method::GET, "/ready", 200, r#"{"status":"ready"}"#),
            (Method::GET, "/ready?verbose", 200, r#""name":"time""#),
            (Method::GET, "/ready?verbose=1", 200, r#""name":"time""#),
            (Method::POST, "/metrics", 405, "use GET"),
            (Method::GET, "/mcp", 404, "/metrics"),
        ] {
            let uri: http::Uri = path.parse().unwrap();
            let response = operations.respond(&method, uri.path(), uri.query());
            assert_eq!(response.status(), status, "{method} {path}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let text = std::str::from_utf8(&body).unwrap();
            assert!(text.contains(says), "{method} {path}: {text}");
        }
    }
}

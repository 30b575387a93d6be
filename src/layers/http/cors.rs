//! What a browser needs to be told before a page may read our responses.

use std::time::Duration;

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::origin::Origins;
use crate::mcp::header;

/// How long a browser may remember the answer to a preflight.
const MAX_AGE: Duration = Duration::from_mins(10);

/// Answers preflights, and shows responses to pages of these origins and to no others, but for what
/// is at a public path.
///
/// It stands outside of everything that refuses, or a page could not read why it was refused.
pub fn layer(origins: Origins, is_public: fn(&str) -> bool) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, request| {
            origins.allows(origin) || is_public(request.uri.path())
        }))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        // Names of mirrored parameters are the backends' choice, so they cannot be listed.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            header::SESSION_ID,
            header::PROTOCOL_VERSION,
            WWW_AUTHENTICATE,
            RETRY_AFTER,
            HeaderName::from_static("x-request-id"),
        ])
        .max_age(MAX_AGE)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    };
    use http::{Request, Response, StatusCode};
    use tower::{Layer, ServiceExt};

    use super::*;

    async fn response_to(request: http::request::Builder) -> Response<String> {
        let inner = tower::service_fn(|_: Request<()>| async {
            let response = Response::builder().status(StatusCode::UNAUTHORIZED);
            Ok::<_, Infallible>(response.body(String::new()).unwrap())
        });
        let stack = layer(Origins::new(true, vec![]), |path| path == "/public").layer(inner);
        stack.oneshot(request.body(()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn an_allowed_page_can_read_even_a_refusal() {
        let response =
            response_to(Request::post("/mcp").header(ORIGIN, "http://localhost:1")).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost:1");
        let exposed = response.headers()[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
        assert!(exposed.contains("mcp-session-id") && exposed.contains("www-authenticate"));
    }

    #[tokio::test]
    async fn a_page_from_elsewhere_can_read_nothing() {
        let response =
            response_to(Request::post("/mcp").header(ORIGIN, "http://evil.example")).await;
        assert!(!response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[tokio::test]
    async fn every_page_can_read_what_is_public() {
        for method in [Method::GET, Method::OPTIONS] {
            let request = Request::builder().method(method).uri("/public");
            let request = request
                .header(ORIGIN, "https://app.example")
                .header(ACCESS_CONTROL_REQUEST_METHOD, "GET")
                .header(ACCESS_CONTROL_REQUEST_HEADERS, "mcp-protocol-version");
            let headers = response_to(request).await.headers().clone();
            assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        }
    }

    #[tokio::test]
    async fn a_preflight_is_answered_with_what_it_asks_for() {
        let preflight = Request::options("/mcp")
            .header(ORIGIN, "http://localhost:1")
            .header(ACCESS_CONTROL_REQUEST_METHOD, "DELETE")
            .header(ACCESS_CONTROL_REQUEST_HEADERS, "mcp-session-id,mcp-param-region");
        let response = response_to(preflight).await;
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers();
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "GET,POST,DELETE");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "mcp-session-id,mcp-param-region");
    }
}

//! The `Host` check: a web page must not reach a local gateway under a name of its own
//! (DNS rebinding; MCP 2025-11-25, Streamable HTTP, "Security Warning").

use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::HOST;
use http::{HeaderMap, Request, Uri};
use tower::{Layer, Service};

use super::refuse::ResponseFuture;
use crate::config::Hosts;

/// The request is meant for a host that is not us.
#[derive(Debug, thiserror::Error)]
#[error("host {0:?} is not allowed; list it in http.allowedHosts")]
pub struct HostDenied(Box<str>);

/// Which hosts requests may name.
#[derive(Debug)]
struct Allowed(Hosts);

impl Allowed {
    /// On a loopback listener loopback names pass and those listed; elsewhere all pass unless some
    /// are listed: who reaches a public listener needs no rebinding.
    fn allows(&self, authority: &str) -> bool {
        (!self.0.is_loopback() && self.0.is_empty()) || self.0.contains(authority)
    }

    /// Every place where a request can name its host must name an allowed one.
    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), HostDenied> {
        let mut named = headers.get_all(HOST).iter();
        let (header, second) = (named.next(), named.next());
        if second.is_some() {
            return Err(HostDenied("named twice".into()));
        }
        let header = match header.map(|value| value.to_str()) {
            Some(Ok(text)) => Some(text),
            Some(Err(_)) => return Err(HostDenied("not ASCII".into())),
            None => None,
        };
        let authority = uri.authority().map(http::uri::Authority::as_str);
        if header.is_none() && authority.is_none() && (self.0.is_loopback() || !self.0.is_empty()) {
            return Err(HostDenied("".into()));
        }
        match [authority, header].into_iter().flatten().find(|name| !self.allows(name)) {
            Some(name) => Err(HostDenied(name.chars().take(100).collect())),
            None => Ok(()),
        }
    }
}

/// Refuses requests for other hosts.
#[derive(Clone, Debug)]
pub struct HostLayer(Arc<Allowed>);

impl HostLayer {
    /// `loopback` tells whether only this machine can connect; entries of `allowed` are
    /// `name` (any port) or `name:port`, compared without regard to case.
    pub fn new(loopback: bool, allowed: Vec<String>) -> Self {
        Self(Arc::new(Allowed(Hosts::new(loopback, allowed))))
    }
}

impl<S> Layer<S> for HostLayer {
    type Service = Host<S>;

    fn layer(&self, inner: S) -> Host<S> {
        Host { inner, hosts: self.0.clone(), passed: None }
    }
}

/// See [`HostLayer`].
#[derive(Clone, Debug)]
pub struct Host<S> {
    inner: S,
    hosts: Arc<Allowed>,
    /// What `Host` said last that passed. The rules never change, and a connection's requests say the
    /// same again and again. A copy: hyper's would keep the whole head of the request.
    passed: Option<Box<[u8]>>,
}

impl<S> Host<S> {
    fn check<B>(&mut self, req: &Request<B>) -> Result<(), HostDenied> {
        let mut named = req.headers().get_all(HOST).iter();
        let only =
            named.next().filter(|_| named.next().is_none() && req.uri().authority().is_none());
        if only.is_some_and(|only| self.passed.as_deref() == Some(only.as_bytes())) {
            return Ok(());
        }
        self.hosts.check(req.uri(), req.headers())?;
        self.passed = only.map(|only| only.as_bytes().into());
        Ok(())
    }
}

impl<S, B> Service<Request<B>> for Host<S>
where
    S: Service<Request<B>>,
    S::Error: From<HostDenied>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, HostDenied>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        match self.check(&req) {
            Ok(()) => ResponseFuture::passed(self.inner.call(req)),
            Err(denied) => ResponseFuture::refused(denied),
        }
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    fn hosts(loopback: bool, allowed: &[&str]) -> Allowed {
        Allowed(Hosts::new(loopback, allowed.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn hosts_pass_by_listener_and_list() {
        for (name, hosts, authority, passes) in [
            ("loopback name", hosts(true, &[]), "localhost:8090", true),
            ("rebound name", hosts(true, &[]), "evil.example:8090", false),
            ("listed beside loopback", hosts(true, &["gate.example"]), "Gate.example:8090", true),
            ("public, nothing listed", hosts(false, &[]), "anything.example", true),
            ("public, listed", hosts(false, &["gate.example"]), "gate.example", true),
            ("public, not listed", hosts(false, &["gate.example"]), "evil.example", false),
            ("public, loopback name", hosts(false, &["gate.example"]), "localhost", false),
            ("listed with its port", hosts(false, &["gate.example:1"]), "gate.example:1", true),
            ("listed with another", hosts(false, &["gate.example:1"]), "gate.example:2", false),
            ("listed bare IPv6", hosts(false, &["2001:db8::1"]), "[2001:db8::1]:80", true),
            ("listed IPv6", hosts(false, &["[2001:db8::1]"]), "[2001:db8::1]:80", true),
        ] {
            assert_eq!(hosts.allows(authority), passes, "{name}");
        }
    }

    fn request(uri: &str, named: &[&str]) -> Request<()> {
        let request = Request::get(uri);
        let named = named.iter().fold(request, |request, host| request.header(HOST, *host));
        named.body(()).unwrap()
    }

    #[test]
    fn every_host_that_a_request_names_has_to_pass_whatever_passed_before() {
        let mut host = HostLayer::new(true, vec![]).layer(());
        for (uri, named, passes) in [
            ("/", &["localhost"][..], true),
            ("http://localhost/", &[], true),
            ("/", &[], false),
            ("/", &["evil.example"], false),
            ("/", &["localhost", "localhost"], false),
            ("/", &["localhost", "evil.example"], false),
            ("http://localhost/", &["evil.example"], false),
            ("http://evil.example/", &["localhost"], false),
        ] {
            let request = request(uri, named);
            assert_eq!(host.clone().check(&request).is_ok(), passes, "{uri} {named:?}");
            for before in ["localhost", "127.0.0.1:1"] {
                assert!(host.check(&self::request("/", &[before])).is_ok());
                assert_eq!(host.check(&request).is_ok(), passes, "{uri} {named:?} {before}");
            }
        }
    }

    #[tokio::test]
    async fn a_denied_request_does_not_reach_the_inner_service() {
        #[derive(Debug, thiserror::Error)]
        #[error(transparent)]
        struct StackError(#[from] HostDenied);
        let inner = tower::service_fn(|_: Request<()>| async { Ok::<_, StackError>(()) });
        let stack = HostLayer::new(true, vec![]).layer(inner);
        assert!(stack.clone().oneshot(request("/", &["localhost"])).await.is_ok());
        let denied = stack.oneshot(request("/", &["evil.example"])).await.unwrap_err().to_string();
        assert_eq!(denied, r#"host "evil.example" is not allowed; list it in http.allowedHosts"#);
    }
}

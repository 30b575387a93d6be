//! Who makes the request: every one leaves this layer with a principal.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use tower::{Layer, Service};

use crate::call::Principal;

/// Puts an `Arc<Principal>` into the extensions of every request.
///
/// With `auth.mode: none` it is always the anonymous one.
#[derive(Clone, Debug)]
pub struct AuthenticateLayer {
    anonymous: Arc<Principal>,
}

impl AuthenticateLayer {
    /// Nobody has to prove anything.
    pub fn none() -> Self {
        Self { anonymous: Arc::new(Principal::anonymous()) }
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate { inner, anonymous: self.anonymous.clone() }
    }
}

/// See [`AuthenticateLayer`].
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    anonymous: Arc<Principal>,
}

impl<S, B> Service<Request<B>> for Authenticate<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        req.extensions_mut().insert(self.anonymous.clone());
        self.inner.call(req)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn without_authentication_everybody_is_anonymous() {
        let inner = tower::service_fn(|req: Request<()>| async move {
            Ok::<_, Infallible>(req.extensions().get::<Arc<Principal>>().cloned())
        });
        let stack = AuthenticateLayer::none().layer(inner);
        let principal = stack.oneshot(Request::new(())).await.unwrap();
        assert_eq!(principal.as_deref(), Some(&Principal::anonymous()));
    }
}

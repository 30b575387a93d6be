//! `GET /ready?verbose` where clients are served: for whoever may change the gateway.

use http::{Method, Request, Response};

use super::mcp::{Mcp, Stack, principal};
use crate::call;
use crate::error::Error;
use crate::layers::call::policy::allowed;
use crate::server::Body;

impl<S: Stack> Mcp<S> {
    pub(super) fn ready<B>(&self, request: &Request<B>) -> Result<Response<Body>, Error> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Error::Method("GET, HEAD"));
        }
        let what = "/ready?verbose tells of every server";
        let verdict = self.shared.gate.decide_admin(&principal(request), what);
        match allowed(verdict) {
            Ok(()) => Ok(self.shared.details.verbose()),
            Err(call::Error::Denied(why)) => Err(Error::Forbidden(why)),
            Err(error) => Ok(self.refusal(request, &error.into(), None)),
        }
    }
}

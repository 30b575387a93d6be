//! DELETE: the client ends its session.

use http::{Request, Response};

use super::{Mcp, Stack};
use crate::error::Error;
use crate::server::Body;
use crate::sessions::{Gone, Place};

impl<S: Stack> Mcp<S> {
    /// Ends the session, and with it its streams and its own connections to backends.
    pub(super) fn delete<B>(&self, request: &Request<B>) -> Result<Response<Body>, Error> {
        let session = self.session(request)?;
        if self.shared.sessions.place(&session) == Place::There {
            return Err(Gone.into());
        }
        self.shared.sessions.delete(&session);
        self.shared.registry.evict_session(session.id);
        Ok(Response::new(Body::Empty))
    }
}

//! The session that a request names.

use std::sync::Arc;

use constant_time_eq::constant_time_eq;
use http::{Extensions, Request};
use parking_lot::Mutex;

use super::{Mcp, accept, principal};
use crate::call::Principal;
use crate::error::Error;
use crate::mcp::header as mcp_header;
use crate::server::Peer;
use crate::sessions::{Gone, Owner, Session, Sessions};

impl<S> Mcp<S> {
    /// The session that a request names.
    pub(super) fn session<B>(&self, request: &Request<B>) -> Result<Session, Error> {
        let token = request.headers().get(mcp_header::SESSION_ID).ok_or(Error::NoSession)?;
        let (token, principal) = (token.as_bytes(), principal(request));
        let session = match request.extensions().get::<Peer>() {
            Some(peer) => find_again(&self.shared.sessions, peer.memory(), token, principal)?,
            None => self.shared.sessions.find(token, &principal)?,
        };
        accept::protocol_version(request.headers())?;
        Ok(session)
    }
}

/// The session that a connection's last request named, and whose it was found to be: most clients
/// send the same again. It has the id in it, so it cannot be printed.
#[derive(Clone)]
struct Known {
    /// A copy of the header: hyper's would keep the whole head of the request.
    token: Box<[u8]>,
    principal: Arc<Principal>,
    session: Session,
}

impl Known {
    fn session(&self, token: &[u8], principal: &Arc<Principal>) -> Option<Session> {
        let is_same =
            Arc::ptr_eq(&self.principal, principal) || Owner::is_same(&self.principal, principal);
        (is_same && constant_time_eq(&self.token, token)).then_some(self.session)
    }
}

/// The session of a token, which is not opened again for the same principal on the same connection.
/// Whether the session has ended since then is looked at each time.
fn find_again(
    sessions: &Sessions,
    memory: &Mutex<Extensions>,
    token: &[u8],
    principal: Arc<Principal>,
) -> Result<Session, Gone> {
    let known = |memory: &Extensions| memory.get::<Known>()?.session(token, &principal);
    let known = known(&memory.lock());
    if let Some(session) = known {
        return sessions.check(session);
    }
    let session = sessions.find(token, &principal)?;
    memory.lock().insert(Known { token: token.into(), principal, session });
    Ok(session)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mcp::{Capabilities, ProtocolVersion};
    use crate::sessions::Keys;

    #[test]
    fn what_a_connection_remembers_opens_nothing_to_others_and_nothing_that_has_ended() {
        let sessions = Sessions::new(Keys::new(&[]).unwrap(), Duration::from_hours(1)).unwrap();
        let me = Arc::new(Principal { subject: "me".into(), ..Principal::anonymous() });
        let mallory = Arc::new(Principal { subject: "mallory".into(), ..Principal::anonymous() });
        let [one, other] = [(); 2].map(|()| {
            sessions.open(&me, ProtocolVersion::LATEST_LEGACY, Capabilities::NONE).unwrap()
        });
        let memory = Mutex::default();
        let find = |session: &Session, principal: &Arc<Principal>| {
            // The id is sealed anew: the same session, another token.
            let token = sessions.seal(session).unwrap();
            let find = || find_again(&sessions, &memory, token.as_bytes(), Arc::clone(principal));
            [find(), find()]
        };
        let token = sessions.seal(&one).unwrap();
        let again = |principal: &Arc<Principal>| {
            find_again(&sessions, &memory, token.as_bytes(), Arc::clone(principal))
        };
        assert_eq!(find(&one, &me), [Ok(one); 2]);
        assert_eq!([again(&me), again(&me)], [Ok(one); 2]);
        assert_eq!([again(&mallory), again(&me)], [Err(Gone), Ok(one)]);
        assert_eq!(find(&other, &me), [Ok(other); 2]);
        assert_eq!(again(&me), Ok(one));
        sessions.delete(&one);
        assert_eq!([again(&me), again(&mallory)], [Err(Gone); 2]);
        assert_eq!(find(&other, &me), [Ok(other); 2]);
    }
}

//! A session with the backend, as the headers that every request in it carries.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use tokio_util::sync::CancellationToken;

use crate::mcp::{ProtocolVersion, header};

/// A session, or the lack of one: a server need not hand out an id.
#[derive(Debug)]
pub(super) struct Session {
    /// Tells a session from the one that followed it.
    pub(super) generation: u64,
    pub(super) version: ProtocolVersion,
    pub(super) id: Option<HeaderValue>,
    /// Headers of a POST, ready to be cloned.
    pub(super) post: HeaderMap,
    /// Headers of a GET or DELETE.
    pub(super) get: HeaderMap,
    /// Cancelled when the session is over.
    pub(super) ended: CancellationToken,
}

impl Session {
    /// A session whose requests carry `common`, and what the revision demands.
    pub(super) fn new(
        generation: u64,
        common: &HeaderMap,
        version: ProtocolVersion,
        mut id: Option<HeaderValue>,
        ended: CancellationToken,
    ) -> Self {
        let mut common = common.clone();
        if let Some(id) = &mut id {
            id.set_sensitive(true); // whoever knows it can act in the session
            common.insert(header::SESSION_ID, id.clone());
        }
        if version >= ProtocolVersion::V2025_06_18 {
            let version = HeaderValue::from_static(version.as_str());
            common.insert(header::PROTOCOL_VERSION, version);
        }
        let get = get_headers(&common);
        Self { generation, version, id, post: post_headers(common), get, ended }
    }
}

/// Adds what a POST needs. Both media types are always accepted, whatever the client accepts:
/// servers answer 406 otherwise.
pub(super) fn post_headers(mut common: HeaderMap) -> HeaderMap {
    common.insert(ACCEPT, HeaderValue::from_static(header::ACCEPT_BOTH));
    common.insert(CONTENT_TYPE, HeaderValue::from_static(header::JSON));
    // A clone would have to grow for the `Content-Length` that every request gets.
    common.reserve(1);
    common
}

fn get_headers(common: &HeaderMap) -> HeaderMap {
    let mut get = common.clone();
    get.insert(ACCEPT, HeaderValue::from_static(header::EVENT_STREAM));
    get
}

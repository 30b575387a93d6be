//! A session with the backend, as the headers that every request in it carries.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use tokio_util::sync::CancellationToken;

use crate::backends::remote::Endpoint;
use crate::mcp::{ProtocolVersion, header};
use crate::outbound::Head;

/// A session, or the lack of one: a server need not hand out an id.
#[derive(Debug)]
pub(super) struct Session {
    /// Tells a session from the one that followed it.
    pub(super) generation: u64,
    pub(super) version: ProtocolVersion,
    pub(super) id: Option<HeaderValue>,
    /// The head of a POST.
    pub(super) post: Head,
    /// Headers of a GET or DELETE.
    pub(super) get: HeaderMap,
    /// Cancelled when the session is over.
    pub(super) ended: CancellationToken,
}

impl Session {
    /// A session whose requests carry what all to `endpoint` do, and what the revision demands.
    pub(super) fn new(
        generation: u64,
        endpoint: &Endpoint,
        version: ProtocolVersion,
        mut id: Option<HeaderValue>,
        ended: CancellationToken,
    ) -> Self {
        let mut common = endpoint.common.clone();
        if let Some(id) = &mut id {
            id.set_sensitive(true); // whoever knows it can act in the session
            common.insert(header::SESSION_ID, id.clone());
        }
        if version >= ProtocolVersion::V2025_06_18 {
            let version = HeaderValue::from_static(version.as_str());
            common.insert(header::PROTOCOL_VERSION, version);
        }
        let get = get_headers(&common);
        let post = endpoint.head(Method::POST, post_headers(common));
        Self { generation, version, id, post, get, ended }
    }
}

/// Adds what a POST needs. Both media types are always accepted, whatever the client accepts:
/// servers answer 406 otherwise.
pub(super) fn post_headers(mut common: HeaderMap) -> HeaderMap {
    common.insert(ACCEPT, HeaderValue::from_static(header::ACCEPT_BOTH));
    common.insert(CONTENT_TYPE, HeaderValue::from_static(header::JSON));
    common
}

fn get_headers(common: &HeaderMap) -> HeaderMap {
    let mut get = common.clone();
    get.insert(ACCEPT, HeaderValue::from_static(header::EVENT_STREAM));
    get
}

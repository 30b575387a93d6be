//! What a backend says that belongs to no call.

use crate::call::Responder;
use crate::mcp::Message;

/// How many messages wait for whoever reads them; what comes then is dropped and counted, and a
/// request is refused.
pub const INBOX_CAPACITY: usize = 256;

/// A message of a backend that cannot be tied to a call.
#[derive(Debug)]
pub enum Unsolicited {
    /// A list changed, a resource was updated, a log message.
    Notification(Message),
    /// A request, with the way to answer it.
    Request(Message, Responder),
    /// The backend had forgotten our session and was initialised again: all it offered before may
    /// have changed.
    Reinitialized,
}

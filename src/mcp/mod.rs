//! The vocabulary of the Model Context Protocol: revisions, methods, header names, messages as
//! borrowed raw JSON, and the framing of server-sent events.
//!
//! Nothing here knows HTTP connections, sessions or backends.

pub mod capabilities;
pub mod header;
pub mod id;
pub mod level;
pub mod member;
pub mod message;
pub mod method;
pub mod params;
pub mod response;
mod scan;
pub mod splice;
pub mod sse;
pub mod version;

pub use capabilities::Capabilities;
pub use id::RequestId;
pub use level::LogLevel;
pub use message::{Invalid, Kind, Message, Span};
pub use method::Method;
pub use params::Params;
pub use version::ProtocolVersion;

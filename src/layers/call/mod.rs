//! The layers of the call stack, one file each: `Service<Call>` outside, `Service<Routed>` inside.

pub mod dispatch;
mod envelope;
pub mod policy;
pub mod record;
pub mod resolve;
mod spelling;

pub use envelope::Render;

use crate::call::Call;
use crate::catalogue::Route;

/// A call whose destination is known: the layers behind `resolve` see the real tool, and no call
/// is judged under one name and sent under another.
#[derive(Clone, Debug)]
pub struct Routed {
    /// The call as it came.
    pub call: Call,
    /// Where it goes.
    pub route: Route,
}

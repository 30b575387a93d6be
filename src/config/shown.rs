//! What a configuration comes to, for people to read.

/// A part of a configuration that can be shown as it is in effect, defaults included.
///
/// It stands apart from [`Section`](super::Section) and is written by hand, so that nothing is shown
/// that nobody decided to show: no secret is.
pub trait Shown {
    /// The keys and values as `config.yaml` would say them; durations as Go writes them.
    fn shown(&self) -> serde_json::Value;
}

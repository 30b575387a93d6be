//! Endpoints: from a request to a response.

pub mod health;
pub mod metrics;
pub mod welcome;

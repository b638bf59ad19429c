//! The account of a run: counters, the receipt made from them, what it costs, and messages to the user.

pub mod counters;
pub mod messages;
pub mod plan;
pub mod pricing;
pub mod receipt;

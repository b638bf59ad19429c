//! From the request hook to segments: hooks push samples into a bounded queue, and the aggregation thread empties it.

pub mod collector;
pub mod custom_report;
pub mod highlights;
pub mod logging_rules;
pub mod pending;
pub mod queue;
pub mod user_mark;
pub mod worker;

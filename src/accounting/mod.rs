//! Accounting of a run: counters, the receipt made from them, its cost, what a process reports, and messages for the log.

pub mod counters;
pub mod messages;
pub mod plan;
pub mod pricing;
pub mod receipt;
pub mod status_report;

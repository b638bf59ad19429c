//! Accounting of a run: counters, the receipt made from them, its cost, and what a process reports.

pub mod counters;
pub mod pricing;
pub mod receipt;
pub mod status_report;

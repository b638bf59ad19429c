//! The boundary to Python, and the only code that imports `pyo3`. It converts values from Python, and returns numbers, states
//! and messages.

mod account;
mod asyncio;
mod checks;
mod compare;
mod context;
mod convert;
mod cost;
mod custom;
mod custom_collector;
mod endpoints;
mod errors;
mod flush;
mod listener;
mod names;
mod options;
mod progress;
mod publisher;
mod receipt;
mod replay;
mod request;
mod responses;
mod run_numbers;
mod spools;
mod statistics;
mod status_report;

pub use account::{Account, Call};
pub use checks::{Check, CheckResult, parse_check, parse_checks};
pub use compare::{Comparison, ComparisonRow, compare_runs};
pub use cost::{PlannedUsage, estimate_cost, estimate_usage, priced_regions};
pub use custom_collector::CustomCollector;
pub use endpoints::{Partition, never_proxied, partition_of};
pub use errors::register;
pub use flush::Flush;
pub use names::{dimension_value, new_run_id, origin_of, public_host};
pub use options::{check_options, default_options, option_choices, spool_root};
pub use progress::{CallFailure, LogMessage, Progress};
pub use publisher::Publisher;
pub use receipt::{DeliveryCounts, Receipt, empty_receipt};
pub use replay::Replay;
pub use run_numbers::{ErrorTotals, LoadTimeline, RequestTimeline, SingleRequest};
pub use spools::{PendingSpool, PendingSpoolSearch, find_pending_spools, pending_spools, remove_empty_spools};
pub use statistics::{CustomMetric, RequestTotals, RunStatistics, Summary, merge_marks};
pub use status_report::StatusReport;

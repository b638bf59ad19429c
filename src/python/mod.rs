//! The boundary to Python, and the only code that imports `pyo3`. It converts values from Python, and returns numbers, states
//! and messages.

mod account;
mod asyncio;
mod context;
mod convert;
mod errors;
mod flush;
mod options;
mod partition;
mod plan;
mod progress;
mod publisher;
mod receipt;
mod replay;
mod request;
mod spools;
mod status_report;
mod tools;

pub use account::{Account, Call};
pub use errors::register;
pub use flush::Flush;
pub use options::{check_options, default_options, option_choices, spool_root};
pub use partition::{Partition, partition_of};
pub use plan::{PlannedUsage, estimate_usage};
pub use progress::{CallFailure, LogMessage, Progress};
pub use publisher::Publisher;
pub use receipt::{DeliveryCounts, Receipt, empty_receipt};
pub use replay::Replay;
pub use spools::{PendingSpool, PendingSpoolSearch, find_pending_spools, pending_spools, remove_empty_spools};
pub use status_report::StatusReport;
pub use tools::{dimension_value, estimate_cost, never_proxied, new_run_id, origin_of, priced_regions, public_host};

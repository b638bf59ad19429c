//! The boundary to Python, the only place that knows `pyo3`: values come in, messages and receipts go out.

mod account;
mod asyncio;
mod convert;
mod options;
mod partition;
mod plan;
mod publisher;
mod replay;
mod tools;

pub use account::{Account, AwsError, Call, never_proxied};
pub use options::{InvalidOptionError, check_options, default_options, spool_root};
pub use partition::{Partition, partition_of};
pub use plan::{PlannedUsage, estimate_usage};
pub use publisher::{Flush, Progress, Publisher, Receipt, new_run_id, nothing_recorded};
pub use replay::{PendingSpool, Replay, pending_spools, remove_empty_spools, replay_command};
pub use tools::{add_up, dimension_value, estimate_cost, human_bytes, origin_of, priced_regions, public_host};

//! The boundary to Python, the only place that knows `pyo3`: values come in, messages and receipts go out.

mod account;
mod asyncio;
mod convert;
mod options;
mod publisher;
mod replay;
mod tools;

pub use account::{Account, AwsError, Call};
pub use options::{InvalidOptionError, check_options, default_options};
pub use publisher::{Flush, Progress, Publisher, Receipt, new_run_id};
pub use replay::{Leftover, Replay, leftovers, replay_command, spool_root, sweep};
pub use tools::{add_up, dimension_value, estimate_cost, human_bytes, priced_regions};

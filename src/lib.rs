//! The CloudWatch back end for Locust: a Rust core that takes finished requests and delivers them to Amazon CloudWatch.
//!
//! The modules stand in groups, in the order in which a sample passes them. Those of the first three groups are pure: they
//! know no network and no Python, and are told the time. Only `clock` can ask for it, and `config` looks for the user's
//! state folder.

// Values and their notations.
pub mod clock;
pub mod config;
pub mod identity;
pub mod sample;

// From samples to what CloudWatch stores.
pub mod datum;
pub mod dimension;
pub mod distribution;
pub mod log_event;
pub mod place;
pub mod redact;
pub mod window;

// The account of it, and messages to the user.
pub mod diagnostics;
pub mod ledger;
pub mod pricing;
pub mod receipt;

// From the hook to AWS.
#[cfg(feature = "aws")]
pub mod aws;
pub mod call;
pub mod intake;
pub mod outbox;
pub mod queue;
pub mod retry;
pub mod sender;
pub mod spool;
mod sync;
pub mod transport;
pub mod trouble;

// All of it together.
pub mod delivery;
pub mod leftovers;
pub mod replay;
pub mod run;
pub mod runtime;

#[cfg(feature = "python")]
mod python;

/// The native module `locust_cw._core`.
#[cfg(feature = "python")]
#[pyo3::pymodule]
mod _core {
    #[pymodule_export]
    use super::python::{
        Account, AwsError, Call, Flush, InvalidOptionError, Leftover, Progress, Publisher, Receipt, Replay, add_up,
        check_options, default_options, dimension_value, estimate_cost, human_bytes, leftovers, new_run_id, origin_of,
        priced_regions, public_host, replay_command, spool_root, sweep,
    };

    /// This package's version.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// When the prices of estimates were looked up.
    #[pymodule_export]
    const PRICES_AS_OF: &str = crate::pricing::PRICES_AS_OF;

    /// Hours in the month over which metrics are charged by the hour.
    #[pymodule_export]
    const HOURS_PER_MONTH: u32 = crate::pricing::HOURS_PER_MONTH;

    /// Longest run id.
    #[pymodule_export]
    const MAX_RUN_ID_CHARS: usize = crate::config::MAX_RUN_ID_CHARS;

    /// The host of gauges where a run has none.
    #[pymodule_export]
    const NO_HOST: &str = crate::identity::NO_HOST;

    /// The request name that those which are too many go under.
    #[pymodule_export]
    const OTHER: &str = crate::place::OTHER;

    /// Most dimensions of one metric.
    #[pymodule_export]
    const MAX_DIMENSIONS: usize = crate::dimension::MAX_DIMENSIONS;

    /// Longest name of a namespace, a metric or a dimension.
    #[pymodule_export]
    const MAX_NAME_CHARS: usize = crate::dimension::MAX_NAME_CHARS;

    /// Longest value of a dimension.
    #[pymodule_export]
    const MAX_VALUE_CHARS: usize = crate::dimension::MAX_VALUE_CHARS;

    /// Most distinct values of one datum.
    #[pymodule_export]
    const MAX_VALUES_PER_DATUM: usize = crate::distribution::MAX_VALUES_PER_DATUM;

    /// Most datums of one call.
    #[pymodule_export]
    const MAX_DATUMS: usize = crate::call::MAX_DATUMS;

    /// Most bytes of the datums of one call.
    #[pymodule_export]
    const MAX_METRICS_BYTES: usize = crate::call::MAX_METRICS_BYTES;

    /// What a log event counts beside its text.
    #[pymodule_export]
    const EVENT_OVERHEAD_BYTES: usize = crate::log_event::EVENT_OVERHEAD_BYTES;
}

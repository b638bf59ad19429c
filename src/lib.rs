//! The CloudWatch back end for Locust: a Rust core that takes finished requests and delivers them to Amazon CloudWatch.
//!
//! The modules stand in groups, in the order in which a sample passes them. Of the first three groups each is pure: it
//! knows no clock, no network and no Python.

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
        check_options, default_options, dimension_value, estimate_cost, leftovers, new_run_id, priced_regions,
        replay_command, spool_root, sweep,
    };

    /// This package's version.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// When the prices of estimates were looked up.
    #[pymodule_export]
    const PRICES_AS_OF: &str = crate::pricing::PRICES_AS_OF;
}

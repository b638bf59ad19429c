//! The CloudWatch back end for Locust: a Rust core that takes finished requests and delivers them to Amazon CloudWatch.
//!
//! A folder is a stage of a sample's path or a role beside it: `ingest` takes samples in, `metrics` and `logs` turn them into
//! what CloudWatch stores, `spool` keeps that on disk, `delivery` sends it through `aws`, and `accounting` counts it. `run` and
//! `replay` are put together from these, and `python` is the boundary to the extension module.

pub mod accounting;
pub mod aws;
pub mod config;
pub mod delivery;
pub mod ingest;
pub mod logs;
pub mod metrics;
pub mod spool;

pub mod redact;
pub mod replay;
pub mod run;
pub mod runtime;
mod sync;
pub mod timestamp;

#[cfg(feature = "python")]
mod python;

/// The native module `locust_cw._core`.
#[cfg(feature = "python")]
#[pyo3::pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::python::{
        Account, Call, CallFailure, DeliveryCounts, Flush, LogMessage, Partition, PendingSpool, PendingSpoolSearch,
        PlannedUsage, Progress, Publisher, Receipt, Replay, StatusReport, check_options, default_options,
        dimension_value, empty_receipt, estimate_cost, estimate_usage, find_pending_spools, never_proxied, new_run_id,
        option_choices, origin_of, partition_of, pending_spools, priced_regions, public_host, remove_empty_spools,
        spool_root,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::python::register(module)
    }

    /// This package's version.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// When the prices of estimates were looked up.
    #[pymodule_export]
    const PRICES_AS_OF: &str = crate::accounting::pricing::PRICES_AS_OF;

    /// Hours in the month over which metrics are charged by the hour.
    #[pymodule_export]
    const HOURS_PER_MONTH: u32 = crate::accounting::pricing::HOURS_PER_MONTH;

    /// Bytes of the text of a JSON log event.
    #[pymodule_export]
    const EVENT_BYTES: u64 = crate::accounting::plan::EVENT_BYTES;

    /// Gauges of each process.
    #[pymodule_export]
    const GAUGES: u64 = crate::accounting::plan::GAUGES;

    /// Longest run id.
    #[pymodule_export]
    const MAX_RUN_ID_CHARS: usize = crate::config::identity::MAX_RUN_ID_CHARS;

    /// The host of gauges where a run has none.
    #[pymodule_export]
    const NO_HOST: &str = crate::config::identity::NO_HOST;

    /// The request name that those which are too many go under.
    #[pymodule_export]
    const OTHER: &str = crate::metrics::series::OTHER;
    #[pymodule_export]
    const MAX_SERIES_PER_REQUEST: usize = crate::metrics::notice::MAX_SERIES_PER_REQUEST;

    /// Points in time at or after this cannot be shown as a date.
    #[pymodule_export]
    const DATES_END: f64 = crate::accounting::status_report::DATES_END;

    /// Most dimensions of one metric.
    #[pymodule_export]
    const MAX_DIMENSIONS: usize = crate::metrics::dimension::MAX_DIMENSIONS;

    /// Longest name of a namespace, a metric or a dimension.
    #[pymodule_export]
    const MAX_NAME_CHARS: usize = crate::metrics::dimension::MAX_NAME_CHARS;

    /// Longest value of a dimension.
    #[pymodule_export]
    const MAX_VALUE_CHARS: usize = crate::metrics::dimension::MAX_VALUE_CHARS;

    /// Most distinct values of one datum.
    #[pymodule_export]
    const MAX_VALUES_PER_DATUM: usize = crate::metrics::histogram::MAX_VALUES_PER_DATUM;

    /// Most datums of one call.
    #[pymodule_export]
    const MAX_DATUMS: usize = crate::delivery::limits::MAX_DATUMS;

    /// Most bytes of the datums of one call.
    #[pymodule_export]
    const MAX_METRICS_BYTES: usize = crate::delivery::limits::MAX_METRICS_BYTES;

    /// What a log event counts beside its text.
    #[pymodule_export]
    const EVENT_OVERHEAD_BYTES: usize = crate::logs::event::EVENT_OVERHEAD_BYTES;
}

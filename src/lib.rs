//! The CloudWatch back end for Locust: a Rust core that records finished requests and delivers them to Amazon CloudWatch.
//!
//! Each folder is a stage of the path of a sample, or a role next to it: `sample` defines what is recorded, `ingest` queues it,
//! `metrics` and `logs` convert it to datums and log events, `spool` stores those on disk, `delivery` sends them through `aws`,
//! and `accounting` counts them. `summary` adds up the requests of a run, `check` judges them, and `compare` compares two runs.
//! `run` and `replay` assemble these parts, and `python` is the boundary of the extension module. The folders depend on each
//! other in one direction only.

pub mod accounting;
pub mod aws;
pub mod check;
pub mod compare;
pub mod config;
pub mod delivery;
pub mod ingest;
pub mod logs;
pub mod metrics;
pub mod sample;
pub mod spool;
pub mod summary;

pub mod messages;
pub mod planned_usage;
pub mod redact;
pub mod replay;
pub mod run;
pub mod runtime;
pub mod stable_hash;
pub mod statistics;
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
        Account, Call, CallFailure, Check, CheckResult, Comparison, ComparisonRow, CustomCollector, CustomMetric,
        DeliveryCounts, ErrorTotals, Flush, LoadTimeline, LogMessage, Partition, PendingSpool, PendingSpoolSearch,
        PlannedUsage, Progress, Publisher, Receipt, Replay, RequestTimeline, RequestTotals, RunStatistics,
        SingleRequest, StatusReport, Summary, check_options, compare_runs, default_options, dimension_value,
        empty_receipt, estimate_cost, estimate_usage, find_pending_spools, merge_marks, never_proxied, new_run_id,
        option_choices, origin_of, parse_check, parse_checks, partition_of, pending_spools, priced_regions,
        public_host, remove_empty_spools, spool_root,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::python::register(module)
    }

    /// The version of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// The date of the prices of estimates.
    #[pymodule_export]
    const PRICES_AS_OF: &str = crate::accounting::pricing::PRICES_AS_OF;

    /// The price of reading a metric with `GetMetricData`, in USD.
    #[pymodule_export]
    const METRIC_READ_USD: f64 = crate::accounting::pricing::METRIC_READ;

    /// Hours of a month in the prices of metrics, which CloudWatch charges by the hour.
    #[pymodule_export]
    const HOURS_PER_MONTH: u32 = crate::accounting::pricing::HOURS_PER_MONTH;

    /// Estimated size of the text of a JSON log event, in bytes.
    #[pymodule_export]
    const EVENT_BYTES: u64 = crate::planned_usage::EVENT_BYTES;

    /// The same with compact fields.
    #[pymodule_export]
    const COMPACT_EVENT_BYTES: u64 = crate::planned_usage::COMPACT_EVENT_BYTES;

    /// Number of gauges of each process.
    #[pymodule_export]
    const GAUGES: u64 = crate::metrics::datum::GAUGES;

    /// Maximum length of a run ID.
    #[pymodule_export]
    const MAX_RUN_ID_CHARS: usize = crate::config::identity::MAX_RUN_ID_CHARS;

    /// The host of gauges in a run without a host.
    #[pymodule_export]
    const NO_HOST: &str = crate::config::identity::NO_HOST;

    /// The request name of all requests beyond the maximum number of names.
    #[pymodule_export]
    const OTHER: &str = crate::metrics::series::OTHER;

    /// Maximum number of series for each request name.
    #[pymodule_export]
    const MAX_SERIES_PER_REQUEST: usize = crate::metrics::notice::MAX_SERIES_PER_REQUEST;

    /// The first point in time that cannot be shown as a date.
    #[pymodule_export]
    const DATES_END: f64 = crate::timestamp::DATES_END;

    /// Maximum number of dimensions of a metric.
    #[pymodule_export]
    const MAX_DIMENSIONS: usize = crate::config::dimension::MAX_DIMENSIONS;

    /// Maximum length of the name of a namespace, metric or dimension.
    #[pymodule_export]
    const MAX_NAME_CHARS: usize = crate::config::dimension::MAX_NAME_CHARS;

    /// Maximum length of the value of a dimension.
    #[pymodule_export]
    const MAX_VALUE_CHARS: usize = crate::config::dimension::MAX_VALUE_CHARS;

    /// Maximum number of distinct values of a datum.
    #[pymodule_export]
    const MAX_VALUES_PER_DATUM: usize = crate::metrics::histogram::MAX_VALUES_PER_DATUM;

    /// Maximum number of datums of a call.
    #[pymodule_export]
    const MAX_DATUMS: usize = crate::delivery::limits::MAX_DATUMS;

    /// Maximum size of the datums of a call, in bytes.
    #[pymodule_export]
    const MAX_METRICS_BYTES: usize = crate::delivery::limits::MAX_METRICS_BYTES;

    /// Bytes that CloudWatch Logs adds to the text of each log event.
    #[pymodule_export]
    const EVENT_OVERHEAD_BYTES: usize = crate::logs::event::EVENT_OVERHEAD_BYTES;
}

//! Estimates usage and cost of a test for Python.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::depythonize;

use crate::accounting::pricing::{self, Usage};
use crate::config::Options;
use crate::config::value::OptionValue;
use crate::planned_usage::{self, Plan};

/// The usage of CloudWatch by a run of a planned test.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct PlannedUsage {
    metrics: u64,
    calls: u64,
    log_events: f64,
    log_bytes: f64,
}

/// Estimates the usage of CloudWatch by a run of a planned test, from the attributes of a [`Plan`].
#[pyfunction]
pub fn estimate_usage(plan: &Bound<'_, PyDict>) -> PyResult<PlannedUsage> {
    let plan: Plan = depythonize(plan).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let planned_usage::PlannedUsage { metrics, calls, log_events, log_bytes } = plan.usage();
    Ok(PlannedUsage { metrics, calls, log_events, log_bytes })
}

/// The cost of a usage in USD: that of the metrics, and that of calls and log events.
#[pyfunction]
#[pyo3(signature = (*, metric_hours, calls, log_bytes, log_class = "STANDARD", region = None))]
pub fn estimate_cost(
    metric_hours: u64,
    calls: u64,
    log_bytes: u64,
    log_class: &str,
    region: Option<&str>,
) -> PyResult<(f64, f64)> {
    let log_class = Options::read([("log_class".to_owned(), OptionValue::Text(log_class.to_owned()))])?.log_class;
    let cost = pricing::estimate(Usage { metric_hours, calls, log_bytes, log_class, region });
    Ok((cost.metrics, cost.traffic))
}

/// The regions in the table of prices.
#[pyfunction]
#[must_use]
pub fn priced_regions() -> Vec<&'static str> {
    pricing::regions().collect()
}

//! Estimates the usage of a planned test for Python.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::depythonize;

use crate::accounting::plan::{self, Plan};

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
    let plan::PlannedUsage { metrics, calls, log_events, log_bytes } = plan.usage();
    Ok(PlannedUsage { metrics, calls, log_events, log_bytes })
}

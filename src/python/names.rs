//! Names as locust-cw publishes them, and IDs of runs, for Python.

use pyo3::prelude::*;

use crate::config::dimension::fit_value;
use crate::config::identity;

/// The value of a dimension for a name or host.
#[pyfunction]
#[must_use]
pub fn dimension_value(text: &str) -> String {
    fit_value(text)
}

/// A host as it is published.
#[pyfunction]
#[must_use]
pub fn public_host(host: &str) -> String {
    identity::public_host(host)
}

/// Scheme, host and port of a URL.
#[pyfunction]
#[must_use]
pub fn origin_of(url: &str) -> Option<String> {
    identity::origin_of(url)
}

/// Creates an ID for a run that starts now.
#[pyfunction]
#[must_use]
pub fn new_run_id() -> String {
    identity::new_run_id()
}

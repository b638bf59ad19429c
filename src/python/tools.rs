//! Rules of the core that Python needs: prices, what becomes of a name, how a size is told, the sum of several accounts.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::options::invalid;
use crate::accounting::pricing::{self, Usage};
use crate::accounting::receipt::{self, Receipt};
use crate::config;
use crate::config::identity;
use crate::metrics::dimension::fit_value;

/// The sum of the accounts that processes of one run gave.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
pub fn add_up(py: Python<'_>, accounts: Vec<String>) -> PyResult<String> {
    let (first, others) = accounts.split_first().ok_or_else(|| PyValueError::new_err("there is no account"))?;
    py.detach(|| {
        let mut sum = Receipt::from_json(first)?;
        for other in others {
            sum.add(&Receipt::from_json(other)?);
        }
        Ok(sum.to_message())
    })
    .map_err(|error: serde_json::Error| PyValueError::new_err(format!("a process's account: {error}")))
}

/// What a usage costs in USD, by the one table of prices: the metrics themselves, and calls with log events.
#[pyfunction]
#[pyo3(signature = (*, metric_hours, calls, log_bytes, log_class = "STANDARD", region = None))]
pub fn estimate_cost(
    metric_hours: u64,
    calls: u64,
    log_bytes: u64,
    log_class: &str,
    region: Option<&str>,
) -> PyResult<(f64, f64)> {
    let log_class = config::log_class(log_class).map_err(|error| invalid(&error))?;
    let cost = pricing::estimate(Usage { metric_hours, calls, log_bytes, log_class, region });
    Ok((cost.metrics, cost.traffic))
}

/// The regions whose own prices are in the table.
#[pyfunction]
#[must_use]
pub fn priced_regions() -> Vec<&'static str> {
    pricing::regions().collect()
}

/// A size for a reader, such as `1.5 MB`.
#[pyfunction]
#[must_use]
pub fn human_bytes(number: u64) -> String {
    receipt::human_bytes(number)
}

/// The value of a dimension that a name or host becomes.
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

/// Scheme, host and port of a URL; `None` for what is no URL with a host.
#[pyfunction]
#[must_use]
pub fn origin_of(url: &str) -> Option<String> {
    identity::origin_of(url)
}

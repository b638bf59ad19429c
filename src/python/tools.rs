//! Rules of the core that the command needs: prices, and what becomes of a name.

use pyo3::prelude::*;

use super::options::InvalidOptionError;
use crate::config::Options;
use crate::dimension::fit_value;
use crate::pricing::{self, Usage};

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
    let options = Options { log_class: log_class.to_owned(), ..Options::default() };
    let config = options.validate().map_err(|error| InvalidOptionError::new_err(error.to_string()))?;
    let cost = pricing::estimate(Usage { metric_hours, calls, log_bytes, log_class: config.log.class, region });
    Ok((cost.metrics, cost.traffic))
}

/// The regions whose own prices are in the table.
#[pyfunction]
#[must_use]
pub fn priced_regions() -> Vec<&'static str> {
    pricing::regions().collect()
}

/// The value of a dimension that a name or host becomes.
#[pyfunction]
#[must_use]
pub fn dimension_value(text: &str) -> String {
    fit_value(text)
}

//! Functions of the core that Python needs: prices, published names and hosts, proxies.

use pyo3::prelude::*;

use super::errors::not_started;
use crate::accounting::pricing::{self, Usage};
use crate::aws::direct;
use crate::config::Options;
use crate::config::identity;
use crate::config::value::OptionValue;
use crate::metrics::dimension::fit_value;

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

/// Whether requests to a URL never go through a proxy.
#[pyfunction]
pub fn never_proxied(py: Python<'_>, url: &str) -> PyResult<bool> {
    let runtime = crate::runtime::handle().map_err(|error| not_started(&error))?;
    Ok(py.detach(|| direct::is_direct(url) || runtime.block_on(direct::leads_here(url))))
}

/// Creates an ID for a run that starts now.
#[pyfunction]
#[must_use]
pub fn new_run_id() -> String {
    crate::run::new_run_id()
}

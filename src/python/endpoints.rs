//! Facts about AWS endpoints for Python: the partition of a region, and URLs that bypass proxies.

use pyo3::prelude::*;

use super::errors::not_started;
use crate::aws::{direct, partition};

/// A partition of AWS.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct Partition {
    name: &'static str,
    console_domain: &'static str,
}

/// The partition that a region belongs to.
#[pyfunction]
#[must_use]
pub fn partition_of(region: &str) -> Partition {
    let partition::Partition { name, console_domain } = partition::Partition::of(region);
    Partition { name, console_domain }
}

/// Whether requests to a URL never go through a proxy.
#[pyfunction]
pub fn never_proxied(py: Python<'_>, url: &str) -> PyResult<bool> {
    let runtime = crate::runtime::handle().map_err(|error| not_started(&error))?;
    Ok(py.detach(|| direct::is_direct(url) || runtime.block_on(direct::leads_here(url))))
}

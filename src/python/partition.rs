//! The partition of AWS that a region belongs to.

use pyo3::prelude::*;

use crate::aws::partition;

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

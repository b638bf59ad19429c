//! `Receipt`: the numbers of a receipt, and the state of the delivery at the end. Python creates their text.

use std::path::PathBuf;

use pyo3::prelude::*;
use pythonize::pythonize;

use super::checks::CheckResult;
use super::progress::{CallFailure, destination};
use crate::accounting::counters::{Counters, Counts};
use crate::accounting::pricing::Cost;
use crate::accounting::receipt;
use crate::check::CheckVerdict;
use crate::delivery::DeliveryEnd;

/// The outcome of the requests, the failures or the log events of a run.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct DeliveryCounts {
    observed: u64,
    delivered: u64,
    spooled: u64,
    rejected: u64,
    dropped: u64,
}

impl From<receipt::DeliveryCounts> for DeliveryCounts {
    fn from(counts: receipt::DeliveryCounts) -> Self {
        let receipt::DeliveryCounts { observed, delivered, spooled, rejected, dropped } = counts;
        Self { observed, delivered, spooled, rejected, dropped }
    }
}

/// Whether every process of a run has reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All have.
    All,
    /// Some have not.
    Partial,
}

/// A receipt.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Receipt {
    numbers: receipt::Receipt,
    end: DeliveryEnd,
    coverage: Coverage,
}

impl Receipt {
    pub(super) fn new(numbers: receipt::Receipt, end: DeliveryEnd, coverage: Coverage) -> Self {
        Self { numbers, end, coverage }
    }

    /// The preliminary receipt of a process that has not ended.
    pub(super) fn of_report(numbers: receipt::Receipt) -> Self {
        Self::new(numbers, DeliveryEnd::default(), Coverage::All)
    }
}

#[pymethods]
impl Receipt {
    #[getter]
    fn run_id(&self) -> &str {
        &self.numbers.run_id
    }

    #[getter]
    fn requests(&self) -> DeliveryCounts {
        self.numbers.requests.into()
    }

    #[getter]
    fn failures(&self) -> DeliveryCounts {
        self.numbers.failures.into()
    }

    #[getter]
    fn log_events(&self) -> DeliveryCounts {
        self.numbers.log_events.into()
    }

    #[getter]
    const fn put_metric_data_calls(&self) -> u64 {
        self.numbers.api_calls.put_metric_data
    }

    #[getter]
    const fn put_log_events_calls(&self) -> u64 {
        self.numbers.api_calls.put_log_events
    }

    #[getter]
    const fn retries(&self) -> u64 {
        self.numbers.retries
    }

    #[getter]
    const fn uncertain(&self) -> u64 {
        self.numbers.uncertain
    }

    #[getter]
    const fn bytes_sent(&self) -> u64 {
        self.numbers.bytes_sent
    }

    #[getter]
    const fn estimated_cost_usd(&self) -> f64 {
        self.numbers.estimated_cost_usd
    }

    #[getter]
    const fn metrics_cost_usd(&self) -> f64 {
        self.numbers.metrics_cost_usd
    }

    #[getter]
    fn locust(&self) -> Option<(u64, u64)> {
        self.numbers.locust.map(|totals| (totals.requests, totals.failures))
    }

    #[getter]
    const fn reconciled(&self) -> Option<bool> {
        self.numbers.reconciled
    }

    #[getter]
    const fn user_errors(&self) -> u64 {
        self.numbers.user_errors
    }

    #[getter]
    fn dashboard_url(&self) -> Option<&str> {
        self.numbers.dashboard_url.as_deref()
    }

    #[getter]
    fn series<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.numbers.series)?)
    }

    #[getter]
    const fn dry_run(&self) -> bool {
        self.numbers.dry_run
    }

    #[getter]
    fn lacks_reports(&self) -> bool {
        self.coverage == Coverage::Partial
    }

    #[getter]
    fn complete(&self) -> bool {
        self.numbers.is_complete() && self.coverage == Coverage::All
    }

    #[getter]
    fn checks(&self) -> Vec<CheckResult> {
        self.numbers.checks.iter().cloned().map(CheckResult::from).collect()
    }

    /// Whether all checks have passed.
    #[getter]
    fn passed(&self) -> bool {
        self.numbers.checks.iter().all(|check| check.verdict == CheckVerdict::Passed)
    }

    #[getter]
    fn json(&self) -> String {
        self.numbers.to_json()
    }

    #[getter]
    fn spool_folder(&self) -> Option<PathBuf> {
        self.end.spool_folder.clone()
    }

    #[getter]
    fn rejected_folder(&self) -> Option<PathBuf> {
        self.end.rejected_folder.clone()
    }

    #[getter]
    fn call_failures(&self) -> Vec<CallFailure> {
        self.end.call_failures.iter().map(CallFailure::from).collect()
    }

    #[getter]
    fn destination<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        destination(py, self.end.destination.as_ref())
    }
}

/// The receipt of a run without recorded data.
#[pyfunction]
#[must_use]
pub fn empty_receipt(run_id: &str) -> Receipt {
    Receipt::of_report(receipt::Receipt::new(run_id, &Counters::default(), Counts::default(), Cost::default()))
}

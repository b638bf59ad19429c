//! `StatusReport`: the report of a process to its master, created by a `Publisher` or read from a message.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pythonize::{depythonize, pythonize};

use super::receipt::Receipt;
use crate::accounting::status_report::{self, Seconds};

/// The report of a process.
#[pyclass(frozen, module = "locust_cw._core")]
#[derive(Clone)]
pub struct StatusReport {
    pub(super) report: status_report::StatusReport,
}

#[pymethods]
impl StatusReport {
    /// Reads the message of a process.
    #[staticmethod]
    fn from_message(message: &Bound<'_, PyAny>) -> PyResult<Self> {
        // JSON values keep types apart that Python converts to each other.
        let plain: serde_json::Value = depythonize(message).map_err(|error| unreadable(&error))?;
        let report = serde_json::from_value(plain).map_err(|error| unreadable(&error))?;
        Ok(Self { report })
    }

    /// Converts the report to plain data.
    fn to_message<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.report)?)
    }

    /// The sum of this report and those of other processes of the same run.
    #[pyo3(signature = (*others))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes arguments by value")]
    fn merge(&self, others: Vec<PyRef<'_, Self>>) -> Self {
        let mut sum = self.report.clone();
        others.iter().for_each(|other| sum.merge(&other.report));
        Self { report: sum }
    }

    /// The report some seconds after it was created.
    fn aged(&self, seconds: f64) -> Self {
        Self { report: self.report.clone().aged(seconds) }
    }

    /// The report of a process that is missing.
    fn without_present(&self) -> Self {
        Self { report: self.report.clone().without_present() }
    }

    #[getter]
    fn run_id(&self) -> &str {
        &self.report.run_id
    }

    #[getter]
    fn receipt(&self) -> Receipt {
        Receipt::of_report(self.report.receipt.clone())
    }

    #[getter]
    fn remarks(&self) -> Vec<String> {
        self.report.remarks.clone()
    }

    #[getter]
    const fn is_final(&self) -> bool {
        self.report.is_final
    }

    #[getter]
    const fn left(&self) -> u64 {
        self.report.left
    }

    #[getter]
    const fn settled(&self) -> u64 {
        self.report.settled
    }

    #[getter]
    fn call_failures(&self) -> Vec<String> {
        self.report.status.call_failures.clone()
    }

    #[getter]
    fn outage_since(&self) -> Option<f64> {
        self.report.status.outage_since.map(Seconds::get)
    }

    #[getter]
    fn problem(&self) -> Option<(&str, f64)> {
        let status = &self.report.status;
        status.problem.as_deref().zip(status.problem_at.map(Seconds::get))
    }

    #[getter]
    fn delay_s(&self) -> Option<f64> {
        self.report.status.delay_s.map(Seconds::get)
    }

    #[getter]
    const fn waiting_bytes(&self) -> u64 {
        self.report.status.waiting_bytes
    }

    #[getter]
    const fn stopped(&self) -> bool {
        self.report.status.stopped
    }

    #[getter]
    fn refusal(&self) -> Option<&str> {
        self.report.refusal.as_deref()
    }
}

fn unreadable(reason: &dyn std::error::Error) -> PyErr {
    PyValueError::new_err(format!("not a status report of this version of locust-cw: {reason}"))
}

//! `CustomCollector`: custom metrics and marks of a worker whose master publishes.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::custom::{self, CustomArguments};
use super::options::config;
use super::progress::LogMessage;
use crate::ingest::collector::Collector;

/// Collects custom metrics and marks for the next report to the master.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct CustomCollector {
    collector: Collector,
}

#[pymethods]
impl CustomCollector {
    #[new]
    fn new(options: &Bound<'_, PyDict>) -> PyResult<Self> {
        Ok(Self { collector: Collector::new(&config(options)?) })
    }

    /// Records a value of a custom metric.
    #[pyo3(signature = (kind, metric, value, unit, dimensions, *, in_test))]
    fn custom(
        &self,
        kind: &str,
        metric: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        unit: &Bound<'_, PyAny>,
        dimensions: &Bound<'_, PyDict>,
        in_test: bool,
    ) -> PyResult<()> {
        CustomArguments { metric, value, unit, dimensions }.record(&self.collector, kind, custom::source(in_test))
    }

    /// Records a mark.
    #[pyo3(signature = (text, *, in_test))]
    fn mark(&self, text: &Bound<'_, PyAny>, in_test: bool) -> PyResult<()> {
        custom::mark(&self.collector, text, custom::source(in_test))
    }

    /// Takes what was recorded since the last report, as bytes; `None` if there is nothing.
    fn take_report<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let report = self.collector.take_report();
        if report.is_empty() {
            return Ok(None);
        }
        let bytes = report.encode().map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Some(PyBytes::new(py, &bytes)))
    }

    /// Takes the pending messages for the log.
    fn take_messages(&self) -> Vec<LogMessage> {
        self.collector.take_messages().into_iter().map(LogMessage::from).collect()
    }
}

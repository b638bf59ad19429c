//! `compare_runs`: the comparison of two runs.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pythonize::pythonize;

use super::statistics::Summary;
use crate::compare::{self, Options, Side};

/// Compares a run with a base.
#[pyfunction]
#[pyo3(signature = (base, base_seconds, run, run_seconds, *, tolerance = 0.05, requests = None))]
pub fn compare_runs(
    py: Python<'_>,
    base: &Summary,
    base_seconds: f64,
    run: &Summary,
    run_seconds: f64,
    tolerance: f64,
    requests: Option<Vec<String>>,
) -> PyResult<Comparison> {
    let options =
        Options { tolerance, requests: requests.map(|requests| requests.into_iter().map(Into::into).collect()) };
    let base = Side { summary: &base.summary, seconds: base_seconds };
    let run = Side { summary: &run.summary, seconds: run_seconds };
    let comparison = py.detach(|| compare::compare(base, run, &options));
    Ok(Comparison { comparison: comparison.map_err(|error| PyValueError::new_err(error.to_string()))? })
}

/// The comparison of two runs.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Comparison {
    comparison: compare::Comparison,
}

#[pymethods]
impl Comparison {
    /// The verdict on the run.
    #[getter]
    const fn verdict(&self) -> &'static str {
        self.comparison.verdict.name()
    }

    /// Why there is no verdict on times.
    #[getter]
    fn reasons(&self) -> Vec<String> {
        self.comparison.reasons.clone()
    }

    /// The measures of all requests, and then of each request.
    #[getter]
    fn rows(&self) -> Vec<ComparisonRow> {
        self.comparison.rows.iter().cloned().map(|row| ComparisonRow { row }).collect()
    }
}

/// One measure of one request, or of all requests.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct ComparisonRow {
    row: compare::Row,
}

#[pymethods]
impl ComparisonRow {
    /// Method and name.
    #[getter]
    fn request(&self) -> Option<&str> {
        self.row.request.as_deref()
    }

    /// The measure.
    #[getter]
    const fn measure(&self) -> &'static str {
        self.row.measure.name()
    }

    /// The value of the base, in the unit.
    #[getter]
    const fn base(&self) -> Option<f64> {
        self.row.base
    }

    /// The value of the run, in the unit.
    #[getter]
    const fn run(&self) -> Option<f64> {
        self.row.run
    }

    /// The unit.
    #[getter]
    const fn unit(&self) -> &'static str {
        self.row.unit.name()
    }

    /// The change.
    #[getter]
    const fn change(&self) -> Option<f64> {
        self.row.change
    }

    /// The 95 % interval of the change.
    #[getter]
    const fn interval(&self) -> Option<(f64, f64)> {
        self.row.interval
    }

    /// The verdict.
    #[getter]
    fn verdict(&self) -> Option<&'static str> {
        self.row.verdict.map(compare::ComparisonVerdict::name)
    }

    /// Why the verdict is undecided.
    #[getter]
    fn reasons(&self) -> Vec<String> {
        self.row.reasons.clone()
    }

    /// The keys of the command's JSON, with plain values.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.row)?)
    }
}

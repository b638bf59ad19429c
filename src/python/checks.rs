//! `Check` and `CheckResult`: a condition that a run must meet, and its result.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pythonize::pythonize;

use crate::check::{self, Measure, Scope};
use crate::config::{self, InvalidOption, Problem};

/// A parsed check.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Check {
    check: check::Check,
}

impl From<check::Check> for Check {
    fn from(check: check::Check) -> Self {
        Self { check }
    }
}

/// Parses the expression of a check.
#[pyfunction]
pub fn parse_check(text: &str) -> PyResult<Check> {
    Ok(Check { check: parsed(text)? })
}

/// Parses the checks of a run.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 passes arguments by value")]
pub fn parse_checks(expressions: Vec<String>) -> PyResult<Vec<Check>> {
    Ok(config::checks(&expressions)?.into_iter().map(Check::from).collect())
}

/// Parses the expression of a check.
pub fn parsed(text: &str) -> Result<check::Check, InvalidOption> {
    text.parse().map_err(|error: check::ParseError| InvalidOption {
        option: "check".to_owned(),
        problem: Problem::Other(error.to_string()),
    })
}

/// The values of target checks by their texts: a number, or the reason why there is none.
#[derive(FromPyObject)]
pub enum TargetValue {
    Number(f64),
    Reason(String),
}

/// The values of target checks for the core.
pub fn target_values(values: Option<BTreeMap<String, TargetValue>>) -> BTreeMap<String, Result<f64, String>> {
    let values = values.unwrap_or_default().into_iter().map(|(text, value)| match value {
        TargetValue::Number(number) => (text, Ok(number)),
        TargetValue::Reason(reason) => (text, Err(reason)),
    });
    values.collect()
}

#[pymethods]
impl Check {
    /// The expression as it was given.
    #[getter]
    fn text(&self) -> &str {
        &self.check.text
    }

    /// What the check is about.
    #[getter]
    const fn scope(&self) -> &'static str {
        match self.check.scope {
            Scope::All => "all",
            Scope::Request(_) => "request",
            Scope::Generator => "generator",
            Scope::Target(_) => "target",
        }
    }

    /// The request or the target.
    #[getter]
    fn name(&self) -> Option<&str> {
        match &self.check.scope {
            Scope::Request(name) | Scope::Target(name) => Some(name),
            Scope::All | Scope::Generator => None,
        }
    }

    /// The measure.
    #[getter]
    fn measure(&self) -> String {
        self.check.measure.to_string()
    }

    /// The name of the metric of a target.
    #[getter]
    fn metric(&self) -> Option<&str> {
        match &self.check.measure {
            Measure::Target { metric, .. } => Some(metric),
            _ => None,
        }
    }

    /// The statistic of the metric of a target.
    #[getter]
    fn statistic(&self) -> Option<&str> {
        match &self.check.measure {
            Measure::Target { statistic, .. } => Some(statistic),
            _ => None,
        }
    }

    /// The operator.
    #[getter]
    fn operator(&self) -> String {
        self.check.operator.to_string()
    }

    /// The limit, in the unit.
    #[getter]
    const fn limit(&self) -> f64 {
        self.check.limit
    }

    /// The unit.
    #[getter]
    const fn unit(&self) -> &'static str {
        self.check.measure.unit().name()
    }

    /// Seconds of breach after which the test is stopped.
    #[getter]
    fn abort_after_s(&self) -> Option<f64> {
        self.check.abort_after.map(|duration| duration.as_secs_f64())
    }
}

/// The result of a check.
#[pyclass(frozen, from_py_object, module = "locust_cw._core")]
#[derive(Clone)]
pub struct CheckResult {
    pub(super) result: check::CheckResult,
}

impl From<check::CheckResult> for CheckResult {
    fn from(result: check::CheckResult) -> Self {
        Self { result }
    }
}

#[pymethods]
impl CheckResult {
    /// The expression as it was given.
    #[getter]
    fn expression(&self) -> &str {
        &self.result.expression
    }

    /// The verdict.
    #[getter]
    const fn verdict(&self) -> &'static str {
        self.result.verdict.name()
    }

    /// The value, in the unit.
    #[getter]
    const fn measured(&self) -> Option<f64> {
        self.result.measured
    }

    /// The limit, in the unit.
    #[getter]
    const fn limit(&self) -> f64 {
        self.result.limit
    }

    /// The unit.
    #[getter]
    const fn unit(&self) -> &'static str {
        self.result.unit.name()
    }

    /// When single seconds breached the limit for the first time.
    #[getter]
    fn first_breach(&self) -> Option<f64> {
        self.result.first_breach.map(crate::timestamp::Timestamp::seconds_f64)
    }

    /// Why the check is undecided.
    #[getter]
    fn reason(&self) -> Option<&str> {
        self.result.reason.as_deref()
    }

    /// The keys of the receipt's JSON, with plain values.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.result)?)
    }
}

//! Custom metrics and marks: converts their arguments, and raises or logs what is wrong with them.

use std::fmt;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use smol_str::SmolStr;

use super::convert::{has_numeric_type, text, type_name, value_of};
use crate::ingest::collector::Collector;
use crate::metrics::custom::{CustomValue, Invalid, Kind, Rules, Source};
use crate::run::Run;
use crate::timestamp::Timestamp;

/// The arguments of a custom metric, as Python passes them.
pub struct CustomArguments<'a, 'py> {
    pub metric: &'a Bound<'py, PyAny>,
    pub value: &'a Bound<'py, PyAny>,
    pub unit: &'a Bound<'py, PyAny>,
    pub dimensions: &'a Bound<'py, PyDict>,
}

/// What is wrong with the arguments.
#[derive(Debug)]
pub enum Fault {
    /// An argument has another type: `what` it is, what it must be, and its type.
    Type { what: String, expected: &'static str, found: String },
    /// CloudWatch does not accept an argument.
    Invalid(Invalid),
    /// The text of a mark is blank.
    Blank,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { what, expected, found } => write!(formatter, "{what} must be {expected}, not {found}"),
            Self::Invalid(invalid) => invalid.fmt(formatter),
            Self::Blank => formatter.write_str("the text of a mark must not be blank"),
        }
    }
}

/// Where custom metrics and marks are recorded.
pub trait Recorder {
    /// The rules for custom metrics.
    fn rules(&self, source: Source) -> Rules<'_>;
    /// Records a value.
    fn record(&self, py: Python<'_>, value: CustomValue);
    /// Records a mark. Returns false if the text is blank.
    fn mark(&self, time: Timestamp, text: &str) -> bool;
    /// Counts what cannot be recorded, and logs the reason the first time for this topic.
    fn ignore(&self, topic: &str, reason: &str);
}

impl Recorder for Run {
    fn rules(&self, source: Source) -> Rules<'_> {
        self.custom_rules(source)
    }

    fn record(&self, py: Python<'_>, value: CustomValue) {
        if let Err(item) = self.try_record_custom(value) {
            py.detach(|| self.record_blocking(item));
        }
    }

    fn mark(&self, time: Timestamp, text: &str) -> bool {
        Self::mark(self, time, text)
    }

    fn ignore(&self, topic: &str, reason: &str) {
        Self::ignore(self, topic, reason);
    }
}

impl Recorder for Collector {
    fn rules(&self, source: Source) -> Rules<'_> {
        self.custom_rules(source)
    }

    fn record(&self, _py: Python<'_>, value: CustomValue) {
        Self::record(self, value);
    }

    fn mark(&self, time: Timestamp, text: &str) -> bool {
        Self::mark(self, time, text)
    }

    fn ignore(&self, topic: &str, reason: &str) {
        Self::ignore(self, topic, reason);
    }
}

impl Fault {
    /// Raises it in a program. In a load test, which must not be disturbed, logs it the first time, and counts it.
    fn settle(&self, recorder: &impl Recorder, source: Source) -> PyResult<()> {
        let text = self.to_string();
        match (source, self) {
            (Source::Program, Self::Type { .. }) => Err(PyTypeError::new_err(text)),
            (Source::Program, _) => Err(PyValueError::new_err(text)),
            (Source::Test, _) => {
                recorder.ignore(self.topic(), &format!("locust-cw ignores a custom metric or mark: {text}"));
                Ok(())
            }
        }
    }

    /// One for each kind, so that a fault in every task is one warning.
    const fn topic(&self) -> &'static str {
        match self {
            Self::Type { .. } => "custom type",
            Self::Invalid(Invalid::Name { .. }) => "custom name",
            Self::Invalid(Invalid::Reserved(_)) => "custom reserved",
            Self::Invalid(Invalid::Unit(_)) => "custom unit",
            Self::Invalid(Invalid::Value { .. }) => "custom value",
            Self::Invalid(Invalid::Dimensions { .. }) => "custom dimensions",
            Self::Blank => "custom mark",
        }
    }
}

fn fault(what: impl Into<String>, expected: &'static str, found: &Bound<'_, PyAny>) -> Fault {
    Fault::Type { what: what.into(), expected, found: type_name(found) }
}

fn text_of(what: impl FnOnce() -> String, value: &Bound<'_, PyAny>) -> Result<SmolStr, Fault> {
    if value.is_instance_of::<PyString>() { Ok(text(value)) } else { Err(fault(what(), "text", value)) }
}

impl CustomArguments<'_, '_> {
    /// Records the value, at the present time.
    pub fn record(&self, recorder: &impl Recorder, kind: &str, source: Source) -> PyResult<()> {
        let kind = if kind == "count" { Kind::Count } else { Kind::Gauge };
        match self.value(kind, recorder.rules(source)) {
            Ok(value) => {
                recorder.record(self.dimensions.py(), value);
                Ok(())
            }
            Err(fault) => fault.settle(recorder, source),
        }
    }

    fn value(&self, kind: Kind, rules: Rules<'_>) -> Result<CustomValue, Fault> {
        let metric = text_of(|| "the name of a metric".to_owned(), self.metric)?;
        let unit = text_of(|| format!("the unit of {metric}"), self.unit)?;
        let mut dimensions = Vec::with_capacity(self.dimensions.len());
        for (name, value) in self.dimensions.iter() {
            let name = text_of(|| "the name of a dimension".to_owned(), &name)?;
            if !value.is_instance_of::<PyString>() && (value.is_none() || !has_numeric_type(&value)) {
                return Err(fault(format!("the dimension {name} of {metric}"), "text or a number", &value));
            }
            dimensions.push((name, text(&value)));
        }
        let series = rules.series(kind, &metric, &unit, dimensions).map_err(Fault::Invalid)?;
        let number = (!self.value.is_none()).then(|| value_of::<f64>(self.value)).flatten();
        let number = number.ok_or_else(|| fault(format!("the value of {metric}"), "a number", self.value))?;
        series.value(Timestamp::now(), number).map_err(Fault::Invalid)
    }
}

/// Records a mark at the present time.
pub fn mark(recorder: &impl Recorder, value: &Bound<'_, PyAny>, source: Source) -> PyResult<()> {
    let marked = text_of(|| "the text of a mark".to_owned(), value);
    let marked = marked.and_then(|text| recorder.mark(Timestamp::now(), &text).then_some(()).ok_or(Fault::Blank));
    marked.or_else(|fault| fault.settle(recorder, source))
}

/// Who records, as Python says it.
pub const fn source(in_test: bool) -> Source {
    if in_test { Source::Test } else { Source::Program }
}

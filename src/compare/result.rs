//! The result of a comparison, with the keys of `compare --json`.

use serde::{Serialize, Serializer};

use crate::check::Unit;

/// How the second run compares with the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ComparisonVerdict {
    /// Worse: longer response times, or more failures.
    Slower,
    /// Better: shorter response times, or fewer failures.
    Faster,
    /// The interval of the change is within the tolerance.
    Same,
    /// The data do not show which of these holds.
    Undecided,
}

impl ComparisonVerdict {
    /// The verdict in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slower => "slower",
            Self::Faster => "faster",
            Self::Same => "same",
            Self::Undecided => "undecided",
        }
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Requests per second: shown without a verdict.
    RequestsPerSecond,
    /// The share of failed requests.
    FailureRate,
    /// The median of the successful response times.
    P50,
    /// Their 95th percentile.
    P95,
    /// Their 99th percentile.
    P99,
}

impl Measure {
    /// The measures of each request, in the order of the rows.
    pub const ALL: [Self; 5] = [Self::RequestsPerSecond, Self::FailureRate, Self::P50, Self::P95, Self::P99];

    /// The measure in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "requests_per_second",
            Self::FailureRate => "failure_rate",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }

    /// The unit of the values.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::RequestsPerSecond => Unit::PerSecond,
            Self::FailureRate => Unit::Percent,
            Self::P50 | Self::P95 | Self::P99 => Unit::Milliseconds,
        }
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One measure of one request, or of all requests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Method and name; None for all requests.
    pub request: Option<String>,
    /// What is compared.
    pub measure: Measure,
    /// The value of the base in `unit`; None if there is none.
    pub base: Option<f64>,
    /// The value of the other run.
    pub run: Option<f64>,
    /// The unit of both values.
    pub unit: Unit,
    /// The relative change: 0.1 if the value of the run is 10 % higher. Of the failure rate: the difference, 0.01 for one
    /// percentage point.
    pub change: Option<f64>,
    /// The 95 % interval of the change.
    pub interval: Option<(f64, f64)>,
    /// The verdict; None for measures without one.
    pub verdict: Option<ComparisonVerdict>,
    /// Why the verdict is undecided: sentences.
    #[serde(rename = "why", serialize_with = "as_text")]
    pub reasons: Vec<String>,
}

/// The sentences one after another; null if there are none.
fn as_text<S: Serializer>(sentences: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    (!sentences.is_empty()).then(|| sentences.join(" ")).serialize(serializer)
}

/// A comparison of two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The verdict on the run as a whole.
    pub verdict: ComparisonVerdict,
    /// Why there is no verdict on times: sentences.
    pub reasons: Vec<String>,
    /// All requests, and then each request in the order of [`crate::summary::Summary::requests`]; for each, [`Measure::ALL`].
    pub rows: Vec<Row>,
}

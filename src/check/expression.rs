//! The parts of a check, and the text that stands for them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::measure::is_measure;
use super::several::begins_with_condition;

/// The scope of the load generator.
pub(super) const GENERATOR: &str = "generator";

/// A condition that a run must meet.
///
/// Two checks are equal if they are the same condition, even if their texts differ: `p95 < 300ms` and `p95<0.3s`. `Display`
/// writes the condition in one form, which parses to an equal check. Only a name with hundreds of quotation marks makes this form
/// longer than the maximum length of an expression.
#[derive(Debug, Clone)]
pub struct Check {
    /// The expression as the user wrote it, without whitespace around it.
    pub text: String,
    /// What is measured.
    pub scope: Scope,
    /// The measure.
    pub measure: Measure,
    /// How the measured value is compared with the limit.
    pub operator: Operator,
    /// The limit, in the unit of the measure. It is finite.
    pub limit: f64,
    /// How long a breach must last without interruption to stop the test; whole seconds.
    pub abort_after: Option<Duration>,
}

impl Check {
    /// Whether a value meets the condition.
    #[must_use]
    pub fn is_met_by(&self, value: f64) -> bool {
        self.operator.holds(value, self.limit)
    }

    fn condition(&self) -> (&Scope, &Measure, Operator, f64, Option<Duration>) {
        (&self.scope, &self.measure, self.operator, self.limit, self.abort_after)
    }
}

impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        self.condition() == other.condition()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} {} {}{}", self.scope, self.measure, self.operator, self.limit, self.measure.unit().suffix())?;
        match self.abort_after {
            Some(duration) => write!(f, " abort after {}s", duration.as_secs()),
            None => Ok(()),
        }
    }
}

/// What a check measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All requests.
    All,
    /// The requests of one name, which may begin with the method, as in `POST /checkout`.
    Request(String),
    /// The load generator.
    Generator,
    /// A resource under test, as given with `--cw-target`.
    Target(String),
}

/// Writes the scope with its colon; nothing for all requests.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::Generator => write!(f, "{GENERATOR}: "),
            Self::Request(name) | Self::Target(name) if is_plain_name(name) => write!(f, "{name}: "),
            Self::Request(name) | Self::Target(name) => write!(f, "{}: ", Quoted(name)),
        }
    }
}

fn is_plain_name(name: &str) -> bool {
    name != GENERATOR
        && name.trim() == name
        && !name.starts_with(['"', '\'', '['])
        && !begins_with_condition(name)
        && end_of_scope(name).is_none_or(|end| end + 1 == name.len())
}

/// The position of the colon that ends the scope of an expression: the first one before whitespace or the end of the text.
pub(super) fn end_of_scope(text: &str) -> Option<usize> {
    let ends_scope = |at: &usize| text[at + 1..].chars().next().is_none_or(char::is_whitespace);
    text.match_indices(':').map(|(at, _)| at).find(ends_scope)
}

/// What is compared with the limit.
#[derive(Debug, Clone, PartialEq)]
pub enum Measure {
    /// A percentile of the response times of successful requests: 1 to 99.999.
    Percentile(f64),
    /// The mean response time of successful requests.
    Mean,
    /// The longest response time of a successful request.
    Max,
    /// Failed requests in percent of all requests.
    FailureShare,
    /// The number of failed requests.
    Failures,
    /// Successful requests per second.
    RequestsPerSecond,
    /// The number of finished requests, failed ones included.
    Requests,
    /// CPU time of the busiest process of the load generator, in percent of one core.
    GeneratorCpu,
    /// Memory of the largest process of the load generator, in megabytes of 1,000,000 bytes.
    GeneratorMemory,
    /// A metric of a target, in its own unit.
    Target {
        /// The name of the metric.
        metric: String,
        /// The statistic of CloudWatch, such as `Average` or `p99`.
        statistic: String,
    },
}

impl Measure {
    /// Whether it is a measure of the load generator.
    pub(super) const fn is_of_generator(&self) -> bool {
        matches!(self, Self::GeneratorCpu | Self::GeneratorMemory)
    }

    /// The unit of its values.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        match self {
            Self::Percentile(_) | Self::Mean | Self::Max => Unit::Milliseconds,
            Self::FailureShare | Self::GeneratorCpu => Unit::Percent,
            Self::RequestsPerSecond => Unit::PerSecond,
            Self::Failures | Self::Requests => Unit::Count,
            Self::GeneratorMemory => Unit::Megabytes,
            Self::Target { .. } => Unit::OfMetric,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(f, "p{percent}"),
            Self::Mean => f.write_str("mean"),
            Self::Max => f.write_str("max"),
            Self::FailureShare | Self::Failures => f.write_str("failures"),
            Self::RequestsPerSecond => f.write_str("rps"),
            Self::Requests => f.write_str("requests"),
            Self::GeneratorCpu => f.write_str("cpu"),
            Self::GeneratorMemory => f.write_str("memory"),
            Self::Target { metric, statistic } if is_plain_metric(metric) => write!(f, "{metric} {statistic}"),
            Self::Target { metric, statistic } => write!(f, "{} {statistic}", Quoted(metric)),
        }
    }
}

/// Whether a metric needs no quotation marks. One with the name of a measure needs them, because it would be the measure.
fn is_plain_metric(name: &str) -> bool {
    let ends_word = |c: char| c.is_whitespace() || is_operator_char(c);
    !name.starts_with('"') && !name.ends_with(':') && !name.contains(ends_word) && !is_measure(name)
}

/// Whether a character may be part of an operator, or of an attempt to write one.
pub(super) const fn is_operator_char(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '!' | '~' | '≤' | '≥' | '≠')
}

/// Writes a name in double quotes.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', r"\\").replace('"', "\\\""))
    }
}

/// How a value is compared with the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Operator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
}

impl Operator {
    /// All operators.
    pub const ALL: [Self; 5] = [Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual, Self::Equal];

    /// The operator in an expression.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
        }
    }

    /// Whether a value meets a limit.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "the user asks for equality, and counts are exact")]
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Less => value < limit,
            Self::LessOrEqual => value <= limit,
            Self::Greater => value > limit,
            Self::GreaterOrEqual => value >= limit,
            Self::Equal => value == limit,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The unit of a limit and of a measured value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Percent.
    #[serde(rename = "%")]
    Percent,
    /// Per second.
    #[serde(rename = "1/s")]
    PerSecond,
    /// A number of requests.
    #[serde(rename = "count")]
    Count,
    /// Megabytes of 1,000,000 bytes.
    #[serde(rename = "MB")]
    Megabytes,
    /// The unit of the target's metric, which the check does not know.
    #[serde(rename = "")]
    OfMetric,
}

impl Unit {
    /// The name of the unit in results; empty for the unit of a target's metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Percent => "%",
            Self::PerSecond => "1/s",
            Self::Count => "count",
            Self::Megabytes => "MB",
            Self::OfMetric => "",
        }
    }

    /// What follows the number in an expression.
    const fn suffix(self) -> &'static str {
        match self {
            Self::PerSecond | Self::Count => "",
            _ => self.name(),
        }
    }
}

//! Custom metrics: values that a program or a load test records, and the rules for their names, units and dimensions.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use thiserror::Error;

use crate::config::SeriesKey;
use crate::config::dimension::{Dimension, MAX_DIMENSIONS, MAX_NAME_CHARS, fit_value};
use crate::metrics::datum::{LOCUST_GAUGES, SAMPLE_METRICS};
use crate::metrics::histogram::MAX_VALUE;
use crate::sample::{Gauge, Unit};
use crate::timestamp::Timestamp;

/// How the values of a custom metric are combined in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// The values of the window are published, as a distribution.
    Gauge,
    /// The sum of the window is published.
    Count,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gauge => "gauge",
            Self::Count => "count",
        })
    }
}

/// A series of a custom metric.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomSeries {
    /// How its values are combined.
    pub kind: Kind,
    /// Name of the metric.
    pub metric: SmolStr,
    /// The unit.
    pub unit: Unit,
    /// Names and values of the dimensions in addition to those that all metrics have, sorted by name. All values of a
    /// series in a report share them.
    pub dimensions: Arc<[(SmolStr, SmolStr)]>,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomValue {
    /// When it was recorded.
    pub time: Timestamp,
    /// Its series.
    pub series: CustomSeries,
    /// The value: finite, from 0 to [`MAX_VALUE`].
    pub value: f64,
}

/// Who records a custom metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A program without Locust, which may publish the gauges of a Locust process itself.
    Program,
    /// A test with Locust.
    Test,
}

/// Why a custom metric cannot be recorded.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Invalid {
    /// CloudWatch does not accept the name.
    #[error(
        "the name of a {what} must have 1 to {MAX_NAME_CHARS} printable ASCII characters and must not start with \":\", \
         not {name:?}"
    )]
    Name {
        /// Metric or dimension.
        what: &'static str,
        /// The start of the name.
        name: String,
    },
    /// locust-cw publishes a metric of this name.
    #[error("locust-cw publishes the metric {0} itself: choose another name")]
    Reserved(String),
    /// There is no such unit.
    #[error("{0}")]
    Unit(String),
    /// CloudWatch does not accept the value.
    #[error("the value of {metric} must be a number from 0 to 2^360, not {value}")]
    Value {
        /// The metric.
        metric: String,
        /// The value.
        value: f64,
    },
    /// There are too many dimensions.
    #[error(
        "the metric {metric} has {number} dimensions, including Host and those of --cw-dimension: CloudWatch accepts \
         {MAX_DIMENSIONS}"
    )]
    Dimensions {
        /// The metric.
        metric: String,
        /// The number of dimensions.
        number: usize,
    },
}

/// Where custom metrics are recorded: what their names must differ from, and the dimensions that they have anyway.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Who records them.
    pub source: Source,
    /// The dimensions of `--cw-dimension`.
    pub constant_dimensions: &'a [Dimension],
}

impl Rules<'_> {
    /// Validates a series.
    ///
    /// # Errors
    /// If CloudWatch would not accept it, or the name is that of a metric of locust-cw.
    pub fn series(
        &self,
        kind: Kind,
        metric: &str,
        unit: &str,
        mut dimensions: Vec<(SmolStr, SmolStr)>,
    ) -> Result<CustomSeries, Invalid> {
        valid_name("metric", metric)?;
        if SAMPLE_METRICS.contains(&metric) || (self.source == Source::Test && LOCUST_GAUGES.contains(&metric)) {
            return Err(Invalid::Reserved(metric.to_owned()));
        }
        let unit = Unit::named(unit).map_err(Invalid::Unit)?;
        dimensions.iter().try_for_each(|(name, _)| valid_name("dimension", name))?;
        // Few metrics have so many dimensions that it matters whether some have the same name.
        if dimensions.len() + self.constant_dimensions.len() >= MAX_DIMENSIONS {
            let number = self.number_of(&dimensions);
            if number > MAX_DIMENSIONS {
                return Err(Invalid::Dimensions { metric: metric.to_owned(), number });
            }
        }
        dimensions.iter_mut().for_each(|(_, value)| *value = fit_value(value).into());
        dimensions.sort_unstable();
        dimensions.dedup_by(|next, previous| next.0 == previous.0);
        Ok(CustomSeries { kind, metric: metric.into(), unit, dimensions: dimensions.into() })
    }

    /// The number of dimensions of a series, with those that all metrics have.
    fn number_of(&self, dimensions: &[(SmolStr, SmolStr)]) -> usize {
        let constant = self.constant_dimensions.iter().map(|dimension| &*dimension.name);
        let own = dimensions.iter().map(|(name, _)| name.as_str());
        own.chain(constant).chain([SeriesKey::Host.name()]).collect::<BTreeSet<_>>().len()
    }
}

impl CustomSeries {
    /// Validates a value of the series.
    ///
    /// # Errors
    /// If it is not a number from 0 to [`MAX_VALUE`].
    pub fn value(self, time: Timestamp, value: f64) -> Result<CustomValue, Invalid> {
        if (0.0..=MAX_VALUE).contains(&value) {
            Ok(CustomValue { time, series: self, value })
        } else {
            Err(Invalid::Value { metric: self.metric.into(), value })
        }
    }
}

impl CustomValue {
    /// Approximate size in memory, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let dimensions = self.series.dimensions.iter();
        let texts: usize =
            dimensions.map(|(name, value)| size_of::<(SmolStr, SmolStr)>() + name.len() + value.len()).sum();
        size_of::<Self>() + self.series.metric.len() + texts
    }
}

impl CustomValue {
    /// The value as the gauge that a Locust process would publish, if a program has recorded one of its name.
    #[must_use]
    pub fn as_locust_gauge(&self) -> Option<Gauge> {
        let CustomSeries { kind, metric, unit, dimensions } = &self.series;
        let is_one = *kind == Kind::Gauge && dimensions.is_empty() && LOCUST_GAUGES.contains(&metric.as_str());
        let gauge =
            || Gauge { time: self.time, metric: metric.to_string(), value: self.value, unit: *unit, dimension: None };
        is_one.then(gauge)
    }
}

/// The names of a custom metric, for the dashboard and the record of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CustomMetric {
    /// Name of the metric.
    pub metric: SmolStr,
    /// How its values are combined.
    pub kind: Kind,
    /// The unit.
    pub unit: Unit,
    /// The names of its dimensions, in addition to those that all metrics have.
    pub dimensions: Vec<SmolStr>,
}

impl From<&CustomSeries> for CustomMetric {
    fn from(series: &CustomSeries) -> Self {
        let dimensions = series.dimensions.iter().map(|(name, _)| name.clone()).collect();
        Self { metric: series.metric.clone(), kind: series.kind, unit: series.unit, dimensions }
    }
}

fn valid_name(what: &'static str, name: &str) -> Result<(), Invalid> {
    let is_printable = name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_printable && name.len() <= MAX_NAME_CHARS && !name.trim().is_empty() && !name.starts_with(':') {
        return Ok(());
    }
    Err(Invalid::Name { what, name: name.chars().take(MAX_SHOWN_CHARS).collect() })
}

/// How much of an invalid name a message contains.
const MAX_SHOWN_CHARS: usize = 100;

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) const RULES: Rules<'static> = Rules { source: Source::Test, constant_dimensions: &[] };

    pub(crate) fn dimensions(pairs: &[(&str, &str)]) -> Vec<(SmolStr, SmolStr)> {
        pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
    }

    pub(crate) fn value(kind: Kind, metric: &str, pairs: &[(&str, &str)], second: i64, value: f64) -> CustomValue {
        let series = RULES.series(kind, metric, "Count", dimensions(pairs)).expect("valid");
        series.value(Timestamp::from_seconds(second), value).expect("valid")
    }

    fn problem(rules: Rules<'_>, metric: &str, unit: &str, names: &[&str]) -> Option<String> {
        let dimensions = names.iter().map(|&name| (name.into(), "v".into())).collect();
        rules.series(Kind::Gauge, metric, unit, dimensions).err().map(|error| error.to_string())
    }

    #[test]
    fn names_and_units_that_cloudwatch_refuses_are_named() {
        let long = "x".repeat(256);
        for (metric, unit, names, part) in [
            ("", "None", &[][..], "name of a metric"),
            ("  ", "None", &[], "name of a metric"),
            (":a", "None", &[], "must not start with \":\", not \":a\""),
            ("주문", "None", &[], "printable ASCII"),
            ("a\nb", "None", &[], "not \"a\\nb\""),
            (&long, "None", &[], "1 to 255"),
            ("RequestCount", "None", &[], "publishes the metric RequestCount itself"),
            ("UserCount", "None", &[], "publishes the metric UserCount itself"),
            ("a", "count", &[], "\"count\" is not a unit of CloudWatch: Seconds, "),
            ("a", "None", &["풀"], "name of a dimension"),
            ("a", "None", &[""], "name of a dimension"),
        ] {
            let problem = problem(RULES, metric, unit, names).expect("refused");
            assert!(problem.contains(part), "{problem}");
        }
        assert_eq!(problem(RULES, &long[1..], "Bytes/Second", &["pool"]), None);
        // A program has no gauges of Locust.
        assert_eq!(problem(Rules { source: Source::Program, ..RULES }, "UserCount", "Count", &[]), None);
    }

    #[test]
    fn the_dimensions_of_all_metrics_count() {
        let names: Vec<_> = (0..30).map(|number| format!("d{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(problem(RULES, "a", "None", &names[..29]), None);
        assert!(problem(RULES, "a", "None", &names).is_some_and(|problem| problem.contains("31 dimensions")));
        let constant_dimensions = [Dimension::new("Team", "a"), Dimension::new("d0", "b")];
        let rules = Rules { constant_dimensions: &constant_dimensions, ..RULES };
        // A dimension of the same name is replaced.
        assert_eq!(problem(rules, "a", "None", &names[..28]), None);
        assert!(problem(rules, "a", "None", &names[..29]).is_some());
    }

    #[test]
    fn a_program_can_publish_the_gauges_of_a_locust_process() {
        let rules = Rules { source: Source::Program, ..RULES };
        let gauge = |kind, metric, pairs: &[(&str, &str)]| {
            let series = rules.series(kind, metric, "Count", dimensions(pairs)).expect("valid");
            series.value(Timestamp::from_seconds(1), 7.0).expect("valid").as_locust_gauge()
        };
        assert!(gauge(Kind::Gauge, "UserCount", &[]).is_some_and(|gauge| gauge.metric == "UserCount"));
        assert_eq!(gauge(Kind::Gauge, "UserCount", &[("UserClass", "a")]), None);
        assert_eq!(gauge(Kind::Count, "UserCount", &[]), None);
        assert_eq!(gauge(Kind::Gauge, "users", &[]), None);
    }

    #[test]
    fn dimensions_are_the_same_series_in_any_order() {
        let series = |pairs: &[_]| RULES.series(Kind::Count, "a", "Count", dimensions(pairs)).expect("valid");
        assert_eq!(series(&[("b", "1"), ("a", "2")]), series(&[("a", "2"), ("b", "1")]));
        assert_ne!(series(&[("b", "1")]), series(&[("b", "2")]));
    }

    #[test]
    fn values_that_cloudwatch_refuses_are_named() {
        let series = || RULES.series(Kind::Gauge, "depth", "None", vec![]).expect("valid");
        for (value, shown) in
            [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (-1.0, "-1"), (MAX_VALUE * 2.0, "from 0 to 2^360")]
        {
            let problem = series().value(Timestamp::from_seconds(0), value).expect_err("refused").to_string();
            assert!(problem.contains("depth") && problem.contains(shown), "{problem}");
        }
        for value in [0.0, -0.0, 1e-300, MAX_VALUE] {
            assert!(series().value(Timestamp::from_seconds(0), value).is_ok(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_refused_or_accepted_by_cloudwatch(metric in "\\PC{0,260}", name in "[:-~ \\n]{0,4}") {
            let series = RULES.series(Kind::Gauge, &metric, "None", vec![(name.into(), "v".into())]);
            if let Ok(series) = series {
                for name in [&series.metric, &series.dimensions[0].0] {
                    prop_assert!((1..=255).contains(&name.len()) && name.bytes().all(|b| (0x20..0x7f).contains(&b)));
                    prop_assert!(!name.starts_with(':') && !name.trim().is_empty());
                }
            }
        }
    }
}

//! `MetricDatum`: the values of one metric of one series in one window, as CloudWatch stores them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::dimension::Dimension;
use crate::metrics::histogram::{Histogram, MAX_VALUES_PER_DATUM};
use crate::sample::{Point, Unit};

/// Requests of a series in a window.
pub const REQUEST_COUNT: &str = "RequestCount";
/// Failed requests of a series in a window.
pub const FAILURE_COUNT: &str = "FailureCount";
/// Response times of successful requests.
pub const RESPONSE_TIME: &str = "ResponseTime_ms";
/// Response times of failed requests.
pub const FAILED_RESPONSE_TIME: &str = "FailedResponseTime_ms";
/// Sizes of the responses to successful requests.
pub const RESPONSE_SIZE: &str = "ResponseSize_Bytes";
/// The metrics that locust-cw derives from samples. A custom metric cannot have one of these names.
pub const SAMPLE_METRICS: [&str; 5] =
    [REQUEST_COUNT, FAILURE_COUNT, RESPONSE_TIME, FAILED_RESPONSE_TIME, RESPONSE_SIZE];
/// The gauges of a Locust process. A custom metric of a test with Locust cannot have one of these names.
pub const LOCUST_GAUGES: [&str; 4] = ["UserCount", WORKER_COUNT, "GeneratorCpu_Percent", "GeneratorMemory_Bytes"];
const WORKER_COUNT: &str = "WorkerCount";

/// Only series with failed requests have these.
const METRICS_OF_FAILURES: [&str; 1] = [FAILED_RESPONSE_TIME];
/// Only a master has these.
const GAUGES_OF_MASTER: [&str; 1] = [WORKER_COUNT];
/// Number of gauges of each process.
pub const GAUGES: u64 = (LOCUST_GAUGES.len() - GAUGES_OF_MASTER.len()) as u64;

/// Number of metrics of a series.
#[must_use]
pub const fn metrics_of_series(has_failures: bool) -> u64 {
    let missing = if has_failures { 0 } else { METRICS_OF_FAILURES.len() };
    (SAMPLE_METRICS.len() - missing) as u64
}

/// The values of a datum.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A count. The counts of two datums with the same key are added.
    Total(f64),
    /// The points of a histogram: at most [`MAX_VALUES_PER_DATUM`] values in ascending order.
    Points(Vec<Point>),
}

/// The key of a datum: datums with the same key are merged.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatumKey {
    /// Start of the window, seconds since the epoch.
    pub timestamp: i64,
    /// The series.
    pub dimensions: Arc<[Dimension]>,
    /// Name of the metric.
    pub metric: Arc<str>,
    /// Its unit.
    pub unit: Unit,
}

/// One MetricDatum.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    /// Window, series and metric.
    pub key: DatumKey,
    /// Its storage resolution in seconds: 1 or 60.
    pub resolution: u32,
    /// Its value or values.
    pub body: Body,
}

/// Size of a number in CBOR: one byte for the type and eight for the value.
const CBOR_NUMBER: usize = 9;
/// Size of the keys and headers of a datum in CBOR, rounded up.
const CBOR_DATUM: usize = 160;
/// Size of the keys and headers of a dimension in CBOR, rounded up.
const CBOR_DIMENSION: usize = 24;

impl Datum {
    /// The datums of a histogram: one for every [`MAX_VALUES_PER_DATUM`] values.
    pub fn of_histogram(key: &DatumKey, resolution: u32, histogram: &Histogram) -> impl Iterator<Item = Self> {
        let points = histogram.points();
        (0..points.len()).step_by(MAX_VALUES_PER_DATUM).map(move |start| Self {
            key: key.clone(),
            resolution,
            body: Body::Points(points[start..points.len().min(start + MAX_VALUES_PER_DATUM)].to_vec()),
        })
    }

    /// An upper bound of the size of this datum in a request body, before compression, in bytes.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        let dimensions: usize = self.key.dimensions.iter().map(|d| CBOR_DIMENSION + d.name.len() + d.value.len()).sum();
        let values = match &self.body {
            Body::Total(_) => CBOR_NUMBER,
            Body::Points(points) => points.len() * 2 * CBOR_NUMBER,
        };
        CBOR_DATUM + self.key.metric.len() + dimensions + values
    }

    /// The count, if this is the total of `metric` for a series with exactly these dimension names; else 0.
    #[must_use]
    pub fn total_of(&self, metric: &str, dimension_names: &[String]) -> u64 {
        let named = self.key.dimensions.iter().map(|d| &*d.name).eq(dimension_names.iter().map(String::as_str));
        if named { self.count_of(metric) } else { 0 }
    }

    /// The count, if this is a total of `metric`; else 0.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
    pub fn count_of(&self, metric: &str) -> u64 {
        match self.body {
            Body::Total(total) if &*self.key.metric == metric => total as u64,
            _ => 0,
        }
    }

    /// One line of JSON in the format of `--metric-data` of the AWS CLI.
    ///
    /// # Errors
    /// Those of `serde_json`. No datum causes one.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Json::from(self))
    }

    /// Reads a line that [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// If the line is damaged.
    pub fn from_json(line: &str) -> serde_json::Result<Self> {
        serde_json::from_str::<Json>(line)?.try_into()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Json {
    metric_name: String,
    dimensions: Vec<JsonDimension>,
    timestamp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    counts: Vec<u64>,
    unit: Unit,
    storage_resolution: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonDimension {
    name: String,
    value: String,
}

impl From<&Datum> for Json {
    fn from(datum: &Datum) -> Self {
        let (value, points): (_, &[Point]) = match &datum.body {
            Body::Total(total) => (Some(*total), &[]),
            Body::Points(points) => (None, points),
        };
        Self {
            metric_name: datum.key.metric.to_string(),
            dimensions: datum
                .key
                .dimensions
                .iter()
                .map(|d| JsonDimension { name: d.name.to_string(), value: d.value.to_string() })
                .collect(),
            timestamp: datum.key.timestamp,
            value,
            values: points.iter().map(|p| p.value).collect(),
            counts: points.iter().map(|p| p.count).collect(),
            unit: datum.key.unit,
            storage_resolution: datum.resolution,
        }
    }
}

impl TryFrom<Json> for Datum {
    type Error = serde_json::Error;

    fn try_from(json: Json) -> Result<Self, Self::Error> {
        if json.value.is_some() != json.values.is_empty() {
            return Err(serde::de::Error::missing_field("Value"));
        }
        if json.values.len() != json.counts.len() {
            return Err(serde::de::Error::missing_field("Counts"));
        }
        let dimension = |d: JsonDimension| Dimension { name: d.name.into(), value: d.value.into() };
        let points = json.values.into_iter().zip(json.counts).map(|(value, count)| Point { value, count });
        Ok(Self {
            key: DatumKey {
                timestamp: json.timestamp,
                dimensions: json.dimensions.into_iter().map(dimension).collect(),
                metric: json.metric_name.into(),
                unit: json.unit,
            },
            resolution: json.storage_resolution,
            body: json.value.map_or_else(|| Body::Points(points.collect()), Body::Total),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn key(metric: &str, request: &str) -> DatumKey {
        DatumKey {
            timestamp: 1_795_348_981,
            dimensions: [Dimension::new("Host", "http://shop"), Dimension::new("Request", request)].into(),
            metric: metric.into(),
            unit: Unit::Milliseconds,
        }
    }

    #[test]
    fn a_histogram_with_many_values_is_split_into_datums_of_150_values() {
        let mut histogram = Histogram::default();
        (1..5000).for_each(|i| histogram.add(f64::from(i)));
        let datums: Vec<_> = Datum::of_histogram(&key(RESPONSE_TIME, "/"), 1, &histogram).collect();
        let points: Vec<_> = datums
            .iter()
            .flat_map(|d| match &d.body {
                Body::Points(points) => points.clone(),
                Body::Total(_) => panic!("points"),
            })
            .collect();
        assert!(datums.len() > 1);
        assert_eq!(points, histogram.points());
    }

    #[test]
    fn only_a_series_with_exactly_these_dimensions_is_counted() {
        let names = ["Host".to_owned(), "Request".to_owned()];
        let datum = Datum { key: key(REQUEST_COUNT, "/"), resolution: 1, body: Body::Total(7.0) };
        assert_eq!(datum.total_of(REQUEST_COUNT, &names), 7);
        assert_eq!(datum.total_of(REQUEST_COUNT, &names[..1]), 0);
        assert_eq!(datum.total_of(FAILURE_COUNT, &names), 0);
    }

    #[test]
    fn a_datum_without_a_part_of_its_body_is_damaged() {
        let points = vec![Point { value: 1.5, count: 3 }, Point { value: 2.5, count: 4 }];
        let datum = Datum { key: key(RESPONSE_TIME, "/"), resolution: 1, body: Body::Points(points) };
        let whole = datum.to_json().expect("a datum is plain data");
        assert!(Datum::from_json(&whole).is_ok());
        for (part, other) in
            [("Values", "Walues"), ("Counts", "Gounts"), ("[3,4]", "[3]"), ("\"Unit\"", "\"Value\":1.0,\"Unit\"")]
        {
            assert!(whole.contains(part) && Datum::from_json(&whole.replace(part, other)).is_err(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_datum_is_unchanged_after_writing_and_reading(total in 0.0..1e12f64, values in prop::collection::vec(0.0..1e9f64, 1..150)) {
            let points = values.into_iter().map(|value| Point { value, count: 3 }).collect();
            for body in [Body::Total(total), Body::Points(points)] {
                let datum = Datum { key: key(RESPONSE_TIME, "/a\"b"), resolution: 60, body };
                let line = datum.to_json().expect("a datum is plain data");
                prop_assert!(!line.contains('\n'));
                prop_assert_eq!(Datum::from_json(&line).expect("just written"), datum);
            }
        }
    }
}

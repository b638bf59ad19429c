//! One MetricDatum: what CloudWatch stores of one metric of one series in one window.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::metrics::dimension::Dimension;
use crate::metrics::histogram::{Histogram, MAX_VALUES_PER_DATUM, Point};

/// Requests of a series in a window.
pub const REQUEST_COUNT: &str = "RequestCount";
/// Failed requests of a series in a window.
pub const FAILURE_COUNT: &str = "FailureCount";
/// Response times of successful requests.
pub const RESPONSE_TIME: &str = "ResponseTime_ms";
/// Response times of failed requests.
pub const FAILED_RESPONSE_TIME: &str = "FailedResponseTime_ms";
/// Sizes of the answers of successful requests.
pub const RESPONSE_SIZE: &str = "ResponseSize_Bytes";
/// The metrics that this product derives from samples; a gauge may not take these names.
pub const SAMPLE_METRICS: [&str; 5] =
    [REQUEST_COUNT, FAILURE_COUNT, RESPONSE_TIME, FAILED_RESPONSE_TIME, RESPONSE_SIZE];

/// CloudWatch's units, as far as this product uses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are CloudWatch's own names")]
pub enum Unit {
    Milliseconds,
    Seconds,
    Bytes,
    Count,
    Percent,
    None,
}

impl Unit {
    /// CloudWatch's name of the unit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
            Self::Count => "Count",
            Self::Percent => "Percent",
            Self::None => "None",
        }
    }
}

impl std::str::FromStr for Unit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALL: [Unit; 6] = [Unit::Milliseconds, Unit::Seconds, Unit::Bytes, Unit::Count, Unit::Percent, Unit::None];
        ALL.into_iter()
            .find(|unit| unit.as_str() == text)
            .ok_or_else(|| format!("unit {text:?} is none of {}", ALL.map(Unit::as_str).join(", ")))
    }
}

/// What a datum holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A number of things counted; two of the same window add up to one.
    Total(f64),
    /// A distribution: at most [`MAX_VALUES_PER_DATUM`] values in ascending order.
    Points(Vec<Point>),
}

/// What two datums must have in common to be one.
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

/// A number in CBOR: a byte of type and eight of value.
const CBOR_NUMBER: usize = 9;
/// Keys and framing of a datum in CBOR, rounded up.
const CBOR_DATUM: usize = 160;
/// Keys and framing of a dimension in CBOR, rounded up.
const CBOR_DIMENSION: usize = 24;

impl Datum {
    /// Datums for a distribution: as many as its values need.
    pub fn of_histogram(key: &DatumKey, resolution: u32, distribution: &Histogram) -> impl Iterator<Item = Self> {
        let points = distribution.points();
        (0..points.len()).step_by(MAX_VALUES_PER_DATUM).map(move |start| Self {
            key: key.clone(),
            resolution,
            body: Body::Points(points[start..points.len().min(start + MAX_VALUES_PER_DATUM)].to_vec()),
        })
    }

    /// An upper bound of this datum's size on the wire, uncompressed, in bytes.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        let dimensions: usize = self.key.dimensions.iter().map(|d| CBOR_DIMENSION + d.name.len() + d.value.len()).sum();
        let values = match &self.body {
            Body::Total(_) => CBOR_NUMBER,
            Body::Points(points) => points.len() * 2 * CBOR_NUMBER,
        };
        CBOR_DATUM + self.key.metric.len() + dimensions + values
    }

    /// The number of things counted, where this is the total of `metric` for a series of just these dimension names.
    #[must_use]
    pub fn total_of(&self, metric: &str, dimension_names: &[String]) -> u64 {
        let named = self.key.dimensions.iter().map(|d| &*d.name).eq(dimension_names.iter().map(String::as_str));
        if named { self.count_of(metric) } else { 0 }
    }

    /// The number of things counted, where this is a total of `metric`.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
    pub fn count_of(&self, metric: &str) -> u64 {
        match self.body {
            Body::Total(total) if &*self.key.metric == metric => total as u64,
            _ => 0,
        }
    }

    /// One line of JSON in the shape of the AWS command line's `--metric-data`.
    ///
    /// # Errors
    /// Those of `serde_json`, which a datum cannot cause.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Json::from(self))
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// Where the line is damaged.
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
    fn a_wide_distribution_is_spread_over_datums_of_150_values() {
        let mut distribution = Histogram::default();
        (1..5000).for_each(|i| distribution.add(f64::from(i)));
        let datums: Vec<_> = Datum::of_histogram(&key(RESPONSE_TIME, "/"), 1, &distribution).collect();
        let points: Vec<_> = datums
            .iter()
            .flat_map(|d| match &d.body {
                Body::Points(points) => points.clone(),
                Body::Total(_) => panic!("a distribution"),
            })
            .collect();
        assert!(datums.len() > 1);
        assert_eq!(points, distribution.points());
    }

    #[test]
    fn only_the_finest_series_is_counted() {
        let names = ["Host".to_owned(), "Request".to_owned()];
        let datum = Datum { key: key(REQUEST_COUNT, "/"), resolution: 1, body: Body::Total(7.0) };
        assert_eq!(datum.total_of(REQUEST_COUNT, &names), 7);
        assert_eq!(datum.total_of(REQUEST_COUNT, &names[..1]), 0);
        assert_eq!(datum.total_of(FAILURE_COUNT, &names), 0);
    }

    #[test]
    fn a_datum_that_lacks_a_part_of_its_body_is_damaged() {
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
        fn a_datum_survives_the_disk(total in 0.0..1e12f64, values in prop::collection::vec(0.0..1e9f64, 1..150)) {
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

//! What a worker that does not publish reports of custom metrics and marks to its master, as bytes.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use thiserror::Error;

use crate::accounting::status_report::DATES_END;
use crate::config::LogUrls;
use crate::metrics::custom::{CustomSeries, Kind, Rules};
use crate::metrics::custom_windows::{SeriesValues, Values};
use crate::metrics::datum::Unit;
use crate::metrics::histogram::{Histogram, MAX_VALUE, Point};
use crate::summary::Mark;

/// The first byte. A change of the format increases it.
const VERSION: u8 = 1;
/// Maximum size of a report that is read: many times that of 200 series in three seconds. It bounds the memory of decoding.
const MAX_BYTES: usize = 8 << 20;

/// Custom metrics and marks since the previous report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CustomReport {
    /// The values.
    pub values: Vec<SeriesValues>,
    /// The marks.
    pub marks: Vec<Mark>,
    /// How many values and marks the worker has not recorded.
    pub ignored: u64,
}

/// Why a report cannot be read.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CustomReportError {
    /// Another version of locust-cw wrote it.
    #[error(
        "it has format {0}, but this process reads format {VERSION}: install the same version of locust-cw on all machines"
    )]
    Version(u8),
    /// It is too large.
    #[error("it has {0} bytes: the maximum is {MAX_BYTES}")]
    TooLarge(usize),
    /// It is not a report.
    #[error("{0}")]
    Malformed(#[from] postcard::Error),
}

/// The stored form. Each series is written once.
#[derive(Serialize, Deserialize)]
struct Wire {
    series: Vec<WireSeries>,
    values: Vec<(i64, usize, WireValues)>,
    marks: Vec<Mark>,
    ignored: u64,
}

#[derive(Serialize, Deserialize)]
struct WireSeries {
    kind: Kind,
    metric: SmolStr,
    unit: Unit,
    dimensions: Vec<(SmolStr, SmolStr)>,
}

#[derive(Serialize, Deserialize)]
enum WireValues {
    Sum(f64),
    Points(Vec<(f64, u64)>),
}

impl CustomReport {
    /// Whether there is nothing to report.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Converts it to bytes.
    ///
    /// # Errors
    /// None is known: all values have a stored form.
    pub fn encode(&self) -> Result<Vec<u8>, CustomReportError> {
        let mut series: Vec<&CustomSeries> = Vec::new();
        let mut values = Vec::with_capacity(self.values.len());
        let mut numbers = std::collections::BTreeMap::new();
        for each in &self.values {
            let number = *numbers.entry(&each.series).or_insert_with(|| {
                series.push(&each.series);
                series.len() - 1
            });
            values.push((each.second, number, WireValues::from(&each.values)));
        }
        let series = series.into_iter().map(WireSeries::from).collect();
        let wire = Wire { series, values, marks: self.marks.clone(), ignored: self.ignored };
        Ok(postcard::to_extend(&wire, vec![VERSION])?)
    }

    /// Reads what [`Self::encode`] wrote. Any bytes are read or refused, with memory in proportion to their number. The content is
    /// not valid yet.
    ///
    /// # Errors
    /// If another version of locust-cw wrote them, or if they are damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, CustomReportError> {
        const MALFORMED: CustomReportError = CustomReportError::Malformed(postcard::Error::SerdeDeCustom);
        if bytes.len() > MAX_BYTES {
            return Err(CustomReportError::TooLarge(bytes.len()));
        }
        let (&version, bytes) = bytes.split_first().ok_or(MALFORMED)?;
        if version != VERSION {
            return Err(CustomReportError::Version(version));
        }
        let (wire, rest) = postcard::take_from_bytes::<Wire>(bytes)?;
        if !rest.is_empty() {
            return Err(MALFORMED);
        }
        let series: Vec<CustomSeries> = wire.series.into_iter().map(CustomSeries::from).collect();
        let values = wire.values.into_iter().map(|(second, number, values)| {
            let series = series.get(number)?.clone();
            Some(SeriesValues { second, series, values: values.into() })
        });
        let values = values.collect::<Option<Vec<_>>>().ok_or(MALFORMED)?;
        Ok(Self { values, marks: wire.marks, ignored: wire.ignored })
    }

    /// Moves it from the clock of the worker to that of the master.
    pub fn shift(&mut self, seconds: i64) {
        self.values.iter_mut().for_each(|each| each.second = each.second.saturating_add(seconds));
        self.marks.iter_mut().for_each(|mark| mark.shift(seconds));
    }

    /// Removes what this process would not record itself: another process can send anything. Returns the number of removed entries.
    pub fn retain_valid(&mut self, rules: Rules<'_>, urls: LogUrls) -> u64 {
        let number = self.values.len() + self.marks.len();
        let values = std::mem::take(&mut self.values).into_iter();
        self.values = values.filter_map(|each| valid_values(each, rules)).collect();
        let marks = std::mem::take(&mut self.marks).into_iter().filter(Mark::has_date);
        self.marks = marks.filter_map(|mark| Mark::of_user(mark.time(), mark.text(), urls)).collect();
        (number - self.values.len() - self.marks.len()) as u64
    }
}

fn valid_values(each: SeriesValues, rules: Rules<'_>) -> Option<SeriesValues> {
    let CustomSeries { kind, metric, unit, dimensions } = each.series;
    let series = rules.series(kind, &metric, unit.into(), dimensions.into_vec()).ok()?;
    let has_values = match (&each.values, kind) {
        (Values::Sum(sum), Kind::Count) => (0.0..=MAX_VALUE).contains(sum),
        // The histogram has only values that CloudWatch accepts.
        (Values::Distribution(histogram), Kind::Gauge) => histogram.extremes().is_some(),
        _ => false,
    };
    #[expect(clippy::cast_precision_loss, reason = "dates are far below 2^53")]
    let has_date = (0.0..DATES_END).contains(&(each.second as f64));
    (has_values && has_date).then_some(SeriesValues { second: each.second, series, values: each.values })
}

impl From<&CustomSeries> for WireSeries {
    fn from(series: &CustomSeries) -> Self {
        let CustomSeries { kind, metric, unit, dimensions } = series;
        Self { kind: *kind, metric: metric.clone(), unit: *unit, dimensions: dimensions.to_vec() }
    }
}

impl From<WireSeries> for CustomSeries {
    fn from(WireSeries { kind, metric, unit, dimensions }: WireSeries) -> Self {
        Self { kind, metric, unit, dimensions: dimensions.into() }
    }
}

impl From<&Values> for WireValues {
    fn from(values: &Values) -> Self {
        match values {
            Values::Sum(sum) => Self::Sum(*sum),
            Values::Distribution(histogram) => {
                Self::Points(histogram.points().into_iter().map(|point| (point.value, point.count)).collect())
            }
        }
    }
}

impl From<WireValues> for Values {
    fn from(values: WireValues) -> Self {
        match values {
            WireValues::Sum(sum) => Self::Sum(sum),
            WireValues::Points(points) => {
                let mut histogram = Histogram::default();
                points.into_iter().for_each(|(value, count)| histogram.add_point(Point { value, count }));
                Self::Distribution(histogram)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::custom::tests::{RULES, dimensions};
    use crate::timestamp::Timestamp;

    fn series(kind: Kind, metric: &str) -> CustomSeries {
        RULES.series(kind, metric, "Count", dimensions(&[("pool", "web")])).expect("valid")
    }

    fn report(seconds: &[(i64, f64)]) -> CustomReport {
        let mut values = Vec::new();
        for &(second, value) in seconds {
            let mut histogram = Histogram::default();
            histogram.add(value);
            let distribution = Values::Distribution(histogram);
            values.push(SeriesValues { second, series: series(Kind::Gauge, "depth"), values: distribution });
            values.push(SeriesValues { second, series: series(Kind::Count, "tokens"), values: Values::Sum(value) });
        }
        let marks = Mark::new(Timestamp::from_seconds(3), "begin").into_iter().collect();
        CustomReport { values, marks, ignored: 2 }
    }

    proptest! {
        #[test]
        fn a_report_is_read_back_and_valid(seconds in prop::collection::vec((0..9_000_000_000i64, 0.0..1e9), 0..20)) {
            let sent = report(&seconds);
            let mut read = CustomReport::decode(&sent.encode().expect("plain data")).expect("just written");
            prop_assert_eq!(&read, &sent);
            prop_assert_eq!(read.retain_valid(RULES, LogUrls::Redacted), 0);
            prop_assert_eq!(read, sent);
        }

        #[test]
        fn changed_bytes_are_refused_or_read_and_made_valid(
            seconds in prop::collection::vec((0..100i64, 0.0..1e3), 1..5),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = report(&seconds).encode().expect("plain data");
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(mut read) = CustomReport::decode(&bytes) {
                read.shift(5);
                read.retain_valid(RULES, LogUrls::Redacted);
                for SeriesValues { series, .. } in &read.values {
                    prop_assert!(series.metric.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
                }
                prop_assert!(read.marks.iter().all(|mark| !mark.text().trim().is_empty()));
            }
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = CustomReport::decode(&bytes);
            let _ = CustomReport::decode(&[&[VERSION], bytes.as_slice()].concat());
        }
    }

    #[test]
    fn what_a_worker_would_not_record_is_removed_and_counted() {
        let reserved = CustomSeries { metric: "RequestCount".into(), ..series(Kind::Count, "a") };
        let unnamed = CustomSeries { metric: "".into(), ..series(Kind::Count, "a") };
        let entry = |second, series, values| SeriesValues { second, series, values };
        let values = vec![
            entry(1, reserved, Values::Sum(1.0)),
            entry(1, unnamed, Values::Sum(1.0)),
            entry(1, series(Kind::Count, "a"), Values::Sum(f64::NAN)),
            entry(1, series(Kind::Count, "a"), Values::Sum(-1.0)),
            entry(1, series(Kind::Count, "a"), Values::Distribution(Histogram::default())),
            entry(1, series(Kind::Gauge, "b"), Values::Distribution(Histogram::default())),
            entry(i64::MAX, series(Kind::Count, "a"), Values::Sum(1.0)),
            entry(7, series(Kind::Count, "a"), Values::Sum(1.0)),
        ];
        let mark = |second, text| Mark::new(Timestamp::from_seconds(second), text).expect("a text");
        let marks = vec![mark(-1, "before"), mark(1, "see http://a/?token=secret")];
        let mut report = CustomReport { values, marks, ignored: 0 };
        assert_eq!(report.retain_valid(RULES, LogUrls::Redacted), 8);
        assert_eq!(report.values.iter().map(|each| each.second).collect::<Vec<_>>(), [7]);
        assert_eq!(report.marks.iter().map(Mark::text).collect::<Vec<_>>(), ["see http://a/?token=..."]);
    }

    #[test]
    fn the_seconds_of_a_worker_with_a_wrong_clock_are_moved() {
        let mut late = report(&[(10, 1.0)]);
        late.shift(300);
        assert_eq!((late.values[0].second, late.marks[0].time()), (310, Timestamp::from_seconds(303)));
        late.shift(i64::MAX);
        assert_eq!(late.retain_valid(RULES, LogUrls::Redacted), 3);
    }

    #[test]
    fn bytes_of_other_versions_and_sizes_are_refused_with_the_reason() {
        let text = |bytes: &[u8]| CustomReport::decode(bytes).expect_err("refused").to_string();
        assert!(text(&[9, 0]).contains("format 9"));
        assert!(text(&vec![VERSION; MAX_BYTES + 1]).contains("bytes"));
        // A list that claims 2^35 series.
        assert!(!text(&[&[VERSION][..], &[0xff, 0xff, 0xff, 0xff, 0x7f], &[0; 50]].concat()).is_empty());
        let mut bytes = CustomReport::default().encode().expect("plain data");
        assert!(bytes.len() < 10 && CustomReport::default().is_empty());
        bytes.push(0);
        assert!(!text(&bytes).is_empty());
    }
}

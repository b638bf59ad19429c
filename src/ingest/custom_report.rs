//! What a worker that does not publish reports of custom metrics and marks to its master, as bytes.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use thiserror::Error;

use crate::config::LogUrls;
use crate::config::dimension::{MAX_DIMENSIONS, MAX_NAME_CHARS, MAX_VALUE_CHARS};
use crate::metrics::custom::{CustomSeries, Kind, Rules};
use crate::metrics::custom_windows::{SeriesValues, Values};
use crate::metrics::histogram::{Histogram, MAX_VALUE};
use crate::sample::{Point, Unit};
use crate::summary::Mark;
use crate::timestamp::Timestamp;

/// The first byte. A change of the format increases it.
pub const VERSION: u8 = 2;
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

impl WireSeries {
    fn is_bounded(&self) -> bool {
        let are_bounded = |(name, value): &(SmolStr, SmolStr)| {
            name.len() <= MAX_NAME_CHARS && value.chars().nth(MAX_VALUE_CHARS).is_none()
        };
        self.metric.len() <= MAX_NAME_CHARS
            && self.dimensions.len() <= MAX_DIMENSIONS
            && self.dimensions.iter().all(are_bounded)
    }
}

#[derive(Serialize, Deserialize)]
enum WireValues {
    Sum(f64, u64),
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
        // A worker has validated its series. Each value has one, so that their size must be bounded.
        if !wire.series.iter().all(WireSeries::is_bounded) {
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

    /// How many values and marks it has. An entry without values, which no worker makes, counts as one.
    #[must_use]
    pub fn number(&self) -> u64 {
        let values = self.values.iter().map(|each| each.values.count().max(1));
        values.fold(self.marks.len() as u64, u64::saturating_add)
    }

    /// Removes what this process would not record itself: another process can send anything. Returns the number of removed values
    /// and marks.
    pub fn retain_valid(&mut self, rules: Rules<'_>, urls: LogUrls, now: Timestamp) -> u64 {
        let number = self.number();
        let values = std::mem::take(&mut self.values).into_iter();
        // Each series is validated once, and its values continue to share its dimensions.
        let mut valid = HashMap::new();
        let mut series = |series: CustomSeries| {
            let entry = valid.entry(series);
            entry.or_insert_with_key(|series| valid_series(series, rules)).clone()
        };
        self.values = values
            .filter(|each| is_valid(each, now))
            .filter_map(|each| Some(SeriesValues { series: series(each.series)?, ..each }))
            .collect();
        let marks = std::mem::take(&mut self.marks).into_iter().filter(|mark| mark.time().is_near(now));
        self.marks = marks.filter_map(|mark| Mark::of_user(mark.time(), mark.text(), urls)).collect();
        number.saturating_sub(self.number())
    }
}

fn valid_series(
    CustomSeries { kind, metric, unit, dimensions }: &CustomSeries,
    rules: Rules<'_>,
) -> Option<CustomSeries> {
    rules.series(*kind, metric, unit.as_str(), dimensions.to_vec()).ok()
}

fn is_valid(each: &SeriesValues, now: Timestamp) -> bool {
    let has_values = match (&each.values, each.series.kind) {
        (Values::Sum { total, count: 1.. }, Kind::Count) => (0.0..=MAX_VALUE).contains(total),
        // The histogram has only values that CloudWatch accepts.
        (Values::Histogram(histogram), Kind::Gauge) => histogram.extremes().is_some(),
        _ => false,
    };
    has_values && Timestamp::from_seconds(each.second).is_near(now)
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
            Values::Sum { total, count } => Self::Sum(*total, *count),
            Values::Histogram(histogram) => {
                Self::Points(histogram.points().into_iter().map(|point| (point.value, point.count)).collect())
            }
        }
    }
}

impl From<WireValues> for Values {
    fn from(values: WireValues) -> Self {
        match values {
            WireValues::Sum(total, count) => Self::Sum { total, count },
            WireValues::Points(points) => {
                let mut histogram = Histogram::default();
                points.into_iter().for_each(|(value, count)| histogram.add_point(Point { value, count }));
                Self::Histogram(histogram)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::metrics::custom::tests::{RULES, dimensions};
    use crate::timestamp::Timestamp;

    fn series(kind: Kind, metric: &str) -> CustomSeries {
        RULES.series(kind, metric, "Count", dimensions(&[("pool", "web")])).expect("valid")
    }

    const NOW: Timestamp = Timestamp::from_seconds(1_795_348_981);

    const fn sum(total: f64) -> Values {
        Values::Sum { total, count: 1 }
    }

    /// The seconds are from a minute ago on.
    fn report(seconds: &[(i64, f64)]) -> CustomReport {
        let mut values = Vec::new();
        for &(second, value) in seconds {
            let second = NOW.seconds() - 60 + second;
            let mut histogram = Histogram::default();
            histogram.add(value);
            let histogram = Values::Histogram(histogram);
            values.push(SeriesValues { second, series: series(Kind::Gauge, "depth"), values: histogram });
            values.push(SeriesValues { second, series: series(Kind::Count, "tokens"), values: sum(value) });
        }
        let marks = Mark::new(NOW, "begin").into_iter().collect();
        CustomReport { values, marks, ignored: 2 }
    }

    proptest! {
        #[test]
        fn a_report_is_read_back_and_valid(seconds in prop::collection::vec((0..3_000i64, 0.0..1e9), 0..20)) {
            let sent = report(&seconds);
            let mut read = CustomReport::decode(&sent.encode().expect("plain data")).expect("just written");
            prop_assert_eq!(&read, &sent);
            prop_assert_eq!(read.retain_valid(RULES, LogUrls::Redacted, NOW), 0);
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
                read.retain_valid(RULES, LogUrls::Redacted, NOW);
                for SeriesValues { series, second, .. } in &read.values {
                    prop_assert!(Timestamp::from_seconds(*second).is_near(NOW));
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
        let now = NOW.seconds();
        let entry = |second, series, values| SeriesValues { second, series, values };
        let mut four = Histogram::default();
        [1.0, 1.0, 2.0, 3.0].into_iter().for_each(|value| four.add(value));
        let week = 7 * 24 * 3_600;
        let values = vec![
            entry(now, reserved.clone(), Values::Sum { total: 9.0, count: 5 }),
            entry(now, CustomSeries { kind: Kind::Gauge, ..reserved }, Values::Histogram(four)),
            entry(now, unnamed, sum(1.0)),
            entry(now, series(Kind::Count, "a"), sum(f64::NAN)),
            entry(now, series(Kind::Count, "a"), sum(-1.0)),
            entry(now, series(Kind::Count, "a"), Values::Sum { total: 1.0, count: 0 }),
            entry(now, series(Kind::Count, "a"), Values::Histogram(Histogram::default())),
            entry(now, series(Kind::Gauge, "b"), Values::Histogram(Histogram::default())),
            entry(i64::MAX, series(Kind::Count, "a"), sum(1.0)),
            entry(i64::MIN, series(Kind::Count, "a"), sum(1.0)),
            entry(now - week - 1, series(Kind::Count, "a"), sum(1.0)),
            entry(now + 3_601, series(Kind::Count, "a"), sum(1.0)),
            entry(now - week, series(Kind::Count, "a"), sum(1.0)),
            entry(now + 3_600, series(Kind::Count, "a"), sum(1.0)),
        ];
        let mark = |second, text| Mark::new(Timestamp::from_seconds(second), text).expect("a text");
        let marks =
            vec![mark(now - week - 1, "before"), mark(now + 3_601, "after"), mark(now, "see http://a/?token=secret")];
        let mut report = CustomReport { values, marks, ignored: 0 };
        assert_eq!(report.retain_valid(RULES, LogUrls::Redacted, NOW), 21);
        let seconds: Vec<_> = report.values.iter().map(|each| each.second).collect();
        assert_eq!(seconds, [now - week, now + 3_600]);
        assert_eq!(report.marks.iter().map(Mark::text).collect::<Vec<_>>(), ["see http://a/?token=..."]);
    }

    #[test]
    fn the_seconds_of_a_worker_with_a_wrong_clock_are_moved() {
        let mut late = report(&[(10, 1.0)]);
        late.shift(300);
        let now = NOW.seconds();
        assert_eq!((late.values[0].second, late.marks[0].time().seconds()), (now + 250, now + 300));
        late.shift(i64::MAX);
        assert_eq!(late.retain_valid(RULES, LogUrls::Redacted, NOW), 3);
    }

    #[test]
    fn the_values_of_a_series_share_its_dimensions() {
        let shared = series(Kind::Count, "a");
        let entry = |second| SeriesValues { second: NOW.seconds() - second, series: shared.clone(), values: sum(1.0) };
        let sent = CustomReport { values: (0..3).map(entry).collect(), ..CustomReport::default() };
        let mut read = CustomReport::decode(&sent.encode().expect("plain data")).expect("just written");
        let copies = |report: &CustomReport| {
            let dimensions = report.values.iter().map(|each| Arc::as_ptr(&each.series.dimensions));
            dimensions.collect::<HashSet<_>>().len()
        };
        assert_eq!(copies(&read), 1);
        read.retain_valid(RULES, LogUrls::Redacted, NOW);
        assert_eq!((read.values.len(), copies(&read)), (3, 1));
    }

    /// Otherwise, a report of a few megabytes with one series and many values would take hours.
    #[test]
    fn a_series_that_cloudwatch_does_not_accept_is_refused_before_its_values_are_read() {
        let decoded = |number: usize, value: &str| {
            let dimensions = (0..number).map(|number| (format!("d{number}").into(), value.into())).collect();
            let series = CustomSeries { dimensions, ..series(Kind::Count, "a") };
            let values = vec![SeriesValues { second: 1, series, values: sum(1.0) }];
            CustomReport::decode(&CustomReport { values, ..CustomReport::default() }.encode().expect("plain data"))
        };
        let longest = "가".repeat(MAX_VALUE_CHARS);
        assert!(decoded(MAX_DIMENSIONS, "v").is_ok());
        assert!(decoded(1, &longest).is_ok());
        for refused in [decoded(MAX_DIMENSIONS + 1, "v"), decoded(1, &format!("{longest}v"))] {
            assert!(matches!(refused, Err(CustomReportError::Malformed(_))));
        }
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

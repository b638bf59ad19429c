//! The windows of custom metrics, and the bounded number of their series.

use std::collections::BTreeMap;
use std::sync::Arc;

use fnv::FnvHashMap;
use smol_str::SmolStr;

use crate::config::dimension::Dimension;
use crate::metrics::custom::{CustomMetric, CustomSeries, CustomValue, Kind};
use crate::metrics::datum::{Body, Datum, DatumKey};
use crate::metrics::histogram::{Histogram, MAX_VALUE};
use crate::metrics::notice::{MAX_CUSTOM_SERIES, Notices, SeriesNotice};
use crate::metrics::series::OTHER;

/// The values of a series in a window.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Of a count.
    Sum {
        /// The sum of the values.
        total: f64,
        /// The number of values.
        count: u64,
    },
    /// Of a gauge.
    Histogram(Histogram),
}

impl Values {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Gauge => Self::Histogram(Histogram::default()),
            Kind::Count => Self::Sum { total: 0.0, count: 0 },
        }
    }

    fn add(&mut self, value: f64) {
        match self {
            Self::Sum { .. } => self.merge(&Self::Sum { total: value, count: 1 }),
            Self::Histogram(histogram) => histogram.add(value),
        }
    }

    /// Adds the values of another process. Both are of the same kind, because their series is the same.
    fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Sum { total, count }, Self::Sum { total: other, count: others }) => {
                // CloudWatch refuses a call with a larger value.
                *total = (*total + other).min(MAX_VALUE);
                *count = count.saturating_add(*others);
            }
            (Self::Histogram(histogram), Self::Histogram(other)) => histogram.merge(other),
            _ => {}
        }
    }

    /// How many values were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Sum { count, .. } => *count,
            Self::Histogram(histogram) => histogram.count(),
        }
    }
}

/// The values of a series in a second, of a process that does not publish them itself.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesValues {
    /// The second, since the epoch.
    pub second: i64,
    /// The series.
    pub series: CustomSeries,
    /// The values, of the kind of the series.
    pub values: Values,
}

/// The values of each series, by the start of the window and the index of the series.
pub type ValuesByWindow = BTreeMap<i64, BTreeMap<usize, Values>>;

/// A series with a place of its own.
struct Registered {
    series: CustomSeries,
    dimensions: Arc<[Dimension]>,
}

/// What became of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Added {
    /// It was added to a series of a known metric.
    Known,
    /// It was added, and is the first with this metric and these names of dimensions.
    New(CustomMetric),
    /// It was ignored, and a notice says why.
    Ignored,
}

/// The open windows of a process's custom metrics.
pub struct CustomWindows {
    /// The dimensions of all metrics of the run.
    common: Arc<[Dimension]>,
    registered: Vec<Registered>,
    known: FnvHashMap<CustomSeries, usize>,
    metrics: BTreeMap<SmolStr, Kind>,
    windows: ValuesByWindow,
}

impl CustomWindows {
    /// No windows. `common` are the dimensions of all metrics of the run.
    #[must_use]
    pub fn new(common: Arc<[Dimension]>) -> Self {
        let (registered, known) = (Vec::new(), FnvHashMap::default());
        Self { common, registered, known, metrics: BTreeMap::new(), windows: BTreeMap::new() }
    }

    /// Adds a value to its series in the window that starts at this second.
    pub fn add(&mut self, window: i64, CustomValue { series, value, .. }: CustomValue, notices: &mut Notices) -> Added {
        self.add_with(window, series, notices, |values| values.add(value))
    }

    /// Adds the values of another process to the window that starts at this second.
    pub fn merge(&mut self, window: i64, other: SeriesValues, notices: &mut Notices) -> Added {
        self.add_with(window, other.series, notices, |values| values.merge(&other.values))
    }

    fn add_with(
        &mut self,
        window: i64,
        series: CustomSeries,
        notices: &mut Notices,
        add: impl FnOnce(&mut Values),
    ) -> Added {
        let before = self.registered.len();
        let Some(index) = self.place(series, notices) else { return Added::Ignored };
        let Registered { series, .. } = &self.registered[index];
        add(self.windows.entry(window).or_default().entry(index).or_insert_with(|| Values::new(series.kind)));
        if index < before {
            return Added::Known;
        }
        let metric = CustomMetric::from(series);
        let is_known = self.registered[..before].iter().any(|other| CustomMetric::from(&other.series) == metric);
        if is_known { Added::Known } else { Added::New(metric) }
    }

    /// The index of a series. Beyond the maximum, the series of a metric share one with the value [`OTHER`] for each dimension;
    /// new metrics have none.
    fn place(&mut self, mut series: CustomSeries, notices: &mut Notices) -> Option<usize> {
        if let Some(&index) = self.known.get(&series) {
            return Some(index);
        }
        match self.metrics.get(&series.metric) {
            Some(&kind) if kind != series.kind => {
                notices.note(SeriesNotice::GaugeAndCount, &series.metric);
                return None;
            }
            known => {
                if self.registered.len() >= MAX_CUSTOM_SERIES {
                    notices.note(SeriesNotice::TooManyCustomSeries, &series.metric);
                    let has_dimensions = known.is_some() && !series.dimensions.is_empty();
                    Arc::make_mut(&mut series.dimensions)
                        .iter_mut()
                        .for_each(|(_, value)| *value = SmolStr::new_static(OTHER));
                    if let Some(&index) = self.known.get(&series) {
                        return Some(index);
                    }
                    // A program can change the names of dimensions as well, so that these series need a maximum, too.
                    if !has_dimensions || self.registered.len() >= 2 * MAX_CUSTOM_SERIES {
                        return None;
                    }
                }
            }
        }
        let own = series.dimensions.iter().map(|(name, value)| Dimension::new(name, value));
        // CloudWatch accepts each name only once.
        let is_replaced = |name: &str| series.dimensions.iter().any(|(own, _)| own == name);
        let common = self.common.iter().filter(|dimension| !is_replaced(&dimension.name)).cloned();
        let dimensions = common.chain(own).collect();
        self.metrics.insert(series.metric.clone(), series.kind);
        self.known.insert(series.clone(), self.registered.len());
        self.registered.push(Registered { series, dimensions });
        Some(self.registered.len() - 1)
    }

    /// Takes the values of all windows, for another process to publish them. The windows are of one second.
    pub fn take(&mut self) -> Vec<SeriesValues> {
        let windows = std::mem::take(&mut self.windows).into_iter();
        let series = |index: usize| self.registered[index].series.clone();
        let values = windows.flat_map(|(second, values)| values.into_iter().map(move |values| (second, values)));
        values.map(|(second, (index, values))| SeriesValues { second, series: series(index), values }).collect()
    }

    /// The open windows.
    pub fn open(&mut self) -> &mut ValuesByWindow {
        &mut self.windows
    }

    /// The datums of windows that were taken from the open ones.
    #[must_use]
    pub fn datums(&self, windows: ValuesByWindow, resolution: u32) -> Vec<Datum> {
        let mut datums = Vec::new();
        for (timestamp, values) in windows {
            for (index, values) in values {
                let Registered { series, dimensions } = &self.registered[index];
                let (dimensions, metric) = (Arc::clone(dimensions), series.metric.as_str().into());
                let key = DatumKey { timestamp, dimensions, metric, unit: series.unit };
                match values {
                    Values::Sum { total, .. } => datums.push(Datum { key, resolution, body: Body::Total(total) }),
                    Values::Histogram(histogram) => {
                        datums.extend(Datum::of_histogram(&key, resolution, &histogram));
                    }
                }
            }
        }
        datums
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::metrics::custom::tests::{RULES, dimensions, value};
    use crate::timestamp::Timestamp;

    fn windows() -> CustomWindows {
        CustomWindows::new([Dimension::new("Host", "http://shop"), Dimension::new("Team", "a")].into())
    }

    fn closed(windows: &mut CustomWindows) -> Vec<Datum> {
        let all = std::mem::take(windows.open());
        windows.datums(all, 1)
    }

    fn pairs(datum: &Datum) -> Vec<(String, String)> {
        datum.key.dimensions.iter().map(|dimension| (dimension.name.to_string(), dimension.value.to_string())).collect()
    }

    #[test]
    fn a_gauge_has_its_values_and_a_count_their_sum() {
        let (mut windows, mut notices) = (windows(), Notices::default());
        for (second, number) in [(7, 3.0), (7, 5.0), (7, 3.0), (8, 1.0)] {
            windows.add(second, value(Kind::Gauge, "depth", &[("pool", "web")], second, number), &mut notices);
            windows.add(second, value(Kind::Count, "tokens", &[], second, number), &mut notices);
        }
        let datums = closed(&mut windows);
        let found: Vec<_> =
            datums.iter().map(|datum| (datum.key.timestamp, &*datum.key.metric, datum.body.clone())).collect();
        let point = |value, count| crate::sample::Point { value, count };
        assert_eq!(
            found,
            [
                (7, "depth", Body::Points(vec![point(3.0, 2), point(5.0, 1)])),
                (7, "tokens", Body::Total(11.0)),
                (8, "depth", Body::Points(vec![point(1.0, 1)])),
                (8, "tokens", Body::Total(1.0)),
            ]
        );
        let own =
            [("Host", "http://shop"), ("Team", "a"), ("pool", "web")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(pairs(&datums[0]), own);
        assert_eq!(pairs(&datums[1]), own[..2]);
        assert!(closed(&mut windows).is_empty() && notices.take().is_empty());
    }

    #[test]
    fn a_dimension_replaces_that_of_all_metrics() {
        let mut windows = windows();
        windows.add(1, value(Kind::Count, "a", &[("Host", "http://b")], 1, 1.0), &mut Notices::default());
        assert_eq!(
            pairs(&closed(&mut windows)[0]),
            [("Team", "a"), ("Host", "http://b")].map(|(n, v)| (n.into(), v.into()))
        );
    }

    #[test]
    fn a_metric_is_new_once_for_the_names_of_its_dimensions() {
        let (mut windows, mut notices) = (windows(), Notices::default());
        let mut is_new = |pairs: &[(&str, &str)]| {
            matches!(windows.add(1, value(Kind::Gauge, "depth", pairs, 1, 1.0), &mut notices), Added::New(_))
        };
        assert_eq!(
            [is_new(&[("pool", "a")]), is_new(&[("pool", "a")]), is_new(&[("pool", "b")])],
            [true, false, false]
        );
        assert_eq!([is_new(&[]), is_new(&[("zone", "a")])], [true, true]);
    }

    #[test]
    fn a_name_is_either_a_gauge_or_a_count() {
        let (mut windows, mut notices) = (windows(), Notices::default());
        windows.add(1, value(Kind::Gauge, "depth", &[], 1, 1.0), &mut notices);
        assert_eq!(windows.add(1, value(Kind::Count, "depth", &[], 1, 1.0), &mut notices), Added::Ignored);
        assert_eq!(notices.take(), [SeriesNotice::GaugeAndCount("depth".into())]);
        assert_eq!(closed(&mut windows).len(), 1);
    }

    #[test]
    fn a_sum_never_exceeds_what_cloudwatch_accepts() {
        let mut windows = windows();
        for _ in 0..2 {
            windows.add(1, value(Kind::Count, "a", &[], 1, MAX_VALUE), &mut Notices::default());
        }
        assert_eq!(closed(&mut windows)[0].body, Body::Total(MAX_VALUE));
    }

    #[test]
    fn beyond_the_maximum_the_series_of_a_metric_share_one_and_new_metrics_are_ignored() {
        let (mut windows, mut notices) = (windows(), Notices::default());
        let mut add = |metric: &str, pairs: &[(&str, &str)]| {
            windows.add(1, value(Kind::Count, metric, pairs, 1, 1.0), &mut notices)
        };
        let mut ignored = 0;
        for number in 0..MAX_CUSTOM_SERIES + 10 {
            ignored += u32::from(add("tokens", &[("user", &number.to_string())]) == Added::Ignored);
        }
        assert_eq!((ignored, add("other", &[])), (0, Added::Ignored));
        // The names of dimensions are bounded as well.
        (0..3 * MAX_CUSTOM_SERIES).for_each(|number| drop(add("tokens", &[(&format!("d{number}"), "a")])));
        assert_eq!(notices.take(), [SeriesNotice::TooManyCustomSeries("tokens".into())]);
        let datums = closed(&mut windows);
        assert_eq!(datums.len(), 2 * MAX_CUSTOM_SERIES);
        let shared = datums.iter().find(|datum| pairs(datum).contains(&("user".into(), OTHER.into()))).expect("shared");
        assert_eq!(shared.body, Body::Total(10.0));
    }

    proptest! {
        #[test]
        fn sums_and_distributions_are_exact_in_any_order(
            values in prop::collection::vec((0..3usize, 0..3usize, 0..3i64, 0..1000u32), 0..200),
        ) {
            let (mut windows, mut notices) = (windows(), Notices::default());
            let mut expected: BTreeMap<(i64, String, String), f64> = BTreeMap::new();
            for &(metric, pool, second, number) in &values {
                let kind = if metric == 0 { Kind::Gauge } else { Kind::Count };
                let (metric, pool, number) = (format!("m{metric}"), format!("p{pool}"), f64::from(number));
                let series = RULES.series(kind, &metric, "None", dimensions(&[("pool", &pool)])).expect("valid");
                let value = series.value(Timestamp::from_seconds(second), number).expect("valid");
                prop_assert_ne!(windows.add(second, value, &mut notices), Added::Ignored);
                *expected.entry((second, metric, pool)).or_default() += number;
            }
            let mut found: BTreeMap<(i64, String, String), f64> = BTreeMap::new();
            for datum in closed(&mut windows) {
                let pool = pairs(&datum).pop().expect("a pool").1;
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let sum = match datum.body {
                    Body::Total(total) => total,
                    Body::Points(points) => points.iter().map(|point| point.value * point.count as f64).sum(),
                };
                *found.entry((datum.key.timestamp, datum.key.metric.to_string(), pool)).or_default() += sum;
            }
            prop_assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
            for (key, sum) in &expected {
                prop_assert!((found[key] - sum).abs() <= 1e-9 * sum.max(1.0), "{:?}", key);
            }
        }
    }
}

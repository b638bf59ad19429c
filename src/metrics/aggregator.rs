//! The aggregator: collects the statistics of each series in windows of a second or a minute, and converts them to datums.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use fnv::FnvHashMap;
use smol_str::SmolStr;

use crate::config::Config;
use crate::config::dimension::{Dimension, fit_name};
use crate::config::identity::RunIdentity;
use crate::metrics::custom::CustomValue;
use crate::metrics::custom_windows::{Added, CustomWindows, SeriesValues};
use crate::metrics::datum::{
    Body, Datum, DatumKey, FAILED_RESPONSE_TIME, FAILURE_COUNT, REQUEST_COUNT, RESPONSE_SIZE, RESPONSE_TIME,
};
use crate::metrics::histogram::Histogram;
use crate::metrics::notice::SeriesNotice;
use crate::metrics::series::{SampleHandle, Series, SeriesRegistry};
use crate::sample::{Gauge, ReportedStats, RequestKey, Sample, Unit};
use crate::timestamp::Timestamp;

/// Windows that begin more than this after the current time are closed without waiting for their end.
const AHEAD_SECONDS: i64 = 5;

/// The statistics of a window.
#[derive(Default)]
pub struct Stats {
    /// Finished requests, failed ones included.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
    /// Response times of successful requests, in milliseconds.
    pub response_time: Histogram,
    /// Response times of failed requests, in milliseconds.
    pub failed_response_time: Histogram,
    /// Failed requests by the type of their exception.
    pub errors: FnvHashMap<SmolStr, u64>,
    /// Sizes of successful responses, in bytes.
    pub response_size: Histogram,
}

impl Stats {
    fn add(&mut self, sample: &Sample) {
        self.requests += 1;
        if let Some(failure) = &sample.failure {
            self.failures += 1;
            *self.errors.entry(SmolStr::new(&failure.kind)).or_default() += 1;
            sample.response_time_ms.iter().for_each(|&ms| self.failed_response_time.add(ms));
        } else {
            sample.response_time_ms.iter().for_each(|&ms| self.response_time.add(ms));
            sample.response_bytes.iter().for_each(|&bytes| self.response_size.add(bytes));
        }
    }

    /// Adds the values of `other`, except `errors`, which only the summary counts.
    fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failures = self.failures.saturating_add(other.failures);
        self.response_time.merge(&other.response_time);
        self.failed_response_time.merge(&other.failed_response_time);
        self.response_size.merge(&other.response_size);
    }
}

/// The statistics of one host, request name and method in one second.
struct StatsEntry {
    handle: SampleHandle,
    stats: Stats,
}

/// The statistics of a second, by the number of the handle.
type Second = FnvHashMap<u64, StatsEntry>;

/// The start of the window with this second.
fn window_of(second: i64, resolution: u32) -> i64 {
    second - second.rem_euclid(i64::from(resolution))
}

/// The statistics of a handle in a second. New ones are empty.
fn stats_at<'a>(seconds: &'a mut BTreeMap<i64, Second>, time: Timestamp, handle: &SampleHandle) -> &'a mut Stats {
    let second = seconds.entry(time.seconds()).or_default();
    &mut second
        .entry(handle.number)
        .or_insert_with(|| StatsEntry { handle: handle.clone(), stats: Stats::default() })
        .stats
}

/// Removes and returns the windows that begin before `end`, and those that begin too far after it.
fn split<T>(windows: &mut BTreeMap<i64, T>, end: i64) -> BTreeMap<i64, T> {
    let mut rest = windows.split_off(&end);
    let mut ahead = rest.split_off(&end.saturating_add(AHEAD_SECONDS));
    let mut taken = std::mem::replace(windows, rest);
    taken.append(&mut ahead);
    taken
}

/// Metric, unit, and the dimension in addition to the host.
type GaugeKey = (String, Unit, Option<(String, String)>);

/// The open windows of a run.
pub struct Aggregator {
    identity: Arc<RunIdentity>,
    resolution: u32,
    registry: SeriesRegistry,
    samples: BTreeMap<i64, Second>,
    gauges: BTreeMap<i64, BTreeMap<GaugeKey, Histogram>>,
    custom: CustomWindows,
}

impl Aggregator {
    /// An aggregator without open windows.
    #[must_use]
    pub fn new(config: &Config, identity: Arc<RunIdentity>) -> Self {
        let registry = SeriesRegistry::new(config, &identity);
        Self {
            resolution: config.resolution,
            custom: CustomWindows::new(Arc::clone(&registry.own_roll_up().dimensions)),
            registry,
            identity,
            samples: BTreeMap::new(),
            gauges: BTreeMap::new(),
        }
    }

    /// Adds a sample to its window, in its own series and in the roll-up of its host.
    pub fn add(&mut self, sample: &Sample) {
        let series = self.registry.find(&self.identity.host_of(sample), &sample.name, &sample.method);
        stats_at(&mut self.samples, sample.time, series).add(sample);
    }

    /// Takes the notices about the series since the last call.
    pub fn take_notices(&mut self) -> Vec<SeriesNotice> {
        self.registry.take_notices()
    }

    /// Publishes no other request names than these from now on.
    pub fn restrict_requests(&mut self, names: impl IntoIterator<Item = SmolStr>) {
        self.registry.restrict(names);
    }

    /// Adds the statistics of a worker: its requests to the seconds in which they ended, and their response times to the last
    /// second, because Locust does not report the second of each.
    pub fn add_reported_stats(&mut self, entry: &ReportedStats) {
        let series = self.registry.find(self.identity.own_host(), &entry.name, &entry.method);
        for &(second, requests, failures) in &entry.seconds {
            let stats = stats_at(&mut self.samples, second, series);
            stats.requests = stats.requests.saturating_add(requests);
            stats.failures = stats.failures.saturating_add(failures);
        }
        let stats = stats_at(&mut self.samples, entry.last, series);
        entry.response_times_ms.iter().for_each(|&point| stats.response_time.add_point(point));
        entry.response_bytes.iter().for_each(|&point| stats.response_size.add_point(point));
    }

    /// Adds the value of a gauge to its window, in the series of the host.
    pub fn add_gauge(&mut self, gauge: Gauge) {
        let window = window_of(gauge.time.seconds(), self.resolution);
        let metrics = self.gauges.entry(window).or_default();
        metrics.entry((gauge.metric, gauge.unit, gauge.dimension)).or_default().add(gauge.value);
    }

    /// Adds the value of a custom metric to its window.
    pub fn add_custom(&mut self, value: CustomValue) -> Added {
        let window = window_of(value.time.seconds(), self.resolution);
        self.custom.add(window, value, self.registry.notices())
    }

    /// Adds the values of a custom metric that a worker has reported to their window.
    pub fn merge_custom(&mut self, values: SeriesValues) -> Added {
        let window = window_of(values.second, self.resolution);
        self.custom.merge(window, values, self.registry.notices())
    }

    /// Closes the windows that ended at or before `now`, and those far in the future, which occur if the clock was set back or
    /// the clock of another machine is fast. A later sample of a closed window opens another window of the same time, and
    /// CloudWatch adds the two.
    ///
    /// A window of more than a second is closed in parts before its end. `delivery` merges the parts when it sends them.
    ///
    /// `observe` gets the statistics of each request in each second, for the run's summary.
    pub fn close_until(&mut self, now: Timestamp, observe: impl FnMut(i64, &RequestKey, &Stats)) -> Vec<Datum> {
        self.close(now.seconds(), observe)
    }

    /// Closes all windows.
    pub fn close_all(&mut self, observe: impl FnMut(i64, &RequestKey, &Stats)) -> Vec<Datum> {
        self.close(i64::MAX, observe)
    }

    fn close(&mut self, end: i64, mut observe: impl FnMut(i64, &RequestKey, &Stats)) -> Vec<Datum> {
        let samples = split(&mut self.samples, end);
        let end = if self.resolution == 1 { end } else { i64::MAX };
        let gauges = split(&mut self.gauges, end);
        let custom = split(self.custom.open(), end);

        let mut windows: BTreeMap<i64, FnvHashMap<Series, Stats>> = BTreeMap::new();
        for (second, requests) in samples {
            let all = windows.entry(window_of(second, self.resolution)).or_default();
            for StatsEntry { handle: SampleHandle { request, own, roll_up, .. }, stats } in requests.into_values() {
                observe(second, &request, &stats);
                if own != roll_up {
                    all.entry(roll_up).or_default().merge(&stats);
                }
                match all.entry(own) {
                    Entry::Vacant(entry) => drop(entry.insert(stats)),
                    Entry::Occupied(mut entry) => entry.get_mut().merge(&stats),
                }
            }
        }
        let mut datums = Vec::new();
        for (timestamp, all) in windows {
            for (series, stats) in all {
                self.datums_of(timestamp, &series.dimensions, &stats, &mut datums);
            }
        }
        let dimensions = &self.registry.own_roll_up().dimensions;
        for (timestamp, metrics) in gauges {
            for ((metric, unit, dimension), histogram) in metrics {
                let dimensions = match dimension {
                    None => dimensions.clone(),
                    Some((name, value)) => {
                        let own = Dimension::new(&fit_name(&name), &value);
                        // CloudWatch accepts each name only once.
                        let others = dimensions.iter().filter(|other| other.name != own.name).cloned();
                        others.chain([own.clone()]).collect()
                    }
                };
                let key = DatumKey { timestamp, dimensions, metric: fit_name(&metric).into(), unit };
                datums.extend(Datum::of_histogram(&key, self.resolution, &histogram));
            }
        }
        datums.extend(self.custom.datums(custom, self.resolution));
        datums
    }

    #[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^53 samples")]
    fn datums_of(&self, timestamp: i64, dimensions: &Arc<[Dimension]>, stats: &Stats, datums: &mut Vec<Datum>) {
        let key =
            |metric: &str, unit| DatumKey { timestamp, dimensions: dimensions.clone(), metric: metric.into(), unit };
        for (metric, total) in [(REQUEST_COUNT, stats.requests), (FAILURE_COUNT, stats.failures)] {
            let body = Body::Total(total as f64);
            datums.push(Datum { key: key(metric, Unit::Count), resolution: self.resolution, body });
        }
        for (metric, unit, histogram) in [
            (RESPONSE_TIME, Unit::Milliseconds, &stats.response_time),
            (FAILED_RESPONSE_TIME, Unit::Milliseconds, &stats.failed_response_time),
            (RESPONSE_SIZE, Unit::Bytes, &stats.response_size),
        ] {
            datums.extend(Datum::of_histogram(&key(metric, unit), self.resolution, histogram));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use std::collections::BTreeSet;

    use super::*;
    use crate::config::identity::tests::identity;
    use crate::config::validate::tests::config;
    use crate::metrics::series::OTHER;
    use crate::sample::{Failure, Point};

    pub(crate) fn sample(name: &str, second: i64, ms: f64) -> Sample {
        Sample {
            time: Timestamp::from_seconds(second),
            method: "GET".into(),
            name: name.into(),
            url: None,
            response_time_ms: Some(ms),
            response_bytes: Some(10.0),
            failure: None,
            status: Some(200),
            users: 1,
            context: Box::default(),
            is_logged: true,
        }
    }

    fn total(datums: &[Datum], metric: &str, names: &[&str]) -> u64 {
        let names: Vec<_> = names.iter().map(|&n| n.to_owned()).collect();
        datums.iter().map(|d| d.total_of(metric, &names)).sum()
    }

    fn count(datums: &[Datum], metric: &str) -> usize {
        datums.iter().filter(|d| &*d.key.metric == metric).count()
    }

    #[test]
    fn each_sample_counts_in_its_series_and_in_the_roll_up_of_its_host() {
        let mut aggregator = Aggregator::new(&config(|_| {}), identity());
        for second in [100, 100, 101] {
            aggregator.add(&sample("/a", second, 5.0));
        }
        aggregator.add(&sample("/b", 100, 5.0));
        let datums = aggregator.close_all(|_, _, _| {});
        assert_eq!(total(&datums, REQUEST_COUNT, &["Host", "Request"]), 4);
        assert_eq!(total(&datums, REQUEST_COUNT, &["Host"]), 4);
        // Zero failures are published for windows with requests, so that alarms have data.
        assert_eq!(count(&datums, FAILURE_COUNT), 5);
        assert_eq!(count(&datums, FAILED_RESPONSE_TIME), 0);
    }

    #[test]
    fn a_roll_up_that_equals_the_series_is_published_once() {
        let mut aggregator = Aggregator::new(&config(|o| o.dimensions = "Host".into()), identity());
        aggregator.add(&sample("/a", 100, 5.0));
        assert_eq!(total(&aggregator.close_all(|_, _, _| {}), REQUEST_COUNT, &["Host"]), 1);
    }

    #[test]
    fn only_windows_that_have_ended_are_closed_and_a_late_sample_opens_another_one() {
        let mut aggregator = Aggregator::new(&config(|_| {}), identity());
        aggregator.add(&sample("/a", 100, 5.0));
        aggregator.add(&sample("/a", 101, 5.0));
        let first = aggregator.close_until(Timestamp::from_millis(101_020), |_, _, _| {});
        assert_eq!(total(&first, REQUEST_COUNT, &["Host"]), 1);
        aggregator.add(&sample("/a", 100, 5.0));
        let second = aggregator.close_until(Timestamp::from_millis(102_020), |_, _, _| {});
        assert_eq!(total(&second, REQUEST_COUNT, &["Host"]), 2);
        assert!(aggregator.close_all(|_, _, _| {}).is_empty());
    }

    #[test]
    fn windows_far_in_the_future_are_closed_at_once() {
        let mut aggregator = Aggregator::new(&config(|_| {}), identity());
        for second in [100, 102, 700] {
            aggregator.add(&sample("/a", second, 5.0));
        }
        let (metric, unit) = ("M".into(), Unit::Count);
        let gauge = Gauge { time: Timestamp::from_seconds(700), metric, value: 1.0, unit, dimension: None };
        aggregator.add_gauge(gauge);
        let closed = aggregator.close_until(Timestamp::from_seconds(101), |_, _, _| {});
        assert_eq!((total(&closed, REQUEST_COUNT, &["Host"]), count(&closed, "M")), (2, 1));
        assert_eq!(total(&aggregator.close_all(|_, _, _| {}), REQUEST_COUNT, &["Host"]), 1);
    }

    #[test]
    fn failures_and_successes_have_separate_response_times_and_a_sample_without_a_time_is_only_counted() {
        let mut aggregator = Aggregator::new(&config(|_| {}), identity());
        let failure = Some(Failure { kind: "E".into(), message: String::new() }.into());
        aggregator.add(&Sample { failure: failure.clone(), ..sample("/a", 100, 7.0) });
        aggregator.add(&Sample { response_time_ms: None, ..sample("/a", 100, 0.0) });
        aggregator.add(&Sample { response_time_ms: None, failure, ..sample("/a", 100, 0.0) });
        let datums = aggregator.close_all(|_, _, _| {});
        assert_eq!(total(&datums, REQUEST_COUNT, &["Host"]), 3);
        assert_eq!(total(&datums, FAILURE_COUNT, &["Host"]), 2);
        assert_eq!((count(&datums, RESPONSE_TIME), count(&datums, FAILED_RESPONSE_TIME)), (0, 2));
        assert_eq!(count(&datums, RESPONSE_SIZE), 2);
    }

    #[test]
    fn names_beyond_the_maximum_share_one_series_and_are_reported_once() {
        let mut aggregator = Aggregator::new(&config(|o| o.max_requests = 2), identity());
        ["/a", "/b", "/c", "/d", "/a"].iter().for_each(|name| aggregator.add(&sample(name, 100, 5.0)));
        assert_eq!(aggregator.take_notices(), [SeriesNotice::TooManyRequests("/c".into())]);
        let datums = aggregator.close_all(|_, _, _| {});
        let other: u64 = datums
            .iter()
            .filter(|d| d.key.dimensions.iter().any(|dim| &*dim.value == OTHER))
            .map(|d| d.total_of(REQUEST_COUNT, &["Host".into(), "Request".into()]))
            .sum();
        assert_eq!(other, 2);
    }

    #[test]
    fn the_options_determine_the_dimensions() {
        let config = config(|o| {
            o.dimensions = "Method,RunId".into();
            o.dimension = vec!["Team=a".into()];
        });
        let mut aggregator = Aggregator::new(&config, identity());
        aggregator.add(&sample("/a", 100, 5.0));
        let datums = aggregator.close_all(|_, _, _| {});
        assert_eq!(total(&datums, REQUEST_COUNT, &["Method", "RunId", "Team"]), 1);
        assert_eq!(total(&datums, REQUEST_COUNT, &["Host", "Team"]), 1);
    }

    #[test]
    fn a_report_of_a_worker_counts_in_its_seconds_and_its_times_count_in_the_last() {
        let mut aggregator = Aggregator::new(&config(|_| {}), identity());
        let at = Timestamp::from_seconds;
        aggregator.add_reported_stats(&ReportedStats {
            method: "GET".into(),
            name: "/a".into(),
            seconds: vec![(at(100), 3, 1), (at(101), 2, 0)],
            last: at(101),
            response_times_ms: vec![Point { value: 12.0, count: 4 }, Point { value: 110.0, count: 1 }],
            response_bytes: Some(Point { value: 10.0, count: 5 }),
        });
        let datums = aggregator.close_all(|_, _, _| {});
        let names = ["Host", "Request"];
        assert_eq!((total(&datums, REQUEST_COUNT, &names), total(&datums, FAILURE_COUNT, &names)), (5, 1));
        assert_eq!(total(&datums, REQUEST_COUNT, &["Host"]), 5);
        let timed = datums.iter().filter(|d| &*d.key.metric == RESPONSE_TIME);
        assert_eq!(timed.map(|d| d.key.timestamp).collect::<Vec<_>>(), [101, 101]);
    }

    #[test]
    fn a_gauge_with_a_user_class_has_a_separate_series() {
        let mut aggregator = Aggregator::new(&config(|_| {}), identity());
        for dimension in [None, Some(("UserClass".to_owned(), "Shopper".to_owned()))] {
            let (time, metric) = (Timestamp::from_seconds(60), "UserCount".to_owned());
            aggregator.add_gauge(Gauge { time, metric, value: 3.0, unit: Unit::Count, dimension });
        }
        let datums = aggregator.close_all(|_, _, _| {});
        let names: Vec<Vec<_>> =
            datums.iter().map(|d| d.key.dimensions.iter().map(|dim| &*dim.name).collect()).collect();
        assert_eq!(names, [vec!["Host"], vec!["Host", "UserClass"]]);
    }

    #[test]
    fn a_gauge_is_published_for_the_host_with_all_its_values_of_the_window() {
        let mut aggregator = Aggregator::new(&config(|o| o.resolution = 60), identity());
        for (second, value) in [(60, 1.0), (61, 2.0), (62, 2.0)] {
            let time = Timestamp::from_seconds(second);
            aggregator.add_gauge(Gauge { time, metric: "UserCount".into(), value, unit: Unit::Count, dimension: None });
        }
        let datums = aggregator.close_until(Timestamp::from_seconds(63), |_, _, _| {});
        assert_eq!(datums.len(), 1);
        assert_eq!(datums[0].key.timestamp, 60);
        let Body::Points(points) = &datums[0].body else { panic!("a gauge has points") };
        assert_eq!(points.iter().map(|p| (p.value, p.count)).collect::<Vec<_>>(), [(1.0, 1), (2.0, 2)]);
    }

    #[test]
    fn any_gauge_name_becomes_valid() {
        let mut aggregator = Aggregator::new(&config(|o| o.dimension = vec!["Team=a".into()]), identity());
        let long = "주".repeat(300);
        for (metric, name) in [("", "Team"), (":", "Host"), (&long, &long), ("Users", ":")] {
            let dimension = Some((name.to_owned(), "b".to_owned()));
            let time = Timestamp::from_seconds(60);
            aggregator.add_gauge(Gauge { time, metric: metric.into(), value: 3.0, unit: Unit::Count, dimension });
        }
        let datums = aggregator.close_all(|_, _, _| {});
        assert_eq!(datums.len(), 4);
        for Datum { key, .. } in datums {
            let names: Vec<_> =
                key.dimensions.iter().map(|dim| dim.name.to_string()).chain([key.metric.to_string()]).collect();
            assert!(names.iter().all(|name| (1..=255).contains(&name.len()) && name.is_ascii()), "{names:?}");
            assert!(!names.iter().any(|name| name.starts_with(':')), "{names:?}");
            let distinct: BTreeSet<_> = key.dimensions.iter().map(|dim| &dim.name).collect();
            assert_eq!(distinct.len(), key.dimensions.len(), "{names:?}");
        }
    }

    /// A request, and whether the windows that have ended are closed after it.
    #[derive(Debug, Clone)]
    struct Request {
        name: usize,
        host: usize,
        second: i64,
        ms: Option<f64>,
        bytes: Option<f64>,
        failed: bool,
        closes: bool,
    }

    prop_compose! {
        fn request()(
            name in 0..6usize, host in 0..3usize, second in 600..800i64, ms in prop::option::of(0..5000u32),
            bytes in prop::option::of(0..3000u32), failed in any::<bool>(), closes in prop::bool::weighted(0.1),
        ) -> Request {
            Request { name, host, second, ms: ms.map(f64::from), bytes: bytes.map(f64::from), failed, closes }
        }
    }

    /// Number and sum of the values of a metric, by window and series.
    type Sums = BTreeMap<(i64, Vec<String>, String), (u64, f64)>;

    #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    fn sums(datums: &[Datum]) -> Sums {
        let mut sums = Sums::new();
        for Datum { key, body, .. } in datums {
            let values = key.dimensions.iter().map(|dimension| dimension.value.to_string()).collect();
            let sum = sums.entry((key.timestamp, values, key.metric.to_string())).or_default();
            match body {
                Body::Total(total) => sum.1 += total,
                Body::Points(points) => points.iter().for_each(|point| {
                    sum.0 += point.count;
                    sum.1 += point.value * point.count as f64;
                }),
            }
        }
        sums
    }

    fn published(requests: &[Request], resolution: i64, closing: bool) -> (Vec<Datum>, usize) {
        let identity = RunIdentity { host: None, ..(*identity()).clone() };
        let config = config(|o| (o.resolution, o.max_requests) = (resolution, 4));
        let mut aggregator = Aggregator::new(&config, Arc::new(identity));
        let (mut datums, mut reported) = (Vec::new(), 0);
        for r in requests {
            let failure = r.failed.then(|| Failure { kind: "E".into(), message: String::new() }.into());
            let url = Some(format!("http://h{}/x", r.host).into());
            let sample = Sample { url, failure, ..sample(&format!("/{}", r.name), r.second, 0.0) };
            let sample = Sample { response_time_ms: r.ms, response_bytes: r.bytes, ..sample };
            aggregator.add(&sample);
            reported += aggregator.take_notices().len();
            if closing && r.closes {
                datums.extend(aggregator.close_until(Timestamp::from_seconds(r.second), |_, _, _| {}));
            }
        }
        datums.extend(aggregator.close_all(|_, _, _| {}));
        (datums, reported)
    }

    proptest! {
        #[test]
        fn every_sample_is_in_its_window_its_series_and_its_roll_up_in_any_order_and_with_any_delay(
            mut requests in prop::collection::vec(request(), 0..300), resolution in prop_oneof![Just(1i64), Just(60)],
            rotated in any::<prop::sample::Index>(),
        ) {
            // The first four names get series of their own. They come first, so that the order of the other requests has no effect.
            let first = (0..4).map(|name| Request {
                name, host: 0, second: 600, ms: None, bytes: None, failed: false, closes: false,
            });
            requests.splice(0..0, first);
            let mut expected = Sums::new();
            for r in &requests {
                let (window, host) = (r.second - r.second.rem_euclid(resolution), format!("http://h{}", r.host));
                let name = if r.name < 4 { format!("/{}", r.name) } else { OTHER.to_owned() };
                for series in [vec![host.clone(), name], vec![host]] {
                    let mut add = |metric: &str, count, value| {
                        let sum = expected.entry((window, series.clone(), metric.to_owned())).or_default();
                        *sum = (sum.0 + count, sum.1 + value);
                    };
                    add(REQUEST_COUNT, 0, 1.0);
                    add(FAILURE_COUNT, 0, f64::from(u8::from(r.failed)));
                    r.ms.iter().for_each(|&ms| add(if r.failed { FAILED_RESPONSE_TIME } else { RESPONSE_TIME }, 1, ms));
                    r.bytes.iter().filter(|_| !r.failed).for_each(|&bytes| add(RESPONSE_SIZE, 1, bytes));
                }
            }
            let others = requests.iter().any(|r| r.name >= 4);
            for closing in [true, false] {
                let (datums, reported) = published(&requests, resolution, closing);
                prop_assert_eq!(reported, usize::from(others));
                prop_assert!(datums.iter().all(|datum| i64::from(datum.resolution) == resolution));
                let got = sums(&datums);
                prop_assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
                for (key, (count, sum)) in &expected {
                    prop_assert_eq!(got[key].0, *count, "{:?}", key);
                    prop_assert!((got[key].1 - sum).abs() <= 1e-9 * sum.max(1.0), "{:?}: {} for {}", key, got[key].1, sum);
                }
                let by = rotated.index((requests.len() - 4).max(1)).min(requests.len() - 4);
                requests[4..].rotate_left(by);
            }
        }
    }
}

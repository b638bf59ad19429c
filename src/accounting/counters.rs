//! Counters of what happens to each sample.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::{AddAssign, SubAssign};
use std::sync::{Arc, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

use crate::config::dimension::Dimension;
use crate::metrics::datum::{Datum, FAILURE_COUNT, REQUEST_COUNT};
use crate::sample::ReportedStats;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Numbers of requests, failures and log events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Finished requests, failed ones included.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
    /// Log events.
    pub log_events: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        // Numbers from another process or a disk can have any value.
        self.requests = self.requests.saturating_add(other.requests);
        self.failures = self.failures.saturating_add(other.failures);
        self.log_events = self.log_events.saturating_add(other.log_events);
    }
}

impl SubAssign for Counts {
    fn sub_assign(&mut self, other: Self) {
        self.requests = self.requests.saturating_sub(other.requests);
        self.failures = self.failures.saturating_sub(other.failures);
        self.log_events = self.log_events.saturating_sub(other.log_events);
    }
}

impl From<&ReportedStats> for Counts {
    fn from(entry: &ReportedStats) -> Self {
        let mut sum = Self::default();
        for &(_, requests, failures) in &entry.seconds {
            sum += Self { requests, failures, log_events: 0 };
        }
        sum
    }
}

/// A [`Counts`] that several threads add to.
#[derive(Debug, Default)]
pub struct AtomicCounts {
    requests: AtomicU64,
    failures: AtomicU64,
    log_events: AtomicU64,
}

impl AtomicCounts {
    /// Adds counts. Most of them are zero, and their sums are not touched.
    pub fn add(&self, counts: Counts) {
        let parts = [
            (&self.requests, counts.requests),
            (&self.failures, counts.failures),
            (&self.log_events, counts.log_events),
        ];
        for (sum, part) in parts {
            if part > 0 {
                sum.fetch_add(part, Relaxed);
            }
        }
    }

    /// What has been added so far.
    #[must_use]
    pub fn get(&self) -> Counts {
        Counts {
            requests: self.requests.load(Relaxed),
            failures: self.failures.load(Relaxed),
            log_events: self.log_events.load(Relaxed),
        }
    }
}

/// A number that several threads increase.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds a number.
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Relaxed);
    }

    /// Adds a size.
    pub fn add_len(&self, length: usize) {
        self.add(u64::try_from(length).unwrap_or(u64::MAX));
    }

    /// Raises it to a number, unless it is higher.
    pub fn raise_to(&self, number: u64) {
        self.0.fetch_max(number, Relaxed);
    }

    /// The number so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Published requests and failures of each series, by its dimensions.
#[derive(Debug, Default)]
pub struct SeriesTotals(Mutex<BTreeMap<Arc<[Dimension]>, Counts>>);

impl SeriesTotals {
    /// Adds those of a batch of datums.
    pub fn add(&self, datums: &[Datum]) {
        let mut totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for datum in datums {
            let (requests, failures) = (datum.count_of(REQUEST_COUNT), datum.count_of(FAILURE_COUNT));
            if requests.max(failures) > 0 {
                *totals.entry(Arc::clone(&datum.key.dimensions)).or_default() +=
                    Counts { requests, failures, log_events: 0 };
            }
        }
    }

    /// The totals so far.
    #[must_use]
    pub fn get(&self) -> BTreeMap<Arc<[Dimension]>, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The base of the receipt. At any time, `observed` is at least the sum of the other three. The difference is on its way
/// between the queue and CloudWatch.
#[derive(Debug, Default)]
pub struct Counters {
    /// Samples that hooks received, and log events.
    pub observed: AtomicCounts,
    /// Accepted by CloudWatch.
    pub delivered: AtomicCounts,
    /// Refused by CloudWatch.
    pub rejected: AtomicCounts,
    /// Lost, because there was no room.
    pub dropped: AtomicCounts,
    /// Calls of `PutMetricData`, repeated ones included.
    pub put_metric_data: Counter,
    /// Calls of `PutLogEvents`, repeated ones included.
    pub put_log_events: Counter,
    /// Calls that were repeated.
    pub retries: Counter,
    /// Upper bound on duplicates: samples and log events in calls that got no response. Each such call counts.
    pub uncertain: Counter,
    /// Bytes of request bodies sent to AWS, after compression.
    pub bytes_sent: Counter,
    /// Bytes of accepted log events, as CloudWatch counts them.
    pub log_bytes: Counter,
    /// Hours in which a metric had data, summed up over the metrics.
    pub metric_hours: Counter,
    /// Requests and failures by series.
    pub series: SeriesTotals,
    /// The newest second, since the epoch, whose datums CloudWatch has accepted, or would have in a dry run.
    pub delivered_until: Counter,
    /// Exceptions in tasks.
    pub user_errors: Counter,
    /// Values of custom metrics and marks that were invalid or too many.
    pub ignored: Counter,
    /// The AWS region, once it is known.
    pub region: OnceLock<String>,
}

/// The hours in which metrics had data: CloudWatch charges for each metric by the hour.
#[derive(Debug, Default)]
pub struct MetricHours(HashSet<u64>);

impl MetricHours {
    /// Adds those of datums, and returns how many are new.
    pub fn insert(&mut self, datums: &[Datum]) -> u64 {
        let hour_of = |datum: &Datum| {
            let mut hasher = DefaultHasher::new();
            (datum.key.timestamp.div_euclid(3600), &datum.key.metric, &datum.key.dimensions).hash(&mut hasher);
            hasher.finish()
        };
        datums.iter().map(|datum| u64::from(self.0.insert(hour_of(datum)))).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::datum::tests::key;
    use crate::metrics::datum::{Body, RESPONSE_TIME};
    use crate::timestamp::Timestamp;

    fn any_counts() -> impl Strategy<Value = Counts> {
        let number = || prop_oneof![0..1000u64, any::<u64>()];
        (number(), number(), number()).prop_map(|(requests, failures, log_events)| Counts {
            requests,
            failures,
            log_events,
        })
    }

    proptest! {
        #[test]
        fn a_report_counts_the_requests_of_all_its_seconds(seconds in prop::collection::vec((0..1000u64, 0..1000u64), 0..50)) {
            let at = Timestamp::from_seconds(0);
            let entry = ReportedStats {
                method: "GET".into(),
                name: "/".into(),
                seconds: seconds.iter().map(|&(requests, failures)| (at, requests, failures)).collect(),
                last: at,
                response_times_ms: Vec::new(),
                response_bytes: None,
            };
            let (requests, failures): (Vec<u64>, Vec<u64>) = seconds.into_iter().unzip();
            let counts = Counts { requests: requests.iter().sum(), failures: failures.iter().sum(), log_events: 0 };
            prop_assert_eq!(Counts::from(&entry), counts);
        }

        #[test]
        fn counts_add_up_in_any_order_and_never_wrap(parts in prop::collection::vec(any_counts(), 0..20)) {
            let sum = |parts: &mut dyn Iterator<Item = &Counts>| {
                let mut sum = Counts::default();
                parts.for_each(|&part| sum += part);
                sum
            };
            let total = sum(&mut parts.iter());
            prop_assert_eq!(total, sum(&mut parts.iter().rev()));
            prop_assert!(parts.iter().all(|part| total.requests >= part.requests && total.failures >= part.failures));
            let exact: u128 = parts.iter().map(|part| u128::from(part.log_events)).sum();
            prop_assert_eq!(u128::from(total.log_events), exact.min(u64::MAX.into()));
            let mut rest = total;
            parts.iter().for_each(|&part| rest -= part);
            prop_assert_eq!(rest, Counts::default());
        }

        #[test]
        fn the_totals_of_series_are_the_same_however_they_come_in_batches(
            counts in prop::collection::vec((0..4usize, 0..3usize, 0..1000u32), 0..60), at in 1..10usize,
        ) {
            let metrics = [REQUEST_COUNT, FAILURE_COUNT, RESPONSE_TIME];
            let datum = |&(series, metric, number): &(usize, usize, u32)| Datum {
                key: key(metrics[metric], &format!("/{series}")), resolution: 1, body: Body::Total(number.into()),
            };
            let datums: Vec<_> = counts.iter().map(datum).collect();
            let totals = SeriesTotals::default();
            datums.chunks(at).for_each(|batch| totals.add(batch));
            for (dimensions, total) in totals.get() {
                let sum = |metric| datums.iter().filter(|d| d.key.dimensions == dimensions).map(|d| d.count_of(metric)).sum();
                let expected = Counts { requests: sum(REQUEST_COUNT), failures: sum(FAILURE_COUNT), log_events: 0 };
                prop_assert_eq!(total, expected);
            }
            let all: u64 = totals.get().values().map(|total| total.requests).sum();
            prop_assert_eq!(all, datums.iter().map(|d| d.count_of(REQUEST_COUNT)).sum::<u64>());
        }
    }

    #[test]
    fn counts_of_impossible_numbers_saturate() {
        let at = Timestamp::from_seconds(0);
        let seconds = vec![(at, u64::MAX, 1), (at, 1, u64::MAX)];
        let (method, name) = ("GET".into(), "/".into());
        let entry =
            ReportedStats { method, name, seconds, last: at, response_times_ms: Vec::new(), response_bytes: None };
        assert_eq!(Counts::from(&entry), Counts { requests: u64::MAX, failures: u64::MAX, log_events: 0 });
    }
}

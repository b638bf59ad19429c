//! The histogram of the response times of a run: buckets of 1 % width, with exact count, sum, minimum and maximum.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metrics::histogram::{BUCKET_RATIO, Histogram};
use crate::summary::encoding::Invalid;
use crate::summary::packed::PackedCounts;

/// Index of the bucket of about a nanosecond: 10^-6 ms. Shorter times share a bucket with zero.
const LOWEST_INDEX: i32 = -1389;
/// Index of the last bucket, of about 300 years: 10^13 ms. It includes all longer times.
const HIGHEST_INDEX: i32 = 3008;

/// Number of buckets: that of zero, and one for each index.
pub(super) const BUCKETS: u32 = HIGHEST_INDEX.abs_diff(LOWEST_INDEX) + 2;

/// Counts of response times.
///
/// Merging adds integers and compares extremes, so that any order of merging has an equal result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Option<Stored>", into = "Option<Stored>")]
pub struct LogHistogram {
    count: u64,
    /// Whole nanoseconds: additions of floating-point numbers depend on their order.
    sum: Duration,
    min_ms: f64,
    max_ms: f64,
    counts: PackedCounts,
}

/// The stored form, without what follows from the counts.
#[derive(Serialize, Deserialize)]
struct Stored {
    sum: Duration,
    min_ms: f64,
    max_ms: f64,
    counts: PackedCounts,
}

impl LogHistogram {
    /// The number of response times.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The sum of the response times, to the nanosecond. It is at most [`Duration::MAX`].
    #[must_use]
    pub const fn sum(&self) -> Duration {
        self.sum
    }

    /// The mean in milliseconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean of 2^53 times need not be exact")]
    pub fn mean_ms(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum.as_secs_f64() * 1000.0 / self.count as f64)
    }

    /// The minimum in milliseconds.
    #[must_use]
    pub fn min_ms(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min_ms)
    }

    /// The maximum in milliseconds.
    #[must_use]
    pub fn max_ms(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max_ms)
    }

    /// The nearest-rank quantile in milliseconds, such as 0.95 for the 95th percentile. It is within 1 % of the true one for
    /// times from a nanosecond to 300 years, and exact for zero and for the first and the last rank.
    #[must_use]
    pub fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        let rank = nearest_rank(quantile, self.count)?;
        if rank == 1 {
            return self.min_ms();
        }
        if rank == self.count {
            return self.max_ms();
        }
        let mut seen = 0u64;
        let (number, _) = self.counts.iter().find(|&(_, count)| {
            seen = seen.saturating_add(count);
            seen >= rank
        })?;
        let middle = if number == 0 { 0.0 } else { f64::midpoint(lower_bound_ms(number), lower_bound_ms(number + 1)) };
        Some(middle.clamp(self.min_ms, self.max_ms))
    }

    /// Adds the times of another histogram.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        (self.min_ms, self.max_ms) = if self.count == 0 {
            (other.min_ms, other.max_ms)
        } else {
            (self.min_ms.min(other.min_ms), self.max_ms.max(other.max_ms))
        };
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.counts.merge(&other.counts);
    }

    /// The counts by the numbers of the buckets.
    pub(super) const fn counts(&self) -> &PackedCounts {
        &self.counts
    }
}

/// The times of a window, in milliseconds.
impl From<&Histogram> for LogHistogram {
    fn from(window: &Histogram) -> Self {
        let Some((min_ms, max_ms)) = window.extremes() else { return Self::default() };
        let counts = window.bucket_counts();
        Self {
            count: counts.iter().fold(0, |sum, &(_, count)| sum.saturating_add(count)),
            sum: Duration::try_from_secs_f64(window.sum() / 1000.0).unwrap_or(Duration::MAX),
            min_ms,
            max_ms,
            counts: counts.into_iter().map(|(index, count)| (number_of(index), count)).collect(),
        }
    }
}

/// The number of the bucket with this index.
const fn number_of(index: i32) -> u32 {
    if index < LOWEST_INDEX {
        0
    } else if index > HIGHEST_INDEX {
        BUCKETS - 1
    } else {
        index.abs_diff(LOWEST_INDEX) + 1
    }
}

/// The lower bound of the bucket with this number, in milliseconds.
pub(super) fn lower_bound_ms(number: u32) -> f64 {
    match i32::try_from(number) {
        Ok(0) => 0.0,
        Ok(number) => BUCKET_RATIO.powi((number - 1).saturating_add(LOWEST_INDEX)),
        Err(_) => f64::MAX,
    }
}

/// The rank of a quantile in this number of sorted values, from 1 on. `None` if there are no values.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the rank of a quantile of 2^53 values need not be exact, and casts saturate"
)]
pub(super) fn nearest_rank(quantile: f64, count: u64) -> Option<u64> {
    (count > 0).then(|| ((quantile * count as f64).ceil() as u64).clamp(1, count))
}

impl From<LogHistogram> for Option<Stored> {
    fn from(LogHistogram { count, sum, min_ms, max_ms, counts }: LogHistogram) -> Self {
        (count > 0).then_some(Stored { sum, min_ms, max_ms, counts })
    }
}

impl TryFrom<Option<Stored>> for LogHistogram {
    type Error = Invalid;

    fn try_from(parts: Option<Stored>) -> Result<Self, Invalid> {
        let Some(Stored { sum, min_ms, max_ms, counts }) = parts else { return Ok(Self::default()) };
        let are_times = min_ms >= 0.0 && min_ms <= max_ms && max_ms.is_finite();
        if counts.is_empty() || !are_times {
            return Err(Invalid("a histogram of response times"));
        }
        let count = counts.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(count));
        Ok(Self { count, sum, min_ms, max_ms, counts })
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "the tests use small numbers")]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    impl LogHistogram {
        pub(in crate::summary) const fn heap_bytes(&self) -> usize {
            self.counts.heap_bytes()
        }
    }

    pub(crate) fn times() -> impl Strategy<Value = f64> {
        prop_oneof![0.1..90.0f64, 1.0..60_000.0f64, 1e-6..1e-3, Just(0.0), 1e11..9e12]
    }

    fn histogram(times: &[f64]) -> LogHistogram {
        let mut window = Histogram::default();
        times.iter().for_each(|&ms| window.add(ms));
        LogHistogram::from(&window)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn percentiles_are_within_one_percent(parts in prop::collection::vec(prop::collection::vec(times(), 0..300), 1..5)) {
            let mut sum = LogHistogram::default();
            parts.iter().for_each(|part| sum.merge(&histogram(part)));
            let mut sorted = parts.concat();
            sorted.sort_by(f64::total_cmp);
            for quantile in [0.0, 0.001, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
                let want = nearest_rank(quantile, sorted.len() as u64)
                    .and_then(|rank| usize::try_from(rank).ok())
                    .map(|rank| sorted[rank - 1]);
                let got = sum.quantile_ms(quantile);
                prop_assert_eq!(got.is_some(), want.is_some());
                let (got, want) = (got.unwrap_or_default(), want.unwrap_or_default());
                prop_assert!((got - want).abs() <= 0.01 * want, "p{quantile}: {got} for {want}");
            }
        }

        #[test]
        fn count_sum_minimum_and_maximum_are_exact(parts in prop::collection::vec(prop::collection::vec(times(), 0..200), 1..5)) {
            let mut sum = LogHistogram::default();
            parts.iter().for_each(|part| sum.merge(&histogram(part)));
            let all = parts.concat();
            prop_assert_eq!(sum.count(), all.len() as u64);
            prop_assert_eq!(sum.min_ms(), all.iter().copied().reduce(f64::min));
            prop_assert_eq!(sum.max_ms(), all.iter().copied().reduce(f64::max));
            let (got, want) = (sum.sum().as_secs_f64() * 1000.0, all.iter().sum::<f64>());
            prop_assert!((got - want).abs() <= 1e-12 * want + 1e-5, "{got} for {want}");
            prop_assert_eq!(sum.mean_ms(), (!all.is_empty()).then(|| got / all.len() as f64));
        }

        #[test]
        fn a_histogram_is_read_back(times in prop::collection::vec(prop_oneof![times(), 0.0..f64::MAX], 0..300)) {
            let histogram = histogram(&times);
            let bytes = postcard::to_allocvec(&histogram).expect("plain data");
            prop_assert_eq!(&postcard::from_bytes::<LogHistogram>(&bytes).expect("just written"), &histogram);
            let json = serde_json::to_string(&histogram).expect("plain data");
            prop_assert_eq!(&serde_json::from_str::<LogHistogram>(&json).expect("just written"), &histogram);
        }
    }

    #[test]
    fn impossible_numbers_are_refused() {
        let json = |min: f64, max: f64, counts: &str| {
            format!(r#"{{"sum":{{"secs":1,"nanos":0}},"min_ms":{min:?},"max_ms":{max:?},"counts":"{counts}"}}"#)
        };
        let read = |json: String| serde_json::from_str::<LogHistogram>(&json).is_ok();
        assert!(read(json(1.0, 2.0, "AA")));
        assert!(
            ![json(2.0, 1.0, "AA"), json(-1.0, 1.0, "AA"), json(1.0, 2.0, ""), json(1.0, 2.0, "/w")]
                .into_iter()
                .any(read)
        );
    }

    #[test]
    fn quantiles_do_not_decrease() {
        let histogram = histogram(&(0..2000).map(|i| f64::from(i) * 0.37).collect::<Vec<_>>());
        let quantiles: Vec<_> = (0..=1000).map(|i| histogram.quantile_ms(f64::from(i) / 1000.0)).collect();
        assert!(quantiles.is_sorted());
        assert_eq!(LogHistogram::default().quantile_ms(0.5), None);
    }
}

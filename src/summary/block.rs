//! What a time block holds: counts, and a compact histogram of the response times.

use std::borrow::Cow;
use std::ops::Range;

use crate::summary::encoding::{Invalid, push_varint, take_varint};
use crate::summary::log_histogram::{BUCKETS, lower_bound_ms, nearest_rank};
use crate::summary::packed::{PackedCounts, bucket_bytes, merge, pack, unpack};

/// Buckets of a compact histogram are at least 4 of a [`super::LogHistogram`] wide, which is 4 %.
const MIN_SHIFT: u32 = 2;
/// Number of buckets of the smallest width.
const CELLS: u32 = ((BUCKETS - 1) >> MIN_SHIFT) + 1;
/// The width at which there is a single bucket.
const MAX_SHIFT: u32 = BUCKETS.ilog2() + 1;

/// The counts of a compact histogram take about as many bytes. Its buckets are as wide as necessary.
///
/// It determines the size of a summary: 200 names with 120 blocks each have 24,000 such histograms.
const MAX_BYTES: usize = 96;

/// A histogram with buckets of 4 % width, or of a width that is doubled until the counts are small enough. The width depends only on
/// the counts: [`bucket_bytes`] of merged counts is not smaller than that of a part, so no part needs wider buckets than the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactHistogram {
    /// The width is two to this power, in buckets of a [`super::LogHistogram`].
    shift: u32,
    /// By the number of the bucket, in ascending order.
    counts: Vec<(u32, u64)>,
}

impl Default for CompactHistogram {
    fn default() -> Self {
        Self { shift: MIN_SHIFT, counts: Vec::new() }
    }
}

impl CompactHistogram {
    /// The counts of a [`super::LogHistogram`].
    pub(super) fn of(fine: &PackedCounts) -> Self {
        let mut histogram = Self { shift: 0, counts: fine.iter().collect() };
        histogram.widen(MIN_SHIFT);
        histogram.fit();
        histogram
    }

    /// Widens the buckets to a width of two to the power of `shift`.
    fn widen(&mut self, shift: u32) {
        let by = shift - self.shift;
        if by == 0 {
            return;
        }
        self.shift = shift;
        self.counts.iter_mut().for_each(|(number, _)| *number >>= by);
        self.counts.dedup_by(|(number, count), (previous, sum)| {
            let is_same = number == previous;
            if is_same {
                *sum = sum.saturating_add(*count);
            }
            is_same
        });
    }

    /// Widens the buckets until the counts are small enough.
    fn fit(&mut self) {
        while self.shift < MAX_SHIFT
            && self.counts.iter().map(|&(_, count)| bucket_bytes(count)).sum::<usize>() > MAX_BYTES
        {
            self.widen(self.shift + 1);
        }
    }

    /// Adds the times of another histogram.
    pub fn merge(&mut self, other: &Self) {
        let shift = self.shift.max(other.shift);
        self.widen(shift);
        let mut others = Cow::Borrowed(other);
        if other.shift < shift {
            others.to_mut().widen(shift);
        }
        let own = std::mem::take(&mut self.counts);
        self.counts.reserve(own.len() + others.counts.len());
        merge(own.into_iter(), others.counts.iter().copied(), |number, count| self.counts.push((number, count)));
        self.fit();
    }

    /// The number of response times.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, &(_, count)| sum.saturating_add(count))
    }

    /// The counts in ascending order, each with the cells that its bucket covers. A cell is a bucket of the smallest width, so that
    /// histograms with buckets of different widths can be compared.
    pub fn cells(&self) -> impl Iterator<Item = (Range<u32>, u64)> {
        let cell = |number: u32| (number << (self.shift - MIN_SHIFT)).min(CELLS);
        self.counts.iter().map(move |&(number, count)| (cell(number)..cell(number + 1), count))
    }

    /// The time at a position from 0 to 1 within a cell, in milliseconds. Times are assumed to be evenly distributed on a logarithmic
    /// axis.
    #[must_use]
    pub fn time_in_cell_ms(cell: u32, position: f64) -> f64 {
        Self::default().interpolated_ms(cell, position)
    }

    /// A quantile in milliseconds, such as 0.95 for the 95th percentile, interpolated within its bucket.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a position within a bucket need not be exact")]
    pub fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        let rank = nearest_rank(quantile, self.count())?;
        let mut before = 0u64;
        for &(number, count) in &self.counts {
            if before.saturating_add(count) >= rank {
                let position = ((rank - before) as f64 - 0.5) / count as f64;
                return Some(self.interpolated_ms(number, position));
            }
            before = before.saturating_add(count);
        }
        None
    }

    /// The time at a position from 0 to 1 within a bucket.
    fn interpolated_ms(&self, number: u32, position: f64) -> f64 {
        let bound = |number: u32| lower_bound_ms(number << self.shift);
        let (low, high) = (bound(number), bound(number + 1));
        // The buckets, and mostly the times, are evenly distributed on a logarithmic axis.
        if low > 0.0 { low * (high / low).powf(position) } else { high * position }
    }
}

/// The requests of a time block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// Finished requests, failed ones included.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
    /// Response times of successful requests.
    pub times: CompactHistogram,
}

impl Block {
    /// Adds the requests of another block.
    pub fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failures = self.failures.saturating_add(other.failures);
        self.times.merge(&other.times);
    }

    /// The packed form: requests, failures, the width of the buckets, and their counts.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAX_BYTES + 16);
        push_varint(&mut bytes, self.requests);
        push_varint(&mut bytes, self.failures);
        push_varint(&mut bytes, (self.times.shift - MIN_SHIFT).into());
        pack(&mut bytes, &self.times.counts);
        bytes
    }

    /// Reads the packed form.
    ///
    /// # Errors
    /// If the bytes are not a packed block.
    pub(super) fn from_bytes(mut bytes: &[u8]) -> Result<Self, Invalid> {
        let mut take = || take_varint(&mut bytes).ok_or(INVALID);
        let (requests, failures, widened) = (take()?, take()?, take()?);
        if widened > u64::from(MAX_SHIFT - MIN_SHIFT) {
            return Err(INVALID);
        }
        let shift = MIN_SHIFT + u32::try_from(widened).map_err(|_| INVALID)?;
        let mut times = CompactHistogram { shift, counts: unpack(bytes, ((BUCKETS - 1) >> shift) + 1)? };
        times.fit();
        Ok(Self { requests, failures, times })
    }
}

const INVALID: Invalid = Invalid("a time block");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::histogram::Histogram;
    use crate::summary::log_histogram::LogHistogram;
    use crate::summary::packed::tests::counts;
    use crate::summary::tests::Numbers;

    fn compact(times: &[f64]) -> CompactHistogram {
        let mut window = Histogram::default();
        times.iter().for_each(|&ms| window.add(ms));
        CompactHistogram::of(LogHistogram::from(&window).counts())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_order_of_merging_has_an_equal_result(parts in prop::collection::vec(counts(), 1..6), rotation in 0..6usize) {
            let mut whole = PackedCounts::default();
            parts.iter().for_each(|part| whole.merge(&part.clone().into_iter().collect()));
            let mut parts: Vec<_> = parts.into_iter().map(|part| CompactHistogram::of(&part.into_iter().collect())).collect();
            let middle = rotation % parts.len();
            parts.rotate_left(middle);
            let mut sum = CompactHistogram::default();
            parts.iter().for_each(|part| sum.merge(part));
            prop_assert_eq!(&sum, &CompactHistogram::of(&whole));
            let cells = sum.cells().filter(|(cells, _)| cells.start < cells.end && cells.end <= CELLS);
            prop_assert_eq!(cells.fold(0_u64, |all, (_, count)| all.saturating_add(count)), sum.count());
            prop_assert!(sum.cells().is_sorted_by(|(one, _), (next, _)| one.end <= next.start));
            let block = Block { requests: 7, failures: 300, times: sum };
            let bytes = block.to_bytes();
            // Each bucket after empty ones takes up to three more bytes.
            prop_assert!(bytes.len() <= MAX_BYTES * 4 + 8, "{}", bytes.len());
            prop_assert_eq!(Block::from_bytes(&bytes), Ok(block));
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(block) = Block::from_bytes(&bytes) {
                prop_assert!(block.times.quantile_ms(0.5).is_none_or(f64::is_finite));
                prop_assert_eq!(Block::from_bytes(&block.to_bytes()), Ok(block));
            }
        }
    }

    #[test]
    fn percentiles_of_usual_response_times_are_within_three_percent() {
        // A median of 20 ms with a long tail. A block of half a minute has about as many.
        let mut times = Numbers(3).long_tailed(6000);
        let histogram = compact(&times);
        times.sort_by(f64::total_cmp);
        assert_eq!(histogram.count(), 6000);
        for (quantile, rank) in [(0.5, 3000), (0.9, 5400), (0.95, 5700), (0.99, 5940)] {
            let (got, want) = (histogram.quantile_ms(quantile).unwrap_or_default(), times[rank - 1]);
            assert!((got - want).abs() <= 0.03 * want, "p{quantile}: {got} for {want}");
        }
    }

    #[test]
    fn times_of_zero_and_a_histogram_without_times_have_quantiles() {
        assert!(compact(&[0.0, 0.0]).quantile_ms(0.5).is_some_and(|ms| ms < 1e-5));
        assert_eq!(CompactHistogram::default().quantile_ms(0.5), None);
    }
}

//! The histogram of one metric in one window: exact for few distinct values, and in buckets of 1 % width for more.

use std::collections::BTreeMap;

use crate::sample::Point;
use fnv::FnvHashMap;

/// Maximum number of distinct values of a datum (PutMetricData).
pub const MAX_VALUES_PER_DATUM: usize = 150;

/// Ratio of the upper bound of a bucket to its lower bound. A bucket is published as the mean of its samples, which is within
/// 1 % of each of them.
pub(crate) const BUCKET_RATIO: f64 = 1.01;

/// Largest value that CloudWatch accepts (PutMetricData).
pub const MAX_VALUE: f64 = 2.348_542_582_773_833_2e108; // 2^360

/// Counts of non-negative values. Sum, minimum and maximum are exact for any number of values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    shape: Shape,
    extremes: Option<(f64, f64)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    /// By the bits of the value. The bits of non-negative numbers sort in the order of the numbers.
    Exact(FnvHashMap<u64, u64>),
    Buckets(Buckets),
}

type Buckets = FnvHashMap<i32, Bucket>;

impl Default for Shape {
    fn default() -> Self {
        Self::Exact(FnvHashMap::default())
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Bucket {
    count: u64,
    sum: f64,
}

impl Histogram {
    /// Adds one sample. Values below zero or over [`MAX_VALUE`] are clamped. NaN is ignored.
    pub fn add(&mut self, value: f64) {
        self.add_point(Point { value, count: 1 });
    }

    /// Adds `point.count` samples of one value, as [`Self::add`] does.
    pub fn add_point(&mut self, point: Point) {
        if point.value.is_nan() || point.count == 0 {
            return;
        }
        // Adding zero converts -0.0 to 0.0, which has different bits.
        let value = point.value.clamp(0.0, MAX_VALUE) + 0.0;
        let (min, max) = self.extremes.unwrap_or((value, value));
        self.extremes = Some((min.min(value), max.max(value)));
        match &mut self.shape {
            Shape::Exact(values) => {
                let count = values.entry(value.to_bits()).or_default();
                *count = count.saturating_add(point.count);
                if values.len() > MAX_VALUES_PER_DATUM {
                    self.shape = Shape::Buckets(bucketed(values));
                }
            }
            Shape::Buckets(buckets) => fill(buckets, Point { value, count: point.count }),
        }
    }

    /// Adds all values of another histogram.
    pub fn merge(&mut self, other: &Self) {
        let Some((least, greatest)) = other.extremes else { return };
        match &other.shape {
            Shape::Exact(values) => {
                values.iter().for_each(|(&bits, &count)| self.add_point(Point { value: f64::from_bits(bits), count }));
            }
            Shape::Buckets(others) => {
                let (min, max) = self.extremes.unwrap_or((least, greatest));
                self.extremes = Some((min.min(least), max.max(greatest)));
                if let Shape::Exact(values) = &self.shape {
                    self.shape = Shape::Buckets(bucketed(values));
                }
                let Shape::Buckets(buckets) = &mut self.shape else { return };
                for (&index, other) in others {
                    let bucket = buckets.entry(index).or_default();
                    bucket.count = bucket.count.saturating_add(other.count);
                    bucket.sum += other.sum;
                }
            }
        }
    }

    /// The sum of all values.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^53 samples")]
    pub fn sum(&self) -> f64 {
        match &self.shape {
            Shape::Exact(values) => values.iter().map(|(&bits, &count)| f64::from_bits(bits) * count as f64).sum(),
            Shape::Buckets(buckets) => buckets.values().map(|bucket| bucket.sum).sum(),
        }
    }

    /// The number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        let add = |sum: u64, count| sum.saturating_add(count);
        match &self.shape {
            Shape::Exact(values) => values.values().copied().fold(0, add),
            Shape::Buckets(buckets) => buckets.values().map(|bucket| bucket.count).fold(0, add),
        }
    }

    /// The minimum and the maximum, if there are values.
    #[must_use]
    pub const fn extremes(&self) -> Option<(f64, f64)> {
        self.extremes
    }

    /// The number of values by [`bucket_index`], in ascending order. An index may occur several times.
    pub(crate) fn bucket_counts(&self) -> Vec<(i32, u64)> {
        let mut counts: Vec<_> = match &self.shape {
            Shape::Exact(values) => {
                values.iter().map(|(&bits, &count)| (bucket_index(f64::from_bits(bits)), count)).collect()
            }
            Shape::Buckets(buckets) => buckets.iter().map(|(&index, bucket)| (index, bucket.count)).collect(),
        };
        counts.sort_unstable();
        counts
    }

    /// An upper bound of the number of [`Self::points`].
    #[must_use]
    pub fn max_points(&self) -> usize {
        match &self.shape {
            Shape::Exact(values) => values.len(),
            // The minimum and the maximum may be points of their own, in addition to their buckets.
            Shape::Buckets(buckets) => buckets.len() + 2,
        }
    }

    /// The distinct values with their counts, in ascending order. The minimum, the maximum and the sum are exact. Every other
    /// value is within 1 % of its samples.
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        match (&self.shape, self.extremes) {
            (Shape::Exact(values), _) => {
                let sorted: BTreeMap<_, _> = values.iter().collect();
                sorted.into_iter().map(|(&bits, &count)| Point { value: f64::from_bits(bits), count }).collect()
            }
            (Shape::Buckets(buckets), Some((min, max))) => bucket_points(buckets, min, max),
            (Shape::Buckets(_), None) => Vec::new(),
        }
    }
}

fn bucketed(values: &FnvHashMap<u64, u64>) -> Buckets {
    let mut buckets = Buckets::default();
    for (&bits, &count) in values {
        fill(&mut buckets, Point { value: f64::from_bits(bits), count });
    }
    buckets
}

#[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^53 samples")]
fn fill(buckets: &mut Buckets, point: Point) {
    let bucket = buckets.entry(bucket_index(point.value)).or_default();
    bucket.count = bucket.count.saturating_add(point.count);
    bucket.sum += point.value * point.count as f64;
}

/// The number of a bucket: it holds the values from [`BUCKET_RATIO`] to the power of this number to the next power.
#[expect(clippy::cast_possible_truncation, reason = "ln of any f64 over ln 1.01 is within ±75,000")]
fn bucket_index(value: f64) -> i32 {
    if value == 0.0 { i32::MIN } else { (value.ln() / BUCKET_RATIO.ln()).floor() as i32 }
}

/// Takes one sample with the minimum and one with the maximum out of their buckets, so that both are published exactly.
#[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^53 samples")]
fn bucket_points(buckets: &Buckets, min: f64, max: f64) -> Vec<Point> {
    let mut rest: BTreeMap<_, _> = buckets.iter().map(|(&index, &bucket)| (index, bucket)).collect();
    for extreme in [min, max] {
        if let Some(bucket) = rest.get_mut(&bucket_index(extreme)) {
            bucket.count = bucket.count.saturating_sub(1);
            bucket.sum -= extreme;
        }
    }
    let mut points = vec![Point { value: min, count: 1 }];
    for bucket in rest.values().filter(|bucket| bucket.count > 0) {
        push_point(&mut points, (bucket.sum / bucket.count as f64).clamp(min, max), bucket.count);
    }
    push_point(&mut points, max, 1);
    points
}

fn push_point(points: &mut Vec<Point>, value: f64, count: u64) {
    match points.last_mut() {
        #[expect(clippy::float_cmp, reason = "only equal values are merged")]
        Some(last) if last.value == value => last.count = last.count.saturating_add(count),
        _ => points.push(Point { value, count }),
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "the tests compare exact and small numbers"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram(values: &[f64]) -> Histogram {
        let mut d = Histogram::default();
        for &value in values {
            d.add(value);
        }
        d
    }

    /// Nearest-rank percentile of weighted values, which is how CloudWatch defines percentiles of raw values.
    fn percentile(points: &[Point], quantile: f64) -> f64 {
        let total: u64 = points.iter().map(|p| p.count).sum();
        let rank = ((quantile * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for p in points {
            seen += p.count;
            if seen >= rank {
                return p.value;
            }
        }
        panic!("rank {rank} of {total}")
    }

    fn exact_points(values: &[f64]) -> Vec<Point> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.into_iter().map(|value| Point { value, count: 1 }).collect()
    }

    #[test]
    fn few_distinct_values_are_exact() {
        let values: Vec<f64> = (0..10_000).map(|i| f64::from(i % 150) * 1.7).collect();
        let points = histogram(&values).points();
        assert_eq!(points.len(), 150);
        assert!(points.iter().all(|p| values.contains(&p.value)));
        assert_eq!(points.iter().map(|p| p.count).sum::<u64>(), 10_000);
    }

    #[test]
    fn a_histogram_without_numbers_has_no_points() {
        let d = histogram(&[f64::NAN]);
        assert!(d.points().is_empty());
    }

    #[test]
    fn numbers_that_cloudwatch_refuses_are_clamped() {
        let points = histogram(&[f64::MAX, -1.0, -0.0, 0.0]).points();
        assert_eq!(points, [Point { value: 0.0, count: 3 }, Point { value: MAX_VALUE, count: 1 }]);
        assert_eq!(MAX_VALUE, 2f64.powi(360));
    }

    proptest! {
        // Each case has thousands of values.
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn percentiles_are_within_one_percent(
            values in prop::collection::vec(prop_oneof![0.0..1e-3, 0.1..90.0f64, 1.0..60_000.0f64, Just(0.0), 1e12..1e13], 1..3000),
        ) {
            let points = histogram(&values).points();
            let exact = exact_points(&values);
            for quantile in [0.5, 0.9, 0.95, 0.99, 0.999] {
                let (got, want) = (percentile(&points, quantile), percentile(&exact, quantile));
                prop_assert!((got - want).abs() <= 0.01 * want, "p{quantile}: {got} for {want}");
            }
        }
    }

    proptest! {
        #[test]
        fn sum_count_minimum_and_maximum_are_exact(values in prop::collection::vec(0.0..60_000.0f64, 1..3000)) {
            let points = histogram(&values).points();
            let exact = exact_points(&values);
            let sum: f64 = points.iter().map(|p| p.value * p.count as f64).sum();
            let want: f64 = values.iter().sum();
            prop_assert!((sum - want).abs() <= 1e-9 * want.max(1.0));
            prop_assert_eq!(points.iter().map(|p| p.count).sum::<u64>(), values.len() as u64);
            prop_assert_eq!(points[0].value, exact[0].value);
            prop_assert_eq!(points[points.len() - 1].value, exact[exact.len() - 1].value);
            prop_assert!(points.windows(2).all(|w| w[0].value < w[1].value));
        }

        #[test]
        fn merging_equals_adding_all_values(
            parts in prop::collection::vec(prop::collection::vec(prop_oneof![0.0..1e4f64, Just(7.0)], 0..400), 0..5),
        ) {
            let mut merged = Histogram::default();
            parts.iter().for_each(|part| merged.merge(&histogram(part)));
            let (got, want) = (merged.points(), histogram(&parts.concat()).points());
            prop_assert_eq!(got.len(), want.len());
            for (got, want) in got.iter().zip(&want) {
                prop_assert_eq!(got.count, want.count);
                prop_assert!((got.value - want.value).abs() <= 1e-9 * want.value, "{} for {}", got.value, want.value);
            }
        }

        #[test]
        fn merging_published_points_keeps_percentiles_within_one_percent(values in prop::collection::vec(1.0..5_000.0f64, 500..2000)) {
            let half = values.len() / 2;
            let mut merged = Histogram::default();
            for part in [&values[..half], &values[half..]] {
                histogram(part).points().into_iter().for_each(|p| merged.add_point(p));
            }
            let exact = exact_points(&values);
            for quantile in [0.5, 0.9, 0.99] {
                let (got, want) = (percentile(&merged.points(), quantile), percentile(&exact, quantile));
                // The mean of means is still in its bucket.
                prop_assert!((got - want).abs() <= 0.010_001 * want, "p{quantile}: {got} for {want}");
            }
        }
    }
}

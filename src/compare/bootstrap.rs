//! The moving-block bootstrap: how far a statistic of a run would vary if the run were repeated.
//!
//! A resample of a run consists of windows of rows that follow each other, drawn with replacement, so that the dependence between
//! neighbors is kept (H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", 1989). The last row is
//! followed by the first, so that all rows are drawn equally often (D. N. Politis and J. P. Romano, "A circular block-resampling
//! procedure for stationary data", 1992).

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};

use super::timeline::{RunningSums, TimeCounts, Timeline};

/// Number of resamples. The standard deviation of 1,000 values is known to 2 %, which is more precise than a run of some minutes allows.
const RESAMPLES: usize = 1000;
/// Any number, so that equal data have equal results.
const SEED: u64 = 20;

/// A window is a sixth of the run...
const WINDOWS: usize = 6;
/// ...or this long, so that most dependence ends within one, ...
const WINDOW_SECONDS: u64 = 30;
/// ...but at most a third of the run.
const MIN_WINDOWS: usize = 3;

/// How far a statistic varies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The variance.
    pub variance: f64,
    /// How well the variance is known: as well as that of this number of independent values, plus one.
    pub degrees_of_freedom: f64,
}

/// The windows of all resamples of a run, the same for all its statistics.
pub struct Bootstrap {
    rows: usize,
    window: usize,
    /// The first row of each window, resample after resample.
    starts: Vec<usize>,
}

impl Bootstrap {
    /// The bootstrap of a run with these rows.
    pub fn of(timeline: &Timeline) -> Self {
        Self::with_window(timeline.rows(), window_rows(timeline))
    }

    fn with_window(rows: usize, window: usize) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
        let windows = rows.div_ceil(window);
        let starts = (0..RESAMPLES * windows).map(|_| random.random_range(0..rows.max(1))).collect();
        Self { rows, window, starts }
    }

    /// The same for the rows that are whole, of [`super::timeline::Counts::requests_of_whole_rows`].
    pub fn of_whole_rows(&self) -> Self {
        Self::with_window(self.rows.saturating_sub(2), self.window)
    }

    /// The spread of the logarithm of a sum.
    pub fn of_log_sum(&self, sums: &RunningSums) -> Option<Spread> {
        self.spread(|resample| positive(resample.sum(sums)).map(f64::ln))
    }

    /// The spread of a share: the ratio of two sums.
    pub fn of_share(&self, part: &RunningSums, whole: &RunningSums) -> Option<Spread> {
        self.spread(|resample| Some(resample.sum(part) / positive(resample.sum(whole))?))
    }

    /// The spread of the logarithm of a quantile.
    pub fn of_log_quantile(&self, times: &TimeCounts, quantile: f64) -> Option<Spread> {
        let mut cell = 0;
        self.spread(|resample| positive(resample.quantile_ms(times, quantile, &mut cell)?).map(f64::ln))
    }

    /// The spread of a statistic. None if some resamples have no value of it.
    fn spread(&self, mut statistic: impl FnMut(&Resample<'_>) -> Option<f64>) -> Option<Spread> {
        let windows = self.rows.div_ceil(self.window).max(1);
        let mut resamples = self.starts.chunks_exact(windows);
        let values = resamples.try_fold(Vec::with_capacity(RESAMPLES), |mut values, starts| {
            values.push(statistic(&Resample { starts, window: self.window, rows: self.rows })?);
            Some(values)
        })?;
        let (rows, window) = (as_f64(self.rows), as_f64(self.window));
        // Within windows, the mean of a run varies less than among runs: of independent rows, by this factor.
        let variance = variance(&values)? / (1.0 - window / rows);
        Some(Spread { variance, degrees_of_freedom: degrees_of_freedom(rows / window) })
    }
}

/// The degrees of freedom of the variance of a run with this number of windows.
///
/// Bartlett's estimate with a bandwidth of a window has 1.5 for each window (M. B. Priestley, "Spectral analysis and time series",
/// 1981). A run with fewer than six windows is too short for variation that is slower than a window, and its variance is
/// underestimated. Twice the windows less three compensates for this; it was calibrated with simulated pairs (`benches/compare.rs`).
/// Both are equal with six windows. Runs that are compared have at least 20 rows, and thus more than two windows.
const fn degrees_of_freedom(windows: f64) -> f64 {
    (1.5 * windows).min(2.0 * windows - 3.0).max(1.0)
}

/// The number of rows of a window.
///
/// Long windows include slow variation, but few of them are independent. A
/// fixed share of the run keeps the errors of tests near their level, unlike the lengths that are best for the variance itself
/// (N. M. Kiefer and T. J. Vogelsang, "A new asymptotic theory for heteroskedasticity-autocorrelation robust tests", 2005).
fn window_rows(timeline: &Timeline) -> usize {
    let rows = timeline.rows();
    let long = usize::try_from(WINDOW_SECONDS.div_ceil(timeline.block_seconds())).unwrap_or(usize::MAX);
    (rows / WINDOWS).max(long.min(rows / MIN_WINDOWS)).max(1)
}

/// One resample.
struct Resample<'a> {
    starts: &'a [usize],
    window: usize,
    rows: usize,
}

impl Resample<'_> {
    /// The sum of the rows. The last window is shorter, so that there are as many rows as in the run.
    fn sum(&self, sums: &RunningSums) -> f64 {
        let mut remaining = self.rows;
        let windows = self.starts.iter().map(|&start| {
            let length = self.window.min(remaining);
            remaining -= length;
            sums.sum(start, length)
        });
        windows.sum()
    }

    /// A quantile, interpolated within its cell. `cell` is where to begin the search, and then the cell of the quantile.
    fn quantile_ms(&self, times: &TimeCounts, quantile: f64, cell: &mut usize) -> Option<f64> {
        let up_to = |cell: usize| self.sum(times.up_to(cell));
        let last = times.cells().checked_sub(1)?;
        let rank = quantile * positive(up_to(last))?;
        let (mut end, mut next) = (up_to(*cell), None);
        while end < rank && *cell < last {
            *cell += 1;
            (end, next) = (up_to(*cell), Some(end));
        }
        let mut before = next.unwrap_or_else(|| cell.checked_sub(1).map_or(0.0, up_to));
        while *cell > 0 && before >= rank {
            *cell -= 1;
            (end, before) = (before, cell.checked_sub(1).map_or(0.0, up_to));
        }
        let position = if end > before { ((rank - before) / (end - before)).clamp(0.0, 1.0) } else { 1.0 };
        Some(times.time_ms(*cell, position))
    }
}

fn positive(value: f64) -> Option<f64> {
    (value > 0.0).then_some(value)
}

fn variance(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / as_f64(values.len());
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| squares / as_f64(values.len() - 1))
}

#[expect(clippy::cast_precision_loss, reason = "numbers of rows and resamples are small")]
const fn as_f64(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compare::timeline::Counts;
    use crate::metrics::histogram::Histogram;
    use crate::sample::RequestKey;
    use crate::summary::{RunPart, Summary, SummaryLimits, Totals, Window};

    /// The counts of a run with these times in each second.
    fn counts(seconds: &[Vec<f64>]) -> (Timeline, Counts) {
        let mut summary = Summary::new(SummaryLimits { max_requests: 1, pinned: vec![] });
        for (second, times) in (0..).zip(seconds) {
            let mut successful = Histogram::default();
            times.iter().for_each(|&ms| successful.add(ms));
            let failures = times.iter().filter(|&&ms| ms > 30.0).count() as u64;
            let totals = Totals::of_window(times.len() as u64, failures, &successful, &Histogram::default());
            summary.add_window(&Window { key: RequestKey::new("GET", "/"), second, part: RunPart::Measured, totals });
        }
        let all = summary.all_requests();
        let timeline = Timeline::of(&all.blocks);
        let counts = Counts::of(&all, &timeline);
        (timeline, counts)
    }

    fn quantile(resample: &Resample<'_>, times: &TimeCounts, quantile: f64, mut cell: usize) -> f64 {
        resample.quantile_ms(times, quantile, &mut cell).unwrap_or_default()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_quantile_of_a_resample_is_that_of_its_times(
            seconds in prop::collection::vec(prop::collection::vec(0.5..900.0f64, 1..30), 1..100),
            starts in prop::collection::vec(any::<prop::sample::Index>(), 100),
            window in 1..100usize, from in any::<prop::sample::Index>(), share in 0.01..1.0f64,
        ) {
            let (timeline, counts) = counts(&seconds);
            let (rows, window) = (timeline.rows(), window.min(seconds.len()));
            let starts: Vec<_> = starts[..rows.div_ceil(window)].iter().map(|start| start.index(rows)).collect();
            let drawn = starts.iter().flat_map(|start| (0..window).map(move |row| (start + row) % rows)).take(rows);
            let mut times: Vec<_> = drawn.flat_map(|row| seconds[row].clone()).collect();
            times.sort_by(f64::total_cmp);
            let resample = Resample { starts: &starts, window, rows };
            prop_assert!((resample.sum(&counts.requests) - as_f64(times.len())).abs() < 1e-6);
            let got = quantile(&resample, &counts.times, share, from.index(counts.times.cells()));
            // The quantile is between the ranks around it, within a cell of 4 % to either side.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
            let rank = ((share * as_f64(times.len())).ceil() as usize).clamp(1, times.len());
            let low = times[rank.saturating_sub(2)] / 1.05;
            let high = times[rank.min(times.len() - 1)] * 1.05;
            prop_assert!((low..=high).contains(&got), "{} is not in {}..{}", got, low, high);
            let from_start = quantile(&resample, &counts.times, share, 0);
            prop_assert!((got - from_start).abs() <= 1e-6 * got, "{} and {}", got, from_start);
        }
    }

    #[test]
    fn short_runs_have_fewer_degrees_of_freedom_per_window() {
        for (windows, expected) in [(3.0, 3.0), (4.0, 5.0), (6.0, 9.0), (20.0, 30.0)] {
            assert!((degrees_of_freedom(windows) - expected).abs() < 1e-9, "{windows} windows");
        }
    }

    #[test]
    fn independent_seconds_have_the_spread_of_theory() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut variance = || {
            let seconds: Vec<_> =
                (0..120).map(|_| (0..10).map(|_| f64::from(random.random_range(1..=40u32))).collect()).collect();
            let (timeline, counts) = counts(&seconds);
            let bootstrap = Bootstrap::of(&timeline);
            let Some(spread) = bootstrap.of_share(&counts.failures, &counts.requests) else { panic!("no spread") };
            assert!((spread.degrees_of_freedom - 5.0).abs() < 0.1, "{spread:?}");
            assert_eq!(bootstrap.of_log_sum(&counts.requests).map(|spread| spread.variance < 1e-12), Some(true));
            assert_eq!(Bootstrap::of(&timeline).of_share(&counts.failures, &counts.requests), Some(spread));
            spread.variance
        };
        let mean = (0..40).map(|_| variance()).sum::<f64>() / 40.0;
        let expected = 0.25 * 0.75 / 1200.0;
        assert!((0.75 * expected..1.25 * expected).contains(&mean), "{mean} for {expected}");
    }

    #[test]
    fn seconds_that_depend_on_each_other_have_a_larger_spread() {
        let spread = |slow_seconds: usize| {
            let factor = |second: usize| if (second / slow_seconds).is_multiple_of(2) { 1.0 } else { 1.3 };
            let times = |second: usize| (10..40).map(|ms| f64::from(ms) * factor(second)).collect();
            let (timeline, counts) = counts(&(0..120).map(times).collect::<Vec<_>>());
            Bootstrap::of(&timeline).of_log_quantile(&counts.times, 0.5).map_or(0.0, |spread| spread.variance)
        };
        assert!(spread(30) > 10.0 * spread(1), "{} and {}", spread(30), spread(1));
    }
}

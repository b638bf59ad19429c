//! The reasons why there is no verdict: runs, or requests, that cannot be compared.

use std::fmt;

use super::timeline::{Timeline, as_f64};
use super::{Side, SideName};
use crate::summary::Summary;

/// Shortest measured time of a run.
pub const MIN_SECONDS: f64 = 30.0;
/// Smallest number of time blocks with requests.
pub const MIN_BLOCKS: usize = 20;
/// Up to this ratio, two loads are comparable.
const MAX_LOAD_RATIO: f64 = 1.1;
/// Largest share of requests that may have changed their name.
const MAX_MIX_CHANGE: f64 = 0.1;
/// CPU time of a process in percent of one core, from which it may slow the requests. The report uses the same limit.
const MAX_CPU_PERCENT: f64 = 90.0;
/// Fewest response times beyond a percentile. Below, a few slow requests decide.
const MIN_BEYOND: f64 = 20.0;
/// Differences of counts of up to this number of standard deviations are chance.
const CHANCE: f64 = 3.0;

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum Obstacle {
    /// A run was measured for too short a time.
    TooShort(SideName, f64),
    /// A run has requests in too few time blocks.
    TooFewBlocks(SideName, usize),
    /// A process of the load generator had too little CPU time.
    Generator(SideName, f64),
    /// Response times are rounded.
    Approximate(SideName),
    /// The numbers of requests per second differ.
    Load(f64, f64),
    /// The shares of the requests differ.
    Mix(f64),
    /// A run does not have the request.
    Missing(SideName),
    /// There are too few response times beyond a percentile: the number, and how many are necessary.
    TooFewTimes(SideName, u64, u64),
    /// A response time is zero.
    Zero,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(side, seconds) => write!(
                formatter,
                "The measured time of the {side} is {seconds:.0} s: a comparison needs at least {MIN_SECONDS} s after the warm-up."
            ),
            Self::TooFewBlocks(side, blocks) => write!(
                formatter,
                "The {side} has requests in only {blocks} parts of its measured time: a comparison needs at least {MIN_BLOCKS}."
            ),
            Self::Generator(side, percent) => write!(
                formatter,
                "The load generator was the bottleneck in the {side}: a process used {percent:.0} % of a CPU core. Use more workers."
            ),
            Self::Approximate(side) => write!(
                formatter,
                "The response times of the {side} are rounded, because they come from Locust's reports (--cw-source master): use --cw-source workers."
            ),
            Self::Load(base, run) => write!(
                formatter,
                "The load differed by {:.0} %: {} requests/s in the base and {} in the run.",
                (base.max(*run) / base.min(*run) - 1.0) * 100.0,
                rate(*base),
                rate(*run)
            ),
            Self::Mix(share) => {
                write!(formatter, "The mix differed: {:.0} % of the requests have other names.", share * 100.0)
            }
            Self::Missing(side) => write!(formatter, "The {side} has no such request."),
            Self::TooFewTimes(side, count, needed) => {
                write!(formatter, "The {side} has too few successful requests: {count}, and {needed} are necessary.")
            }
            Self::Zero => write!(formatter, "A response time of 0 ms has no relative change."),
        }
    }
}

/// A rate with three significant digits.
fn rate(per_second: f64) -> String {
    match per_second {
        100.0.. => format!("{per_second:.0}"),
        10.0.. => format!("{per_second:.1}"),
        _ => format!("{per_second:.2}"),
    }
}

/// Why two runs cannot be compared at all: the first reason of each kind, so that the user can remove them in one go.
pub fn no_comparison(sides: &[Side<'_>; 2], timelines: &[Timeline; 2]) -> Vec<Obstacle> {
    [too_little(sides, timelines), generator(sides)].into_iter().flatten().collect()
}

/// Why the response times of two runs cannot be compared: `no_comparison`, and what concerns only times.
pub fn no_times(sides: &[Side<'_>; 2], no_comparison: &[Obstacle]) -> Vec<Obstacle> {
    let is_short = |obstacle: &Obstacle| matches!(obstacle, Obstacle::TooShort(..) | Obstacle::TooFewBlocks(..));
    // A short run has no rate that could be compared.
    let has_rate = !no_comparison.iter().any(is_short);
    let load = has_rate.then(|| load(sides, sides.each_ref().map(|side| side.summary.counts().0))).flatten();
    no_comparison.iter().cloned().chain(approximate(sides)).chain(load).collect()
}

/// Why nothing can be compared: too little remains after the warm-up.
fn too_little(sides: &[Side<'_>; 2], timelines: &[Timeline; 2]) -> Option<Obstacle> {
    let short = named(sides).find(|(_, side)| side.seconds.is_nan() || side.seconds < MIN_SECONDS);
    short.map(|(name, side)| Obstacle::TooShort(name, side.seconds.max(0.0))).or_else(|| {
        let few = named(timelines).find(|(_, timeline)| timeline.rows() < MIN_BLOCKS);
        few.map(|(name, timeline)| Obstacle::TooFewBlocks(name, timeline.rows()))
    })
}

/// Whether a process of the load generator was the bottleneck.
fn generator(sides: &[Side<'_>; 2]) -> Option<Obstacle> {
    named(sides).find_map(|(name, side)| {
        let percent = side.summary.generator().cpu_percent()?;
        (percent >= MAX_CPU_PERCENT).then_some(Obstacle::Generator(name, percent))
    })
}

fn approximate(sides: &[Side<'_>; 2]) -> Option<Obstacle> {
    named(sides).find(|(_, side)| side.summary.is_approximate()).map(|(name, _)| Obstacle::Approximate(name))
}

/// Whether the requests per second differ, by more than chance.
pub fn load(sides: &[Side<'_>; 2], counts: [u64; 2]) -> Option<Obstacle> {
    let [base, run] = [0, 1].map(|side| as_f64(counts[side]) / sides[side].seconds);
    let variances = [0, 1].map(|side| as_f64(counts[side].max(1)) / sides[side].seconds.powi(2));
    let is_chance = (base - run).abs() <= CHANCE * (variances[0] + variances[1]).sqrt();
    let differs = base.max(run) > MAX_LOAD_RATIO * base.min(run);
    (differs && !is_chance).then_some(Obstacle::Load(base, run))
}

/// Whether the load of the run is so much higher (`1`) or lower (`-1`) that more or fewer failures are to be expected.
pub fn load_direction(sides: &[Side<'_>; 2], counts: [u64; 2]) -> f64 {
    match load(sides, counts) {
        Some(Obstacle::Load(base, run)) => (run - base).signum(),
        _ => 0.0,
    }
}

/// Whether the requests have other shares of the total, by more than chance. Percentiles of all requests would change even if those
/// of each request did not.
pub fn mix(summaries: [&Summary; 2]) -> Option<Obstacle> {
    let totals = summaries.map(|summary| as_f64(summary.counts().0));
    let changes = super::requests_of(summaries).into_values().map(|requests| {
        let counts = requests.map(|request| as_f64(request.map_or(0, |request| request.measured.requests)));
        let shares = [0, 1].map(|side| counts[side] / totals[side]);
        let variances = [0, 1].map(|side| counts[side].max(1.0) / totals[side].powi(2));
        ((shares[0] - shares[1]).abs() - CHANCE * (variances[0] + variances[1]).sqrt()).max(0.0)
    });
    let share = changes.sum::<f64>() / 2.0;
    (share > MAX_MIX_CHANGE).then_some(Obstacle::Mix(share))
}

/// Whether there are too few response times for a quantile.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of requests")]
pub fn too_few_times(counts: [u64; 2], quantile: f64) -> Option<Obstacle> {
    let needed = (MIN_BEYOND / (1.0 - quantile)).round() as u64;
    named(&counts).find(|(_, count)| **count < needed).map(|(name, &count)| Obstacle::TooFewTimes(name, count, needed))
}

fn named<T>(sides: &[T; 2]) -> impl Iterator<Item = (SideName, &T)> {
    [SideName::Base, SideName::Run].into_iter().zip(sides)
}

//! The measures of a request in both runs, their change, and what prevents a verdict.

use super::bootstrap::{Bootstrap, Spread};
use super::change::Change;
use super::comparable::{self, Obstacle};
use super::result::{Measure, Row};
use super::timeline::{Counts, Timeline, as_f64};
use super::{Side, SideName};
use crate::metrics::histogram::BUCKET_RATIO;
use crate::summary::RequestSummary;

/// A row before the tests are corrected for their number.
pub struct Draft {
    /// The row, without a verdict.
    pub row: Row,
    /// The change on the scale on which it is tested: the logarithm of a ratio, or a difference of shares.
    pub change: Option<Change>,
    /// Why there is no verdict.
    pub obstacles: Vec<Obstacle>,
}

/// What is known of the runs as a whole.
pub struct Runs<'a> {
    /// The runs.
    pub sides: [Side<'a>; 2],
    /// Their rows in time.
    pub timelines: [Timeline; 2],
    /// Why no measure can be compared.
    pub no_comparison: Vec<Obstacle>,
    /// Why no times can be compared: `no_comparison`, and what concerns only times.
    pub no_times: Vec<Obstacle>,
    bootstraps: [Resampling; 2],
}

struct Resampling {
    rows: Bootstrap,
    whole_rows: Bootstrap,
}

impl<'a> Runs<'a> {
    /// The runs, and the sums of their requests.
    pub fn new(sides: [Side<'a>; 2], all: &[RequestSummary; 2]) -> Self {
        let timelines = all.each_ref().map(|requests| Timeline::of(&requests.blocks));
        let bootstraps = timelines.each_ref().map(|timeline| {
            let rows = Bootstrap::of(timeline);
            Resampling { whole_rows: rows.of_whole_rows(), rows }
        });
        let no_comparison = comparable::no_comparison(&sides, &timelines);
        let no_times = comparable::no_times(&sides, &no_comparison);
        Self { sides, timelines, no_comparison, no_times, bootstraps }
    }

    /// The rows of a request. `obstacle` prevents verdicts on its times.
    pub fn drafts(
        &self,
        request: Option<&str>,
        parts: [Option<&RequestSummary>; 2],
        obstacle: Option<Obstacle>,
    ) -> Vec<Draft> {
        let counts = [0, 1].map(|side| parts[side].map(|part| Counts::of(part, &self.timelines[side])));
        let request = Request { runs: self, name: request, parts, counts, obstacle };
        Measure::ALL.into_iter().map(|measure| request.draft(measure)).collect()
    }

    fn has_blocks(&self) -> bool {
        self.timelines.iter().all(|timeline| timeline.rows() >= comparable::MIN_BLOCKS)
    }
}

struct Request<'a> {
    runs: &'a Runs<'a>,
    name: Option<&'a str>,
    parts: [Option<&'a RequestSummary>; 2],
    counts: [Option<Counts>; 2],
    obstacle: Option<Obstacle>,
}

impl Request<'_> {
    fn draft(&self, measure: Measure) -> Draft {
        let values = self.values(measure);
        let obstacles = self.obstacles(measure, values);
        let change = self.change(measure, values);
        let (relative, interval) = match &change {
            Some(change) if measure == Measure::FailureRate => (Some(change.estimate), Some(change.interval)),
            Some(change) => {
                let (relative, interval) = change.relative();
                (Some(relative), Some(interval))
            }
            None => (change_without_interval(measure, values), None),
        };
        let [base, run] = values;
        let row = Row {
            request: self.name.map(str::to_owned),
            measure,
            base,
            run,
            unit: measure.unit(),
            change: relative,
            interval,
            verdict: None,
            reasons: Vec::new(),
        };
        Draft { row, change, obstacles }
    }

    /// The values of both runs, in the unit of the measure.
    fn values(&self, measure: Measure) -> [Option<f64>; 2] {
        [0, 1].map(|side| {
            let totals = &self.parts[side]?.measured;
            let seconds = self.runs.sides[side].seconds;
            let value = match measure {
                Measure::RequestsPerSecond => as_f64(totals.requests) / seconds,
                Measure::FailureRate => as_f64(totals.failures) / as_f64(totals.requests) * 100.0,
                Measure::P50 | Measure::P95 | Measure::P99 => totals.successful.quantile_ms(quantile(measure))?,
            };
            value.is_finite().then_some(value)
        })
    }

    /// Why there is no verdict: all reasons of the runs, or else the first one of the request.
    fn obstacles(&self, measure: Measure, values: [Option<f64>; 2]) -> Vec<Obstacle> {
        let shared = match measure {
            Measure::RequestsPerSecond => return Vec::new(),
            Measure::FailureRate => &self.runs.no_comparison,
            Measure::P50 | Measure::P95 | Measure::P99 => &self.runs.no_times,
        };
        if shared.is_empty() { self.own_obstacle(measure, values).into_iter().collect() } else { shared.clone() }
    }

    /// Why the request has no verdict, although the runs can be compared.
    fn own_obstacle(&self, measure: Measure, values: [Option<f64>; 2]) -> Option<Obstacle> {
        let missing = || {
            let side = self.parts.iter().position(|part| part.is_none_or(|part| part.measured.requests == 0))?;
            Some(Obstacle::Missing([SideName::Base, SideName::Run][side]))
        };
        let counts = self.parts.map(|part| part.map_or(0, |part| part.measured.requests));
        match measure {
            Measure::RequestsPerSecond => None,
            Measure::FailureRate => missing().or_else(|| {
                // More failures under more load say nothing, but more failures under the same or less load do.
                let [Some(base), Some(run)] = values else { return None };
                let direction = comparable::load_direction(&self.runs.sides, counts);
                (direction * (run - base) > 0.0).then(|| comparable::load(&self.runs.sides, counts)).flatten()
            }),
            Measure::P50 | Measure::P95 | Measure::P99 => {
                let load = || comparable::load(&self.runs.sides, counts);
                let timed = self.parts.map(|part| part.map_or(0, |part| part.measured.successful.count()));
                let few = || comparable::too_few_times(timed, quantile(measure));
                let zero = || values.contains(&Some(0.0)).then_some(Obstacle::Zero);
                missing().or_else(|| self.obstacle.clone()).or_else(load).or_else(few).or_else(zero)
            }
        }
    }

    /// The change, if there is enough data for its interval.
    fn change(&self, measure: Measure, values: [Option<f64>; 2]) -> Option<Change> {
        let [Some(base), Some(run)] = values else { return None };
        if !self.runs.has_blocks() {
            return None;
        }
        match measure {
            Measure::RequestsPerSecond => {
                let spreads = self
                    .spreads(|counts, resampling| resampling.whole_rows.of_log_sum(&counts.requests_of_whole_rows()))?;
                Change::new(log_ratio(base, run)?, spreads, 0.0)
            }
            Measure::FailureRate => {
                let mut spreads =
                    self.spreads(|counts, resampling| resampling.rows.of_share(&counts.failures, &counts.requests))?;
                for (spread, part) in spreads.iter_mut().zip(self.parts) {
                    spread.variance = spread.variance.max(variance_of_share(part?));
                }
                Change::new((run - base) / 100.0, spreads, 0.0)
            }
            Measure::P50 | Measure::P95 | Measure::P99 => {
                let quantile = quantile(measure);
                let timed = self.parts.map(|part| part.map_or(0, |part| part.measured.successful.count()));
                if comparable::too_few_times(timed, quantile).is_some() {
                    return None;
                }
                let spreads =
                    self.spreads(|counts, resampling| resampling.rows.of_log_quantile(&counts.times, quantile))?;
                // Both quantiles are the middle of a bucket.
                let rounding = 2.0 * BUCKET_RATIO.ln().powi(2) / 12.0;
                Change::new(log_ratio(base, run)?, spreads, rounding)
            }
        }
    }

    fn spreads(&self, spread: impl Fn(&Counts, &Resampling) -> Option<Spread>) -> Option<[Spread; 2]> {
        let of = |side: usize| spread(self.counts[side].as_ref()?, &self.runs.bootstraps[side]);
        Some([of(0)?, of(1)?])
    }
}

/// The quantile of a measure of times.
const fn quantile(measure: Measure) -> f64 {
    match measure {
        Measure::P99 => 0.99,
        Measure::P95 => 0.95,
        _ => 0.5,
    }
}

fn change_without_interval(measure: Measure, values: [Option<f64>; 2]) -> Option<f64> {
    let [Some(base), Some(run)] = values else { return None };
    if measure == Measure::FailureRate {
        return Some((run - base) / 100.0);
    }
    log_ratio(base, run).map(f64::exp_m1)
}

fn log_ratio(base: f64, run: f64) -> Option<f64> {
    (base > 0.0 && run > 0.0).then(|| (run / base).ln())
}

/// The variance of the share of failures if requests were independent: the least that it can be. One more failure and one more success
/// keep it above zero for a run without failures (A. Agresti and B. Caffo, "Simple and effective confidence intervals for
/// proportions and differences of proportions result from adding two successes and two failures", 2000).
fn variance_of_share(request: &RequestSummary) -> f64 {
    let requests = as_f64(request.measured.requests) + 2.0;
    let share = (as_f64(request.measured.failures) + 1.0) / requests;
    share * (1.0 - share) / requests
}

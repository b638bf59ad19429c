//! The verdicts: on each row, and on the run as a whole.

use super::change::Change;
use super::holm;
use super::result::{Measure, Row, Verdict};
use super::rows::Draft;

/// The probability that any row of two equal runs is called slower or faster.
const LEVEL: f64 = 0.05;
/// The tolerance of the share of failures, relative to that of times: 0.5 percentage points for 5 %.
const FAILURE_TOLERANCE: f64 = 0.1;

/// The rows with their verdicts. The rows of all requests and those of single requests are two families, each with half of the
/// probability of an error, so that a run with many names still detects changes of all requests.
pub fn judge(drafts: Vec<Draft>, tolerance: f64) -> Vec<Row> {
    let p_values = |is_all: bool| {
        let family = drafts.iter().filter(move |draft| draft.row.request.is_none() == is_all);
        family.filter_map(tested).map(|change| change.p_value).collect::<Vec<_>>()
    };
    let families = [p_values(true), p_values(false)];
    let mut rejected = families.each_ref().map(|family| holm::rejected(family, LEVEL / 2.0).into_iter());
    let rows = drafts.into_iter().map(|draft| {
        let family = usize::from(draft.row.request.is_some());
        let is_significant = tested(&draft).is_some() && rejected[family].next().unwrap_or_default();
        let (verdict, why) = verdict(&draft, is_significant, tolerance, families[family].len());
        Row { verdict, why, ..draft.row }
    });
    rows.collect()
}

/// The change of a row that is tested.
fn tested(draft: &Draft) -> Option<Change> {
    draft.change.filter(|_| draft.row.measure != Measure::RequestsPerSecond && draft.obstacle.is_none())
}

fn verdict(draft: &Draft, is_significant: bool, tolerance: f64, tests: usize) -> (Option<Verdict>, Option<String>) {
    if draft.row.measure == Measure::RequestsPerSecond {
        return (None, None);
    }
    if let Some(obstacle) = &draft.obstacle {
        return (Some(Verdict::Undecided), Some(obstacle.to_string()));
    }
    let Some(change) = &draft.change else {
        return (Some(Verdict::Undecided), Some("The requests are too few for an interval of the change.".to_owned()));
    };
    let (limit, shown) = limit(draft.row.measure, tolerance);
    let verdict = match change.estimate {
        estimate if is_significant && estimate > limit => Verdict::Slower,
        estimate if is_significant && estimate < -limit => Verdict::Faster,
        _ if -limit <= change.interval.0 && change.interval.1 <= limit => Verdict::Same,
        estimate => {
            let why = match (is_significant, estimate.abs() > limit) {
                (true, _) => format!("The change is significant, but may be within the tolerance of {shown}."),
                (false, true) => format!("The change may be chance, as {tests} changes were tested."),
                (false, false) => format!("The interval of the change reaches beyond the tolerance of {shown}."),
            };
            return (Some(Verdict::Undecided), Some(why));
        }
    };
    (Some(verdict), None)
}

/// The tolerance on the scale of the test, and as text. For times, a ratio of 1.05 and its inverse are the same change.
fn limit(measure: Measure, tolerance: f64) -> (f64, String) {
    if measure == Measure::FailureRate {
        let share = FAILURE_TOLERANCE * tolerance;
        (share, format!("{} percentage points", percent(share)))
    } else {
        (tolerance.ln_1p(), format!("{} %", percent(tolerance)))
    }
}

/// A share in percent, with at most two decimal places.
fn percent(share: f64) -> f64 {
    (share * 10_000.0).round() / 100.0
}

/// The verdict on the run: slower if any row is, else faster if any is. It is the same if failures, median and 95th percentile of all
/// requests are; the 99th percentile of a short run is hardly ever decided.
pub fn of_run(rows: &[Row]) -> Verdict {
    let any = |verdict: Verdict| rows.iter().any(|row| row.verdict == Some(verdict));
    let mut decisive = rows
        .iter()
        .filter(|row| row.request.is_none())
        .filter(|row| matches!(row.measure, Measure::FailureRate | Measure::P50 | Measure::P95));
    if any(Verdict::Slower) {
        Verdict::Slower
    } else if any(Verdict::Faster) {
        Verdict::Faster
    } else if decisive.all(|row| row.verdict == Some(Verdict::Same)) {
        Verdict::Same
    } else {
        Verdict::Undecided
    }
}

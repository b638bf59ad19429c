//! The verdicts: on each row, and on the run as a whole.

use super::holm::{self, Test};
use super::result::{ComparisonVerdict, Measure, Row};
use super::rows::Draft;

/// The probability that any row of two equal runs is called slower or faster. It is below the 5 % that runs may be called wrongly,
/// because variation that is slower than a window makes tests optimistic.
const LEVEL: f64 = 0.04;
/// The tolerance of the share of failures, relative to that of times: 0.5 percentage points for 5 %.
const FAILURE_TOLERANCE: f64 = 0.1;

/// The rows with their verdicts.
///
/// The rows of all requests and those of single requests are two families, each with half of the probability of an error, so that a
/// run with many names still detects changes of all requests. If a run has a single request, its rows are no further tests.
pub fn judge(drafts: Vec<Draft>, tolerance: f64) -> Vec<Row> {
    let tests = |is_all: bool| {
        let family = drafts.iter().filter(move |draft| draft.row.request.is_none() == is_all);
        family.filter_map(tested).collect::<Vec<_>>()
    };
    let families = [tests(true), tests(false)];
    let level = if families[0] == families[1] { LEVEL } else { LEVEL / 2.0 };
    let mut rejected = families.each_ref().map(|family| holm::rejected(family, level).into_iter());
    let rows = drafts.into_iter().map(|draft| {
        let family = usize::from(draft.row.request.is_some());
        let is_significant = tested(&draft).is_some() && rejected[family].next().unwrap_or_default();
        let (verdict, reasons) = verdict(&draft, is_significant, tolerance, families[family].len());
        Row { verdict, reasons, ..draft.row }
    });
    rows.collect()
}

/// The test of a row.
fn tested(draft: &Draft) -> Option<Test> {
    let weight = weight(draft.row.measure)?;
    draft.change.filter(|_| draft.obstacles.is_empty()).map(|change| Test { p_value: change.p_value, weight })
}

/// The share of a measure in the probability of an error; None for a measure without a verdict. The 95th percentile matters most, and
/// the 99th is the most uncertain: chance would use up most of a larger share.
const fn weight(measure: Measure) -> Option<f64> {
    match measure {
        Measure::RequestsPerSecond => None,
        Measure::FailureRate => Some(0.2),
        Measure::P50 => Some(0.3),
        Measure::P95 => Some(0.4),
        Measure::P99 => Some(0.1),
    }
}

fn verdict(
    draft: &Draft,
    is_significant: bool,
    tolerance: f64,
    tests: usize,
) -> (Option<ComparisonVerdict>, Vec<String>) {
    if weight(draft.row.measure).is_none() {
        return (None, Vec::new());
    }
    if !draft.obstacles.is_empty() {
        return (Some(ComparisonVerdict::Undecided), draft.obstacles.iter().map(ToString::to_string).collect());
    }
    let Some(change) = &draft.change else {
        return (
            Some(ComparisonVerdict::Undecided),
            vec!["The requests are too few for an interval of the change.".to_owned()],
        );
    };
    let (limit, shown) = limit(draft.row.measure, tolerance);
    let verdict = match change.estimate {
        estimate if is_significant && estimate > limit => ComparisonVerdict::Slower,
        estimate if is_significant && estimate < -limit => ComparisonVerdict::Faster,
        _ if -limit <= change.interval.0 && change.interval.1 <= limit => ComparisonVerdict::Same,
        estimate => {
            let reason = match (is_significant, estimate.abs() > limit) {
                (true, _) => format!("The change is significant, but may be within the tolerance of {shown}."),
                (false, true) => format!("The change may be chance, as {tests} changes were tested."),
                (false, false) => format!("The interval of the change reaches beyond the tolerance of {shown}."),
            };
            return (Some(ComparisonVerdict::Undecided), vec![reason]);
        }
    };
    (Some(verdict), Vec::new())
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
pub fn of_run(rows: &[Row]) -> ComparisonVerdict {
    let any = |verdict: ComparisonVerdict| rows.iter().any(|row| row.verdict == Some(verdict));
    let mut decisive = rows
        .iter()
        .filter(|row| row.request.is_none())
        .filter(|row| matches!(row.measure, Measure::FailureRate | Measure::P50 | Measure::P95));
    if any(ComparisonVerdict::Slower) {
        ComparisonVerdict::Slower
    } else if any(ComparisonVerdict::Faster) {
        ComparisonVerdict::Faster
    } else if decisive.all(|row| row.verdict == Some(ComparisonVerdict::Same)) {
        ComparisonVerdict::Same
    } else {
        ComparisonVerdict::Undecided
    }
}

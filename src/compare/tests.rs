//! Tests of whole comparisons, on summaries of synthetic runs.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;

use super::*;
use crate::metrics::histogram::Histogram;
use crate::sample::RequestKey;
use crate::summary::{GeneratorLoad, RunPart, SummaryLimits, Totals, Window};

const BEGIN: i64 = 1_795_348_981; // 2026-11-22 12:03:01 UTC

/// A run whose times vary only by chance.
#[derive(Debug, Clone)]
struct Plan {
    seed: u64,
    seconds: u32,
    names: Vec<&'static str>,
    per_second: u32,
    median_ms: f64,
    failed: f64,
    cpu_percent: f64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            seconds: 300,
            names: vec!["/"],
            per_second: 50,
            median_ms: 20.0,
            failed: 0.0,
            cpu_percent: 30.0,
        }
    }
}

impl Plan {
    fn seed(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    fn summary(&self) -> Summary {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut summary = Summary::new(SummaryLimits { max_requests: 50, pinned: vec![] });
        summary.add_generator(&GeneratorLoad::new(Some(self.cpu_percent), None));
        for second in 0..self.seconds {
            for name in &self.names {
                let (mut successful, mut failures) = (Histogram::default(), 0);
                for _ in 0..self.per_second {
                    let normal = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
                    if random.random::<f64>() < self.failed {
                        failures += 1;
                    } else {
                        successful.add(self.median_ms * (0.4 * normal).exp());
                    }
                }
                let totals = Totals::of_window(self.per_second.into(), failures, &successful, &Histogram::default());
                let key = RequestKey::new("GET", *name);
                summary.add_window(&Window { key, second: BEGIN + i64::from(second), part: RunPart::Measured, totals });
            }
        }
        summary
    }
}

fn compared(base: &Plan, run: &Plan) -> Comparison {
    let summaries = [base, run].map(Plan::summary);
    let [base, run] = [(&summaries[0], base), (&summaries[1], run)]
        .map(|(summary, plan)| Side { summary, seconds: plan.seconds.into() });
    compare(base, run, &Options::default()).expect("valid options")
}

fn row<'a>(comparison: &'a Comparison, request: Option<&str>, measure: Measure) -> &'a Row {
    let mut rows = comparison.rows.iter();
    rows.find(|row| row.request.as_deref() == request && row.measure == measure).expect("a row of the request")
}

fn verdicts(comparison: &Comparison) -> Vec<Option<ComparisonVerdict>> {
    comparison.rows.iter().map(|row| row.verdict).collect()
}

#[test]
fn a_run_whose_times_are_longer_is_slower_and_one_without_a_difference_the_same() {
    let base = Plan::default();
    let slower = compared(&base, &Plan { median_ms: 24.0, ..Plan::seed(2) });
    assert_eq!((slower.verdict, &slower.reasons), (ComparisonVerdict::Slower, &vec![]));
    let p95 = row(&slower, Some("GET /"), Measure::P95);
    assert_eq!((p95.verdict, &p95.reasons), (Some(ComparisonVerdict::Slower), &vec![]));
    let (low, high) = p95.interval.expect("enough data");
    assert!(low > 0.1 && high < 0.3 && low < 0.2 && 0.2 < high, "{p95:?}");
    let rate = row(&slower, None, Measure::RequestsPerSecond);
    assert_eq!((rate.base, rate.verdict), (Some(50.0), None));

    let same = compared(&base, &Plan::seed(2));
    assert_eq!(same.verdict, ComparisonVerdict::Same);
    assert!(same.rows.iter().filter_map(|row| row.verdict).all(|verdict| verdict != ComparisonVerdict::Slower));
}

#[test]
fn more_failures_are_worse_unless_the_load_is_higher_too() {
    let base = Plan { names: vec!["/", "/cart"], ..Plan::default() };
    let failing = Plan { failed: 0.03, seed: 2, ..base.clone() };
    let worse = compared(&base, &failing);
    let failures = row(&worse, None, Measure::FailureRate);
    assert_eq!((worse.verdict, failures.verdict), (ComparisonVerdict::Slower, Some(ComparisonVerdict::Slower)));
    assert!(failures.change.is_some_and(|change| (0.025..0.035).contains(&change)), "{failures:?}");
    assert_eq!(failures.run, failures.change.map(|change| change * 100.0));
    assert_eq!(compared(&failing, &base).verdict, ComparisonVerdict::Faster);

    let more_load = compared(&base, &Plan { per_second: 60, ..failing.clone() });
    assert_eq!(row(&more_load, None, Measure::FailureRate).verdict, Some(ComparisonVerdict::Undecided));
    let less_load = compared(&base, &Plan { per_second: 40, ..failing });
    assert_eq!(less_load.verdict, ComparisonVerdict::Slower);
    assert_eq!(row(&less_load, None, Measure::P50).verdict, Some(ComparisonVerdict::Undecided));
}

#[test]
fn runs_that_cannot_be_compared_have_a_reason_of_each_kind() {
    let base = Plan::default();
    let load = "The load differed by 14 %: 50.0 requests/s in the base and 57.0 in the run.";
    let short = "The measured time of the run is 20 s: a comparison needs at least 30 s after the warm-up.";
    let generator =
        "The load generator was the bottleneck in the run: a process used 97 % of a CPU core. Use more workers.";
    let (long, cool) = (300, Plan::default().cpu_percent);
    // The last list is that of the failure rate, which may be compared if the load differed.
    for (per_second, seconds, cpu_percent, reasons, of_failures) in [
        (57, long, cool, vec![load], vec![]),
        (50, 20, cool, vec![short], vec![short]),
        (50, long, 97.4, vec![generator], vec![generator]),
        (57, long, 97.4, vec![generator, load], vec![generator]),
        (57, 20, 97.4, vec![short, generator], vec![short, generator]),
    ] {
        let run = Plan { per_second, seconds, cpu_percent, median_ms: 60.0, ..Plan::seed(2) };
        let comparison = compared(&base, &run);
        assert_eq!(
            (comparison.verdict, &comparison.reasons),
            (ComparisonVerdict::Undecided, &reasons.into_iter().map(str::to_owned).collect::<Vec<_>>())
        );
        assert_eq!(row(&comparison, None, Measure::FailureRate).reasons, of_failures);
        let times = comparison.rows.iter().filter(|row| row.unit == crate::check::Unit::Milliseconds);
        for row in times {
            assert_eq!((row.verdict, &row.reasons), (Some(ComparisonVerdict::Undecided), &comparison.reasons));
            assert!(row.change.is_some_and(|change| change > 1.0), "changes are shown");
        }
    }
}

#[test]
fn a_run_that_rounds_its_times_has_no_verdict() {
    let (base, mut run) = (Plan::default().summary(), Plan::seed(2).summary());
    run.mark_approximate();
    let [base, run] = [&base, &run].map(|summary| Side { summary, seconds: 300.0 });
    let comparison = compare(base, run, &Options::default()).expect("valid options");
    assert!(matches!(&comparison.reasons[..], [one] if one.starts_with("The response times of the run are rounded")));
}

#[test]
fn requests_of_one_run_have_rows_and_other_names_prevent_a_verdict_on_all() {
    let base = Plan { names: vec!["/", "/cart"], ..Plan::default() };
    let run = Plan { names: vec!["/", "/basket"], ..Plan::seed(2) };
    let comparison = compared(&base, &run);
    let why = |request, measure| &row(&comparison, request, measure).reasons[..];
    assert_eq!(why(Some("GET /cart"), Measure::P50), ["The run has no such request."]);
    assert_eq!(why(Some("GET /basket"), Measure::FailureRate), ["The base has no such request."]);
    let of_all = why(None, Measure::P50);
    assert!(matches!(of_all, [one] if one.starts_with("The mix differed: 4")), "{of_all:?}");
    assert_eq!(row(&comparison, Some("GET /"), Measure::P50).verdict, Some(ComparisonVerdict::Same));
    let requests: Vec<_> = comparison.rows.iter().step_by(5).map(|row| row.request.as_deref()).collect();
    assert_eq!(requests, [None, Some("GET /"), Some("GET /basket"), Some("GET /cart")]);
}

#[test]
fn few_requests_have_no_verdict_on_high_percentiles() {
    let [base, run] = [1, 2].map(|seed| Plan { per_second: 2, ..Plan::seed(seed) });
    let p99 = compared(&base, &run);
    let p99 = row(&p99, None, Measure::P99);
    let why = "The base has too few successful requests: 600, and 2000 are necessary.";
    assert_eq!((p99.interval, &p99.reasons), (None, &vec![why.to_owned()]));
}

#[test]
fn only_requests_that_were_asked_for_have_rows() {
    let summary = Plan { names: vec!["/", "/cart", "/pay"], ..Plan::default() }.summary();
    let side = Side { summary: &summary, seconds: 300.0 };
    let requests = |texts: &[&str]| {
        let options = Options { requests: Some(texts.iter().map(SmolStr::new).collect()), ..Options::default() };
        let comparison = compare(side, side, &options)?;
        Ok(comparison.rows.into_iter().step_by(5).map(|row| row.request).collect::<Vec<_>>())
    };
    assert_eq!(requests(&["/cart", "GET /"]), Ok(vec![None, Some("GET /".to_owned()), Some("GET /cart".to_owned())]));
    assert_eq!(requests(&["/card"]), Err(CompareError::UnknownRequest("/card".into())));
    let options = Options { tolerance: 0.0, ..Options::default() };
    assert_eq!(compare(side, side, &options), Err(CompareError::Tolerance(0.0)));
}

#[test]
fn runs_without_requests_are_undecided() {
    let empty = Summary::new(SummaryLimits { max_requests: 50, pinned: vec![] });
    let summary = Plan::default().summary();
    let [empty, full] = [&empty, &summary].map(|summary| Side { summary, seconds: 300.0 });
    for (base, run, expected) in [(empty, empty, 5), (empty, full, 10), (full, empty, 10)] {
        let comparison = compare(base, run, &Options::default()).expect("valid options");
        assert_eq!((comparison.verdict, comparison.rows.len()), (ComparisonVerdict::Undecided, expected));
        assert!(
            comparison.reasons.iter().all(|reason| reason.ends_with("a comparison needs at least 20.")),
            "{comparison:?}"
        );
        assert_eq!(comparison.reasons.len(), 1);
    }
}

fn plans() -> impl Strategy<Value = Plan> {
    let names = prop::sample::subsequence(vec!["/", "/cart", "/pay"], 1..=3);
    (any::<u64>(), 25..140u32, names, 1..40u32, 18.0..24.0f64, prop_oneof![Just(0.0), 0.0..0.2f64]).prop_map(
        |(seed, seconds, names, per_second, median_ms, failed)| Plan {
            seed,
            seconds,
            names,
            per_second,
            median_ms,
            failed,
            ..Plan::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn swapping_the_runs_swaps_the_verdicts_and_equal_data_has_equal_results(base in plans(), run in plans()) {
        let (forward, backward) = (compared(&base, &run), compared(&run, &base));
        prop_assert_eq!(&forward, &compared(&base, &run));
        let swapped = |verdict| match verdict {
            ComparisonVerdict::Slower => ComparisonVerdict::Faster,
            ComparisonVerdict::Faster => ComparisonVerdict::Slower,
            same => same,
        };
        let expected: Vec<_> = verdicts(&backward).into_iter().map(|verdict| verdict.map(swapped)).collect();
        prop_assert_eq!(verdicts(&forward), expected);
        for (row, other) in forward.rows.iter().zip(&backward.rows) {
            prop_assert_eq!((row.base, row.run), (other.run, other.base));
            prop_assert_eq!(!row.reasons.is_empty(), row.verdict == Some(ComparisonVerdict::Undecided), "{:?}", row);
            if let (Some((low, high)), Some(change)) = (row.interval, row.change) {
                prop_assert!(low <= change && change <= high, "{:?}", row);
            }
        }
    }

    #[test]
    fn a_run_is_never_slower_or_faster_than_itself(run in plans()) {
        let comparison = compared(&run, &run);
        let allowed = [None, Some(ComparisonVerdict::Same), Some(ComparisonVerdict::Undecided)];
        prop_assert!(verdicts(&comparison).iter().all(|verdict| allowed.contains(verdict)), "{:?}", comparison);
    }
}

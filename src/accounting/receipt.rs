//! The receipt: what happened to every sample of a run, as numbers that add up over the processes of the run.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::accounting::counters::{Counters, Counts};
use crate::accounting::pricing::Cost;
use crate::check::CheckResult;
use crate::config::dimension::Dimension;
use crate::metrics::datum::{GAUGES, metrics_of_series};

/// What happened to the requests, the failures or the log events of a run. `observed` is the sum of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryCounts {
    /// Reported by hooks, or created from their reports.
    pub observed: u64,
    /// Confirmed by CloudWatch.
    pub delivered: u64,
    /// On disk, and can be sent later.
    pub spooled: u64,
    /// Refused by CloudWatch.
    pub rejected: u64,
    /// Lost.
    pub dropped: u64,
}

/// API calls, repeated ones included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are AWS's own names")]
pub struct ApiCalls {
    pub put_metric_data: u64,
    pub put_log_events: u64,
}

/// Locust's own totals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocustTotals {
    /// Finished requests.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
}

/// The receipt of a run, or of one process of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The run.
    pub run_id: String,
    /// Finished requests, failed ones included.
    pub requests: DeliveryCounts,
    /// Failed requests.
    pub failures: DeliveryCounts,
    /// Log events.
    pub log_events: DeliveryCounts,
    /// Calls made.
    pub api_calls: ApiCalls,
    /// Calls that were repeated.
    pub retries: u64,
    /// Upper bound on duplicates: samples and log events in calls that got no response.
    pub uncertain: u64,
    /// Bytes of request bodies.
    pub bytes_sent: u64,
    /// An estimate: see `pricing`.
    pub estimated_cost_usd: f64,
    /// The part of the estimate for the metrics themselves, which the processes of a run share. Not in the user's JSON.
    #[serde(default)]
    pub metrics_cost_usd: f64,
    /// Locust's own totals; `None` without Locust.
    pub locust: Option<LocustTotals>,
    /// Whether `observed` equals Locust's own totals; `None` without Locust.
    pub reconciled: Option<bool>,
    /// The URL of the run's dashboard, if it has one.
    pub dashboard_url: Option<String>,
    /// Why locust-cw stopped the test, if it did.
    #[serde(default)]
    pub stop_reason: Option<String>,
    /// Exceptions in tasks: Locust's `user_error`.
    #[serde(default)]
    pub user_errors: u64,
    /// The results of the checks.
    #[serde(default)]
    pub checks: Vec<CheckResult>,
    /// Totals of each series. Not in the user's JSON.
    #[serde(default)]
    pub series: Vec<SeriesTotal>,
    /// Whether nothing was sent: calls, bytes and cost are what they would have been. Not in the user's JSON.
    #[serde(default)]
    pub dry_run: bool,
}

/// The receipt as the user reads it in JSON: the keys of the contract, in their order.
#[derive(Serialize)]
struct UserReceipt<'a> {
    run_id: &'a str,
    requests: DeliveryCounts,
    failures: DeliveryCounts,
    log_events: DeliveryCounts,
    api_calls: ApiCalls,
    retries: u64,
    uncertain: u64,
    bytes_sent: u64,
    estimated_cost_usd: f64,
    locust: Option<LocustTotals>,
    reconciled: Option<bool>,
    dashboard_url: Option<&'a str>,
    stop_reason: Option<&'a str>,
    user_errors: u64,
    checks: &'a [CheckResult],
}

/// Requests and failures of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesTotal {
    /// Its dimensions.
    pub dimensions: BTreeMap<String, String>,
    /// Finished requests.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
    /// Its part in the cost of metrics. All processes that publish a series pay for it once.
    #[serde(default)]
    pub metrics_cost_usd: f64,
}

impl From<(Arc<[Dimension]>, Counts)> for SeriesTotal {
    fn from((dimensions, total): (Arc<[Dimension]>, Counts)) -> Self {
        let dimensions = dimensions.iter().map(|d| (d.name.to_string(), d.value.to_string())).collect();
        Self { dimensions, requests: total.requests, failures: total.failures, metrics_cost_usd: 0.0 }
    }
}

impl SeriesTotal {
    /// How many metrics it has.
    const fn metrics(&self) -> u64 {
        metrics_of_series(self.failures > 0)
    }
}

/// Divides the cost of metrics among the series and the gauges of a process.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn divide_cost(series: &mut [SeriesTotal], cost: f64) {
    let metrics = GAUGES + series.iter().map(SeriesTotal::metrics).sum::<u64>();
    for total in series {
        total.metrics_cost_usd = cost * total.metrics() as f64 / metrics as f64;
    }
}

impl DeliveryCounts {
    fn add(&mut self, other: Self) {
        add_to(&mut self.observed, other.observed);
        add_to(&mut self.delivered, other.delivered);
        add_to(&mut self.spooled, other.spooled);
        add_to(&mut self.rejected, other.rejected);
        add_to(&mut self.dropped, other.dropped);
    }
}

impl Receipt {
    /// Makes a receipt from the counters and what the spool still holds.
    #[must_use]
    pub fn new(run_id: &str, counters: &Counters, spooled: Counts, cost: Cost) -> Self {
        // `observed` is read last, so that a sample that is settled meanwhile is never counted without having been observed.
        let (delivered, rejected, dropped) =
            (counters.delivered.get(), counters.rejected.get(), counters.dropped.get());
        let observed = counters.observed.get();
        let mut series: Vec<_> = counters.series.get().into_iter().map(SeriesTotal::from).collect();
        divide_cost(&mut series, cost.metrics);
        let counts = |part: fn(Counts) -> u64| DeliveryCounts {
            observed: part(observed),
            delivered: part(delivered),
            spooled: part(spooled),
            rejected: part(rejected),
            dropped: part(dropped),
        };
        Self {
            run_id: run_id.to_owned(),
            requests: counts(|s| s.requests),
            failures: counts(|s| s.failures),
            log_events: counts(|s| s.log_events),
            api_calls: ApiCalls {
                put_metric_data: counters.put_metric_data.get(),
                put_log_events: counters.put_log_events.get(),
            },
            retries: counters.retries.get(),
            uncertain: counters.uncertain.get(),
            bytes_sent: counters.bytes_sent.get(),
            estimated_cost_usd: cost.metrics + cost.traffic,
            metrics_cost_usd: cost.metrics,
            locust: None,
            reconciled: None,
            dashboard_url: None,
            stop_reason: None,
            user_errors: counters.user_errors.get(),
            checks: Vec::new(),
            series,
            dry_run: false,
        }
    }

    /// Compares the receipt with Locust's own totals, if there are any.
    #[must_use]
    pub fn reconciled_with(mut self, locust: Option<LocustTotals>) -> Self {
        let observed = (self.requests.observed, self.failures.observed);
        self.reconciled = locust.map(|locust| (locust.requests, locust.failures) == observed);
        self.locust = locust;
        self
    }

    /// Adds the receipt of another process of the same run.
    pub fn add(&mut self, other: &Self) {
        self.requests.add(other.requests);
        self.failures.add(other.failures);
        self.log_events.add(other.log_events);
        add_to(&mut self.user_errors, other.user_errors);
        if self.dry_run && !other.dry_run {
            self.forget_traffic();
        }
        // A dry run sent nothing, and counts only where all processes are dry runs.
        let sends = self.dry_run || !other.dry_run;
        let (own, others) = (self.cost_beside_series(), other.cost_beside_series());
        let traffic = self.estimated_cost_usd - self.metrics_cost_usd;
        self.add_series(&other.series, sends);
        // The processes of a run publish the same gauges, and each its own part of the series.
        let gauges = if sends { own.max(others) } else { own };
        self.metrics_cost_usd = gauges + self.cost_of_series();
        self.estimated_cost_usd = self.metrics_cost_usd + traffic;
        if sends {
            self.add_traffic(other);
        }
        // JSON has no infinity.
        self.metrics_cost_usd = self.metrics_cost_usd.clamp(f64::MIN, f64::MAX);
        self.estimated_cost_usd = self.estimated_cost_usd.clamp(f64::MIN, f64::MAX);
    }

    fn cost_of_series(&self) -> f64 {
        self.series.iter().map(|total| total.metrics_cost_usd).sum()
    }

    fn cost_beside_series(&self) -> f64 {
        self.metrics_cost_usd - self.cost_of_series()
    }

    /// Adds the series of another process; their cost only if that process sent something.
    fn add_series(&mut self, others: &[SeriesTotal], sends: bool) {
        let indices = self.series.iter().enumerate().map(|(index, known)| (known.dimensions.clone(), index));
        let mut indices: HashMap<_, _> = indices.collect();
        for total in others {
            let cost = if sends { total.metrics_cost_usd } else { 0.0 };
            match indices.entry(total.dimensions.clone()) {
                Entry::Occupied(known) => {
                    let known = &mut self.series[*known.get()];
                    add_to(&mut known.requests, total.requests);
                    add_to(&mut known.failures, total.failures);
                    known.metrics_cost_usd = known.metrics_cost_usd.max(cost);
                }
                Entry::Vacant(new) => {
                    new.insert(self.series.len());
                    self.series.push(SeriesTotal { metrics_cost_usd: cost, ..total.clone() });
                }
            }
        }
    }

    /// Drops what a dry run would have sent, as another process of the run has sent something.
    fn forget_traffic(&mut self) {
        self.dry_run = false;
        self.api_calls = ApiCalls::default();
        (self.retries, self.uncertain, self.bytes_sent) = (0, 0, 0);
        (self.estimated_cost_usd, self.metrics_cost_usd) = (0.0, 0.0);
        self.series.iter_mut().for_each(|total| total.metrics_cost_usd = 0.0);
    }

    /// Adds what another process sent, and the cost of it.
    fn add_traffic(&mut self, other: &Self) {
        add_to(&mut self.api_calls.put_metric_data, other.api_calls.put_metric_data);
        add_to(&mut self.api_calls.put_log_events, other.api_calls.put_log_events);
        add_to(&mut self.retries, other.retries);
        add_to(&mut self.uncertain, other.uncertain);
        add_to(&mut self.bytes_sent, other.bytes_sent);
        self.estimated_cost_usd += other.estimated_cost_usd - other.metrics_cost_usd;
    }

    /// Whether CloudWatch has everything that was observed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        [self.requests, self.failures, self.log_events].iter().all(|counts| counts.delivered == counts.observed)
    }

    /// The user's JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let user_receipt = UserReceipt {
            run_id: &self.run_id,
            requests: self.requests,
            failures: self.failures,
            log_events: self.log_events,
            api_calls: self.api_calls,
            retries: self.retries,
            uncertain: self.uncertain,
            bytes_sent: self.bytes_sent,
            estimated_cost_usd: self.estimated_cost_usd,
            locust: self.locust,
            reconciled: self.reconciled,
            dashboard_url: self.dashboard_url.as_deref(),
            stop_reason: self.stop_reason.as_deref(),
            user_errors: self.user_errors,
            checks: &self.checks,
        };
        // Numbers and text can always be written as JSON.
        serde_json::to_string_pretty(&user_receipt).unwrap_or_default()
    }
}

/// Adds a number of another process, which can have any value.
const fn add_to(sum: &mut u64, number: u64) {
    *sum = sum.saturating_add(number);
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn receipt(locust: LocustTotals) -> Receipt {
        let counters = Counters::default();
        counters.observed.add(Counts { requests: 10, failures: 2, log_events: 12 });
        counters.delivered.add(Counts { requests: 7, failures: 2, log_events: 11 });
        counters.dropped.add(Counts { requests: 1, failures: 0, log_events: 0 });
        let spooled = Counts { requests: 2, failures: 0, log_events: 1 };
        Receipt::new("r", &counters, spooled, Cost { metrics: 0.5, traffic: 0.01 }).reconciled_with(Some(locust))
    }

    fn reread(receipt: &Receipt) -> serde_json::Result<Receipt> {
        serde_json::from_str(&serde_json::to_string(receipt)?)
    }

    #[test]
    fn costs_that_another_process_made_up_can_be_read_again() {
        let mut sum = receipt(LocustTotals::default());
        sum.estimated_cost_usd = f64::MAX;
        sum.add(&sum.clone());
        assert!(reread(&sum).is_ok_and(|read| read.estimated_cost_usd.is_finite()));
    }

    #[test]
    fn every_sample_is_accounted_for() {
        let receipt = receipt(LocustTotals { requests: 10, failures: 2 });
        for a in [receipt.requests, receipt.failures, receipt.log_events] {
            assert_eq!(a.observed, a.delivered + a.spooled + a.rejected + a.dropped);
        }
        assert_eq!(receipt.reconciled, Some(true));
    }

    #[test]
    fn the_json_has_the_keys_of_the_contract_in_their_order() {
        let json = receipt(LocustTotals { requests: 10, failures: 2 }).to_json();
        let keys = [
            "run_id",
            "requests",
            "observed",
            "delivered",
            "spooled",
            "rejected",
            "dropped",
            "failures",
            "log_events",
            "api_calls",
            "PutMetricData",
            "PutLogEvents",
            "retries",
            "uncertain",
            "bytes_sent",
            "estimated_cost_usd",
            "locust",
            "reconciled",
            "dashboard_url",
        ];
        let places: Vec<_> = keys.iter().map(|key| json.find(&format!("\"{key}\"")).expect(key)).collect();
        assert!(places.is_sorted(), "{json}");
    }

    #[test]
    fn the_receipts_of_a_fleet_add_up_to_one() {
        let worker = receipt(LocustTotals::default());
        let mut master = Receipt::new("r", &Counters::default(), Counts::default(), Cost::default());
        for _ in 0..2 {
            master.add(&reread(&worker).expect("a receipt"));
        }
        let sum = master.reconciled_with(Some(LocustTotals { requests: 20, failures: 4 }));
        assert_eq!((sum.requests.delivered, sum.log_events.observed, sum.reconciled), (14, 24, Some(true)));
        assert!((sum.estimated_cost_usd - 0.52).abs() < 1e-9, "{}", sum.estimated_cost_usd);
    }

    /// The receipt of a worker that published request names, one metric-hour each costing the same.
    fn worker(names: std::ops::Range<u64>) -> Receipt {
        let mut receipt = Receipt::new("r", &Counters::default(), Counts::default(), Cost::default());
        let total = |name| SeriesTotal {
            dimensions: [("Request".to_owned(), format!("/{name}"))].into(),
            requests: 1,
            failures: 0,
            metrics_cost_usd: 0.0,
        };
        receipt.series = names.map(total).collect();
        let metrics = GAUGES + receipt.series.iter().map(SeriesTotal::metrics).sum::<u64>();
        receipt.metrics_cost_usd = metrics as f64;
        receipt.estimated_cost_usd = metrics as f64;
        divide_cost(&mut receipt.series, metrics as f64);
        receipt
    }

    #[test]
    fn the_metrics_of_a_fleet_cost_what_its_distinct_series_cost() {
        let cost = |workers: &[Receipt]| sum(workers).estimated_cost_usd;
        let gauges = GAUGES as f64;
        let is = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        is(cost(&[worker(0..200)]), 800.0 + gauges);
        is(cost(&[worker(0..200), worker(0..200), worker(0..200)]), 800.0 + gauges);
        is(cost(&[worker(0..200), worker(200..400), worker(400..600)]), 2400.0 + gauges);
        is(cost(&[worker(0..200), worker(100..300)]), 1200.0 + gauges);
        let dry = Receipt { dry_run: true, ..worker(200..400) };
        is(cost(&[worker(0..200), dry.clone()]), 800.0 + gauges);
        is(cost(&[dry.clone(), worker(0..200)]), 800.0 + gauges);
        is(cost(&[dry.clone(), dry]), 800.0 + gauges);
    }

    #[test]
    fn a_dry_run_adds_nothing_to_what_other_processes_sent() {
        let mut sends = receipt(LocustTotals::default());
        sends.api_calls = ApiCalls { put_metric_data: 3, put_log_events: 2 };
        sends.bytes_sent = 10;
        let dry = Receipt { dry_run: true, ..sends.clone() };
        for (mut sum, other) in [(sends.clone(), &dry), (dry.clone(), &sends)] {
            sum.add(&reread(other).expect("a receipt"));
            assert_eq!((sum.requests.observed, sum.requests.spooled), (20, 4));
            assert_eq!((sum.api_calls, sum.bytes_sent, sum.dry_run), (sends.api_calls, 10, false));
            assert!((sum.estimated_cost_usd - sends.estimated_cost_usd).abs() < 1e-9, "{}", sum.estimated_cost_usd);
        }
        let mut dry_alone = dry.clone();
        dry_alone.add(&dry);
        assert_eq!((dry_alone.api_calls.put_metric_data, dry_alone.bytes_sent, dry_alone.dry_run), (6, 20, true));
    }

    fn counts() -> impl Strategy<Value = DeliveryCounts> {
        let number = || prop_oneof![0..10_000u64, any::<u64>()];
        let five = (number(), number(), number(), number(), number());
        five.prop_map(|(observed, delivered, spooled, rejected, dropped)| DeliveryCounts {
            observed,
            delivered,
            spooled,
            rejected,
            dropped,
        })
    }

    prop_compose! {
        fn receipts()(
            requests in counts(), failures in counts(), log_events in counts(), run_id in "\\PC{0,9}",
            numbers in any::<[u64; 5]>(), dry_run in any::<bool>(), costs in (0.0..1e6f64, 0.0..1e6f64), locust in prop::option::of(any::<(u64, u64)>()),
            series in prop::collection::vec((0..4usize, 0..1000u64), 0..6),
        ) -> Receipt {
            let [put_metric_data, put_log_events, retries, uncertain, bytes_sent] = numbers;
            let mut distinct: BTreeMap<usize, u64> = BTreeMap::new();
            series.into_iter().for_each(|(name, number)| *distinct.entry(name).or_default() += number);
            let series = distinct.into_iter().map(|(name, requests)| SeriesTotal {
                dimensions: [("Request".to_owned(), format!("/{name}"))].into(), requests, failures: requests / 2,
                metrics_cost_usd: 0.0,
            });
            let mut series: Vec<_> = series.collect();
            divide_cost(&mut series, costs.0);
            Receipt {
                run_id, requests, failures, log_events, retries, uncertain, bytes_sent,
                api_calls: ApiCalls { put_metric_data, put_log_events },
                estimated_cost_usd: costs.0 + costs.1,
                metrics_cost_usd: costs.0,
                locust: None,
                reconciled: None,
                dashboard_url: None,
                stop_reason: None,
                user_errors: retries % 7,
                checks: Vec::new(),
                series,
                dry_run,
            }
            .reconciled_with(locust.map(|(requests, failures)| LocustTotals { requests, failures }))
        }
    }

    fn sum(receipts: &[Receipt]) -> Receipt {
        let mut sum = receipts[0].clone();
        receipts[1..].iter().for_each(|receipt| sum.add(receipt));
        sum.series.sort_by(|a, b| a.dimensions.cmp(&b.dimensions));
        sum
    }

    proptest! {
        #[test]
        fn a_receipt_that_is_sent_on_is_unchanged(receipt in receipts()) {
            prop_assert_eq!(reread(&receipt).expect("just written"), receipt);
        }

        #[test]
        fn it_does_not_matter_which_process_reports_first(
            mut all in prop::collection::vec(receipts(), 1..5), by in any::<prop::sample::Index>(),
        ) {
            let forth = sum(&all);
            let by = by.index(all.len());
            all.rotate_left(by);
            let back = sum(&all);
            prop_assert_eq!((forth.requests, forth.failures, forth.log_events), (back.requests, back.failures, back.log_events));
            prop_assert_eq!((forth.api_calls, forth.uncertain, forth.dry_run), (back.api_calls, back.uncertain, back.dry_run));
            prop_assert_eq!(forth.series, back.series);
            prop_assert!((forth.estimated_cost_usd - back.estimated_cost_usd).abs() < 1e-6);
            let exact: u128 = all.iter().map(|receipt| u128::from(receipt.requests.observed)).sum();
            prop_assert_eq!(u128::from(back.requests.observed), exact.min(u64::MAX.into()));
        }

    }
}

/// Tests with many orders in which threads may run: `make model`.
#[cfg(all(test, shuttle))]
mod model {
    use super::*;
    use crate::sync::thread;

    #[test]
    fn a_receipt_never_accounts_for_more_than_was_observed() {
        let body = || {
            let counters = Arc::new(Counters::default());
            let hooks: Vec<_> = [true, false]
                .map(|arrives| {
                    let counters = Arc::clone(&counters);
                    thread::spawn(move || {
                        let share = Counts { requests: 1, failures: 1, log_events: 0 };
                        counters.observed.add(share);
                        if arrives { &counters.delivered } else { &counters.dropped }.add(share);
                    })
                })
                .into();
            let receipt = Receipt::new("r", &counters, Counts::default(), Cost::default());
            for account in [receipt.requests, receipt.failures] {
                assert!(account.delivered + account.rejected + account.dropped <= account.observed, "{account:?}");
            }
            hooks.into_iter().for_each(|hook| hook.join().expect("no panic"));
        };
        shuttle::check_random(body, 3_000);
    }
}

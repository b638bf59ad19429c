//! The receipt: what happened to every sample of a run, as text and as JSON.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::accounting::counters::{Counters, Counts};
use crate::accounting::pricing::{Cost, PRICES_AS_OF};
use crate::metrics::dimension::Dimension;

/// What happened to one kind of thing. `observed` is the sum of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What the hooks were called with, or what was made of it.
    pub observed: u64,
    /// CloudWatch has it.
    pub delivered: u64,
    /// It is on disk, and can be sent later.
    pub spooled: u64,
    /// CloudWatch will not take it.
    pub rejected: u64,
    /// It was given up for want of room.
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

/// The account of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The run.
    pub run_id: String,
    /// Finished requests, failed ones included.
    pub requests: Account,
    /// Failed requests.
    pub failures: Account,
    /// Log events.
    pub log_events: Account,
    /// Calls made.
    pub api_calls: ApiCalls,
    /// Calls that were repeated.
    pub retries: u64,
    /// At most how many copies CloudWatch may hold beside what was counted: the samples and log events of calls that got no
    /// answer, each time anew.
    pub uncertain: u64,
    /// Bytes of request bodies.
    pub bytes_sent: u64,
    /// An estimate: see `pricing`.
    pub estimated_cost_usd: f64,
    /// That part of the estimate which the processes of a run share. It goes to the master, not to the user.
    #[serde(default, skip_serializing)]
    pub metrics_cost_usd: f64,
    /// Locust's own totals; `None` where there is no Locust.
    pub locust: Option<LocustTotals>,
    /// Whether `observed` equals Locust's own totals; `None` where there is no Locust.
    pub reconciled: Option<bool>,
    /// Where to look at it, if there is a dashboard.
    pub dashboard_url: Option<String>,
    /// Totals of each series. They go to the master and into the record of the run, not to the user.
    #[serde(default, skip_serializing)]
    pub series: Vec<SeriesTotal>,
    /// Whether nothing was sent: calls, bytes and cost are what they would have been. It goes to the master, not to the user.
    #[serde(default, skip_serializing)]
    pub dry_run: bool,
}

/// Requests and failures of one series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesTotal {
    /// Its dimensions.
    pub dimensions: BTreeMap<String, String>,
    /// Finished requests.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
}

impl From<(Arc<[Dimension]>, Counts)> for SeriesTotal {
    fn from((dimensions, total): (Arc<[Dimension]>, Counts)) -> Self {
        let dimensions = dimensions.iter().map(|d| (d.name.to_string(), d.value.to_string())).collect();
        Self { dimensions, requests: total.requests, failures: total.failures }
    }
}

/// What a receipt says beside its numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remarks {
    /// Nothing was sent, as was asked for.
    pub dry_run: bool,
    /// Processes of the run gave no account of theirs.
    pub lacks_accounts: bool,
    /// Where the rest is, and why.
    pub lines: Vec<String>,
}

impl Remarks {
    /// The remarks on a receipt: the folder `spool` with what is left, the command that sends it, the folder of what was
    /// `rejected`, where there are such, and why calls failed.
    #[must_use]
    pub fn on(
        receipt: &Receipt,
        dry_run: bool,
        spool: Option<&Path>,
        replay: Option<String>,
        rejected: Option<&Path>,
        reasons: Vec<String>,
    ) -> Self {
        let mut lines = Vec::new();
        if let Some(folder) = spool.filter(|_| receipt.requests.spooled.max(receipt.log_events.spooled) > 0) {
            lines.push(format!("What was not delivered waits in {}", folder.display()));
            lines.extend(replay.filter(|_| !dry_run).map(|command| format!("Send it with: {command}")));
        }
        if let Some(folder) = rejected {
            lines.push(format!("What CloudWatch does not take is kept in {}", folder.display()));
        }
        lines.extend(reasons);
        Self { dry_run, lacks_accounts: false, lines }
    }
}

impl Receipt {
    /// Draws the line under a counters, with what the spool still holds.
    #[must_use]
    pub fn new(run_id: &str, counters: &Counters, spooled: Counts, cost: Cost) -> Self {
        // What was observed is read last: a sample that moves on meanwhile is then not accounted for without it.
        let (delivered, rejected, dropped) =
            (counters.delivered.get(), counters.rejected.get(), counters.dropped.get());
        let observed = counters.observed.get();
        let account = |part: fn(Counts) -> u64| Account {
            observed: part(observed),
            delivered: part(delivered),
            spooled: part(spooled),
            rejected: part(rejected),
            dropped: part(dropped),
        };
        let (requests, failures) = (account(|s| s.requests), account(|s| s.failures));
        Self {
            run_id: run_id.to_owned(),
            reconciled: None,
            requests,
            failures,
            log_events: account(|s| s.log_events),
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
            dashboard_url: None,
            series: counters.series.get().into_iter().map(SeriesTotal::from).collect(),
            dry_run: false,
        }
    }

    /// Compares it with Locust's own totals, where there are any.
    #[must_use]
    pub fn reconciled_with(mut self, locust: Option<LocustTotals>) -> Self {
        let observed = (self.requests.observed, self.failures.observed);
        self.reconciled = locust.map(|locust| (locust.requests, locust.failures) == observed);
        self.locust = locust;
        self
    }

    /// Adds the account that another process of the same run gives.
    pub fn add(&mut self, other: &Self) {
        for (mine, others) in [
            (&mut self.requests, other.requests),
            (&mut self.failures, other.failures),
            (&mut self.log_events, other.log_events),
        ] {
            add_to(&mut mine.observed, others.observed);
            add_to(&mut mine.delivered, others.delivered);
            add_to(&mut mine.spooled, others.spooled);
            add_to(&mut mine.rejected, others.rejected);
            add_to(&mut mine.dropped, others.dropped);
        }
        self.add_traffic(other);
        let places = self.series.iter().enumerate().map(|(place, known)| (known.dimensions.clone(), place));
        let mut places: HashMap<_, _> = places.collect();
        for total in &other.series {
            match places.entry(total.dimensions.clone()) {
                Entry::Occupied(known) => {
                    let known = &mut self.series[*known.get()];
                    add_to(&mut known.requests, total.requests);
                    add_to(&mut known.failures, total.failures);
                }
                Entry::Vacant(new) => {
                    new.insert(self.series.len());
                    self.series.push(total.clone());
                }
            }
        }
    }

    /// Adds what another process sent, and what that cost. Beside processes that send, a dry run's numbers are none.
    fn add_traffic(&mut self, other: &Self) {
        if other.dry_run && !self.dry_run {
            return;
        }
        if self.dry_run && !other.dry_run {
            self.dry_run = false;
            self.api_calls = ApiCalls::default();
            (self.retries, self.uncertain, self.bytes_sent) = (0, 0, 0);
            (self.estimated_cost_usd, self.metrics_cost_usd) = (0.0, 0.0);
        }
        add_to(&mut self.api_calls.put_metric_data, other.api_calls.put_metric_data);
        add_to(&mut self.api_calls.put_log_events, other.api_calls.put_log_events);
        add_to(&mut self.retries, other.retries);
        add_to(&mut self.uncertain, other.uncertain);
        add_to(&mut self.bytes_sent, other.bytes_sent);
        // All processes of a run publish the same metrics, more or less.
        let metrics = self.metrics_cost_usd.max(other.metrics_cost_usd);
        let traffic = [&*self, other].map(|receipt| receipt.estimated_cost_usd - receipt.metrics_cost_usd);
        // JSON has no infinity.
        self.estimated_cost_usd = (metrics + traffic[0] + traffic[1]).clamp(f64::MIN, f64::MAX);
        self.metrics_cost_usd = metrics;
    }

    /// JSON for the master of the run.
    #[must_use]
    pub fn to_message(&self) -> String {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        value["metrics_cost_usd"] = self.metrics_cost_usd.into();
        value["series"] = serde_json::to_value(&self.series).unwrap_or_default();
        value["dry_run"] = self.dry_run.into();
        value.to_string()
    }

    /// Reads what [`Self::to_message`] or [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// Where it is no receipt.
    pub fn from_json(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// Whether CloudWatch has everything that was observed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        [self.requests, self.failures, self.log_events].iter().all(|account| account.delivered == account.observed)
    }

    /// One JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Only numbers and text: this cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// What is printed at the end.
    #[must_use]
    pub fn to_text(&self, remarks: &Remarks, style: Style) -> String {
        let mut lines = vec![format!(
            "{} {}",
            style.paint(BOLD, &format!("CloudWatch receipt for run {}:", self.run_id)),
            self.verdict(remarks, style)
        )];
        let heads = ["observed", "delivered", "spooled", "rejected", "dropped"].map(|head| format!(" {head:>11}"));
        lines.push(format!("{:<12}{}", "", heads.concat()));
        for (name, a) in [("requests", self.requests), ("failures", self.failures), ("log events", self.log_events)] {
            let cell = |number: u64, color| {
                let color = if number == 0 { FAINT } else { color };
                style.paint(color, &format!(" {:>11}", grouped(number)))
            };
            let cells = [
                cell(a.observed, ""),
                cell(a.delivered, ""),
                cell(a.spooled, YELLOW),
                cell(a.rejected, RED),
                cell(a.dropped, RED),
            ];
            lines.push(format!("{name:<12}{}", cells.concat()));
        }
        lines.push(format!(
            "{}API calls: PutMetricData {}, PutLogEvents {}, repeated {}; {} sent; about ${:.4} (prices of {PRICES_AS_OF})",
            if remarks.dry_run { "Dry run, nothing was sent. It would have been: " } else { "" },
            grouped(self.api_calls.put_metric_data),
            grouped(self.api_calls.put_log_events),
            grouped(self.retries),
            human_bytes(self.bytes_sent),
            self.estimated_cost_usd,
        ));
        if self.uncertain > 0 {
            let uncertain = grouped(self.uncertain);
            lines.push(format!(
                "Calls with {uncertain} samples and log events in all got no valid answer: where they were sent again, \
                 CloudWatch may hold them more than once."
            ));
        }
        if let Some(locust) = self.locust {
            let (requests, failures) = (grouped(locust.requests), grouped(locust.failures));
            lines.push(if self.reconciled == Some(true) {
                format!("Reconciled with Locust: {requests} requests, {failures} failures.")
            } else {
                let text =
                    format!("NOT reconciled with Locust, which counted {requests} requests and {failures} failures.");
                style.paint(RED, &text)
            });
        }
        lines.extend(self.dashboard_url.as_ref().map(|url| format!("Dashboard: {url}")));
        lines.extend_from_slice(&remarks.lines);
        lines.push(String::new());
        lines.join("\n")
    }

    /// The whole receipt in a few words.
    fn verdict(&self, remarks: &Remarks, style: Style) -> String {
        let kinds = [self.requests, self.failures, self.log_events];
        let (color, text) = if remarks.dry_run {
            (YELLOW, "dry run")
        } else if kinds.iter().all(|account| account.observed == 0) {
            (YELLOW, "nothing was recorded")
        } else if self.is_complete() && remarks.lacks_accounts {
            (YELLOW, "all delivered that is known of")
        } else if self.is_complete()
            && self.locust.is_some_and(|locust| locust.requests == 0)
            && self.requests.observed == 0
        {
            (YELLOW, "no requests were made")
        } else if self.is_complete() {
            (GREEN, "all delivered")
        } else if kinds.iter().all(|account| account.rejected.max(account.dropped) == 0) {
            (YELLOW, "not all delivered yet")
        } else {
            (RED, "not all delivered")
        };
        style.paint(color, text)
    }
}

/// How text is set off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Not at all.
    Plain,
    /// With the colours of a terminal (ECMA-48, Select Graphic Rendition).
    Ansi,
}

const BOLD: &str = "1";
const FAINT: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

impl Style {
    fn paint(self, rendition: &str, text: &str) -> String {
        match self {
            Self::Ansi if !rendition.is_empty() => format!("\x1b[{rendition}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// Adds what another process told, which may be anything.
const fn add_to(sum: &mut u64, number: u64) {
    *sum = sum.saturating_add(number);
}

/// A number for a reader, such as `155,671`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// A size for a reader, such as `1.5 MB`.
#[expect(clippy::cast_precision_loss, reason = "a rounded number for a reader")]
#[must_use]
pub fn human_bytes(number: u64) -> String {
    match number {
        0..1024 => format!("{number} B"),
        1024..1_048_576 => format!("{:.1} KB", number as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MB", number as f64 / 1_048_576.0),
        _ => format!("{:.1} GB", number as f64 / 1_073_741_824.0),
    }
}

#[cfg(test)]
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

    #[test]
    fn costs_that_another_process_made_up_can_be_read_again() {
        let mut sum = receipt(LocustTotals::default());
        sum.estimated_cost_usd = f64::MAX;
        sum.add(&sum.clone());
        assert!(Receipt::from_json(&sum.to_message()).is_ok_and(|read| read.estimated_cost_usd.is_finite()));
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
    fn the_text_says_what_does_not_add_up() {
        let receipt = receipt(LocustTotals { requests: 11, failures: 2 });
        let remarks = Remarks::on(
            &receipt,
            false,
            Some(Path::new("/spool/r/w1")),
            Some("locust-cw replay r".into()),
            None,
            vec!["Because.".into()],
        );
        let text = receipt.to_text(&remarks, Style::Plain);
        for part in ["run r: not all delivered\n", "NOT reconciled", "/spool/r/w1", "locust-cw replay r", "Because."] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn all_is_delivered_only_where_all_gave_an_account() {
        let counters = Counters::default();
        for count in [&counters.observed, &counters.delivered] {
            count.add(Counts { requests: 1, ..Counts::default() });
        }
        let receipt = Receipt::new("r", &counters, Counts::default(), Cost::default());
        let heading = |lacks_accounts| {
            let text = receipt.to_text(&Remarks { lacks_accounts, ..Remarks::default() }, Style::Plain);
            text.trim_start().lines().next().map(str::to_owned)
        };
        let headings = [false, true].map(|lacking| heading(lacking).expect("a line"));
        assert!(headings[0].ends_with("run r: all delivered"), "{headings:?}");
        assert!(headings[1].ends_with("run r: all delivered that is known of"), "{headings:?}");
    }

    #[test]
    fn a_test_without_requests_is_told_from_one_of_which_all_is_delivered() {
        let counters = Counters::default();
        for count in [&counters.observed, &counters.delivered] {
            count.add(Counts { log_events: 2, ..Counts::default() });
        }
        let receipt = |locust| Receipt::new("r", &counters, Counts::default(), Cost::default()).reconciled_with(locust);
        let text = |locust| receipt(locust).to_text(&Remarks::default(), Style::Plain);
        assert!(text(Some(LocustTotals::default())).contains("run r: no requests were made\n"));
        assert!(text(None).contains("run r: all delivered\n"), "a program may have other things to tell");
    }

    #[test]
    fn colours_add_nothing_but_colours() {
        let receipt = receipt(LocustTotals { requests: 11, failures: 2 });
        let (mut text, mut colored) = (String::new(), receipt.to_text(&Remarks::default(), Style::Ansi));
        assert!(colored.contains("\x1b[31mnot all delivered\x1b[0m"), "{colored}");
        while let Some((before, after)) = colored.split_once("\x1b[") {
            let (_, after) = after.split_once('m').expect("an end");
            text += before;
            colored = after.to_owned();
        }
        assert_eq!(text + &colored, receipt.to_text(&Remarks::default(), Style::Plain));
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        let numbers = [0, 999, 1000, 155_671, 1_000_000].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "155,671", "1,000,000"]);
    }

    #[test]
    fn the_receipts_of_a_fleet_add_up_to_one() {
        let worker = receipt(LocustTotals::default());
        let mut master = Receipt::new("r", &Counters::default(), Counts::default(), Cost::default());
        for _ in 0..2 {
            master.add(&Receipt::from_json(&worker.to_message()).expect("a receipt"));
        }
        let sum = master.reconciled_with(Some(LocustTotals { requests: 20, failures: 4 }));
        assert_eq!((sum.requests.delivered, sum.log_events.observed, sum.reconciled), (14, 24, Some(true)));
        assert!((sum.estimated_cost_usd - 0.52).abs() < 1e-9, "{}", sum.estimated_cost_usd);
    }

    #[test]
    fn what_a_dry_run_would_have_sent_is_no_part_of_what_the_others_sent() {
        let mut sends = receipt(LocustTotals::default());
        sends.api_calls = ApiCalls { put_metric_data: 3, put_log_events: 2 };
        sends.bytes_sent = 10;
        let dry = Receipt { dry_run: true, ..sends.clone() };
        for (mut sum, other) in [(sends.clone(), &dry), (dry.clone(), &sends)] {
            sum.add(&Receipt::from_json(&other.to_message()).expect("a receipt"));
            assert_eq!((sum.requests.observed, sum.requests.spooled), (20, 4));
            assert_eq!((sum.api_calls, sum.bytes_sent, sum.dry_run), (sends.api_calls, 10, false));
            assert!((sum.estimated_cost_usd - sends.estimated_cost_usd).abs() < 1e-9, "{}", sum.estimated_cost_usd);
        }
        let mut dry_alone = dry.clone();
        dry_alone.add(&dry);
        assert_eq!((dry_alone.api_calls.put_metric_data, dry_alone.bytes_sent, dry_alone.dry_run), (6, 20, true));
    }

    fn account() -> impl Strategy<Value = Account> {
        let number = || prop_oneof![0..10_000u64, any::<u64>()];
        let five = (number(), number(), number(), number(), number());
        five.prop_map(|(observed, delivered, spooled, rejected, dropped)| Account {
            observed,
            delivered,
            spooled,
            rejected,
            dropped,
        })
    }

    prop_compose! {
        fn receipts()(
            requests in account(), failures in account(), log_events in account(), run_id in "\\PC{0,9}",
            numbers in any::<[u64; 5]>(), dry_run in any::<bool>(), costs in (0.0..1e6f64, 0.0..1e6f64), locust in prop::option::of(any::<(u64, u64)>()),
            series in prop::collection::vec((0..4usize, 0..1000u64), 0..6),
        ) -> Receipt {
            let [put_metric_data, put_log_events, retries, uncertain, bytes_sent] = numbers;
            let mut distinct: BTreeMap<usize, u64> = BTreeMap::new();
            series.into_iter().for_each(|(name, number)| *distinct.entry(name).or_default() += number);
            let series = distinct.into_iter().map(|(name, requests)| SeriesTotal {
                dimensions: [("Request".to_owned(), format!("/{name}"))].into(), requests, failures: requests / 2,
            });
            Receipt {
                run_id, requests, failures, log_events, retries, uncertain, bytes_sent,
                api_calls: ApiCalls { put_metric_data, put_log_events },
                estimated_cost_usd: costs.0 + costs.1,
                metrics_cost_usd: costs.0,
                locust: None,
                reconciled: None,
                dashboard_url: None,
                series: series.collect(),
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
        fn any_receipt_can_be_printed_and_sent_on(receipt in receipts()) {
            prop_assert_eq!(Receipt::from_json(&receipt.to_message()).expect("just written"), receipt.clone());
            let text = receipt.to_text(&Remarks::default(), Style::Plain);
            for number in [receipt.requests.observed, receipt.failures.dropped, receipt.log_events.spooled] {
                prop_assert!(text.contains(&grouped(number)), "{text}");
            }
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

        #[test]
        fn grouped_digits_are_the_numbers_own(number in any::<u64>(), shift in 0..64u32) {
            let text = grouped(number >> shift);
            prop_assert_eq!(text.replace(',', ""), (number >> shift).to_string());
            let mut groups = text.split(',');
            prop_assert!(groups.next().is_some_and(|first| (1..=3).contains(&first.len())));
            prop_assert!(groups.all(|group| group.len() == 3));
        }
    }
}

/// With every order in which threads may run, as far as they are tried out: `make model`.
#[cfg(all(test, shuttle))]
mod model {
    use super::*;
    use crate::sync::thread;

    #[test]
    fn whenever_a_receipt_is_drawn_up_no_more_is_accounted_for_than_was_observed() {
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

//! The report of a process to its master: its receipt so far, what is left to deliver, and its present state.
//!
//! Reports of several processes merge into one. They travel with Locust's own messages, as plain data.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::accounting::receipt::Receipt;
use crate::timestamp::DATES_END;

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The run.
    pub run_id: String,
    /// What happened to its samples so far.
    #[serde(deserialize_with = "receipt")]
    pub receipt: Receipt,
    /// Lines for the text of the receipt.
    pub remarks: Vec<String>,
    /// Whether the process has ended its part in the run.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Requests or log events that are still to be delivered, whichever are more.
    pub left: u64,
    /// Requests or log events, of the same kind, that are settled.
    pub settled: u64,
    /// The present state of the process.
    #[serde(default)]
    pub status: ProcessStatus,
    /// Why the process did not start the test, if it did not.
    #[serde(default)]
    pub refusal: Option<String>,
}

/// The present state of a process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessStatus {
    /// Why calls to AWS fail.
    #[serde(rename = "failures")]
    pub call_failures: Vec<String>,
    /// Since when they fail.
    pub outage_since: Option<Seconds>,
    /// The last problem that was logged.
    pub problem: Option<String>,
    /// When it was logged.
    pub problem_at: Option<Seconds>,
    /// Time since the end of the newest second for which CloudWatch has metrics.
    pub delay_s: Option<Seconds>,
    /// Bytes that wait in the spool or are being sent.
    pub waiting_bytes: u64,
    /// Whether the test has stopped in this process.
    pub stopped: bool,
}

/// A time since the epoch, or a duration, that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Seconds(f64);

impl Seconds {
    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, String> {
        if (0.0..DATES_END).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(format!("{seconds} is not a number of seconds from 0 to the year 9999"))
        }
    }
}

/// Reads a receipt. An earlier version sent it as JSON text.
fn receipt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Receipt, D::Error> {
    struct ReceiptVisitor;

    impl<'de> Visitor<'de> for ReceiptVisitor {
        type Value = Receipt;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a receipt")
        }

        fn visit_str<E: Error>(self, json: &str) -> Result<Receipt, E> {
            serde_json::from_str(json).map_err(E::custom)
        }

        fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Receipt, A::Error> {
            Receipt::deserialize(MapAccessDeserializer::new(fields))
        }
    }

    deserializer.deserialize_any(ReceiptVisitor)
}

impl StatusReport {
    /// Adds the report of another process of the same run.
    pub fn merge(&mut self, other: &Self) {
        self.receipt.add(&other.receipt);
        self.remarks.extend_from_slice(&other.remarks);
        self.is_final &= other.is_final;
        self.left = self.left.saturating_add(other.left);
        self.settled = self.settled.saturating_add(other.settled);
        self.status.merge(&other.status);
        self.refusal = self.refusal.take().or_else(|| other.refusal.clone());
    }

    /// The report as it is some seconds after it was made.
    #[must_use]
    pub fn aged(mut self, seconds: f64) -> Self {
        self.status.delay_s = self.status.delay_s.and_then(|delay| (delay.get() + seconds).try_into().ok());
        self
    }

    /// The report of a process that has disappeared: its present state is unknown.
    #[must_use]
    pub fn without_present(mut self) -> Self {
        let Self { status, .. } = &mut self;
        status.call_failures.clear();
        (status.outage_since, status.delay_s) = (None, None);
        // Other processes need not wait for its test.
        status.stopped = true;
        self
    }
}

impl ProcessStatus {
    fn merge(&mut self, other: &Self) {
        let new = other.call_failures.iter().filter(|failure| !self.call_failures.contains(failure)).cloned();
        self.call_failures.extend(new.collect::<Vec<_>>());
        self.outage_since = of_both(self.outage_since, other.outage_since, f64::min);
        self.delay_s = of_both(self.delay_s, other.delay_s, f64::max);
        if other.problem_at > self.problem_at {
            (self.problem, self.problem_at) = (other.problem.clone(), other.problem_at);
        }
        self.waiting_bytes = self.waiting_bytes.saturating_add(other.waiting_bytes);
        self.stopped &= other.stopped;
    }
}

fn of_both(one: Option<Seconds>, other: Option<Seconds>, choose: fn(f64, f64) -> f64) -> Option<Seconds> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Seconds(choose(one.0, other.0))),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::accounting::counters::{Counters, Counts};
    use crate::accounting::pricing::Cost;

    fn report() -> StatusReport {
        let counters = Counters::default();
        counters.observed.add(Counts { requests: 10, failures: 2, log_events: 12 });
        counters.delivered.add(Counts { requests: 7, failures: 2, log_events: 11 });
        StatusReport {
            run_id: "r".into(),
            receipt: Receipt::new("r", &counters, Counts::default(), Cost::default()),
            remarks: vec!["because".into()],
            is_final: true,
            left: 3,
            settled: 7,
            status: ProcessStatus {
                call_failures: vec!["denied".into()],
                outage_since: Some(Seconds(5.0)),
                delay_s: Some(Seconds(2.0)),
                waiting_bytes: 10,
                stopped: true,
                ..ProcessStatus::default()
            },
            refusal: None,
        }
    }

    fn read(message: Value) -> serde_json::Result<StatusReport> {
        serde_json::from_value(message)
    }

    #[test]
    fn a_report_arrives_as_it_was_sent() {
        let message = serde_json::to_value(report()).expect("plain data");
        assert_eq!(message["final"], json!(true));
        assert_eq!(read(message).expect("just written"), report());
    }

    #[test]
    fn a_report_of_the_earlier_form_is_read() {
        let mut message = serde_json::to_value(report()).expect("plain data");
        message["receipt"] = message["receipt"].to_string().into();
        message["status"]["ended"] = json!(true);
        assert_eq!(read(message).expect("the earlier form"), report());
    }

    #[test]
    fn a_report_of_another_form_is_refused_with_the_reason() {
        for (pointer, value, reason) in [
            ("/left", json!("3"), "expected u64"),
            ("/left", json!(-1), "expected u64"),
            ("/final", json!(1), "expected a boolean"),
            ("/remarks", json!([1]), "expected a string"),
            ("/receipt", json!("?"), "expected value"),
            ("/receipt", json!("{}"), "missing field"),
            ("/receipt/requests", json!(5), "expected struct DeliveryCounts"),
            ("/receipt/estimated_cost_usd", json!(null), "expected f64"),
            ("/status/outage_since", json!(1e300), "is not a number of seconds"),
            ("/status/delay_s", json!("1"), "expected f64"),
            ("/status/failures", json!(1), "expected a sequence"),
        ] {
            let mut message = serde_json::to_value(report()).expect("plain data");
            *message.pointer_mut(pointer).expect("there") = value;
            let error = read(message).expect_err(pointer).to_string();
            assert!(error.contains(reason), "{pointer}: {error}");
        }
    }

    #[test]
    fn reports_of_several_processes_become_one() {
        let mut sum = report();
        let status = ProcessStatus {
            call_failures: vec!["denied".into(), "slow".into()],
            outage_since: Some(Seconds(3.0)),
            problem: Some("what".into()),
            problem_at: Some(Seconds(9.0)),
            ..ProcessStatus::default()
        };
        sum.merge(&StatusReport { status, is_final: false, refusal: Some("why".into()), ..report() });
        assert_eq!((sum.receipt.requests.observed, sum.left, sum.settled, sum.is_final), (20, 6, 14, false));
        assert_eq!(sum.status.call_failures, ["denied", "slow"]);
        assert_eq!((sum.status.outage_since, sum.status.delay_s), (Some(Seconds(3.0)), Some(Seconds(2.0))));
        assert_eq!(
            (sum.status.problem.as_deref(), sum.status.waiting_bytes, sum.status.stopped),
            (Some("what"), 10, false)
        );
        assert_eq!((sum.refusal.as_deref(), sum.remarks.len()), (Some("why"), 2));
    }

    #[test]
    fn nothing_is_known_of_the_present_of_a_process_that_vanished() {
        let ProcessStatus { call_failures, outage_since, delay_s, waiting_bytes, .. } =
            report().without_present().status;
        assert_eq!((call_failures, outage_since, delay_s, waiting_bytes), (vec![], None, None, 10));
        assert_eq!(report().aged(3.0).status.delay_s, Some(Seconds(5.0)));
        assert_eq!(report().aged(f64::INFINITY).status.delay_s, None);
    }
}

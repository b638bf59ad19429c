//! What the load generator observed: finished requests, life-cycle events and gauges, as plain Rust values.

use smol_str::SmolStr;

use crate::accounting::counters::Counts;
use crate::metrics::datum::Unit;
use crate::metrics::histogram::Point;
use crate::timestamp::Timestamp;

/// A scalar entry of Locust's request `context`; anything else is left out at the boundary.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// Python's `None`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number of up to 64 bits.
    Int(i64),
    /// A finite or non-finite floating-point number.
    Float(f64),
    /// Text, cut to [`MAX_ENTRY_BYTES`].
    Text(String),
}

/// Longest text taken from one entry of a request's `context`.
pub const MAX_ENTRY_BYTES: usize = 64 * 1024;
/// Longest name taken from one.
pub const MAX_ENTRY_NAME_BYTES: usize = 1024;
/// Longest text taken from one argument of a request: more cannot fit into one log event.
pub const MAX_TEXT_BYTES: usize = 1_048_576;

/// Most entries of one request's `context` that are kept.
pub const MAX_CONTEXT_ENTRIES: usize = 100;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exception's type name, such as `HTTPError`.
    pub kind: String,
    /// The exception's text.
    pub message: String,
}

/// One finished request as Locust reported it. Tens of thousands may wait in the queue: what most have none of takes hardly any room.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When the request completed.
    pub time: Timestamp,
    /// Locust's `request_type`, such as `GET`.
    pub method: SmolStr,
    /// Locust's name of the request, which groups requests.
    pub name: SmolStr,
    /// The request's URL; needed only where the run has no host of its own.
    pub url: Option<Box<str>>,
    /// Milliseconds, finite and not negative; `None` where Locust reported no usable time.
    pub response_time_ms: Option<f64>,
    /// Bytes of the answer; `None` where Locust reported no usable length.
    pub response_bytes: Option<f64>,
    /// `None` for a successful request.
    pub failure: Option<Box<Failure>>,
    /// HTTP status, where there is one.
    pub status: Option<u16>,
    /// Users running in this process when the request completed.
    pub users: u32,
    /// Scalar entries of Locust's request `context`.
    pub context: Box<[(String, Scalar)]>,
}

impl Sample {
    /// Roughly how many bytes this sample holds while it waits in the queue.
    #[must_use]
    pub fn weight(&self) -> usize {
        let failure = self.failure.as_ref().map_or(0, |f| size_of::<Failure>() + f.kind.len() + f.message.len());
        let context: usize = self
            .context
            .iter()
            .map(|(key, value)| {
                let text = if let Scalar::Text(text) = value { text.len() } else { 0 };
                key.len() + text + size_of::<(String, Scalar)>()
            })
            .sum();
        let url = self.url.as_ref().map_or(0, |url| url.len());
        size_of::<Self>() + self.method.len() + self.name.len() + url + failure + context
    }
}

/// Something that happened to the whole test, such as `test_start`.
#[derive(Debug, Clone, PartialEq)]
pub struct LifeCycleEvent {
    /// When it happened.
    pub time: Timestamp,
    /// Locust's name of the event.
    pub name: String,
    /// What is known of it.
    pub fields: Vec<(String, Scalar)>,
    /// Users running in this process at that time.
    pub users: u32,
}

/// A value sampled once a second, such as the number of users.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    /// When it was read.
    pub time: Timestamp,
    /// Name of the metric.
    pub metric: String,
    /// The value: finite and not negative.
    pub value: f64,
    /// What it is measured in.
    pub unit: Unit,
    /// A dimension beside the host, as name and value.
    pub dimension: Option<(String, String)>,
}

/// What a worker reported of one request name, in Locust's own statistics: all there is of workers that are not asked
/// for their samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Locust's `request_type`.
    pub method: String,
    /// Locust's name of the request.
    pub name: String,
    /// Requests and failures by the second (since the epoch) in which they ended.
    pub seconds: Vec<(Timestamp, u64, u64)>,
    /// When the last of them ended.
    pub last: Timestamp,
    /// Response times in milliseconds as Locust rounds them, successes and failures mixed.
    pub response_times_ms: Vec<Point>,
    /// The mean size of the answers in bytes, and their number.
    pub response_bytes: Option<Point>,
}

impl Report {
    /// What it stands for in the receipt.
    #[must_use]
    pub fn share(&self) -> Counts {
        let mut sum = Counts::default();
        for &(_, requests, failures) in &self.seconds {
            sum += Counts { requests, failures, log_events: 0 };
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::aggregator::tests::sample;

    proptest! {
        #[test]
        fn every_text_weighs_what_it_is_long(lengths in prop::array::uniform7(0..5000usize)) {
            let [method, name, url, kind, message, key, value] = lengths.map(|length| "x".repeat(length));
            let empty = Sample { method: "".into(), ..sample("", 0, 1.0) };
            let full = Sample {
                method: method.into(),
                name: name.into(),
                url: Some(url.into()),
                failure: Some(Failure { kind, message }.into()),
                context: [(key, Scalar::Text(value)), (String::new(), Scalar::Null)].into(),
                ..empty.clone()
            };
            let texts: usize = lengths.iter().sum();
            let parts = size_of::<Failure>() + 2 * size_of::<(String, Scalar)>();
            prop_assert_eq!(full.weight(), empty.weight() + texts + parts);
        }

        #[test]
        fn a_report_stands_for_all_its_seconds(seconds in prop::collection::vec((0..1000u64, 0..1000u64), 0..50)) {
            let at = Timestamp::from_seconds(0);
            let report = Report {
                method: "GET".into(),
                name: "/".into(),
                seconds: seconds.iter().map(|&(requests, failures)| (at, requests, failures)).collect(),
                last: at,
                response_times_ms: Vec::new(),
                response_bytes: None,
            };
            let (requests, failures): (Vec<u64>, Vec<u64>) = seconds.into_iter().unzip();
            let share = Counts { requests: requests.iter().sum(), failures: failures.iter().sum(), log_events: 0 };
            prop_assert_eq!(report.share(), share);
        }
    }

    #[test]
    fn a_report_of_impossible_numbers_stands_for_the_most_there_can_be() {
        let at = Timestamp::from_seconds(0);
        let seconds = vec![(at, u64::MAX, 1), (at, 1, u64::MAX)];
        let (method, name) = ("GET".into(), "/".into());
        let report = Report { method, name, seconds, last: at, response_times_ms: Vec::new(), response_bytes: None };
        assert_eq!(report.share(), Counts { requests: u64::MAX, failures: u64::MAX, log_events: 0 });
    }
}

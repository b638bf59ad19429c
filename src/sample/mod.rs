//! What a test records: requests, life-cycle events, gauges and worker reports, with their units and keys, as plain Rust values.

mod request_key;
mod unit;

use smol_str::SmolStr;

pub use self::request_key::RequestKey;
pub use self::unit::Unit;
use crate::timestamp::Timestamp;

/// The value of an entry of Locust's request `context`. `src/python/context.rs` converts all other types to these.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// Python's `None`.
    Null,
    /// A Boolean value.
    Bool(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// A floating-point number, which may be infinite or NaN.
    Float(f64),
    /// Text of up to [`MAX_ENTRY_BYTES`].
    Text(String),
}

/// Maximum length of the text of an entry of a request's `context`. Longer text is cut.
pub const MAX_ENTRY_BYTES: usize = 64 * 1024;
/// Maximum length of the name of an entry. Longer names are cut.
pub const MAX_ENTRY_NAME_BYTES: usize = 1024;
/// Maximum length of the text of an argument of the request event: more does not fit into a log event.
pub const MAX_TEXT_BYTES: usize = 1_048_576;

/// Maximum number of entries of a request's `context`. Further ones are omitted.
pub const MAX_CONTEXT_ENTRIES: usize = 100;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The name of the exception's type, such as `HTTPError`.
    pub kind: String,
    /// The exception's text.
    pub message: String,
}

/// A finished request, as Locust reported it. The queue may hold tens of thousands, so fields that most samples do not have are small.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When the request completed.
    pub time: Timestamp,
    /// Locust's `request_type`, such as `GET`.
    pub method: SmolStr,
    /// Locust's name of the request, which groups requests.
    pub name: SmolStr,
    /// The URL of the request, unless it is below the run's host.
    pub url: Option<Box<str>>,
    /// Milliseconds, finite and not negative; `None` if Locust reported no valid time.
    pub response_time_ms: Option<f64>,
    /// Size of the response in bytes; `None` if Locust reported no valid size.
    pub response_bytes: Option<f64>,
    /// `None` for a successful request.
    pub failure: Option<Box<Failure>>,
    /// HTTP status, if there is one.
    pub status: Option<u16>,
    /// Users in this process when the request completed.
    pub users: u32,
    /// Scalar entries of Locust's request `context`.
    pub context: Box<[(String, Scalar)]>,
    /// Whether the request becomes a log event. Otherwise, `status`, `users` and `context` may be missing, and `url` too unless it
    /// determines the host.
    pub is_logged: bool,
}

impl Sample {
    /// Approximate size of the sample in memory, in bytes.
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

/// An event of the whole test, such as `test_start`.
#[derive(Debug, Clone, PartialEq)]
pub struct LifeCycleEvent {
    /// The time of the event.
    pub time: Timestamp,
    /// Locust's name of the event.
    pub name: String,
    /// The fields of the event.
    pub fields: Vec<(String, Scalar)>,
    /// Users in this process at that time.
    pub users: u32,
}

/// A value, and the number of samples with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The value: finite, not negative.
    pub value: f64,
    /// The number of samples: at least 1.
    pub count: u64,
}

/// A value sampled once a second, such as the number of users.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    /// When the value was read.
    pub time: Timestamp,
    /// Name of the metric.
    pub metric: String,
    /// The value: finite and not negative.
    pub value: f64,
    /// The unit.
    pub unit: Unit,
    /// Name and value of a dimension in addition to the host.
    pub dimension: Option<(String, String)>,
}

/// The statistics of one request name that a worker sent to the master with Locust's own report. Used for workers that do not
/// publish their samples themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportedStats {
    /// Locust's `request_type`.
    pub method: String,
    /// Locust's name of the request.
    pub name: String,
    /// For each second, the requests and failures that ended in it.
    pub seconds: Vec<(Timestamp, u64, u64)>,
    /// When the last request ended.
    pub last: Timestamp,
    /// Response times in milliseconds, rounded by Locust, of successful and failed requests together.
    pub response_times_ms: Vec<Point>,
    /// The mean size of the responses in bytes, and their number.
    pub response_bytes: Option<Point>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::aggregator::tests::sample;

    proptest! {
        #[test]
        fn the_weight_includes_the_length_of_each_text(lengths in prop::array::uniform7(0..5000usize)) {
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
    }
}

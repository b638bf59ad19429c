//! Selects the requests of this process that a report of the run names: the slowest ones, and the first failure of each type.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use smol_str::{SmolStr, ToSmolStr};

use crate::logs::separate_url;
use crate::redact::{head, redact_urls};
use crate::sample::{RequestKey, Sample, Scalar};
use crate::summary::{Highlight, Highlights};

/// How much of a text is read. It is several times what a [`Highlight`] keeps.
const MAX_READ_BYTES: usize = 4096;
const MICROS_PER_MILLI: f64 = 1000.0;

/// The selected requests so far, and those that were selected since they were last taken.
#[derive(Default)]
pub struct HighlightSelector {
    all: Highlights,
    new: Highlights,
    threshold: Arc<SlowestThreshold>,
}

/// The response time that a successful request needs to be among the slowest ones so far. It only rises, so that one that was
/// read a moment ago selects too many requests rather than too few.
#[derive(Debug, Default)]
pub struct SlowestThreshold(AtomicU64);

impl SlowestThreshold {
    /// Whether a request with this response time, in milliseconds, may be among the slowest ones.
    pub fn may_be_reached(&self, response_time_ms: f64) -> bool {
        to_micros(response_time_ms) >= self.0.load(Relaxed)
    }

    /// Sets it, in microseconds.
    pub(super) fn set(&self, micros: u64) {
        self.0.store(micros, Relaxed);
    }
}

impl HighlightSelector {
    /// The threshold for the slowest requests, which this selector keeps up to date.
    #[must_use]
    pub fn threshold(&self) -> Arc<SlowestThreshold> {
        Arc::clone(&self.threshold)
    }

    /// Considers a request. Texts are copied only if it is selected, which is rare after the first seconds.
    pub fn add(&mut self, sample: &Sample) {
        let time = sample.time.micros();
        if let Some(failure) = sample.failure.as_deref() {
            if self.all.may_be_first(&failure.kind, time) {
                let request = highlight(sample);
                self.new.add_failed(&failure.kind, request.clone());
                self.all.add_failed(&failure.kind, request);
            }
        } else if let Some(micros) = response_micros(sample)
            && self.all.may_be_slowest(micros, time)
        {
            let request = highlight(sample);
            self.new.add_successful(request.clone());
            self.all.add_successful(request);
            self.threshold.set(self.all.slowest_from());
        }
    }

    /// Takes the requests that were selected since the last call.
    #[must_use]
    pub fn take(&mut self) -> Highlights {
        std::mem::take(&mut self.new)
    }
}

fn response_micros(sample: &Sample) -> Option<u64> {
    sample.response_time_ms.map(to_micros)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a response time is finite and not negative"
)]
fn to_micros(ms: f64) -> u64 {
    (ms * MICROS_PER_MILLI).round() as u64
}

/// Its texts are without the values of URLs, with any `--cw-log-urls`: unlike a log event, a record has no option to keep them.
fn highlight(sample: &Sample) -> Highlight {
    let error = sample.failure.as_deref().map(|failure| {
        let (error, _) = separate_url(redact_text(&failure.message));
        SmolStr::new(error.trim())
    });
    let context = sample.context.iter().map(|(name, value)| (SmolStr::new(name), text_of(value)));
    Highlight {
        time_micros: sample.time.micros(),
        request: RequestKey::new(sample.method.clone(), sample.name.clone()),
        response_micros: response_micros(sample),
        error,
        status: sample.status,
        users: sample.users,
        context: context.collect(),
    }
    .fitted()
}

fn redact_text(text: &str) -> Cow<'_, str> {
    redact_urls(head(text, MAX_READ_BYTES))
}

fn text_of(value: &Scalar) -> SmolStr {
    match value {
        Scalar::Null => "null".into(),
        Scalar::Bool(truth) => truth.to_smolstr(),
        Scalar::Int(number) => number.to_smolstr(),
        Scalar::Float(number) => number.to_smolstr(),
        Scalar::Text(text) => SmolStr::new(redact_text(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::aggregator::tests::sample;
    use crate::sample::Failure;

    fn failed(second: i64, kind: &str, message: &str) -> Sample {
        let failure = Failure { kind: kind.to_owned(), message: message.to_owned() };
        Sample { failure: Some(failure.into()), ..sample("/pay", second, 5.0) }
    }

    #[test]
    fn the_slowest_requests_and_the_first_failures_are_taken_once() {
        let mut selector = HighlightSelector::default();
        (0..100)
            .for_each(|second| selector.add(&sample("/", second, f64::from(i32::try_from(second).expect("small")))));
        selector.add(&failed(7, "HTTPError", "500 Server Error for url: http://h/pay?card=4111"));
        selector.add(&failed(9, "HTTPError", "later"));
        let taken = selector.take();
        let slowest: Vec<_> = taken.slowest().map(|request| request.response_micros).collect();
        assert_eq!(slowest, (90..100).rev().map(|ms| Some(ms * 1000)).collect::<Vec<_>>());
        let first = taken.first_failure("HTTPError").expect("a failure");
        assert_eq!((first.time_micros, first.error.as_deref()), (7_000_000, Some("500 Server Error")));
        assert_eq!(first.request, RequestKey::new("GET", "/pay"));

        selector.add(&sample("/", 100, 89.0));
        selector.add(&failed(8, "HTTPError", "later"));
        assert!(selector.take().is_empty());
        selector.add(&failed(6, "HTTPError", "earlier"));
        assert_eq!(selector.take().first_failure("HTTPError").map(|first| first.time_micros), Some(6_000_000));
    }

    #[test]
    fn the_threshold_selects_each_request_that_is_among_the_slowest() {
        let mut selector = HighlightSelector::default();
        let threshold = selector.threshold();
        for second in 0..100 {
            let ms = f64::from(i32::try_from(second * 37 % 100).expect("small"));
            let before = selector.all.clone();
            selector.add(&sample("/", second, ms));
            assert!(threshold.may_be_reached(ms) || selector.all == before, "{ms}");
        }
        assert!(threshold.may_be_reached(90.0) && !threshold.may_be_reached(89.9));
    }

    #[test]
    fn the_context_is_text_without_the_values_of_urls() {
        let mut selector = HighlightSelector::default();
        let entries = [
            ("user".to_owned(), Scalar::Int(7)),
            ("from".to_owned(), Scalar::Text("http://h/a?token=secret".to_owned())),
            ("none".to_owned(), Scalar::Null),
            ("is_new".to_owned(), Scalar::Bool(true)),
            ("share".to_owned(), Scalar::Float(0.5)),
        ];
        selector.add(&Sample { context: entries.into(), ..sample("/", 1, 2.0) });
        let taken = selector.take();
        let context: Vec<_> = taken.slowest().flat_map(|request| &request.context).map(|(_, value)| &**value).collect();
        assert_eq!(context, ["7", "http://h/a?token=...", "null", "true", "0.5"]);
    }

    #[test]
    fn a_request_without_a_valid_time_is_not_slow() {
        let mut selector = HighlightSelector::default();
        selector.add(&Sample { response_time_ms: None, ..sample("/", 1, 2.0) });
        assert!(selector.take().is_empty());
    }
}

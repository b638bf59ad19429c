//! Breaches of a check during a run: what a second says, and how long a breach has lasted.

use super::evaluate::{Values, as_f64, failure_share, quantile, successes};
use super::expression::{Check, Measure, Operator};
use crate::timestamp::Timestamp;

/// What a second of a run says about a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The limit is not breached.
    Met,
    /// The limit is breached.
    Breached,
    /// The second has no value, for example because no request finished.
    Unknown,
}

impl Check {
    /// The signal of a value of this second, such as that of the generator or a target. None is a second without a value.
    #[must_use]
    pub fn signal(&self, value: Option<f64>) -> Signal {
        match value.filter(|value| value.is_finite()) {
            Some(value) if self.is_met_by(value) => Signal::Met,
            Some(_) => Signal::Breached,
            None => Signal::Unknown,
        }
    }

    /// The signal of a second, for a check on requests. `second` and `total` are the requests of the check's scope in this
    /// second and since the start; None if there are none.
    ///
    /// Numbers of requests and failures are judged by `total`. They are breached if the rest of the run cannot change that:
    /// `failures == 0` from the first failure, `requests < 100` from the hundredth request, and `requests > 100` never. All
    /// other measures are judged by `second`. A percentile needs only one request there: an abort needs a breach in many
    /// seconds, which makes up for few samples in each.
    #[must_use]
    pub fn signal_of_requests(&self, second: Option<&dyn Values>, total: Option<&dyn Values>) -> Signal {
        match &self.measure {
            Measure::Percentile(percent) => {
                self.signal(second.and_then(|values| values.quantile_ms(quantile(*percent))))
            }
            Measure::Mean => self.signal(second.and_then(Values::mean_ms)),
            Measure::Max => self.signal(second.and_then(Values::max_ms)),
            Measure::FailureShare => self.signal(second.and_then(failure_share)),
            Measure::RequestsPerSecond => self.signal(Some(second.map_or(0.0, successes))),
            Measure::Failures => self.signal_of_count(total.map_or(0, Values::failures)),
            Measure::Requests => self.signal_of_count(total.map_or(0, Values::requests)),
            Measure::GeneratorCpu | Measure::GeneratorMemory | Measure::Target { .. } => Signal::Unknown,
        }
    }

    fn signal_of_count(&self, count: u64) -> Signal {
        let count = as_f64(count);
        let can_recover = match self.operator {
            Operator::Less | Operator::LessOrEqual => self.is_met_by(count),
            Operator::Equal => count <= self.limit,
            Operator::Greater | Operator::GreaterOrEqual => true,
        };
        if can_recover { Signal::Met } else { Signal::Breached }
    }
}

/// Follows the signals of one check, second by second.
///
/// A breach lasts from its first breached second to its last one, if the limit was not met in between. Seconds without a signal
/// between two breached ones belong to the breach. Those after the last one do not extend it: a test is stopped only by a value
/// that breaches the limit.
#[derive(Debug, Clone)]
pub struct BreachTracker {
    abort_after_seconds: Option<i64>,
    last: Option<i64>,
    first_breached: Option<i64>,
    breached_since: Option<i64>,
    is_abort_due: bool,
}

impl BreachTracker {
    /// A tracker before the first second.
    #[must_use]
    pub fn new(check: &Check) -> Self {
        let seconds = check.abort_after.map(|duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX));
        Self {
            abort_after_seconds: seconds,
            last: None,
            first_breached: None,
            breached_since: None,
            is_abort_due: false,
        }
    }

    /// Adds the signal of a second since the epoch. Seconds are added in order; one that is not later than the last is ignored.
    /// Returns [`Self::is_abort_due`].
    pub fn observe(&mut self, second: i64, signal: Signal) -> bool {
        if self.last.is_some_and(|last| second <= last) {
            return self.is_abort_due;
        }
        self.last = Some(second);
        match signal {
            Signal::Met => self.breached_since = None,
            Signal::Breached => {
                self.first_breached.get_or_insert(second);
                let since = *self.breached_since.get_or_insert(second);
                let duration = second.saturating_sub(since).saturating_add(1);
                self.is_abort_due |= self.abort_after_seconds.is_some_and(|limit| duration >= limit);
            }
            Signal::Unknown => {}
        }
        self.is_abort_due
    }

    /// Whether a breach has lasted as long as `abort after` says. It stays so.
    #[must_use]
    pub const fn is_abort_due(&self) -> bool {
        self.is_abort_due
    }

    /// The start of the first breached second.
    #[must_use]
    pub fn first_breach(&self) -> Option<Timestamp> {
        self.first_breached.map(Timestamp::from_seconds)
    }

    /// The start of the breach that has not ended.
    #[must_use]
    pub fn breached_since(&self) -> Option<Timestamp> {
        self.breached_since.map(Timestamp::from_seconds)
    }
}

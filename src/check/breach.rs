//! Breaches of a check during a run: the signal of each second, and how long a breach has lasted.

use super::evaluate::{Values, as_f64, failure_share, quantile, successes};
use super::expression::{Check, Measure, Operator};
use crate::timestamp::Timestamp;

/// Whether a check is met in a second of a run.
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
    /// Numbers of requests and failures are judged by `total`. Their limit is breached if the rest of the run cannot change this:
    /// `failures == 0` from the first failure, `requests < 100` from the hundredth request, and `requests > 100` never. All
    /// other measures are judged by `second`. A percentile needs only one request: an abort requires a breach in many
    /// seconds, which compensates for few samples in each.
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
                // The first and the last second may be breached only in part, so that they count as one.
                let duration = second.saturating_sub(since);
                self.is_abort_due |= self.abort_after_seconds.is_some_and(|limit| duration >= limit);
            }
            Signal::Unknown => {}
        }
        self.is_abort_due
    }

    /// Whether a breach has lasted for the duration of `abort after`. Once true, it remains true.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::evaluate::tests::{Requests, requests};
    use crate::check::parse::tests::check;

    fn signal(expression: &str, second: &Requests, total: &Requests) -> Signal {
        check(expression).signal_of_requests(Some(second), Some(total))
    }

    #[test]
    fn times_shares_and_rates_are_judged_by_the_second() {
        let total = requests(1000, 1.0, 0);
        for (expression, met, breached) in [
            ("p99 < 1s", requests(1, 999.0, 0), requests(1, 1000.0, 0)),
            ("mean < 1s", requests(2, 999.0, 1), requests(2, 1000.0, 1)),
            ("max < 1s", requests(2, 999.0, 1), requests(2, 1000.0, 1)),
            ("failures < 10%", requests(91, 1.0, 9), requests(90, 1.0, 10)),
            ("rps >= 5", requests(5, 1.0, 0), requests(4, 1.0, 9)),
        ] {
            assert_eq!(signal(expression, &met, &total), Signal::Met, "{expression}");
            assert_eq!(signal(expression, &breached, &total), Signal::Breached, "{expression}");
        }
    }

    #[test]
    fn a_second_without_a_value_is_unknown_but_its_rate_is_zero() {
        let (total, failures) = (requests(9, 1.0, 9), requests(0, 0.0, 5));
        for expression in ["p50 < 1ms", "mean < 1ms", "max < 1ms", "failures < 1%"] {
            assert_eq!(check(expression).signal_of_requests(None, Some(&total)), Signal::Unknown, "{expression}");
            assert_eq!(signal(expression, &Requests::default(), &total), Signal::Unknown, "{expression}");
        }
        for expression in ["p50 < 1ms", "mean < 1ms", "max < 1ms"] {
            assert_eq!(signal(expression, &failures, &total), Signal::Unknown, "{expression}");
        }
        assert_eq!(check("rps >= 1").signal_of_requests(None, None), Signal::Breached);
        assert_eq!(check("rps < 1").signal_of_requests(None, None), Signal::Met);
        assert_eq!(signal("generator: cpu < 1%", &total, &total), Signal::Unknown);
    }

    #[test]
    fn numbers_are_breached_when_the_rest_of_the_run_cannot_change_it() {
        for (expression, within, beyond) in [
            ("failures == 0", 0, Some(1)),
            ("failures == 5", 5, Some(6)),
            ("failures < 5", 4, Some(5)),
            ("failures <= 5", 5, Some(6)),
            ("failures > 5", 0, None),
            ("requests < 5", 4, Some(5)),
            ("requests == 5", 0, Some(6)),
            ("requests >= 5", 0, None),
        ] {
            let signal = |count| check(expression).signal_of_requests(None, Some(&requests(0, 0.0, count)));
            assert_eq!(signal(within), Signal::Met, "{expression}");
            assert_eq!(beyond.map(signal), beyond.map(|_| Signal::Breached), "{expression}");
        }
        assert_eq!(check("failures == 0").signal_of_requests(None, None), Signal::Met);
    }

    #[test]
    fn a_value_of_the_generator_or_of_a_target_is_compared_as_it_is() {
        let check = check("generator: cpu < 90%");
        assert_eq!(check.signal(Some(89.9)), Signal::Met);
        assert_eq!(check.signal(Some(90.0)), Signal::Breached);
        assert_eq!(check.signal(None), Signal::Unknown);
        assert_eq!(check.signal(Some(f64::NAN)), Signal::Unknown);
    }

    /// Follows the signals of consecutive seconds: `+` met, `-` breached, `?` unknown. Returns the second in which the abort
    /// is due, and that of the first breach.
    fn follow(expression: &str, signals: &str) -> (Option<i64>, Option<i64>) {
        let mut tracker = BreachTracker::new(&check(expression));
        let mut due = None;
        for (second, signal) in (0..).zip(signals.chars()) {
            let signal = match signal {
                '+' => Signal::Met,
                '-' => Signal::Breached,
                _ => Signal::Unknown,
            };
            if tracker.observe(second, signal) {
                due.get_or_insert(second);
            }
        }
        (due, tracker.first_breach().map(Timestamp::seconds))
    }

    #[test]
    fn an_abort_is_due_after_an_uninterrupted_breach_of_its_duration() {
        for (signals, due, first) in [
            ("+++", None, None),
            ("+--", None, Some(1)),
            ("+---", None, Some(1)),
            ("+----", Some(4), Some(1)),
            ("---+---+", None, Some(0)),
            ("--+----+", Some(6), Some(0)),
            // Seconds without a signal belong to the breach around them,
            ("-??-", Some(3), Some(0)),
            ("-????-", Some(5), Some(0)),
            // and do not begin, extend or end one.
            ("??--??", None, Some(2)),
            ("-?????", None, Some(0)),
            ("-?+?-?", None, Some(0)),
        ] {
            assert_eq!(follow("max < 1s abort after 3s", signals), (due, first), "{signals}");
        }
        assert_eq!(follow("max < 1s abort after 1s", "+--"), (Some(2), Some(1)));
        assert_eq!(follow("max < 1s", "------"), (None, Some(0)));
    }

    #[test]
    fn seconds_that_are_not_later_are_ignored() {
        let mut tracker = BreachTracker::new(&check("max < 1s abort after 3s"));
        assert!(!tracker.observe(10, Signal::Breached));
        assert!(!tracker.observe(10, Signal::Met) && !tracker.observe(5, Signal::Met));
        assert_eq!(tracker.breached_since(), Some(Timestamp::from_seconds(10)));
        assert!(tracker.observe(13, Signal::Breached) && tracker.is_abort_due());
        assert!(tracker.observe(14, Signal::Met), "it stays due");
        assert_eq!((tracker.breached_since(), tracker.first_breach()), (None, Some(Timestamp::from_seconds(10))));
    }

    proptest! {
        #[test]
        fn an_abort_is_due_if_two_breached_seconds_are_far_enough_apart_and_none_between_is_met(
            signals in "[+?-]{0,30}", seconds in 1..12usize,
        ) {
            let breached: Vec<usize> = signals.match_indices('-').map(|(second, _)| second).collect();
            let is_breach = |from: usize, to: usize| from + seconds <= to && !signals[from..=to].contains('+');
            let due = breached.iter().find(|&&to| breached.iter().any(|&from| from <= to && is_breach(from, to)));
            let (found, first) = follow(&format!("max < 1s abort after {seconds}s"), &signals);
            let second = |second: &usize| i64::try_from(*second).expect("few");
            prop_assert_eq!((found, first), (due.map(second), breached.first().map(second)));
        }
    }
}

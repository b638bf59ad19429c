//! Counts a call in flight when it ends, however it ends.

use std::sync::Arc;

use crate::accounting::counters::Counters;
use crate::delivery::error::CallError;
use crate::spool::{Lane, Segment};

/// Counts a call when it ends. If it is dropped without a response, because the call was cut off, its content counts as
/// uncertain.
pub(super) struct InFlightGuard {
    counters: Arc<Counters>,
    lane: Lane,
    number: u64,
    sent: bool,
}

impl InFlightGuard {
    pub(super) fn new(counters: &Arc<Counters>, lane: Lane, segments: &[Segment]) -> Self {
        let number = segments.iter().map(|s| s.contents.counts.requests + s.contents.counts.log_events).sum();
        Self { counters: Arc::clone(counters), lane, number, sent: true }
    }

    /// Records how the call ended.
    pub(super) fn settle(mut self, error: Option<&CallError>) {
        // A call that precedes it, such as one to STS, says nothing about this one.
        if error.is_some_and(|error| error.operation != operation_of(self.lane)) {
            (self.number, self.sent) = (0, false);
            return;
        }
        if !error.is_some_and(CallError::is_uncertain) {
            self.number = 0;
        }
        self.sent = error.is_none_or(CallError::was_sent);
    }
}

/// The operation that sends the data of a lane.
pub(super) const fn operation_of(lane: Lane) -> &'static str {
    match lane {
        Lane::Metrics => "PutMetricData",
        Lane::Logs => "PutLogEvents",
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.counters.uncertain.add(self.number);
        let calls = match self.lane {
            Lane::Metrics => &self.counters.put_metric_data,
            Lane::Logs => &self.counters.put_log_events,
        };
        calls.add(u64::from(self.sent));
    }
}

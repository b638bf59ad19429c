//! The loop of a lane: it has a few calls under way at once, and repeats what fails as the table in `retry` says.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::delivery::client::CloudWatch;
use crate::delivery::error::CallError;
use crate::delivery::outbox::SendMode;
use crate::delivery::retry::{Backoff, RetryAction};
use crate::delivery::send::{Outcome, Sender};
use crate::spool::Lane;

/// Calls under way at once, per lane.
const MAX_CALLS_AT_ONCE: usize = 4;
/// So many refusals in a row are taken for cuts on the way to a guilty item; after that each is followed by a pause.
const REFUSALS_WITHOUT_PAUSE: u32 = 12;
/// The interval between flushes varies by this share either way, so that a fleet does not call all at once.
const JITTER: f64 = 0.1;

/// What the lanes tell the rest of the process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneStatus {
    /// Calls of this lane that succeeded.
    pub succeeded: u64,
    /// Why the last call failed, unless one has succeeded since.
    pub failed: Option<CallError>,
    /// Nothing more can be sent for now, and nobody need wait for it.
    pub stopped: bool,
    /// It was tried since the outbox is drained, or is being tried.
    pub tried_at_end: bool,
    /// Nothing is left, and nothing will come.
    pub done: bool,
}

impl<C: CloudWatch> Sender<C> {
    /// Sends a lane's segments until the outbox is closed and empty. With a `flush_interval` everything that waits is
    /// let go at each interval.
    pub async fn run(self: Arc<Self>, lane: Lane, flush_interval: Option<Duration>, status: watch::Sender<LaneStatus>) {
        let mut calls = JoinSet::new();
        let mut failures = 0u32;
        let mut refusals = 0u32;
        let mut not_before = Instant::now();
        let mut tried_at_end = false;
        // A fleet begins within moments: its first flushes are spread over the whole interval.
        let mut next_flush = flush_interval.map(|interval| Instant::now() + interval.mul_f64(rand::random()));
        loop {
            if self.abandoned.load(SeqCst) {
                // Each call that is cut off counts itself as uncertain, before this returns.
                calls.shutdown().await;
                return;
            }
            if self.outbox.is_done(lane) {
                status.send_modify(|status| status.done = true);
                return;
            }
            // A call that is under way began before it.
            if calls.is_empty() && (self.outbox.mode() == SendMode::Immediate) != tried_at_end {
                tried_at_end = !tried_at_end;
                // Whatever was in the way may be mended, and nobody waits for the next time it is tried.
                not_before = Instant::now();
                status.send_modify(|status| {
                    status.tried_at_end = tried_at_end;
                    status.stopped = false;
                });
            }
            let at_once = if failures > 0 || refusals > REFUSALS_WITHOUT_PAUSE { 1 } else { MAX_CALLS_AT_ONCE };
            while calls.len() < at_once && Instant::now() >= not_before {
                let segments = self.take(lane);
                if segments.is_empty() {
                    break;
                }
                calls.spawn(Arc::clone(&self).send(lane, segments));
            }
            let later = Instant::now() + Duration::from_hours(1);
            let retry_at = if not_before > Instant::now() { not_before } else { later };
            tokio::select! {
                Some(ended) = calls.join_next() => match ended.unwrap_or(Outcome::Nothing) {
                    Outcome::Taken => {
                        (failures, refusals) = (0, 0);
                        not_before = Instant::now();
                        status.send_modify(|status| {
                            let succeeded = status.succeeded + 1;
                            *status = LaneStatus { succeeded, tried_at_end, ..LaneStatus::default() };
                        });
                    }
                    Outcome::Refused(error) => {
                        refusals += 1;
                        if let Some(further @ 1..) = refusals.checked_sub(REFUSALS_WITHOUT_PAUSE) {
                            let backoff = Backoff::of(RetryAction::RetrySlowly);
                            not_before = Instant::now() + backoff.pause(further, rand::random());
                        }
                        // CloudWatch has answered: whatever was in the way is gone.
                        failures = 0;
                        status.send_modify(|status| {
                            status.failed = Some(error);
                            status.stopped = false;
                        });
                    }
                    Outcome::Failed { error, on_the_way } => {
                        failures = if on_the_way { 1 } else { failures + 1 };
                        let action = error.action();
                        not_before = Instant::now() + Backoff::of(action).pause(failures, rand::random());
                        status.send_modify(|status| {
                            status.failed = Some(error);
                            status.stopped = action == RetryAction::Block;
                        });
                    }
                    Outcome::Nothing => {}
                    Outcome::Unreadable => {
                        failures += 1;
                        not_before = Instant::now() + Backoff::of(RetryAction::Retry).pause(failures, rand::random());
                    }
                },
                () = self.outbox.woken(lane) => {}
                () = sleep_until(retry_at) => {}
                () = sleep_until(next_flush.unwrap_or(later)) => {
                    if let Some(interval) = flush_interval && self.outbox.mode() == SendMode::Periodic {
                        self.outbox.flush_lane(lane);
                        next_flush = Some(Instant::now() + jittered(interval));
                    } else {
                        // Nothing to do while it drains, but a worker may come back into its test.
                        next_flush = flush_interval.map(|interval| Instant::now() + interval);
                    }
                }
            }
        }
    }
}

fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(1.0 + JITTER * (2.0 * rand::random::<f64>() - 1.0))
}

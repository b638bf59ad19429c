//! The loop of a lane: it keeps a few calls in flight, at the pace that their results allow.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::delivery::client::CloudWatch;
use crate::delivery::error::CallError;
use crate::delivery::outbox::SendMode;
use crate::delivery::pacing::{FlushTimer, LaneHealth, Pacing};
use crate::delivery::send::{CallOutcome, Sender};
use crate::spool::Lane;

/// How far the lane is in the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LanePhase {
    /// More data may come.
    #[default]
    Live,
    /// The outbox drains, and a call has been tried since, or is being tried. If the lane is blocked then, waiting longer cannot help.
    FinalAttempt,
    /// The lane is empty and will stay empty.
    Done,
}

/// The status of a lane, for other parts of the process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneStatus {
    /// Calls that succeeded.
    pub succeeded: u64,
    /// Why the last call failed, unless one has succeeded since.
    pub failure: Option<CallError>,
    /// How calls end at present.
    pub health: LaneHealth,
    /// How far the lane is in the run.
    pub phase: LanePhase,
}

impl LaneStatus {
    /// Whether calls fail until the user changes something.
    pub fn is_blocked(&self) -> bool {
        self.health == LaneHealth::Blocked
    }

    /// Whether waiting longer for this lane cannot help: nothing is left, or its last attempt has failed.
    pub fn is_over(&self) -> bool {
        match self.phase {
            LanePhase::Live => false,
            LanePhase::FinalAttempt => self.is_blocked(),
            LanePhase::Done => true,
        }
    }
}

/// A lane that sends.
pub(super) struct LaneLoop<C> {
    sender: Arc<Sender<C>>,
    lane: Lane,
    calls: JoinSet<CallOutcome>,
    pacing: Pacing,
    flushes: FlushTimer,
    status: watch::Sender<LaneStatus>,
}

impl<C: CloudWatch> LaneLoop<C> {
    /// A lane that flushes at an interval, if there is one.
    pub(super) fn new(
        sender: Arc<Sender<C>>,
        lane: Lane,
        flush_interval: Option<Duration>,
        status: watch::Sender<LaneStatus>,
    ) -> Self {
        let now = Instant::now();
        let flushes = FlushTimer::new(flush_interval, now, rand::random());
        Self { sender, lane, calls: JoinSet::new(), pacing: Pacing::new(now), flushes, status }
    }

    /// Sends the lane's segments until the outbox is closed and the lane is empty, or the sender is abandoned.
    pub(super) async fn run(mut self) {
        while !self.sender.is_abandoned() {
            if self.advance_phase() == LanePhase::Done {
                return;
            }
            self.start_calls();
            tokio::select! {
                Some(ended) = self.calls.join_next() => self.call_ended(ended.unwrap_or(CallOutcome::Empty)),
                () = self.sender.outbox.woken(self.lane) => {}
                () = at(self.pacing.pause_end(Instant::now())) => {}
                () = at(self.flushes.next()) => self.flush(),
            }
        }
        // Each call that is cut off counts itself as uncertain before this returns.
        self.calls.shutdown().await;
    }

    fn advance_phase(&mut self) -> LanePhase {
        let (before, outbox) = (self.status.borrow().phase, &self.sender.outbox);
        let phase = if outbox.is_done(self.lane) {
            LanePhase::Done
        } else if !self.calls.is_empty() {
            // A call in flight started before the change.
            before
        } else if outbox.mode() == SendMode::Immediate {
            LanePhase::FinalAttempt
        } else {
            LanePhase::Live
        };
        if phase == LanePhase::Done {
            self.sender.outage.lane_done(self.lane);
        }
        if phase != before {
            self.pacing.resume(Instant::now());
            let health = self.pacing.health();
            self.status.send_modify(|status| (status.phase, status.health) = (phase, health));
        }
        phase
    }

    fn start_calls(&mut self) {
        while self.calls.len() < self.pacing.calls_at_once(Instant::now()) {
            let segments = self.sender.take(self.lane);
            if segments.is_empty() {
                break;
            }
            self.calls.spawn(Arc::clone(&self.sender).send(self.lane, segments));
        }
    }

    fn call_ended(&mut self, outcome: CallOutcome) {
        let (now, chance) = (Instant::now(), rand::random());
        match &outcome {
            CallOutcome::Accepted => self.pacing.succeeded(now),
            CallOutcome::Unacceptable(_) => self.pacing.refused(now, chance),
            CallOutcome::Failed(error) => self.pacing.failed(error.action(), now, chance),
            CallOutcome::FailedAfterStreamCreated(error) => {
                self.pacing.succeeded(now);
                self.pacing.failed(error.action(), now, chance);
            }
            CallOutcome::Unreadable => self.pacing.unreadable(now, chance),
            CallOutcome::Empty => {}
        }
        let health = self.pacing.health();
        self.status.send_modify(|status| {
            status.health = health;
            match outcome {
                CallOutcome::Accepted => (status.succeeded, status.failure) = (status.succeeded + 1, None),
                CallOutcome::Unacceptable(error)
                | CallOutcome::Failed(error)
                | CallOutcome::FailedAfterStreamCreated(error) => {
                    status.failure = Some(error);
                }
                CallOutcome::Unreadable | CallOutcome::Empty => {}
            }
        });
    }

    fn flush(&mut self) {
        // While the outbox drains, everything is sent at once. A worker may return to its test, though.
        if self.sender.outbox.mode() == SendMode::Periodic {
            self.sender.outbox.flush_lane(self.lane);
        }
        self.flushes.restart(Instant::now(), rand::random());
    }
}

/// Waits until a time, if there is one.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

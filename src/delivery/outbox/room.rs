//! The room that the outbox has, on the disk and in memory: what makes room where it is short, and in which order.

use std::collections::VecDeque;

use crate::accounting::messages::Level;
use crate::delivery::outbox::{Outbox, SendMode, State, lane_queue::LaneState};
use crate::spool::{Lane, Segment};
use crate::sync::MutexGuard;

/// Most bytes of segments that wait in memory where the disk cannot be written.
const MEMORY_CAPACITY_BYTES: u64 = 64 * 1024 * 1024;

impl Outbox {
    /// Adds a new segment, and makes room for it.
    pub fn push(&self, segment: Segment) {
        let lane = segment.lane;
        let mut state = self.state();
        state.account_bytes(&segment, true);
        state.lanes[lane as usize].insert(segment);
        let early = state.mode == SendMode::Deferred && self.is_half_full(&state);
        if early {
            state.lanes.iter_mut().for_each(LaneState::release);
        }
        let kept = self.take_kept(&mut state);
        let short = state.disk_bytes.saturating_sub(self.disk_capacity);
        if short > 0 && state.rejected_bytes > 0 {
            drop(state);
            state = self.forget_rejected(short);
        }
        let waiting = self.take_waiting(&mut state);
        drop(state);
        self.delete_kept(&kept);
        self.drop_waiting(&waiting);
        if early {
            self.diagnostics.log_once(
                Level::Info,
                "half full",
                "The spool is half full: what has been recorded so far is published before the test stops.",
            );
            self.wake_all();
        }
        self.wake(lane);
    }

    /// Whether what waits takes half of the room that it may take. That of what was rejected is lost to it, and what a
    /// dry run is done with makes room.
    fn is_half_full(&self, state: &State) -> bool {
        let kept: u64 = state.kept.iter().map(|segment| segment.disk_bytes).sum();
        let room = self.disk_capacity.saturating_sub(state.rejected_bytes);
        state.disk_bytes.saturating_sub(state.rejected_bytes + kept) > room / 2
            || state.memory_bytes > MEMORY_CAPACITY_BYTES / 2
    }

    /// Takes off what a dry run is done with until what waits fits: before anything that it is not done with.
    fn take_kept(&self, state: &mut State) -> Vec<Segment> {
        self.take_oldest(state, |state| &mut state.kept)
    }

    /// Makes room with what was rejected, more than is needed now: each time its whole folder is looked through.
    fn forget_rejected(&self, short: u64) -> MutexGuard<'_, State> {
        let freed = self.spool.forget_rejected(short.max(self.disk_capacity / 8));
        self.diagnostics.log_once(
            Level::Warning,
            "rejected",
            "The spool is full: the oldest of what CloudWatch rejected is deleted to make room for what it may take. It \
             stays counted as rejected.",
        );
        let mut state = self.state();
        let freed = freed.unwrap_or(u64::MAX).min(state.rejected_bytes);
        state.rejected_bytes -= freed;
        state.disk_bytes = state.disk_bytes.saturating_sub(freed);
        state
    }

    /// Takes segments off until what waits fits: the oldest logs first, then the oldest metrics.
    fn take_waiting(&self, state: &mut State) -> Vec<Segment> {
        let mut taken = Vec::new();
        for lane in Lane::ALL.into_iter().rev() {
            taken.extend(self.take_oldest(state, |state| &mut state.lanes[lane as usize].pending));
        }
        taken
    }

    /// Deletes what a dry run was done with. It stays counted.
    fn delete_kept(&self, kept: &[Segment]) {
        kept.iter().for_each(|segment| self.spool.remove(segment));
        if !kept.is_empty() {
            self.diagnostics.log_once(
                Level::Info,
                "dry run",
                "The spool of this dry run is full: the oldest of what is in it is deleted, and stays counted.",
            );
        }
    }

    /// Takes the oldest of a line until what waits fits, or none is left that would help.
    fn take_oldest(&self, state: &mut State, line: impl Fn(&mut State) -> &mut VecDeque<Segment>) -> Vec<Segment> {
        let mut taken = Vec::new();
        while state.disk_bytes > self.disk_capacity || state.memory_bytes > MEMORY_CAPACITY_BYTES {
            let memory_is_short = state.memory_bytes > MEMORY_CAPACITY_BYTES;
            let line = line(state);
            let oldest = line.iter().position(|segment| segment.is_in_memory() == memory_is_short);
            let Some(segment) = oldest.and_then(|oldest| line.remove(oldest)) else { break };
            state.account_bytes(&segment, false);
            taken.push(segment);
        }
        taken
    }

    /// Deletes what waited, and counts it as dropped.
    fn drop_waiting(&self, dropped: &[Segment]) {
        for segment in dropped {
            self.counters.dropped.add(segment.contents.share);
            self.spool.remove(segment);
        }
        if !dropped.is_empty() {
            self.diagnostics.log_once(
                Level::Warning,
                "spool full",
                "The spool is full: the oldest log events, then the oldest metrics, are dropped to make room. The \
                 receipt tells how many. Raise --cw-spool-max-mb, or see to what keeps CloudWatch from taking them.",
            );
        }
    }
}

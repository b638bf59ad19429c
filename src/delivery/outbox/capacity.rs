//! The capacity of the outbox, on disk and in memory: what it deletes if data exceeds it, and in which order.

use crate::delivery::outbox::lane_queue::remove_oldest;
use crate::delivery::outbox::{Outbox, SendMode, State};
use crate::messages::Level;
use crate::spool::{Lane, Segment};
use crate::sync::MutexGuard;

/// Most bytes of segments that wait in memory if the disk cannot be written.
const MEMORY_CAPACITY_BYTES: u64 = 64 * 1024 * 1024;

impl Outbox {
    /// Deletes data until the rest fits: first what a dry run has processed, then what CloudWatch has rejected, then the
    /// oldest log events, then the oldest metrics.
    pub(super) fn make_room<'a>(&'a self, mut state: MutexGuard<'a, State>) {
        let processed = self.remove_processed(&mut state);
        let missing = state.ledger.disk_bytes().saturating_sub(self.capacity_bytes);
        if missing > 0 && state.ledger.rejected_bytes() > 0 {
            drop(state);
            state = self.delete_rejected(missing);
        }
        let waiting = self.remove_waiting(&mut state);
        drop(state);
        self.delete_processed(&processed);
        self.drop_waiting(&waiting);
    }

    /// Releases all segments that wait for the end of the test if they take half of the capacity. Rejected segments reduce
    /// the capacity; what a dry run has processed does not, because it can be deleted.
    pub(super) fn release_early(&self, state: &mut State) -> bool {
        let available = self.capacity_bytes.saturating_sub(state.ledger.rejected_bytes());
        let is_half_full = state.ledger.left_bytes_on_disk() > available / 2
            || state.ledger.memory_bytes() > MEMORY_CAPACITY_BYTES / 2;
        let early = state.mode == SendMode::Deferred && is_half_full;
        if early {
            state.release();
        }
        early
    }

    fn needs_room(&self, state: &State) -> bool {
        state.ledger.disk_bytes() > self.capacity_bytes || memory_is_full(state)
    }

    fn remove_processed(&self, state: &mut State) -> Vec<Segment> {
        let mut removed = Vec::new();
        while self.needs_room(state) {
            let in_memory = memory_is_full(state);
            let Some(segment) = remove_oldest(&mut state.retained, in_memory, &mut state.ledger) else { break };
            removed.push(segment);
        }
        removed
    }

    fn remove_waiting(&self, state: &mut State) -> Vec<Segment> {
        let mut removed = Vec::new();
        for lane in Lane::ALL.into_iter().rev() {
            while self.needs_room(state) {
                let in_memory = memory_is_full(state);
                let State { queues, ledger, .. } = &mut *state;
                let Some(segment) = queues[lane as usize].remove_oldest(in_memory, ledger) else { break };
                removed.push(segment);
            }
        }
        removed
    }

    /// Deletes more rejected segments than are needed now, because each time their whole folder is read.
    fn delete_rejected(&self, missing: u64) -> MutexGuard<'_, State> {
        let freed = self.spool.delete_rejected(missing.max(self.capacity_bytes / 8));
        self.diagnostics.log_once(
            Level::Warning,
            "rejected",
            "The spool is full: locust-cw deletes the oldest rejected data. The receipt still counts it as rejected.",
        );
        let mut state = self.state();
        state.ledger.remove_rejected(freed.unwrap_or(u64::MAX));
        state
    }

    fn delete_processed(&self, processed: &[Segment]) {
        processed.iter().for_each(|segment| self.spool.remove(segment));
        if !processed.is_empty() {
            self.diagnostics.log_once(
                Level::Info,
                "dry run",
                "The spool of this dry run is full: locust-cw deletes its oldest data. The receipt still counts it.",
            );
        }
    }

    fn drop_waiting(&self, dropped: &[Segment]) {
        for segment in dropped {
            self.counters.dropped.add(segment.contents.counts);
            self.spool.remove(segment);
        }
        if !dropped.is_empty() {
            self.diagnostics.log_once(
                Level::Warning,
                "spool full",
                "The spool is full: locust-cw drops the oldest log events, then the oldest metrics, and the receipt \
                 counts them. Resolve why CloudWatch does not accept data, or raise --cw-spool-max-mb.",
            );
        }
    }
}

const fn memory_is_full(state: &State) -> bool {
    state.ledger.memory_bytes() > MEMORY_CAPACITY_BYTES
}

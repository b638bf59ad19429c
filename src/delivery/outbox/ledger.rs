//! The ledger of the outbox: what its segments stand for and how much room they take, by state.

use crate::accounting::counters::Counts;
use crate::spool::{Segment, SegmentState};

/// Sums over segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    counts: Counts,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, segment: &Segment) {
        self.counts += segment.contents.counts;
        self.bytes += segment.disk_bytes;
    }

    fn subtract(&mut self, segment: &Segment) {
        self.counts -= segment.contents.counts;
        self.bytes = self.bytes.saturating_sub(segment.disk_bytes);
    }
}

/// Sums over segments on disk and in memory.
#[derive(Debug, Default)]
struct Sums {
    disk: Sum,
    memory: Sum,
}

impl Sums {
    const fn of_storage(&mut self, segment: &Segment) -> &mut Sum {
        if segment.is_in_memory() { &mut self.memory } else { &mut self.disk }
    }

    fn counts(&self) -> Counts {
        let mut counts = self.disk.counts;
        counts += self.memory.counts;
        counts
    }
}

/// What the segments of the outbox stand for, and the room that they take.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    waiting: Sums,
    in_flight: Sums,
    /// What a dry run has processed. It stays counted when its file is deleted to make room.
    retained: Sum,
    /// Files of rejected segments wait for nothing, and still take room on the disk.
    rejected_bytes: u64,
}

impl Ledger {
    /// Enters a segment, in its present state.
    pub(super) fn enter(&mut self, segment: &Segment) {
        match segment.state {
            SegmentState::Waiting(_) => self.waiting.of_storage(segment).add(segment),
            SegmentState::InFlight => self.in_flight.of_storage(segment).add(segment),
            // Without a file, it cannot be inspected later, and its memory is freed.
            SegmentState::Retained if segment.is_in_memory() => self.retained.counts += segment.contents.counts,
            SegmentState::Retained => self.retained.add(segment),
            SegmentState::Rejected if segment.is_in_memory() => {}
            SegmentState::Rejected => self.rejected_bytes += segment.disk_bytes,
        }
    }

    /// Strikes out a segment that is removed from the outbox.
    pub(super) fn remove(&mut self, segment: &Segment) {
        match segment.state {
            SegmentState::Waiting(_) => self.waiting.of_storage(segment).subtract(segment),
            SegmentState::InFlight => self.in_flight.of_storage(segment).subtract(segment),
            SegmentState::Retained => self.retained.bytes = self.retained.bytes.saturating_sub(segment.disk_bytes),
            SegmentState::Rejected => self.remove_rejected(segment.disk_bytes),
        }
    }

    /// Changes the state of a segment.
    pub(super) fn change(&mut self, segment: &mut Segment, state: SegmentState) {
        self.remove(segment);
        segment.state = state;
        self.enter(segment);
    }

    /// Counts a segment as retained that was never in the outbox.
    pub(super) fn count_as_retained(&mut self, counts: Counts) {
        self.retained.counts += counts;
    }

    /// Strikes out rejected files that were deleted, `bytes` in all.
    pub(super) const fn remove_rejected(&mut self, bytes: u64) {
        self.rejected_bytes = self.rejected_bytes.saturating_sub(bytes);
    }

    /// Strikes out everything that is not on disk, and returns what it stood for.
    pub(super) fn remove_memory(&mut self) -> Counts {
        let mut counts = std::mem::take(&mut self.waiting.memory).counts;
        counts += std::mem::take(&mut self.in_flight.memory).counts;
        counts
    }

    /// What waits or is in flight.
    pub(super) fn left(&self) -> Counts {
        let mut counts = self.waiting.counts();
        counts += self.in_flight.counts();
        counts
    }

    /// What a dry run has processed.
    pub(super) const fn retained(&self) -> Counts {
        self.retained.counts
    }

    /// Bytes on disk of segments that wait to be sent, or are being sent.
    pub(super) const fn left_bytes_on_disk(&self) -> u64 {
        self.waiting.disk.bytes + self.in_flight.disk.bytes
    }

    /// Bytes in memory.
    pub(super) const fn memory_bytes(&self) -> u64 {
        self.waiting.memory.bytes + self.in_flight.memory.bytes
    }

    /// Bytes on disk of rejected segments.
    pub(super) const fn rejected_bytes(&self) -> u64 {
        self.rejected_bytes
    }

    /// Bytes on disk that are not those of rejected segments.
    pub(super) const fn useful_bytes_on_disk(&self) -> u64 {
        self.left_bytes_on_disk() + self.retained.bytes
    }

    /// All bytes on disk.
    pub(super) const fn disk_bytes(&self) -> u64 {
        self.useful_bytes_on_disk() + self.rejected_bytes
    }
}

//! The segments of one lane: those that wait, by their places, and those that are under way.

use std::collections::VecDeque;

use crate::accounting::counters::Counts;
use crate::spool::Segment;

#[derive(Default)]
pub(super) struct LaneState {
    /// Oldest first.
    pub(super) pending: VecDeque<Segment>,
    /// Segments up to this id may go, whatever the mode.
    pub(super) due: u64,
    /// Those from this id on became due with the last flush: what came before is a backlog.
    pub(super) fresh: u64,
    /// The places of segments that were taken and are not settled, what they stand for, and how much of that is in
    /// memory alone.
    pub(super) taken: Vec<u64>,
    pub(super) in_flight: Counts,
    pub(super) in_flight_in_memory: Counts,
    /// What a dry run is done with.
    pub(super) kept: Counts,
}

impl LaneState {
    /// Lets everything go that waits now.
    pub(super) fn release(&mut self) {
        self.fresh = self.due + 1;
        let last = self.pending.back().map_or(0, |segment| segment.sequence);
        self.due = self.due.max(last);
    }

    pub(super) fn mark_in_flight(&mut self, segment: &Segment) {
        self.taken.push(segment.sequence);
        self.in_flight += segment.contents.share;
        if segment.is_in_memory() {
            self.in_flight_in_memory += segment.contents.share;
        }
    }

    pub(super) fn complete(&mut self, segment: &Segment) {
        if let Some(taken) = self.taken.iter().position(|&place| place == segment.sequence) {
            self.taken.swap_remove(taken);
        }
        self.in_flight -= segment.contents.share;
        if segment.is_in_memory() {
            self.in_flight_in_memory -= segment.contents.share;
        }
    }

    /// Puts a segment where it belongs: calls that fail come back in any order.
    pub(super) fn insert(&mut self, segment: Segment) {
        let key = |segment: &Segment| (segment.sequence, segment.id);
        let place = self.pending.partition_point(|other| key(other) < key(&segment));
        self.pending.insert(place, segment);
    }
}

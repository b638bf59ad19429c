//! The queue of one lane: the segments that wait, in order, and which of them may be sent next.

use std::collections::VecDeque;

use crate::delivery::outbox::SendMode;
use crate::delivery::outbox::ledger::Ledger;
use crate::spool::{Lane, Segment, SegmentState, Turn};

/// The segments of one lane.
pub(super) struct LaneQueue {
    lane: Lane,
    /// Oldest first.
    waiting: VecDeque<Segment>,
    /// Segments up to this sequence number may be sent in any mode.
    due: u64,
    /// The first sequence number that was not due before the last flush.
    fresh_from: u64,
    /// Sequence numbers of the segments in flight.
    in_flight: Vec<u64>,
}

impl LaneQueue {
    pub(super) const fn new(lane: Lane) -> Self {
        Self { lane, waiting: VecDeque::new(), due: 0, fresh_from: 0, in_flight: Vec::new() }
    }

    /// Adds a new segment.
    pub(super) fn push(&mut self, mut segment: Segment, ledger: &mut Ledger) {
        segment.state = self.waiting_state(&segment);
        ledger.enter(&segment);
        self.insert(segment);
    }

    /// Lets all segments that wait now be sent.
    pub(super) fn release(&mut self) {
        self.fresh_from = self.due + 1;
        let last = self.waiting.back().map_or(0, |segment| segment.sequence);
        self.due = self.due.max(last);
        for segment in &mut self.waiting {
            if segment.state == SegmentState::Waiting(Turn::Fresh) && segment.sequence < self.fresh_from {
                segment.state = SegmentState::Waiting(Turn::Backlog);
            }
        }
    }

    /// Takes the oldest segments that may be sent now, for as long as they fit.
    pub(super) fn take(
        &mut self,
        mode: SendMode,
        full_call_bytes: usize,
        mut fits: impl FnMut(&Segment) -> bool,
        ledger: &mut Ledger,
    ) -> Vec<Segment> {
        let is_full =
            || self.waiting.iter().map(|segment| segment.contents.wire_bytes).sum::<usize>() >= full_call_bytes;
        let due = match mode {
            SendMode::Immediate => u64::MAX,
            SendMode::Periodic if is_full() => u64::MAX,
            SendMode::Periodic | SendMode::Deferred => self.due,
        };
        let mut taken = Vec::new();
        for turns in order_of(self.lane, mode) {
            let mut at = 0;
            while let Some(segment) = self.waiting.get(at).filter(|segment| segment.sequence <= due) {
                if !turns.iter().any(|&turn| segment.state == SegmentState::Waiting(turn)) {
                    at += 1;
                    continue;
                }
                if !fits(segment) {
                    break;
                }
                let Some(mut segment) = self.waiting.remove(at) else { break };
                ledger.change(&mut segment, SegmentState::InFlight);
                self.in_flight.push(segment.sequence);
                taken.push(segment);
            }
            if !taken.is_empty() {
                break;
            }
        }
        taken
    }

    /// Puts a segment that was in flight back into its position.
    pub(super) fn put_back(&mut self, mut segment: Segment, ledger: &mut Ledger) {
        self.complete(&segment);
        let state = self.waiting_state(&segment);
        ledger.change(&mut segment, state);
        self.insert(segment);
    }

    /// Puts a segment that was in flight back into its position. All others are sent before it.
    pub(super) fn defer(&mut self, mut segment: Segment, ledger: &mut Ledger) {
        self.complete(&segment);
        ledger.change(&mut segment, SegmentState::Waiting(Turn::Deferred));
        self.insert(segment);
    }

    /// Forgets a segment that was in flight.
    pub(super) fn complete(&mut self, segment: &Segment) {
        if let Some(at) = self.in_flight.iter().position(|&sequence| sequence == segment.sequence) {
            self.in_flight.swap_remove(at);
        }
    }

    /// Removes the oldest segment that is stored in memory, or on disk.
    pub(super) fn remove_oldest(&mut self, in_memory: bool, ledger: &mut Ledger) -> Option<Segment> {
        remove_oldest(&mut self.waiting, in_memory, ledger)
    }

    /// Removes all segments that wait in memory.
    pub(super) fn remove_memory(&mut self) {
        self.waiting.retain(|segment| !segment.is_in_memory());
    }

    /// Whether no segment waits or is in flight.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }

    /// Whether no segment up to a sequence number waits or is in flight.
    pub(super) fn is_settled(&self, last: u64) -> bool {
        let waits = self.waiting.front().is_some_and(|segment| segment.sequence <= last);
        !waits && self.in_flight.iter().all(|&sequence| sequence > last)
    }

    const fn waiting_state(&self, segment: &Segment) -> SegmentState {
        let is_fresh = segment.sequence >= self.fresh_from;
        SegmentState::Waiting(if is_fresh { Turn::Fresh } else { Turn::Backlog })
    }

    /// Calls that fail return their segments in any order.
    fn insert(&mut self, segment: Segment) {
        let key = |segment: &Segment| (segment.sequence, segment.id);
        let at = self.waiting.partition_point(|other| key(other) < key(&segment));
        self.waiting.insert(at, segment);
    }
}

/// Which segments are sent in one call, and which only if there are no others.
const fn order_of(lane: Lane, mode: SendMode) -> &'static [&'static [Turn]] {
    match (lane, mode) {
        // CloudWatch accepts datums in any order, so fresh ones do not wait behind a backlog.
        (Lane::Metrics, SendMode::Periodic) => &[&[Turn::Fresh], &[Turn::Backlog], &[Turn::Deferred]],
        // Log events keep their order.
        _ => &[&[Turn::Backlog, Turn::Fresh], &[Turn::Deferred]],
    }
}

/// Removes the oldest of some segments that is stored in memory, or on disk.
pub(super) fn remove_oldest(segments: &mut VecDeque<Segment>, in_memory: bool, ledger: &mut Ledger) -> Option<Segment> {
    let at = segments.iter().position(|segment| segment.is_in_memory() == in_memory)?;
    segments.remove(at).inspect(|segment| ledger.remove(segment))
}

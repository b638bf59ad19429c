//! Settlement: what happens to segments that CloudWatch has accepted or refused. The policy of a dry run is here.

use crate::accounting::counters::Counts;
use crate::delivery::outbox::Outbox;
use crate::messages::Level;
use crate::spool::{Segment, SegmentState};

/// What happens to the file of a segment once it is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// It is deleted, or moved to the rejected ones.
    Delete,
    /// It stays where it is, for as long as there is room: nothing was sent.
    Keep,
}

impl Outbox {
    /// Settles segments of a call that CloudWatch has accepted, except for a number of log events.
    pub fn settle(&self, segments: Vec<Segment>, rejected_events: u64) {
        match self.retention {
            Retention::Delete => self.delete(&segments, rejected_events),
            Retention::Keep => self.retain(segments),
        }
    }

    /// Settles a segment that CloudWatch has refused, or that is damaged.
    pub fn reject(&self, mut segment: Segment) {
        self.counters.rejected.add(segment.contents.counts);
        if self.retention == Retention::Delete
            && let Err(error) = self.spool.reject(&segment)
        {
            self.diagnostics.log_once(
                Level::Warning,
                "reject",
                format!("locust-cw cannot keep rejected data in the spool: {error}."),
            );
        }
        let mut state = self.state();
        state.queue(segment.lane).complete(&segment);
        state.ledger.change(&mut segment, SegmentState::Rejected);
    }

    /// Counts a segment that was never pushed as one that stays in the spool.
    pub fn leave_in_spool(&self, segment: &Segment) {
        self.state().ledger.count_as_retained(segment.contents.counts);
    }

    fn delete(&self, segments: &[Segment], rejected_events: u64) {
        let mut counts = Counts::default();
        segments.iter().for_each(|segment| counts += segment.contents.counts);
        let rejected = rejected_events.min(counts.log_events);
        self.counters.rejected.add(Counts { log_events: rejected, ..Counts::default() });
        self.counters.delivered.add(Counts { log_events: counts.log_events - rejected, ..counts });
        let mut state = self.state();
        for segment in segments {
            state.queue(segment.lane).complete(segment);
            state.ledger.remove(segment);
        }
        drop(state);
        segments.iter().for_each(|segment| self.spool.remove(segment));
    }

    fn retain(&self, segments: Vec<Segment>) {
        let mut state = self.state();
        for mut segment in segments {
            state.queue(segment.lane).complete(&segment);
            state.ledger.change(&mut segment, SegmentState::Retained);
            if !segment.is_in_memory() {
                state.retained.push_back(segment);
            }
        }
    }
}

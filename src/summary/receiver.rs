//! The increments that a master receives from one worker, each counted once.

use std::collections::BTreeMap;

use crate::summary::increment::{Increment, IncrementError};
use crate::summary::sender::MAX_UNACKNOWLEDGED;

/// Which increments of a worker have arrived in this run.
#[derive(Debug, Default)]
pub struct IncrementReceiver {
    /// All increments before this one have arrived.
    next: u64,
    closed_until: Option<i64>,
    /// What the increments closed that arrived before `next`.
    ahead: BTreeMap<u64, Option<i64>>,
}

/// An increment that has arrived.
#[derive(Debug, PartialEq)]
pub struct Accepted {
    /// The number to acknowledge, even if it arrived before: the acknowledgement may have been lost.
    pub sequence: u64,
    /// The increment, unless it arrived before.
    pub increment: Option<Increment>,
}

impl IncrementReceiver {
    /// Reads an increment.
    ///
    /// # Errors
    /// If it cannot be read, or does not follow the others. It is not to be acknowledged.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<Accepted, IncrementError> {
        self.accept_decoded(Increment::decode(bytes)?)
    }

    /// Takes an increment that was read before.
    ///
    /// # Errors
    /// If it does not follow the others. It is not to be acknowledged.
    pub fn accept_decoded(&mut self, increment: Increment) -> Result<Accepted, IncrementError> {
        let sequence = increment.sequence;
        if sequence >= self.next.saturating_add(MAX_UNACKNOWLEDGED) {
            return Err(IncrementError::Unexpected(sequence));
        }
        if sequence < self.next || self.ahead.contains_key(&sequence) {
            return Ok(Accepted { sequence, increment: None });
        }
        self.ahead.insert(sequence, increment.closed_until);
        while let Some(closed_until) = self.ahead.remove(&self.next) {
            self.closed_until = self.closed_until.max(closed_until);
            self.next += 1;
        }
        Ok(Accepted { sequence, increment: Some(increment) })
    }

    /// The second since the epoch before which all windows of this worker have arrived, except for those of late samples.
    #[must_use]
    pub const fn closed_until(&self) -> Option<i64> {
        self.closed_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::{GeneratorLoad, Highlights};

    fn increment(sequence: u64) -> Vec<u8> {
        let closed_until = i64::try_from(sequence).ok().map(|number| 100 + number);
        let generator = GeneratorLoad::default();
        Increment {
            sequence,
            closed_until,
            generator,
            loads: vec![],
            windows: vec![],
            highlights: Highlights::default(),
            earlier: None,
            custom_data: None,
        }
        .encode()
        .expect("plain data")
    }

    #[test]
    fn seconds_are_closed_only_without_a_gap_before_them() {
        let mut receiver = IncrementReceiver::default();
        for (sequence, is_new, closed_until) in [
            (2, true, None),
            (1, true, None),
            (2, false, None),
            (0, true, Some(102)),
            (1, false, Some(102)),
            (3, true, Some(103)),
        ] {
            let accepted = receiver.accept(&increment(sequence)).expect("an increment");
            assert_eq!((accepted.sequence, accepted.increment.is_some()), (sequence, is_new));
            assert_eq!(receiver.closed_until(), closed_until);
        }
    }

    #[test]
    fn a_number_far_ahead_is_refused() {
        let mut receiver = IncrementReceiver::default();
        assert!(receiver.accept(&increment(7)).is_ok());
        for sequence in [8, u64::MAX] {
            assert_eq!(receiver.accept(&increment(sequence)), Err(IncrementError::Unexpected(sequence)));
        }
    }
}

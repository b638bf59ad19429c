//! The workers of a master: which seconds they have reported, and how late.

use std::collections::{BTreeMap, BTreeSet};

use crate::summary::{Increment, IncrementError, IncrementReceiver};

/// How long after a second its requests may still arrive, at least: workers report a second when they have closed it.
const MIN_GRACE_SECONDS: i64 = 2;
/// The same, at most. It also holds for a worker that has not reported yet. Without checks that may stop the test, workers report
/// every three seconds.
pub(super) const MAX_GRACE_SECONDS: i64 = 8;

/// The workers of a master. The only process of a test has none.
#[derive(Default)]
pub(super) struct Fleet {
    workers: BTreeMap<String, Worker>,
    /// The workers whose requests count at present.
    expected: BTreeSet<String>,
}

#[derive(Default)]
struct Worker {
    receiver: IncrementReceiver,
    /// How many seconds it was behind this process when it reported last. Its clock may be slow.
    lag: Option<i64>,
}

impl Fleet {
    /// Waits for the reports of these workers from now on, and of no others.
    pub(super) fn expect(&mut self, names: impl IntoIterator<Item = String>) {
        self.expected = names.into_iter().collect();
    }

    /// Takes the increment of a worker. Returns the number to acknowledge, and the increment unless it arrived before.
    pub(super) fn accept(
        &mut self,
        name: &str,
        increment: Increment,
        open_second: i64,
    ) -> Result<(u64, Option<Increment>), IncrementError> {
        let worker = self.workers.entry(name.to_owned()).or_default();
        let accepted = worker.receiver.accept_decoded(increment)?;
        worker.lag = worker.receiver.closed_until().map(|second| open_second.saturating_sub(second));
        Ok((accepted.sequence, accepted.increment))
    }

    /// The first second that an expected worker has not closed, if it is earlier than that of this process.
    pub(super) fn reported_until(&self, open_second: i64) -> i64 {
        let closed = |name| self.workers.get(name).and_then(|worker| worker.receiver.closed_until());
        self.expected.iter().map(|name| closed(name).unwrap_or(i64::MIN)).fold(open_second, i64::min)
    }

    /// How long after a second the master waits for the workers that have not reported it.
    pub(super) fn grace_seconds(&self) -> i64 {
        let lag = |name| self.workers.get(name).and_then(|worker| worker.lag).unwrap_or(MAX_GRACE_SECONDS);
        let longest = self.expected.iter().map(lag).max().unwrap_or_default();
        (longest + 1).clamp(MIN_GRACE_SECONDS, MAX_GRACE_SECONDS)
    }
}

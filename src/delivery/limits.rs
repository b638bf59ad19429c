//! CloudWatch's limits for one call, and what fits into it.

use crate::spool::Lane;

/// Most datums of one call (PutMetricData).
pub const MAX_DATUMS: usize = 1000;
/// Largest call (PutMetricData): 1 MB, less room for the namespace and the framing of the datums.
pub const MAX_METRICS_BYTES: usize = 1_000_000 - 1000;
/// Most events of one call (PutLogEvents).
pub const MAX_EVENTS: usize = 10_000;
/// Largest call (PutLogEvents). Each event counts as its text and 26 bytes.
pub const MAX_LOGS_BYTES: usize = 1_048_576;
/// Longest time between the first and the last event of one call (PutLogEvents): 24 hours, in milliseconds.
pub const MAX_LOGS_SPAN_MS: i64 = 24 * 3600 * 1000;

/// How many calls' worth of segments are read in order to merge parts of the same minute and series.
const MERGE_CALLS: usize = 60;

/// The limits of a lane's calls.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    items: usize,
    bytes: usize,
    span_ms: i64,
}

impl BatchLimits {
    /// The limits of one call of a lane.
    #[must_use]
    pub const fn of(lane: Lane) -> Self {
        match lane {
            Lane::Metrics => Self { items: MAX_DATUMS, bytes: MAX_METRICS_BYTES, span_ms: i64::MAX },
            Lane::Logs => Self { items: MAX_EVENTS, bytes: MAX_LOGS_BYTES, span_ms: MAX_LOGS_SPAN_MS },
        }
    }

    /// Size of a full call.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.bytes
    }

    /// How much to read in order to merge it into one call, if windows are recorded in parts.
    #[must_use]
    pub const fn for_merging(self) -> Self {
        Self { items: self.items * MERGE_CALLS, bytes: self.bytes * MERGE_CALLS, span_ms: self.span_ms }
    }
}

/// Adds up segments while they fit into one call.
pub struct BatchPacker {
    limits: BatchLimits,
    items: usize,
    bytes: usize,
    span: Option<(i64, i64)>,
}

impl BatchPacker {
    /// An empty call.
    #[must_use]
    pub const fn new(limits: BatchLimits) -> Self {
        Self { limits, items: 0, bytes: 0, span: None }
    }

    /// A full call.
    #[must_use]
    pub const fn full() -> Self {
        Self::new(BatchLimits { items: 0, bytes: 0, span_ms: 0 })
    }

    /// Adds items of this size and span if they fit. Returns whether they do.
    pub fn try_add(&mut self, items: usize, bytes: usize, (first, last): (i64, i64)) -> bool {
        let (start, end) = self.span.unwrap_or((first, last));
        let span = (start.min(first), end.max(last));
        let (items, bytes) = (self.items + items, self.bytes + bytes);
        let fits = items <= self.limits.items
            && bytes <= self.limits.bytes
            && span.1.saturating_sub(span.0) < self.limits.span_ms;
        if fits {
            (self.items, self.bytes, self.span) = (items, bytes, Some(span));
        }
        fits
    }
}

/// Splits a list into parts that each fit into one call. A single item always fits.
pub fn split<T>(lane: Lane, items: Vec<T>, bytes: impl Fn(&T) -> usize, time_ms: impl Fn(&T) -> i64) -> Vec<Vec<T>> {
    let mut parts: Vec<Vec<T>> = Vec::new();
    let mut packer = BatchPacker::new(BatchLimits::of(lane));
    for item in items {
        let (size, time) = (bytes(&item), time_ms(&item));
        match parts.last_mut() {
            Some(part) if packer.try_add(1, size, (time, time)) => part.push(item),
            _ => {
                packer = BatchPacker::new(BatchLimits::of(lane));
                packer.try_add(1, size, (time, time));
                parts.push(vec![item]);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_part_is_within_the_limits_and_nothing_is_lost(
            sizes in prop::collection::vec(prop_oneof![27..500usize, 100_000..=MAX_LOGS_BYTES], 0..500),
            gap in prop_oneof![Just(1i64), Just(3_600_000)],
        ) {
            let items: Vec<_> = sizes.into_iter().zip((0..).step_by(1)).map(|(size, i)| (size, i * gap)).collect();
            let parts = split(Lane::Logs, items.clone(), |item| item.0, |item| item.1);
            for part in &parts {
                prop_assert!(part.len() <= MAX_EVENTS);
                prop_assert!(part.iter().map(|item| item.0).sum::<usize>() <= MAX_LOGS_BYTES);
                prop_assert!(part[part.len() - 1].1 - part[0].1 < MAX_LOGS_SPAN_MS);
            }
            prop_assert_eq!(parts.concat(), items);
        }
    }
}

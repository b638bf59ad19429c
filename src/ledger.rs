//! The account of what happened to every sample, while it happens.

use std::ops::AddAssign;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

/// How many requests, failures and log events something stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Finished requests, failed ones included.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
    /// Log events.
    pub log_events: u64,
}

impl AddAssign for Share {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.log_events += other.log_events;
    }
}

/// A [`Share`] that several threads add to.
#[derive(Debug, Default)]
pub struct Tally {
    requests: AtomicU64,
    failures: AtomicU64,
    log_events: AtomicU64,
}

impl Tally {
    /// Adds a share.
    pub fn add(&self, share: Share) {
        self.requests.fetch_add(share.requests, Relaxed);
        self.failures.fetch_add(share.failures, Relaxed);
        self.log_events.fetch_add(share.log_events, Relaxed);
    }

    /// What has been added so far.
    #[must_use]
    pub fn get(&self) -> Share {
        Share {
            requests: self.requests.load(Relaxed),
            failures: self.failures.load(Relaxed),
            log_events: self.log_events.load(Relaxed),
        }
    }
}

/// A number that several threads count up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Relaxed);
    }

    /// Adds to it, where the number is a size.
    pub fn add_len(&self, length: usize) {
        self.add(u64::try_from(length).unwrap_or(u64::MAX));
    }

    /// The number so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Everything the receipt is made from. At any time `observed` is at least the sum of the other three; what is missing
/// to it waits somewhere between the queue and CloudWatch.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every sample that a hook was called with, and every log event that was made.
    pub observed: Tally,
    /// What CloudWatch has taken.
    pub delivered: Tally,
    /// What CloudWatch will not take.
    pub rejected: Tally,
    /// What was given up for want of room.
    pub dropped: Tally,
    /// Calls of `PutMetricData`, repeated ones included.
    pub put_metric_data: Counter,
    /// Calls of `PutLogEvents`, repeated ones included.
    pub put_log_events: Counter,
    /// Calls that were repeated.
    pub retries: Counter,
    /// Samples and log events whose call was repeated after no answer came: CloudWatch may hold them twice.
    pub uncertain: Counter,
    /// Bytes of request bodies sent to AWS, compressed as they went.
    pub bytes_sent: Counter,
    /// Bytes of log events taken, as CloudWatch counts them.
    pub log_bytes: Counter,
    /// Hours in which a metric had data, summed up over the metrics.
    pub metric_hours: Counter,
    /// The AWS region, once it is known.
    pub region: OnceLock<String>,
}

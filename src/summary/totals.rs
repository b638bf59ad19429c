//! The totals of requests: their number, failures, types of errors, and response times.

use serde::{Deserialize, Serialize};

use crate::check::Values;
use crate::metrics::histogram::Histogram;
use crate::summary::block::{Block, CompactHistogram};
use crate::summary::bounded::Merge;
use crate::summary::errors::ErrorTypes;
use crate::summary::log_histogram::LogHistogram;

/// What some requests add up to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Finished requests, failed ones included.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
    /// Failures by the type of their error. A failure that another worker reported to a master has no type.
    pub errors: ErrorTypes,
    /// Response times of successful requests, of those that have one.
    pub successful: LogHistogram,
    /// Response times of failed requests, of those that have one.
    pub failed: LogHistogram,
}

impl Totals {
    /// The totals of a window: its requests and failures, and the response times of both in milliseconds.
    #[must_use]
    pub fn of_window(requests: u64, failures: u64, successful: &Histogram, failed: &Histogram) -> Self {
        let (successful, failed) = (successful.into(), failed.into());
        Self { requests, failures, errors: ErrorTypes::default(), successful, failed }
    }

    /// Adds other totals.
    pub fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failures = self.failures.saturating_add(other.failures);
        self.errors.merge(&other.errors);
        self.successful.merge(&other.successful);
        self.failed.merge(&other.failed);
    }

    /// The same requests in a time block.
    pub(super) fn block(&self) -> Block {
        let times = CompactHistogram::of(self.successful.counts());
        Block { requests: self.requests, failures: self.failures, times }
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.errors.heap_bytes() + self.successful.heap_bytes() + self.failed.heap_bytes()
    }
}

impl Values for Totals {
    fn requests(&self) -> u64 {
        self.requests
    }

    fn failures(&self) -> u64 {
        self.failures
    }

    fn timed(&self) -> u64 {
        self.successful.count()
    }

    fn mean_ms(&self) -> Option<f64> {
        self.successful.mean_ms()
    }

    fn max_ms(&self) -> Option<f64> {
        self.successful.max_ms()
    }

    fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        self.successful.quantile_ms(quantile)
    }
}

impl Merge for Totals {
    fn merge(&mut self, other: &Self) {
        self.merge(other);
    }
}

//! Closed seconds on their way from the aggregation thread to the statistics of a run.

use std::sync::atomic::Ordering::Relaxed;

use super::RunStatistics;
use crate::metrics::aggregator::Stats;
use crate::sample::RequestKey;
use crate::summary::{Highlights, RunPart, Totals, Window};

/// How many windows are added before the lock is released for a moment.
const WINDOWS_AT_ONCE: usize = 16;

/// Closed seconds. The aggregation thread collects them without the lock, and then adds them.
#[must_use]
pub struct Update<'a> {
    statistics: &'a RunStatistics,
    windows: Vec<Window>,
    highlights: Highlights,
}

impl<'a> Update<'a> {
    pub(super) fn of(statistics: &'a RunStatistics) -> Self {
        Self { statistics, windows: Vec::new(), highlights: Highlights::default() }
    }

    /// Collects the statistics of a request in a second.
    pub fn add(&mut self, second: i64, request: &RequestKey, window: &Stats) {
        self.windows.push(Window { key: request.clone(), second, part: RunPart::Measured, totals: window.into() });
    }

    /// Collects single requests that a report names.
    pub fn add_highlights(&mut self, highlights: Highlights) {
        self.highlights = highlights;
    }

    /// Adds what was collected.
    pub fn finish(self) {
        if !self.highlights.is_empty() {
            let mut state = self.statistics.lock();
            state.summary.add_highlights(&self.highlights);
            state.increments.iter_mut().for_each(|increments| increments.add_highlights(&self.highlights));
        }
        for windows in self.windows.chunks(WINDOWS_AT_ONCE) {
            let mut state = self.statistics.lock();
            windows.iter().for_each(|window| state.add(window));
            self.statistics.change(&mut state, windows.iter().map(|window| window.second));
        }
    }

    /// Adds what was collected, and judges the seconds that are complete: no second before this one gets more requests, except
    /// for late ones.
    pub fn close_until(self, second: i64) {
        let statistics = self.statistics;
        self.finish();
        statistics.open_second.fetch_max(second, Relaxed);
        let mut state = statistics.lock();
        state.increments.iter_mut().for_each(|increments| increments.close_until(second));
        statistics.judge(&mut state, second);
    }
}

/// Here, because metrics do not depend on the summary.
impl From<&Stats> for Totals {
    fn from(stats: &Stats) -> Self {
        let mut totals =
            Self::of_window(stats.requests, stats.failures, &stats.response_time, &stats.failed_response_time);
        for (kind, &count) in &stats.errors {
            totals.errors.add(kind, count);
        }
        totals
    }
}

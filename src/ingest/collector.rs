//! Collects custom metrics and marks in a worker whose master publishes: they wait for the next report to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::dimension::Dimension;
use crate::config::{Config, LogUrls};
use crate::ingest::custom_report::CustomReport;
use crate::messages::{Diagnostics, Level, Message};
use crate::metrics::custom::{CustomValue, Rules, Source};
use crate::metrics::custom_windows::{Added, CustomWindows};
use crate::metrics::notice::Notices;
use crate::summary::{Mark, MarkLimits};
use crate::timestamp::Timestamp;

/// Collects what a worker records for its master. It has the limits of a process that publishes.
pub struct Collector {
    constant_dimensions: Vec<Dimension>,
    urls: LogUrls,
    max_requests: usize,
    state: Mutex<State>,
    diagnostics: Diagnostics,
}

struct State {
    /// Of single seconds. The dimensions of all metrics are the master's.
    windows: CustomWindows,
    notices: Notices,
    limits: MarkLimits,
    marks: Vec<Mark>,
    ignored: u64,
}

impl Collector {
    /// A collector for a run with these options.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let state = State {
            windows: CustomWindows::new(Arc::default()),
            notices: Notices::default(),
            limits: MarkLimits::default(),
            marks: Vec::new(),
            ignored: 0,
        };
        Self {
            constant_dimensions: config.constant_dimensions.clone(),
            urls: config.log.urls,
            max_requests: config.max_requests,
            state: Mutex::new(state),
            diagnostics: Diagnostics::default(),
        }
    }

    /// The rules for the custom metrics of the run.
    #[must_use]
    pub fn custom_rules(&self, source: Source) -> Rules<'_> {
        Rules { source, constant_dimensions: &self.constant_dimensions }
    }

    /// Records a value of a custom metric.
    pub fn record(&self, value: CustomValue) {
        let mut guard = self.state();
        let state = &mut *guard;
        if state.windows.add(value.time.seconds(), value, &mut state.notices) == Added::Ignored {
            state.ignored += 1;
        }
        for notice in state.notices.take() {
            self.diagnostics.log(notice.level(), notice.topic(), notice.text(self.max_requests));
        }
    }

    /// Records a mark, unless there were too many. Returns false if the text is blank.
    #[must_use]
    pub fn mark(&self, time: Timestamp, text: &str) -> bool {
        let Some(mark) = Mark::of_user(time, text, self.urls) else { return false };
        let is_allowed = {
            let mut state = self.state();
            let is_allowed = state.limits.allow(time);
            if is_allowed {
                state.marks.push(mark);
            }
            is_allowed
        };
        if !is_allowed {
            self.ignore("marks", &MarkLimits::exceeded());
        }
        true
    }

    /// Counts a value or mark that cannot be recorded, and logs the reason the first time for this topic.
    pub fn ignore(&self, topic: &str, reason: &str) {
        self.state().ignored += 1;
        self.diagnostics.log_once(Level::Warning, topic, reason);
    }

    /// Takes everything since the last report.
    #[must_use]
    pub fn take_report(&self) -> CustomReport {
        let mut state = self.state();
        CustomReport {
            values: state.windows.take(),
            marks: std::mem::take(&mut state.marks),
            ignored: std::mem::take(&mut state.ignored),
        }
    }

    /// Takes the pending messages to the user.
    #[must_use]
    pub fn take_messages(&self) -> Vec<Message> {
        self.diagnostics.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::validate::tests::config;
    use crate::metrics::custom::Kind;
    use crate::metrics::custom::tests::value;
    use crate::metrics::custom_windows::Values;

    #[test]
    fn a_report_has_what_was_recorded_since_the_last_one() {
        let collector = Collector::new(&config(|_| {}));
        assert!(collector.take_report().is_empty());
        for number in [3.0, 4.0] {
            collector.record(value(Kind::Count, "tokens", &[], 7, number));
            collector.record(value(Kind::Gauge, "tokens", &[], 7, number));
        }
        assert!(
            collector.mark(Timestamp::from_seconds(8), "begin") && !collector.mark(Timestamp::from_seconds(8), " ")
        );
        let report = collector.take_report();
        let sums: Vec<_> = report.values.iter().map(|each| (each.second, each.values.clone())).collect();
        assert_eq!(sums, [(7, Values::Sum { total: 7.0, count: 2 })]);
        assert_eq!((report.marks.len(), report.ignored), (1, 2));
        assert_eq!(collector.take_messages().len(), 1, "a gauge and a count of the same name");
        assert!(collector.take_report().is_empty());
    }

    #[test]
    fn marks_have_the_limits_of_a_process() {
        let collector = Collector::new(&config(|_| {}));
        assert!((0..120).all(|_| collector.mark(Timestamp::from_seconds(1), "again")));
        let report = collector.take_report();
        assert_eq!((report.marks.len(), report.ignored), (100, 20));
        assert_eq!(collector.take_messages().len(), 1);
    }
}

//! What users of a test add to its run beside requests: custom metrics, marks, and exceptions in tasks.

use std::sync::PoisonError;

use super::Run;
use crate::ingest::custom_report::{CustomReport, CustomReportError};
use crate::ingest::queue::{ControlMessage, Item};
use crate::ingest::user_mark::UserMark;
use crate::metrics::custom::{CustomValue, Rules, Source};
use crate::sample::LifeCycleEvent;
use crate::summary::{Mark, MarkLimits};
use crate::timestamp::Timestamp;

/// How many exceptions in tasks have log events: a task that always fails would fill the log.
const MAX_USER_ERROR_EVENTS: u64 = 1_000;

impl Run {
    /// Records an exception in a task: counts it, and logs it unless there were too many.
    pub fn user_error(&self, event: LifeCycleEvent) {
        self.delivery.counters.user_errors.add(1);
        if self.delivery.counters.user_errors.get() <= MAX_USER_ERROR_EVENTS {
            self.push(ControlMessage::LifeCycle(Box::new(event)));
        } else {
            let text = format!(
                "More than {MAX_USER_ERROR_EVENTS} exceptions in tasks: the receipt counts further ones, but they have no \
                 log events."
            );
            self.warn_once("user errors", &text);
        }
    }

    /// Records the value of a custom metric without waiting.
    ///
    /// # Errors
    /// Returns the value if the queue is full: [`Self::record_blocking`] waits for room.
    #[expect(clippy::result_large_err, reason = "a value without room is given back as it is")]
    pub fn try_record_custom(&self, value: CustomValue) -> Result<(), Item> {
        self.sender.try_push(Item::Custom(Box::new(value)))
    }

    /// The rules for the custom metrics of this run.
    #[must_use]
    pub fn custom_rules(&self, source: Source) -> Rules<'_> {
        Rules { source, constant_dimensions: &self.config.constant_dimensions }
    }

    /// Records a mark of a user, unless there were too many. Returns false if the text is blank.
    #[must_use]
    pub fn mark(&self, time: Timestamp, text: &str) -> bool {
        let Some(mark) = Mark::of_user(time, text, self.config.log.urls) else { return false };
        if self.marks.lock().unwrap_or_else(PoisonError::into_inner).allow(time) {
            self.push(ControlMessage::Mark(Box::new(UserMark { mark, users: self.users() })));
        } else {
            self.ignore("marks", &MarkLimits::exceeded());
        }
        true
    }

    /// Records the custom metrics and marks of a worker that this process publishes for, or counts them as ignored if the run is
    /// closed. `clock_offset` is how many seconds the worker's clock is behind.
    ///
    /// # Errors
    /// If the report cannot be read.
    pub fn add_custom_report(&self, worker: &str, report: &[u8], clock_offset: i64) -> Result<(), CustomReportError> {
        let mut report = CustomReport::decode(report)?;
        report.shift(clock_offset);
        let invalid = report.retain_valid(self.custom_rules(Source::Test), self.config.log.urls, Timestamp::now());
        if invalid > 0 {
            self.warn_once("invalid report", &invalid_report(worker));
        }
        self.delivery.counters.ignored.add(report.ignored.saturating_add(invalid));
        let number = report.number();
        let message =
            ControlMessage::CustomReport { worker: worker.into(), report: Box::new(report), users: self.users() };
        if self.sender.try_send_control(message).is_err() && number > 0 {
            self.delivery.counters.ignored.add(number);
            self.warn_once("late report", &late_report(worker));
        }
        Ok(())
    }

    /// Counts a value or mark of a user that cannot be recorded, and logs the reason the first time for this topic.
    pub fn ignore(&self, topic: &str, reason: &str) {
        self.delivery.counters.ignored.add(1);
        self.warn_once(topic, reason);
    }

    /// How many values and marks of users were not recorded.
    #[must_use]
    pub fn ignored(&self) -> u64 {
        self.delivery.counters.ignored.get()
    }
}

fn invalid_report(worker: &str) -> String {
    format!(
        "Worker {worker} has reported custom metrics or marks that are invalid, or whose time CloudWatch would not accept: \
         locust-cw ignores them."
    )
}

fn late_report(worker: &str) -> String {
    format!("Worker {worker} has reported custom metrics or marks after the end of the run: locust-cw ignores them.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Level;
    use crate::metrics::custom::Kind;
    use crate::metrics::custom::tests::{RULES, value};
    use crate::metrics::custom_windows::{SeriesValues, Values};
    use crate::metrics::histogram::Histogram;
    use crate::run::tests::{Scripted, Test, start, wait_until_over};
    use crate::summary::MAX_MARKS;

    fn dry_run() -> Test {
        start(Scripted::default(), |options| options.dry_run = true)
    }

    fn mark(second: i64) -> Mark {
        Mark::new(Timestamp::from_seconds(second), "again").expect("a text")
    }

    fn add(run: &Run, report: &CustomReport) {
        run.add_custom_report("w1", &report.encode().expect("plain data"), 0).expect("just encoded");
    }

    fn warnings(run: &Run) -> Vec<String> {
        let messages = run.take_messages().into_iter();
        messages.filter(|message| message.level == Level::Warning).map(|message| message.text).collect()
    }

    fn values(second: i64, kind: Kind, values: Values) -> SeriesValues {
        let series = RULES.series(kind, "tokens", "Count", vec![]).expect("valid");
        SeriesValues { second, series, values }
    }

    /// A sum of five values.
    fn five(second: i64) -> SeriesValues {
        values(second, Kind::Count, Values::Sum { total: 12.0, count: 5 })
    }

    #[test]
    fn what_a_worker_reports_after_the_end_of_the_run_is_ignored_and_counted() {
        let now = Timestamp::now().seconds();
        let report = CustomReport { values: vec![five(now)], marks: vec![mark(now)], ignored: 0 };
        let Test { run, folder: _folder, .. } = dry_run();
        add(&run, &report);
        run.push(ControlMessage::Close);
        add(&run, &report);
        wait_until_over(&run);
        add(&run, &report);
        assert_eq!((run.statistics.marks().len(), run.ignored()), (1, 2 * 6));
        assert_eq!(warnings(&run), [late_report("w1")]);
    }

    #[test]
    fn a_time_that_cloudwatch_would_refuse_is_ignored_with_a_warning() {
        let Test { run, folder: _folder, .. } = dry_run();
        add(&run, &CustomReport { values: vec![five(4_000_000_000)], marks: vec![mark(1)], ignored: 0 });
        assert_eq!((run.ignored(), warnings(&run)), (6, vec![invalid_report("w1")]));
    }

    #[test]
    fn marks_of_workers_beyond_the_maximum_of_a_run_are_ignored_and_counted() {
        let now = Timestamp::now().seconds();
        let marks = (0..MAX_MARKS + 7).map(|number| mark(now - i64::try_from(number).expect("small"))).collect();
        let Test { run, folder: _folder, .. } = dry_run();
        add(&run, &CustomReport { marks, ..CustomReport::default() });
        run.push(ControlMessage::Close);
        wait_until_over(&run);
        assert_eq!((run.statistics.marks().len(), run.ignored()), (MAX_MARKS, 7));
        assert_eq!(warnings(&run), [MarkLimits::exceeded()]);
        assert_eq!(run.finish().0.log_events.observed, MAX_MARKS as u64);
    }

    #[test]
    fn each_value_of_a_worker_that_is_ignored_counts() {
        let now = Timestamp::now().seconds();
        let mut three = Histogram::default();
        [1.0, 1.0, 2.0].into_iter().for_each(|value| three.add(value));
        let gauge = values(now, Kind::Gauge, Values::Histogram(three));
        let Test { run, folder: _folder, .. } = dry_run();
        // The name is that of a count already.
        assert!(run.try_record_custom(value(Kind::Count, "tokens", &[], now, 1.0)).is_ok());
        add(&run, &CustomReport { values: vec![five(now), gauge], ..CustomReport::default() });
        run.push(ControlMessage::Close);
        wait_until_over(&run);
        assert_eq!(run.ignored(), 3);
    }
}

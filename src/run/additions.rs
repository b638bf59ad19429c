//! What users of a test add to its run beside requests: custom metrics, marks, and exceptions in tasks.

use std::sync::PoisonError;

use super::Run;
use crate::ingest::custom_report::{CustomReport, CustomReportError};
use crate::ingest::queue::{ControlMessage, Item};
use crate::ingest::sample::{LifeCycleEvent, UserMark};
use crate::metrics::custom::{CustomValue, Rules, Source};
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

    /// Records the custom metrics and marks of a worker that this process publishes for. `clock_offset` is how many seconds the
    /// worker's clock is behind.
    ///
    /// # Errors
    /// If the report cannot be read.
    pub fn add_custom_report(&self, worker: &str, report: &[u8], clock_offset: i64) -> Result<(), CustomReportError> {
        let mut report = CustomReport::decode(report)?;
        report.shift(clock_offset);
        let invalid = report.retain_valid(self.custom_rules(Source::Test), self.config.log.urls);
        self.delivery.counters.ignored.add(report.ignored.saturating_add(invalid));
        self.push(ControlMessage::CustomReport {
            worker: worker.into(),
            report: Box::new(report),
            users: self.users(),
        });
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

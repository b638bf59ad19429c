//! The usage of a planned test: the base of a cost estimate before the run.

use serde::Deserialize;

use crate::config::{LogChoice, LogFields};
use crate::delivery::limits::{MAX_DATUMS, MAX_METRICS_BYTES};
use crate::logs::event::EVENT_OVERHEAD_BYTES;
use crate::metrics::datum::{GAUGES, metrics_of_series};
use crate::metrics::histogram::MAX_VALUES_PER_DATUM;

/// Bytes of the text of a JSON log event, measured over the requests of the tests. Names, errors and contexts add to it.
pub const EVENT_BYTES: u64 = 300;
/// The same with compact fields.
pub const COMPACT_EVENT_BYTES: u64 = 185;
/// Most distinct values of a distribution: the 1 % buckets of response times from 10 ms to some seconds.
const MAX_DISTINCT_VALUES: f64 = 300.0;
/// Bytes of a datum on the wire, without the values of its distribution.
const DATUM_BYTES: f64 = 300.0;
/// Bytes of a value of a distribution, with its count.
const VALUE_BYTES: f64 = 18.0;

/// A test before its start.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Requests per second, over all processes.
    pub rate: f64,
    /// Request names per host.
    pub names: u64,
    /// Distinct request names that are published; all others are published as one more.
    pub max_requests: u64,
    /// Duration in minutes.
    pub minutes: f64,
    /// Processes that make requests.
    pub workers: u64,
    /// Hosts under test.
    pub hosts: u64,
    /// Share of failed requests.
    pub failures: f64,
    /// Publish while the test runs.
    pub live: bool,
    /// Seconds between publications in live mode.
    pub flush_interval: f64,
    /// Seconds per window: 1 or 60.
    pub resolution: u32,
    /// Which requests become log events.
    pub logs: LogChoice,
    /// Share of successful requests that are logged.
    pub log_sample: f64,
    /// Which fields the log event of a request has.
    pub log_fields: LogFields,
    /// Bytes of the text of a log event; `None` if only its fields are known.
    pub event_bytes: Option<u64>,
    /// Custom metrics, counted with the values of their dimensions. Each process publishes all of them.
    pub custom_metrics: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The usage of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedUsage {
    /// Metrics with data.
    pub metrics: u64,
    /// Calls of `PutMetricData`, over all processes.
    pub calls: u64,
    /// Log events.
    pub log_events: f64,
    /// Bytes of the log events, as CloudWatch counts them.
    pub log_bytes: f64,
}

impl Plan {
    /// An hour of a test without requests, with the default options.
    pub const DEFAULT: Self = Self {
        rate: 0.0,
        names: 1,
        max_requests: 200,
        minutes: 60.0,
        workers: 1,
        hosts: 1,
        failures: 0.01,
        live: true,
        flush_interval: 5.0,
        resolution: 1,
        logs: LogChoice::All,
        log_sample: 1.0,
        log_fields: LogFields::Full,
        event_bytes: None,
        custom_metrics: 0,
    };

    /// The usage of a run.
    #[must_use]
    pub fn usage(&self) -> PlannedUsage {
        let log_events = self.log_events();
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let bytes_each = (self.event_bytes() + EVENT_OVERHEAD_BYTES as u64) as f64;
        PlannedUsage { metrics: self.metrics(), calls: self.calls(), log_events, log_bytes: log_events * bytes_each }
    }

    fn event_bytes(&self) -> u64 {
        self.event_bytes.unwrap_or(match self.log_fields {
            LogFields::Full => EVENT_BYTES,
            LogFields::Compact => COMPACT_EVENT_BYTES,
        })
    }

    /// The names that are published.
    fn published_names(&self) -> u64 {
        self.names.min(self.max_requests + 1)
    }

    fn seconds(&self) -> f64 {
        self.minutes * 60.0
    }

    fn metrics(&self) -> u64 {
        let per_series = metrics_of_series(self.failures > 0.0);
        self.hosts * (self.published_names() + 1) * per_series
            + GAUGES
            + self.custom_metrics
            + u64::from(self.workers > 1)
    }

    fn log_events(&self) -> f64 {
        let share = match self.logs {
            LogChoice::Off => 0.0,
            LogChoice::Failures => self.failures,
            LogChoice::All => self.failures + (1.0 - self.failures) * self.log_sample,
        };
        self.rate * self.seconds() * share
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, and never negative"
    )]
    fn calls(&self) -> u64 {
        let flushes = if self.live { (self.seconds() / self.flush_interval).max(1.0) } else { 1.0 };
        let window = if self.resolution == 1 { 1.0 } else { (self.seconds() / flushes).min(60.0) };
        let windows = (self.seconds() / flushes / window).max(1.0);
        let (datums, bytes) = self.per_window(self.rate / self.workers as f64, window);
        let gauges = GAUGES as f64;
        let custom = self.custom_metrics as f64;
        let per_flush = full_calls((datums + gauges + custom) * windows, (bytes + custom * DATUM_BYTES) * windows);
        // In live mode, the stop of the test adds a flush.
        let per_process = per_flush * flushes.ceil() + f64::from(u8::from(self.live));
        // With workers, the master publishes gauges only.
        let master = if self.workers > 1 { full_calls((gauges + 1.0) * windows, 0.0) * flushes.ceil() } else { 0.0 };
        (self.workers as f64 * per_process + master) as u64
    }

    /// Datums that a process makes of one window, and their bytes on the wire.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn per_window(&self, rate: f64, window: f64) -> (f64, f64) {
        let (hosts, names) = (self.hosts as f64, self.published_names() as f64);
        let per_host = rate / hosts * window;
        let (mut datums, mut bytes) = (0.0, 0.0);
        // The series of each name, and that of the whole host.
        for (series, requests) in [(hosts * names, per_host / names), (hosts, per_host)] {
            let failed = requests * self.failures;
            let succeeded = requests - failed;
            let counts = 2.0 * at_least_one(requests);
            let sizes = at_least_one(succeeded);
            let values = [succeeded.min(MAX_DISTINCT_VALUES), failed.min(MAX_DISTINCT_VALUES)];
            let per_datum = MAX_VALUES_PER_DATUM as f64;
            let times: f64 =
                values.iter().map(|number| at_least_one(*number) * (number / per_datum).ceil().max(1.0)).sum();
            datums += series * (counts + sizes + times);
            // Response sizes have as many distinct values as the response times of successful requests.
            let distribution = (values[0] + values[1] + values[0]) * VALUE_BYTES;
            bytes += series * ((counts + sizes + times) * DATUM_BYTES + distribution);
        }
        (datums, bytes)
    }
}

/// The chance of at least one event, if that many are expected.
fn at_least_one(expected: f64) -> f64 {
    1.0 - (-expected).exp()
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn full_calls(datums: f64, bytes: f64) -> f64 {
    (datums / MAX_DATUMS as f64).ceil().max((bytes / MAX_METRICS_BYTES as f64).ceil()).max(1.0)
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAN: Plan = Plan { rate: 100.0, names: 10, minutes: 10.0, ..Plan::DEFAULT };

    #[test]
    fn metrics_grow_with_names_and_hosts() {
        assert_eq!(PLAN.usage().metrics, 11 * 5 + 3);
        assert_eq!(Plan { failures: 0.0, ..PLAN }.usage().metrics, 11 * 4 + 3);
        assert_eq!(Plan { names: 300, ..PLAN }.usage().metrics, (201 + 1) * 5 + 3, "the others count as one name");
        assert_eq!(Plan { hosts: 2, workers: 4, ..PLAN }.usage().metrics, 2 * 11 * 5 + 3 + 1);
        assert_eq!(Plan { custom_metrics: 7, ..PLAN }.usage().metrics, 11 * 5 + 3 + 7);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "products of numbers that a float holds exactly")]
    fn log_events_are_those_of_the_options() {
        let events = |logs, log_sample| Plan { logs, log_sample, failures: 0.25, ..PLAN }.usage();
        assert_eq!(events(LogChoice::All, 1.0).log_events, 60_000.0);
        assert_eq!(events(LogChoice::All, 0.0).log_events, 15_000.0);
        assert_eq!(events(LogChoice::Failures, 1.0).log_events, 15_000.0);
        assert_eq!(events(LogChoice::Off, 1.0).log_events, 0.0);
        assert_eq!(events(LogChoice::All, 1.0).log_bytes, 60_000.0 * 326.0);
        let compact = Plan { log_fields: LogFields::Compact, ..PLAN };
        assert_eq!(compact.usage().log_bytes, 60_000.0 * 211.0);
        assert_eq!(Plan { event_bytes: Some(74), ..compact }.usage().log_bytes, 60_000.0 * 100.0);
    }

    #[test]
    fn a_flush_takes_one_call_until_it_is_full() {
        assert_eq!(PLAN.usage().calls, 120 + 1);
        assert_eq!(Plan { flush_interval: 10.0, ..PLAN }.usage().calls, 60 + 1);
        assert_eq!(Plan { live: false, rate: 0.1, minutes: 1.0, ..PLAN }.usage().calls, 1);
        assert!(Plan { custom_metrics: 200, ..PLAN }.usage().calls > PLAN.usage().calls);
        assert!(Plan { names: 200, rate: 10_000.0, ..PLAN }.usage().calls > 3 * 120);
        // Each worker flushes, and so does the master.
        assert_eq!(Plan { workers: 2, ..PLAN }.usage().calls, 2 * 121 + 120);
    }

    proptest! {
        #[test]
        fn calls_grow_with_time_and_hardly_with_load(rate in 1.0..1e5f64, minutes in 1.0..1e4f64) {
            let calls = |rate, minutes| Plan { rate, minutes, ..PLAN }.usage().calls as f64;
            prop_assert!(calls(rate * 2.0, minutes) >= calls(rate, minutes));
            prop_assert!(calls(rate, minutes * 2.0) >= 1.9 * calls(rate, minutes));
            // Ten names and their host have at most 300 distinct values in three distributions each.
            prop_assert!(calls(rate, minutes) <= 5.0 * calls(1.0, minutes));
        }
    }
}

//! Decides, while a request is recorded, which of its details are read: most requests need none if few are logged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::config::{LogChoice, LogConfig};
use crate::ingest::highlights::SlowestThreshold;

/// What is recorded of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Its name, times and size.
    Basic,
    /// Also its status, context, users and URL, because a report may name the request.
    Full,
    /// The same, and the request becomes a log event.
    Logged,
}

impl Detail {
    /// Whether status, context, users and URL are recorded.
    #[must_use]
    pub const fn is_full(self) -> bool {
        !matches!(self, Self::Basic)
    }

    /// Whether the request becomes a log event.
    #[must_use]
    pub const fn is_logged(self) -> bool {
        matches!(self, Self::Logged)
    }
}

/// The rules of a run.
pub struct LoggingRules {
    choice: LogChoice,
    /// The fraction of successful requests that are logged.
    share: f64,
    /// Successful requests so far, if only a fraction of them is logged.
    successes: AtomicU64,
    slowest: Arc<SlowestThreshold>,
}

impl LoggingRules {
    /// The rules for these log events, and the threshold above which a report may name a request.
    #[must_use]
    pub fn new(log: &LogConfig, slowest: Arc<SlowestThreshold>) -> Self {
        Self { choice: log.choice, share: log.sample, successes: AtomicU64::new(0), slowest }
    }

    /// What to record of the next request. All failed requests need their details: a report names the first of each type.
    pub fn next(&self, is_failed: bool, response_time_ms: Option<f64>) -> Detail {
        let is_logged = match self.choice {
            LogChoice::Off => false,
            LogChoice::Failures => is_failed,
            LogChoice::All => is_failed || self.logs_next_success(),
        };
        if is_logged {
            Detail::Logged
        } else if is_failed || response_time_ms.is_some_and(|ms| self.slowest.may_be_reached(ms)) {
            Detail::Full
        } else {
            Detail::Basic
        }
    }

    /// The first of every 1/share successful requests is logged, beginning with the very first.
    fn logs_next_success(&self) -> bool {
        if self.share >= 1.0 {
            return true;
        }
        #[expect(clippy::cast_precision_loss, reason = "a number of requests")]
        let before = self.successes.fetch_add(1, Relaxed) as f64;
        (before * self.share).floor() > ((before - 1.0) * self.share).floor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::validate::tests::config;

    fn rules(logs: LogChoice, share: f64) -> LoggingRules {
        let config = config(|options| {
            options.logs = logs;
            options.log_sample = share;
        });
        LoggingRules::new(&config.log, Arc::default())
    }

    #[test]
    fn failures_are_always_logged_and_successes_as_often_as_asked() {
        for (logs, share, successes, failures) in [
            (LogChoice::All, 1.0, 1000, 10),
            (LogChoice::All, 0.1, 100, 10),
            (LogChoice::All, 0.3, 300, 10),
            (LogChoice::All, 0.0, 0, 10),
            (LogChoice::Failures, 1.0, 0, 10),
            (LogChoice::Off, 1.0, 0, 0),
        ] {
            let rules = rules(logs, share);
            let logged =
                |is_failed, number| (0..number).filter(|_| rules.next(is_failed, Some(1.0)).is_logged()).count();
            assert_eq!((logged(false, 1000), logged(true, 10)), (successes, failures), "{logs:?} {share}");
        }
    }

    #[test]
    fn the_very_first_success_is_logged() {
        let rules = rules(LogChoice::All, 0.01);
        assert!(rules.next(false, None).is_logged());
        assert!(!rules.next(false, None).is_logged());
    }

    #[test]
    fn the_details_of_logged_failed_and_slow_requests_are_read() {
        let rules = rules(LogChoice::Off, 1.0);
        assert_eq!(rules.next(false, Some(0.0)), Detail::Full, "the first requests are the slowest so far");
        rules.slowest.set(20_000);
        for (is_failed, ms, detail) in [
            (false, Some(19.9), Detail::Basic),
            (false, Some(20.0), Detail::Full),
            (false, None, Detail::Basic),
            (true, Some(1.0), Detail::Full),
        ] {
            assert_eq!(rules.next(is_failed, ms), detail, "{is_failed} {ms:?}");
        }
        assert_eq!(super::tests::rules(LogChoice::All, 1.0).next(false, None), Detail::Logged);
    }
}

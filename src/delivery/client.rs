//! CloudWatch, as a trait: everything in front of it runs without AWS.

use std::future::{Future, ready};

use crate::config::ResolvedAws;
use crate::delivery::error::CallError;
use crate::logs::event::LogBatch;
use crate::metrics::datum::Datum;

/// How many events of an accepted call CloudWatch Logs rejected, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RejectedLogEvents {
    /// Over 14 days old, or older than the group's creation allows.
    pub too_old: u64,
    /// Over two hours ahead.
    pub too_new: u64,
    /// Older than the group's retention.
    pub expired: u64,
}

impl RejectedLogEvents {
    /// All of them.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.too_old + self.too_new + self.expired
    }
}

/// The calls that publish data. Each is one attempt with a timeout; the sender repeats it.
pub trait CloudWatch: Send + Sync + 'static {
    /// Waits until an operation can be called: for credentials, which may take a minute. Nothing is sent.
    fn prepare(&self, _operation: &str, _resource: &str) -> impl Future<Output = Result<(), CallError>> + Send {
        ready(Ok(()))
    }

    /// `PutMetricData`.
    fn put_metric_data(
        &self,
        namespace: &str,
        datums: Vec<Datum>,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// `PutLogEvents`.
    fn put_log_events(
        &self,
        group: &str,
        stream: &str,
        batch: LogBatch,
    ) -> impl Future<Output = Result<RejectedLogEvents, CallError>> + Send;

    /// Creates a log stream, and its group with class and retention, unless they exist. Returns the error of a retention that
    /// cannot be set: CloudWatch accepts events without one.
    fn create_log_stream(
        &self,
        group: &str,
        stream: &str,
    ) -> impl Future<Output = Result<Option<CallError>, CallError>> + Send;

    /// The destination, as far as it is known without a call; `None` if nothing is sent.
    fn resolve(&self) -> impl Future<Output = Result<Option<ResolvedAws>, CallError>> + Send {
        ready(Ok(None))
    }

    /// The destination with the account, which may need a call.
    fn resolve_account(&self) -> impl Future<Output = Result<Option<ResolvedAws>, CallError>> + Send {
        ready(Ok(None))
    }
}

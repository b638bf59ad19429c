//! The progress of a delivery, and what it leaves behind.

use std::path::PathBuf;

use crate::config::ResolvedAws;
use crate::delivery::error::CallError;
use crate::timestamp::Timestamp;

/// The progress of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Requests or log events that are not settled, whichever are more.
    pub left: u64,
    /// Requests or log events of the same kind that are settled.
    pub settled: u64,
    /// Calls that succeeded, of datums and of log events.
    pub succeeded: (u64, u64),
    /// Waiting longer cannot help: everything is settled, or nothing more can be sent.
    pub over: bool,
    /// Why calls fail at present.
    pub call_failures: Vec<CallError>,
    /// Since when calls fail.
    pub outage_since: Option<Timestamp>,
    /// The newest second of which CloudWatch has metrics, since the epoch.
    pub delivered_until: Option<u64>,
    /// Bytes that wait or are in flight, on disk or in memory.
    pub waiting_bytes: u64,
}

/// What a delivery leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryEnd {
    /// The folder of undelivered data, if there is any.
    pub spool_folder: Option<PathBuf>,
    /// The folder of rejected data, if there is any.
    pub rejected_folder: Option<PathBuf>,
    /// Why the last calls failed.
    pub call_failures: Vec<CallError>,
    /// The destination of the data, as far as it is known.
    pub destination: Option<ResolvedAws>,
}

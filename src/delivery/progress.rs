//! How far a delivery has come, and what it leaves behind.

use std::path::PathBuf;

use crate::config::ResolvedAws;
use crate::delivery::error::CallError;
use crate::timestamp::Timestamp;

/// How far a delivery has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Requests and log events that are on their way, whichever are more.
    pub left: u64,
    /// Requests and log events that are settled, of the same kind.
    pub settled: u64,
    /// Calls that succeeded, of datums and of log events.
    pub succeeded: (u64, u64),
    /// Nothing is left to wait for: all is settled, or nothing more can be sent.
    pub over: bool,
    /// Why calls fail at present.
    pub failures: Vec<CallError>,
    /// Since when calls fail.
    pub outage_since: Option<Timestamp>,
    /// The newest second of which CloudWatch has metrics, since the epoch.
    pub delivered_until: Option<u64>,
    /// Bytes that wait to be sent or are under way, on the disk or in memory.
    pub waiting_bytes: u64,
}

/// What a delivery leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryEnd {
    /// The folder of what was not delivered, if there is anything.
    pub spool_folder: Option<PathBuf>,
    /// The folder of what CloudWatch rejected, if there is anything.
    pub rejected_folder: Option<PathBuf>,
    /// Why calls failed, if they still did.
    pub failures: Vec<CallError>,
    /// The destination of the data, as far as it became known.
    pub destination: Option<ResolvedAws>,
}

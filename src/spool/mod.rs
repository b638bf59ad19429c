//! The spool: data on disk that CloudWatch has not accepted yet.
//!
//! On-disk format: one folder per run and process, `<root>/<run>/<worker>`, with
//!
//! - `run.json`, the manifest: everything that a later process needs to send the rest
//! - `NNNNNNNNN-CCCCCCCC-metrics.jsonl` and `-logs.jsonl`, the segments: JSON Lines in the format of the AWS CLI, named by their
//!   number and the CRC-32 of the file
//! - `rejected/`, segments that CloudWatch refuses permanently
//! - `lock`, locked while the process runs
//!
//! Invariants: a file appears as a whole, by renaming; it fits into one API call; it leaves the folder only when CloudWatch has
//! accepted or refused it, or when it is dropped and counted.
//!
//! The outbox (`delivery/outbox/capacity.rs`) limits the size: it knows what may be dropped.

mod copies;
mod files;
mod folder;
mod manifest;
mod open;
pub mod pending;
mod segment;

pub use folder::Spool;
pub use manifest::{Manifest, ResourceNames};
pub use open::open_spool;
pub use segment::{Contents, LogLines, Packing, Segment, SegmentState, Turn};

/// The two kinds of data. They are sent independently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Datums, for `PutMetricData`.
    Metrics,
    /// Log events, for `PutLogEvents`.
    Logs,
}

impl Lane {
    /// Both, the more important one first. Without room for both, logs are dropped first.
    pub const ALL: [Self; 2] = [Self::Metrics, Self::Logs];

    const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::{AwsConfig, LogClass};
    use crate::logs::event::LogEvent;
    use crate::metrics::datum::tests::key;
    use crate::metrics::datum::{Body, Datum, REQUEST_COUNT};

    pub(crate) use super::segment::tests::path_of;

    pub(crate) fn manifest() -> Manifest {
        Manifest {
            run_id: "run".into(),
            worker: "w1".into(),
            namespace: "Locust".into(),
            resolution: 1,
            series: vec!["Host".into(), "Request".into()],
            log_group: "LocustTests".into(),
            log_stream: "load-generator/run/w1".into(),
            log_class: LogClass::Standard,
            log_retention_days: None,
            aws: AwsConfig::default(),
            resolved: None,
            dry_run: false,
        }
    }

    pub(crate) fn datum(requests: f64) -> Datum {
        Datum { key: key(REQUEST_COUNT, "/"), resolution: 1, body: Body::Total(requests) }
    }

    pub(crate) fn event(timestamp: i64, message: &str) -> LogEvent {
        LogEvent { timestamp, message: message.into() }
    }
}

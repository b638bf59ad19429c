//! The spool: what is to be sent, on disk, until CloudWatch has taken it.
//!
//! One folder per run and process, of JSON Lines files; a line is what the AWS command line takes for a datum or an event.
//! A file appears whole, by renaming, and is removed when its content was taken.

mod files;
mod folder;
mod manifest;
pub mod pending;
mod segment;

pub use folder::Spool;
pub use manifest::{Destination, Manifest};
pub use segment::{Contents, LogLines, Packing, Pending, Segment, SegmentState};

/// The two kinds of data, which do not wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Datums, for `PutMetricData`.
    Metrics,
    /// Log events, for `PutLogEvents`.
    Logs,
}

impl Lane {
    /// Both. Where there is no room for all, what stands last is given up first.
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

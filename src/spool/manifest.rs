//! The manifest of a spool, and the destination of its data.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::identity::RunIdentity;
use crate::config::{AwsConfig, Config, LogClass, ResolvedAws};
use crate::spool::files::{MANIFEST, write_whole};

/// The content of `run.json`: everything that is needed to send the files of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The run.
    pub run_id: String,
    /// The process's name within the run.
    pub worker: String,
    /// Metrics namespace.
    pub namespace: String,
    /// Seconds per window.
    pub resolution: u32,
    /// Names of the dimensions of the finest series, in order.
    pub series: Vec<String>,
    /// Name of the log group.
    pub log_group: String,
    /// Name of the log stream.
    pub log_stream: String,
    /// Class of a log group that is created.
    pub log_class: LogClass,
    /// Retention of a log group that is created, in days.
    pub log_retention_days: Option<i32>,
    /// The AWS options of the run.
    pub aws: AwsConfig,
    /// The destination that the options and the environment of the recording process resolve to, once it is known.
    #[serde(default)]
    pub resolved: Option<ResolvedAws>,
    /// A dry run recorded it. It is sent only if the user names this run.
    #[serde(default)]
    pub dry_run: bool,
}

impl Manifest {
    /// The manifest of a run.
    #[must_use]
    pub fn of(config: &Config, identity: &RunIdentity) -> Self {
        let series = config.series.iter().map(|key| key.name().to_owned());
        let constant = config.constant_dimensions.iter().map(|dimension| dimension.name.to_string());
        Self {
            run_id: identity.run_id.clone(),
            worker: identity.worker.clone(),
            namespace: config.namespace.clone(),
            resolution: config.resolution,
            series: series.chain(constant).collect(),
            log_group: config.log.group.clone(),
            log_stream: format!("{}/{}/{}", config.log.stream_prefix, identity.run_id, identity.worker),
            log_class: config.log.class,
            log_retention_days: config.log.retention_days,
            aws: config.aws.clone(),
            resolved: None,
            dry_run: config.dry_run,
        }
    }

    /// Whether a later process should send the data: not that of a dry run, and not that for a local CloudWatch, which ended
    /// with its test.
    #[must_use]
    pub const fn is_replayable(&self) -> bool {
        !self.dry_run && !self.aws.local
    }

    /// The namespace, log group and log stream of the data.
    #[must_use]
    pub fn resource_names(&self) -> ResourceNames {
        ResourceNames {
            namespace: self.namespace.clone(),
            group: self.log_group.clone(),
            stream: self.log_stream.clone(),
            windows_in_parts: self.resolution > 1,
        }
    }

    /// Reads a folder's `run.json`.
    ///
    /// # Errors
    /// If it does not exist, or is damaged.
    pub fn read(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(folder.join(MANIFEST))?)?)
    }

    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        write_whole(folder, MANIFEST, &text)?;
        Ok(())
    }
}

/// The namespace, log group and log stream of a run's data, and how its metrics are recorded.
#[derive(Debug, Clone)]
pub struct ResourceNames {
    /// Metrics namespace.
    pub namespace: String,
    /// Log group.
    pub group: String,
    /// Log stream.
    pub stream: String,
    /// Windows are longer than a second: their parts are recorded one by one, and merged when they are sent.
    pub windows_in_parts: bool,
}

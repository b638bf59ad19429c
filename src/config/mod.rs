//! Options as the user gives them, and the validated [`Config`] they become once; after that no code asks again.

pub mod identity;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::identity::origin_of;
use crate::metrics::dimension::{self, Dimension};

/// Options in the form in which they arrive, with the defaults of the command line.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is the command-line option of its name")]
pub struct Options {
    pub live: bool,
    pub dry_run: bool,
    pub local: bool,
    pub namespace: String,
    pub dimensions: String,
    pub dimension: Vec<String>,
    pub resolution: i64,
    pub flush_interval: f64,
    pub max_requests: i64,
    pub logs: String,
    pub log_sample: f64,
    pub log_format: String,
    pub log_urls: String,
    pub log_group: String,
    pub log_stream: String,
    pub log_retention_days: Option<i64>,
    pub log_class: String,
    pub region: Option<String>,
    pub profile: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    pub endpoint_url: Option<String>,
    pub run_id: Option<String>,
    pub spool_dir: Option<String>,
    pub spool_max_mb: i64,
    pub drain_timeout: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            live: false,
            dry_run: false,
            local: false,
            namespace: "Locust".to_owned(),
            dimensions: "Host,Request".to_owned(),
            dimension: Vec::new(),
            resolution: 1,
            flush_interval: 5.0,
            max_requests: 200,
            logs: "all".to_owned(),
            log_sample: 1.0,
            log_format: "json".to_owned(),
            log_urls: "redacted".to_owned(),
            log_group: "LocustTests".to_owned(),
            log_stream: "load-generator".to_owned(),
            log_retention_days: None,
            log_class: "STANDARD".to_owned(),
            region: None,
            profile: None,
            role_arn: None,
            external_id: None,
            endpoint_url: None,
            run_id: None,
            spool_dir: None,
            spool_max_mb: 1024,
            drain_timeout: 30.0,
        }
    }
}

/// An option whose value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argument --cw-{}: {problem}", .option.replace('_', "-"))]
pub struct InvalidOption {
    /// The option's name in Python form, such as `flush_interval`.
    pub option: &'static str,
    /// What is wrong with the value, and what would be right.
    pub problem: String,
}

/// What a series can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the names of the dimensions")]
pub enum SeriesKey {
    Host,
    Request,
    Method,
    RunId,
}

impl SeriesKey {
    const ALL: [Self; 4] = [Self::Host, Self::Request, Self::Method, Self::RunId];

    /// The dimension's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "Host",
            Self::Request => "Request",
            Self::Method => "Method",
            Self::RunId => "RunId",
        }
    }
}

/// Which requests become log events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are the values of the option")]
pub enum LogChoice {
    All,
    Failures,
    Off,
}

/// How a log event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the values of the option")]
pub enum LogFormat {
    Json,
    Text,
}

/// What log events show of the URLs in texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogUrls {
    /// Without the values in them: see [`crate::redact`].
    Redacted,
    /// As they are.
    Full,
}

/// The class of a log group that this product creates. `DELIVERY` is for what AWS's own services log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "they are CloudWatch's own names")]
pub enum LogClass {
    Standard,
    InfrequentAccess,
}

/// Retention periods CloudWatch Logs knows, in days (PutRetentionPolicy).
const RETENTION_DAYS: [i32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
/// Longest name of a log group or stream (CreateLogGroup, CreateLogStream).
const MAX_LOG_NAME_CHARS: usize = 512;
/// Longest namespace (PutMetricData).
const MAX_NAMESPACE_CHARS: usize = 255;
/// Longest run id: it is part of a stream's name and of folder names.
pub const MAX_RUN_ID_CHARS: usize = 64;
/// Room that a run id and a worker's name need in the stream's name, behind the prefix.
const STREAM_SUFFIX_CHARS: usize = MAX_RUN_ID_CHARS + MAX_WORKER_CHARS + 2;
/// Longest name of a process within its run.
pub const MAX_WORKER_CHARS: usize = 128;
/// Most of them that are added to what the process is called: one before it, and a number behind it.
pub const WORKER_ADDITION_CHARS: usize = 5;
/// Largest spool, in megabytes: a thousand terabytes, which still is a number of bytes.
const MAX_SPOOL_MB: u64 = 1 << 30;

/// Where log events go and which there are.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// Which requests become log events.
    pub choice: LogChoice,
    /// Share of successful requests logged, 0 to 1.
    pub sample: f64,
    /// How they are written.
    pub format: LogFormat,
    /// What they show of URLs.
    pub urls: LogUrls,
    /// Name of the log group.
    pub group: String,
    /// First part of the stream's name.
    pub stream_prefix: String,
    /// Retention of a group that is created, in days.
    pub retention_days: Option<i32>,
    /// Class of a group that is created.
    pub class: LogClass,
}

/// Where AWS is and as whom to call it; what is `None` is left to the AWS default chain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the command-line option of its name")]
pub struct AwsConfig {
    pub region: Option<String>,
    pub profile: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    pub endpoint_url: Option<String>,
    pub local: bool,
    /// What an earlier process of the same run resolved, where its work is continued.
    #[serde(skip)]
    pub recorded: Option<ResolvedAws>,
    /// The account that the credentials must belong to.
    #[serde(skip)]
    pub required_account: RequiredAccount,
}

/// The account that credentials must belong to, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RequiredAccount {
    /// None in particular.
    #[default]
    Any,
    /// The one that the run published to.
    Recorded(String),
    /// One that the user named.
    Given(String),
}

impl RequiredAccount {
    /// The account's number.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::Recorded(id) | Self::Given(id) => Some(id),
        }
    }
}

/// Where a run's data goes, as options, environment and AWS configuration files together say. It is stored with the run, so
/// that a later process does not go by an environment that has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResolvedAws {
    /// The account's number; `None` while STS has not told it.
    pub account_id: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The profile that credentials come from, where one was named.
    pub profile: Option<String>,
    /// CloudWatch's endpoint, AWS's own or another.
    pub cloudwatch_url: Option<String>,
    /// The endpoint of CloudWatch Logs.
    pub logs_url: Option<String>,
    /// The endpoint of STS.
    pub sts_url: Option<String>,
}

/// Any account will do.
const ANY_ACCOUNT: &str = "any";
/// Length of an account's number.
const ACCOUNT_DIGITS: usize = 12;

impl AwsConfig {
    /// These options for a process that continues the work of a run: what is not given is as that run resolved it, and the
    /// credentials must be of its account, or of the `account` that is named: 12 digits, or `any`.
    ///
    /// # Errors
    /// Where `account` is neither.
    pub fn continuing(self, recorded: Option<ResolvedAws>, account: Option<String>) -> Result<Self, InvalidOption> {
        let recorded = recorded.unwrap_or_default();
        let required_account = match account {
            // A local CloudWatch has no accounts.
            None if self.local => RequiredAccount::Any,
            None => recorded.account_id.clone().map_or(RequiredAccount::Any, RequiredAccount::Recorded),
            Some(any) if any == ANY_ACCOUNT => RequiredAccount::Any,
            Some(id) if id.len() == ACCOUNT_DIGITS && id.bytes().all(|digit| digit.is_ascii_digit()) => {
                RequiredAccount::Given(id)
            }
            Some(other) => {
                return invalid("account", format!("must be an account's 12 digits or '{ANY_ACCOUNT}', not {other:?}"));
            }
        };
        Ok(Self { recorded: Some(recorded), required_account, ..self })
    }
}

/// For a reader, without passwords in URLs.
impl fmt::Display for ResolvedAws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account =
            self.account_id.as_deref().map_or_else(|| "an unknown account".to_owned(), |id| format!("account {id}"));
        write!(f, "{account} in region {}", self.region.as_deref().unwrap_or("unknown"))?;
        let origin = |url: &Option<String>| url.as_deref().and_then(origin_of);
        let origins: BTreeSet<_> = [&self.cloudwatch_url, &self.logs_url].into_iter().filter_map(origin).collect();
        if !origins.is_empty() {
            write!(f, " ({})", Vec::from_iter(origins).join(", "))?;
        }
        match &self.profile {
            Some(profile) => write!(f, ", with profile {profile}"),
            None => Ok(()),
        }
    }
}

impl AwsConfig {
    /// What is not given here is as in `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            region: self.region.or(other.region),
            profile: self.profile.or(other.profile),
            role_arn: self.role_arn.or(other.role_arn),
            external_id: self.external_id.or(other.external_id),
            endpoint_url: self.endpoint_url.or(other.endpoint_url),
            local: self.local || other.local,
            recorded: self.recorded.or(other.recorded),
            required_account: self.required_account,
        }
    }
}

/// Options that are known to be right.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Publish while the test runs.
    pub live: bool,
    /// Do everything but the network.
    pub dry_run: bool,
    /// Metrics namespace.
    pub namespace: String,
    /// What the finest series is made of.
    pub series: Vec<SeriesKey>,
    /// Dimensions of every metric.
    pub constant_dimensions: Vec<Dimension>,
    /// Seconds per window, and the storage resolution: 1 or 60.
    pub resolution: u32,
    /// Time between publications in live mode.
    pub flush_interval: Duration,
    /// Distinct request names; further ones go to `(other)`.
    pub max_requests: usize,
    /// The log events.
    pub log: LogConfig,
    /// The AWS account.
    pub aws: AwsConfig,
    /// The run's id, where the user chose one.
    pub run_id: Option<String>,
    /// The folder that holds the spools of all runs.
    pub spool_dir: PathBuf,
    /// How many bytes the spool of a run may hold.
    pub spool_max_bytes: u64,
    /// How long to keep sending at the end.
    pub drain_timeout: Duration,
}

impl Options {
    /// Checks every option.
    ///
    /// # Errors
    /// The first option whose value cannot be used.
    pub fn validate(self) -> Result<Config, InvalidOption> {
        let log = LogConfig {
            choice: one_of(
                "logs",
                &self.logs,
                &[("all", LogChoice::All), ("failures", LogChoice::Failures), ("off", LogChoice::Off)],
            )?,
            sample: in_range("log_sample", self.log_sample, 0.0, 1.0, "a share from 0 to 1")?,
            format: one_of("log_format", &self.log_format, &[("json", LogFormat::Json), ("text", LogFormat::Text)])?,
            urls: one_of("log_urls", &self.log_urls, &[("redacted", LogUrls::Redacted), ("full", LogUrls::Full)])?,
            group: log_group(self.log_group)?,
            stream_prefix: stream_prefix(self.log_stream)?,
            retention_days: self.log_retention_days.map(retention_days).transpose()?,
            class: log_class(&self.log_class)?,
        };
        let aws = AwsConfig {
            region: not_blank("region", self.region)?,
            profile: not_blank("profile", self.profile)?,
            role_arn: self.role_arn.map(role_arn).transpose()?,
            external_id: not_blank("external_id", self.external_id)?,
            endpoint_url: self.endpoint_url.map(endpoint_url).transpose()?,
            local: self.local,
            recorded: None,
            required_account: RequiredAccount::Any,
        };
        if aws.external_id.is_some() && aws.role_arn.is_none() {
            return invalid("external_id", "it is told to a role that is assumed, so --cw-role-arn is needed too");
        }
        let series = series(&self.dimensions)?;
        Ok(Config {
            live: self.live,
            dry_run: self.dry_run,
            namespace: namespace(self.namespace)?,
            constant_dimensions: constant_dimensions(&self.dimension, series.len())?,
            series,
            resolution: match self.resolution {
                1 => 1,
                60 => 60,
                other => return invalid("resolution", format!("must be 1 or 60 seconds, not {other}")),
            },
            flush_interval: Duration::from_secs_f64(in_range(
                "flush_interval",
                self.flush_interval,
                0.5,
                3600.0,
                "from 0.5 to 3600 seconds",
            )?),
            max_requests: match usize::try_from(self.max_requests) {
                Ok(number) if number > 0 => number,
                _ => return invalid("max_requests", format!("must be 1 or more, not {}", self.max_requests)),
            },
            log,
            aws,
            run_id: self.run_id.map(run_id).transpose()?,
            spool_dir: spool_dir(self.spool_dir)?,
            spool_max_bytes: match u64::try_from(self.spool_max_mb) {
                Ok(megabytes) if (1..=MAX_SPOOL_MB).contains(&megabytes) => megabytes * 1024 * 1024,
                _ => {
                    let given = self.spool_max_mb;
                    return invalid("spool_max_mb", format!("must be from 1 to {MAX_SPOOL_MB}, not {given}"));
                }
            },
            drain_timeout: Duration::from_secs_f64(in_range(
                "drain_timeout",
                self.drain_timeout,
                0.0,
                86_400.0,
                "from 0 to 86400 seconds",
            )?),
        })
    }
}

fn invalid<T>(option: &'static str, problem: impl Into<String>) -> Result<T, InvalidOption> {
    Err(InvalidOption { option, problem: problem.into() })
}

fn one_of<T: Copy>(option: &'static str, text: &str, choices: &[(&str, T)]) -> Result<T, InvalidOption> {
    let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) else {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        return invalid(option, format!("must be one of {}, not {text:?}", names.join(", ")));
    };
    Ok(*choice)
}

fn in_range(option: &'static str, value: f64, low: f64, high: f64, right: &str) -> Result<f64, InvalidOption> {
    if (low..=high).contains(&value) { Ok(value) } else { invalid(option, format!("must be {right}, not {value}")) }
}

fn not_blank(option: &'static str, text: Option<String>) -> Result<Option<String>, InvalidOption> {
    match text {
        Some(text) if text.trim().is_empty() => invalid(option, "must not be empty"),
        other => Ok(other),
    }
}

fn is_printable_ascii(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

fn namespace(text: String) -> Result<String, InvalidOption> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#: ".contains(c);
    if text.trim().is_empty() || text.len() > MAX_NAMESPACE_CHARS || !text.chars().all(allowed) {
        return invalid("namespace", format!("must be 1 to 255 letters, digits or any of . - _ / # :, not {text:?}"));
    }
    if text.starts_with("AWS/") || text.starts_with(':') {
        return invalid("namespace", format!("{text:?} is reserved by AWS; it must not start with 'AWS/' or ':'"));
    }
    Ok(text)
}

fn series(text: &str) -> Result<Vec<SeriesKey>, InvalidOption> {
    let mut keys = Vec::new();
    for name in text.split(',').map(str::trim) {
        let Some(key) = SeriesKey::ALL.into_iter().find(|key| key.name() == name) else {
            return invalid(
                "dimensions",
                format!("must be a comma-separated choice of Host, Request, Method, RunId; {name:?} is none of them"),
            );
        };
        if keys.contains(&key) {
            return invalid("dimensions", format!("{name} is there twice"));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn constant_dimensions(pairs: &[String], series_len: usize) -> Result<Vec<Dimension>, InvalidOption> {
    let mut dimensions: Vec<Dimension> = Vec::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=') else {
            return invalid("dimension", format!("must have the form KEY=VALUE, not {pair:?}"));
        };
        let (name, value) = (name.trim(), value.trim());
        let fits = (1..=dimension::MAX_NAME_CHARS).contains(&name.len()) && is_printable_ascii(name);
        if !fits || name.starts_with(':') {
            return invalid("dimension", format!("{name:?} must be 1 to 255 ASCII characters, not starting with ':'"));
        }
        if value.is_empty() {
            return invalid("dimension", format!("{name} has no value"));
        }
        if SeriesKey::ALL.iter().any(|key| key.name() == name) {
            return invalid("dimension", format!("{name} is set by --cw-dimensions; choose another name"));
        }
        if dimensions.iter().any(|d| &*d.name == name) {
            return invalid("dimension", format!("{name} is there twice"));
        }
        dimensions.push(Dimension::new(name, value));
    }
    // A gauge of a user class has two beside these.
    if dimensions.len() + series_len.max(2) > dimension::MAX_DIMENSIONS {
        return invalid("dimension", "CloudWatch takes at most 30 dimensions of a metric");
    }
    Ok(dimensions)
}

fn log_group(text: String) -> Result<String, InvalidOption> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#".contains(c);
    if text.is_empty() || text.len() > MAX_LOG_NAME_CHARS || !text.chars().all(allowed) || text.starts_with("aws/") {
        return invalid(
            "log_group",
            format!("must be 1 to 512 letters, digits or any of . - _ / #, not starting with 'aws/', not {text:?}"),
        );
    }
    Ok(text)
}

fn stream_prefix(text: String) -> Result<String, InvalidOption> {
    let allowed = |c: char| !c.is_control() && c != ':' && c != '*';
    let room = MAX_LOG_NAME_CHARS - STREAM_SUFFIX_CHARS;
    if text.trim().is_empty() || text.chars().count() > room || !text.chars().all(allowed) {
        return invalid("log_stream", format!("must be 1 to {room} characters without ':' and '*', not {text:?}"));
    }
    Ok(text)
}

fn retention_days(days: i64) -> Result<i32, InvalidOption> {
    let Some(days) = RETENTION_DAYS.into_iter().find(|&allowed| i64::from(allowed) == days) else {
        let all: Vec<_> = RETENTION_DAYS.iter().map(ToString::to_string).collect();
        return invalid("log_retention_days", format!("must be one of {}, not {days}", all.join(" ")));
    };
    Ok(days)
}

fn role_arn(text: String) -> Result<String, InvalidOption> {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "iam", "", account, role] if !account.is_empty() && role.starts_with("role/") => Ok(text),
        _ => invalid("role_arn", format!("must have the form arn:aws:iam::123456789012:role/NAME, not {text:?}")),
    }
}

fn endpoint_url(text: String) -> Result<String, InvalidOption> {
    match url::Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text),
        _ => invalid("endpoint_url", format!("must be an http:// or https:// URL, not {text:?}")),
    }
}

/// What a run may be called: its folder in the spool and its log streams are called so, too.
///
/// # Errors
/// Where it may not.
pub fn run_id(text: String) -> Result<String, InvalidOption> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let fits = (1..=MAX_RUN_ID_CHARS).contains(&text.len()) && text.chars().all(allowed);
    if !fits || text.starts_with('.') {
        return invalid("run_id", format!("must be 1 to 64 letters, digits or any of . - _, not {text:?}"));
    }
    Ok(text)
}

/// The class of a log group that is made.
///
/// # Errors
/// Where CloudWatch has no such class, or one that takes no part in queries.
pub fn log_class(text: &str) -> Result<LogClass, InvalidOption> {
    let classes = [("STANDARD", LogClass::Standard), ("INFREQUENT_ACCESS", LogClass::InfrequentAccess)];
    one_of("log_class", text, &classes)
}

/// The folder that holds the spools of all runs: the one that is given, else the one in the user's state folder.
///
/// # Errors
/// Where it is blank.
pub fn spool_dir(chosen: Option<String>) -> Result<PathBuf, InvalidOption> {
    Ok(not_blank("spool_dir", chosen)?.map_or_else(default_spool_dir, PathBuf::from))
}

/// In the user's state folder, after the XDG Base Directory Specification.
#[must_use]
pub fn default_spool_dir() -> PathBuf {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::home_dir().map(|home| home.join(".local").join("state"));
    state.or_else(home).unwrap_or_else(std::env::temp_dir).join("locust-cw")
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn config(change: impl FnOnce(&mut Options)) -> Config {
        let mut options = Options::default();
        change(&mut options);
        options.validate().expect("valid options")
    }

    #[test]
    fn the_defaults_are_valid() {
        let config = config(|_| {});
        assert_eq!(config.series, [SeriesKey::Host, SeriesKey::Request]);
        assert_eq!(config.flush_interval, Duration::from_secs(5));
        assert!(config.spool_dir.ends_with("locust-cw"));
    }

    type Change = fn(&mut Options);

    #[test]
    fn every_bad_value_names_its_option() {
        let bad: [(&str, Change); 28] = [
            ("namespace", |o| o.namespace = "AWS/EC2".into()),
            ("namespace", |o| o.namespace = " ".into()),
            ("namespace", |o| o.namespace = "é".into()),
            ("dimensions", |o| o.dimensions = "Host,Path".into()),
            ("dimensions", |o| o.dimensions = "Host,Host".into()),
            ("dimension", |o| o.dimension = vec!["Team".into()]),
            ("dimension", |o| o.dimension = vec!["Host=a".into()]),
            ("dimension", |o| o.dimension = vec![":Team=a".into()]),
            ("dimension", |o| o.dimension = vec!["Team=".into()]),
            ("dimension", |o| o.dimension = vec!["Team=a".into(), "Team=b".into()]),
            ("dimension", |o| o.dimension = (0..29).map(|i| format!("k{i}=v")).collect()),
            ("resolution", |o| o.resolution = 10),
            ("flush_interval", |o| o.flush_interval = -1.0),
            ("flush_interval", |o| o.flush_interval = f64::NAN),
            ("max_requests", |o| o.max_requests = 0),
            ("logs", |o| o.logs = "some".into()),
            ("log_sample", |o| o.log_sample = 1.1),
            ("log_format", |o| o.log_format = "xml".into()),
            ("log_urls", |o| o.log_urls = "some".into()),
            ("log_group", |o| o.log_group = "a b".into()),
            ("log_stream", |o| o.log_stream = "a:b".into()),
            ("log_retention_days", |o| o.log_retention_days = Some(8)),
            ("log_class", |o| o.log_class = "DELIVERY".into()),
            ("role_arn", |o| o.role_arn = Some("admin".into())),
            ("external_id", |o| o.external_id = Some("x".into())),
            ("endpoint_url", |o| o.endpoint_url = Some("localhost:4566".into())),
            ("run_id", |o| o.run_id = Some("../x".into())),
            ("drain_timeout", |o| o.drain_timeout = f64::INFINITY),
        ];
        for (option, change) in bad {
            let mut options = Options::default();
            change(&mut options);
            let error = options.validate().expect_err(option);
            assert_eq!(error.option, option);
            assert!(error.to_string().starts_with(&format!("argument --cw-{}: ", option.replace('_', "-"))), "{error}");
        }
    }

    #[test]
    fn a_gauge_has_room_for_its_own_dimension_too() {
        let options = |dimensions: &str, number: usize| Options {
            dimensions: dimensions.into(),
            dimension: (0..number).map(|i| format!("k{i}=v")).collect(),
            ..Options::default()
        };
        assert!(options("Host", 28).validate().is_ok());
        assert_eq!(options("Host", 29).validate().expect_err("30 and the user class").option, "dimension");
    }

    /// Most of it right, some of it nearly, some anything at all.
    fn typed(right: &'static str) -> impl Strategy<Value = String> {
        let nearly = prop::string::string_regex(&format!("{right}[ -~]")).expect("a pattern");
        prop_oneof![6 => right, 2 => nearly, 1 => ".{0,20}", 1 => any::<String>()]
    }

    fn has_only(text: &str, allowed: &str, most: usize) -> bool {
        (1..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || allowed.contains(c))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]
        #[test]
        fn what_is_accepted_is_what_cloudwatch_takes_and_the_rest_is_refused_by_name(
            namespace in prop_oneof![4 => typed("[A-Za-z][A-Za-z0-9./# :_-]{0,254}"), 1 => "(:|AWS/|aws/)[A-Za-z]{1,9}"],
            group in prop_oneof![4 => typed("[A-Za-z][A-Za-z0-9./#_-]{0,511}"), 1 => "(AWS/|aws/)[A-Za-z]{1,9}"],
            stream in typed("[a-z한/ .-]{1,318}"),
            run_id in prop::option::of(typed("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")),
            dimensions in prop_oneof![Just("Host,Request"), Just("Host"), Just("RunId, Method"), Just("Host,")],
            pairs in prop::collection::vec(typed("[A-Za-z]{1,9}=[a-z한]{1,9}"), 0..4),
            days in prop::option::of(prop_oneof![Just(7i64), any::<i64>()]),
            resolution in prop_oneof![4 => Just(1i64), 4 => Just(60), 1 => any::<i64>()],
            interval in prop_oneof![4 => 0.5..3600.0f64, 1 => any::<f64>()],
        ) {
            let options = Options {
                namespace,
                log_group: group,
                log_stream: stream,
                run_id,
                dimensions: dimensions.into(),
                dimension: pairs,
                log_retention_days: days,
                resolution,
                flush_interval: interval,
                spool_dir: Some("/spool".into()),
                ..Options::default()
            };
            let config = match options.validate() {
                Ok(config) => config,
                Err(error) => {
                    let known = [
                        "namespace", "log_group", "log_stream", "run_id", "dimensions", "dimension", "log_retention_days",
                        "resolution", "flush_interval",
                    ];
                    prop_assert!(known.contains(&error.option), "{error}");
                    return Ok(());
                }
            };
            prop_assert!(has_only(&config.namespace, ".-_/#: ", 255));
            prop_assert!(!config.namespace.starts_with(':') && !config.namespace.starts_with("AWS/"));
            prop_assert!(has_only(&config.log.group, ".-_/#", 512) && !config.log.group.starts_with("aws/"));
            let run_id = config.run_id.unwrap_or_else(|| "r".repeat(MAX_RUN_ID_CHARS));
            prop_assert!(has_only(&run_id, ".-_", 64));
            let stream = format!("{}/{run_id}/{}", config.log.stream_prefix, "w".repeat(MAX_WORKER_CHARS));
            prop_assert!(stream.chars().count() <= 512 && !stream.contains([':', '*']));
            let dimensions = &config.constant_dimensions;
            prop_assert!(dimensions.len() + config.series.len() <= 30);
            let names: std::collections::BTreeSet<_> = dimensions.iter().map(|d| &*d.name).collect();
            prop_assert!(names.len() == dimensions.len() && names.iter().all(|name| !name.starts_with(':')));
            prop_assert!(config.log.retention_days.is_none_or(|days| RETENTION_DAYS.contains(&days)));
            prop_assert!(matches!(config.resolution, 1 | 60) && config.flush_interval >= Duration::from_millis(500));
        }
    }
}

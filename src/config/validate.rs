//! Validation: from [`Options`] to the [`Config`] that the rest of the core uses.

use std::path::PathBuf;
use std::time::Duration;

use strum::VariantNames as _;

use super::aws::{AwsConfig, RequiredAccount};
use super::identity::{MAX_RUN_ID_CHARS, MAX_WORKER_CHARS};
use super::options::{InvalidOption, LogChoice, LogClass, LogFields, LogFormat, LogUrls, Options, Problem, SeriesKey};
use crate::check::{Check, ParseError};
use crate::config::dimension::{self, Dimension};

/// Retention periods of CloudWatch Logs, in days (PutRetentionPolicy).
const RETENTION_DAYS: [i32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
/// Maximum length of the name of a log group or stream (CreateLogGroup, CreateLogStream).
const MAX_LOG_NAME_CHARS: usize = 512;
/// Maximum length of a namespace (PutMetricData).
const MAX_NAMESPACE_CHARS: usize = 255;
/// Maximum length of the run ID and the worker's name in the name of a log stream, each after a slash.
const STREAM_SUFFIX_CHARS: usize = MAX_RUN_ID_CHARS + MAX_WORKER_CHARS + 2;
/// Maximum size of a spool in megabytes: a petabyte, whose number of bytes fits into 64 bits.
const MAX_SPOOL_MB: u64 = 1 << 30;
/// Maximum number of checks of a run.
const MAX_CHECKS: usize = 200;

/// The log events: which requests are logged, and the format and destination of the events.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// Which requests become log events.
    pub choice: LogChoice,
    /// Fraction of successful requests that are logged, 0 to 1.
    pub sample: f64,
    /// The format of the events.
    pub format: LogFormat,
    /// Which fields the events of requests have.
    pub fields: LogFields,
    /// Whether the events contain the values of URLs.
    pub urls: LogUrls,
    /// Name of the log group.
    pub group: String,
    /// First part of the name of the log stream.
    pub stream_prefix: String,
    /// Retention in days of a log group that locust-cw creates.
    pub retention_days: Option<i32>,
    /// Class of a log group that locust-cw creates.
    pub class: LogClass,
}

/// Validated options.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Whether data is published while the test runs.
    pub live: bool,
    /// Whether nothing is sent.
    pub dry_run: bool,
    /// The namespace of the metrics.
    pub namespace: String,
    /// The dimensions of the series of a request.
    pub series: Vec<SeriesKey>,
    /// Further dimensions of each metric.
    pub constant_dimensions: Vec<Dimension>,
    /// Length of a window in seconds, which is also the storage resolution: 1 or 60.
    pub resolution: u32,
    /// Time between publications in live mode.
    pub flush_interval: Duration,
    /// Maximum number of distinct request names. Further ones are published as `(other)`.
    pub max_requests: usize,
    /// The log events.
    pub log: LogConfig,
    /// The AWS account.
    pub aws: AwsConfig,
    /// The run ID, if the user chose one.
    pub run_id: Option<String>,
    /// The folder with the spools of all runs.
    pub spool_dir: PathBuf,
    /// Capacity of the spool of a run, in bytes.
    pub spool_max_bytes: u64,
    /// How long to send the remaining data at the end.
    pub drain_timeout: Duration,
    /// The conditions that the run must meet. No two are equal.
    pub checks: Vec<Check>,
    /// The time at the start of the run that its checks leave out.
    pub warmup: Duration,
}

impl Options {
    /// Validates all options.
    ///
    /// # Errors
    /// The first option whose value is invalid.
    pub fn validate(self) -> Result<Config, InvalidOption> {
        let log = LogConfig {
            choice: self.logs,
            sample: in_range("log_sample", self.log_sample, 0.0, 1.0, "a share from 0 to 1")?,
            format: self.log_format,
            fields: self.log_fields,
            urls: self.log_urls,
            group: log_group(self.log_group)?,
            stream_prefix: stream_prefix(self.log_stream)?,
            retention_days: self.log_retention_days.map(retention_days).transpose()?,
            class: self.log_class,
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
            return invalid("external_id", "needs --cw-role-arn: an external ID is sent only when a role is assumed");
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
            flush_interval: seconds("flush_interval", self.flush_interval, 0.5, 3600.0)?,
            max_requests: match usize::try_from(self.max_requests) {
                Ok(number) if number > 0 => number,
                _ => return invalid("max_requests", format!("must be 1 or more, not {}", self.max_requests)),
            },
            log,
            aws,
            run_id: self.run_id.map(run_id).transpose()?,
            spool_dir: spool_dir(self.spool_dir)?,
            spool_max_bytes: spool_max_bytes(self.spool_max_mb)?,
            drain_timeout: seconds("drain_timeout", self.drain_timeout, 0.0, 86_400.0)?,
            checks: checks(&self.check)?,
            warmup: seconds("warmup", self.warmup, 0.0, 86_400.0)?,
        })
    }
}

fn invalid<T>(option: &str, problem: impl Into<String>) -> Result<T, InvalidOption> {
    Err(InvalidOption { option: option.to_owned(), problem: Problem::Other(problem.into()) })
}

fn in_range(option: &str, value: f64, low: f64, high: f64, range: &str) -> Result<f64, InvalidOption> {
    if (low..=high).contains(&value) { Ok(value) } else { invalid(option, format!("must be {range}, not {value}")) }
}

fn seconds(option: &str, value: f64, low: f64, high: f64) -> Result<Duration, InvalidOption> {
    in_range(option, value, low, high, &format!("from {low} to {high} seconds")).map(Duration::from_secs_f64)
}

fn not_blank(option: &str, text: Option<String>) -> Result<Option<String>, InvalidOption> {
    match text {
        Some(text) if text.trim().is_empty() => invalid(option, "must not be empty"),
        other => Ok(other),
    }
}

fn spool_max_bytes(megabytes: i64) -> Result<u64, InvalidOption> {
    match u64::try_from(megabytes) {
        Ok(number) if (1..=MAX_SPOOL_MB).contains(&number) => Ok(number * 1024 * 1024),
        _ => invalid("spool_max_mb", format!("must be from 1 to {MAX_SPOOL_MB}, not {megabytes}")),
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
        let Ok(key) = name.parse() else {
            let known = SeriesKey::VARIANTS.join(", ");
            return invalid(
                "dimensions",
                format!("must be a comma-separated list of {known}; {name:?} is not one of them"),
            );
        };
        if keys.contains(&key) {
            return invalid("dimensions", format!("{name} is given twice"));
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
        let has_valid_length = (1..=dimension::MAX_NAME_CHARS).contains(&name.len());
        if !has_valid_length || !is_printable_ascii(name) || name.starts_with(':') {
            return invalid("dimension", format!("{name:?} must be 1 to 255 ASCII characters, not starting with ':'"));
        }
        if value.is_empty() {
            return invalid("dimension", format!("{name} has no value"));
        }
        if SeriesKey::VARIANTS.contains(&name) {
            return invalid("dimension", format!("{name} is set by --cw-dimensions; choose another name"));
        }
        if dimensions.iter().any(|d| &*d.name == name) {
            return invalid("dimension", format!("{name} is given twice"));
        }
        dimensions.push(Dimension::new(name, value));
    }
    // The gauge of a user class has two further dimensions: Host and UserClass.
    if dimensions.len() + series_len.max(2) > dimension::MAX_DIMENSIONS {
        return invalid("dimension", "CloudWatch accepts at most 30 dimensions per metric");
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
    let longest = MAX_LOG_NAME_CHARS - STREAM_SUFFIX_CHARS;
    if text.trim().is_empty() || text.chars().count() > longest || !text.chars().all(allowed) {
        return invalid("log_stream", format!("must be 1 to {longest} characters without ':' and '*', not {text:?}"));
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
    if is_endpoint_url(&text) {
        return Ok(text);
    }
    invalid("endpoint_url", format!("must be an http:// or https:// URL, not {text:?}"))
}

/// Whether a text can be the endpoint of a service. The parser ignores white space and control characters, such as the line break
/// at the end of a file, but the requests of the AWS SDK fail with them.
#[must_use]
pub fn is_endpoint_url(text: &str) -> bool {
    let is_web = |url: url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    !text.contains(|char: char| char.is_whitespace() || char.is_control()) && url::Url::parse(text).is_ok_and(is_web)
}

/// Parses the checks of a run. Two equal checks are an error, because the user probably forgot to change one of them.
///
/// # Errors
/// If a check is malformed, if two are equal, or if there are too many.
pub fn checks(expressions: &[String]) -> Result<Vec<Check>, InvalidOption> {
    if expressions.len() > MAX_CHECKS {
        return invalid("check", format!("must be given at most {MAX_CHECKS} times, not {}", expressions.len()));
    }
    let mut checks: Vec<Check> = Vec::new();
    for expression in expressions {
        let check: Check = expression.parse().or_else(|error: ParseError| invalid("check", error.to_string()))?;
        if checks.contains(&check) {
            return invalid("check", format!("the condition {check} appears twice"));
        }
        checks.push(check);
    }
    Ok(checks)
}

/// Validates a run ID, which is also the name of a folder in the spool and part of the names of log streams.
///
/// # Errors
/// If it is invalid.
pub fn run_id(text: String) -> Result<String, InvalidOption> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let is_valid = (1..=MAX_RUN_ID_CHARS).contains(&text.len()) && text.chars().all(allowed);
    if !is_valid || text.starts_with('.') {
        return invalid("run_id", format!("must be 1 to 64 letters, digits or any of . - _, not {text:?}"));
    }
    Ok(text)
}

/// The folder with the spools of all runs: the given folder, or the default.
///
/// # Errors
/// If the given folder is blank.
pub fn spool_dir(given: Option<String>) -> Result<PathBuf, InvalidOption> {
    Ok(not_blank("spool_dir", given)?.map_or_else(default_spool_dir, PathBuf::from))
}

/// `locust-cw` in the state folder of the user, as the XDG Base Directory Specification defines it.
fn default_spool_dir() -> PathBuf {
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
    fn the_error_of_each_invalid_value_names_its_option() {
        let invalid: [(&str, Change); 31] = [
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
            ("log_sample", |o| o.log_sample = 1.1),
            ("log_group", |o| o.log_group = "a b".into()),
            ("log_stream", |o| o.log_stream = "a:b".into()),
            ("log_retention_days", |o| o.log_retention_days = Some(8)),
            ("role_arn", |o| o.role_arn = Some("admin".into())),
            ("external_id", |o| o.external_id = Some("x".into())),
            ("endpoint_url", |o| o.endpoint_url = Some("localhost:4566".into())),
            ("endpoint_url", |o| o.endpoint_url = Some("http://localhost:4566\n".into())),
            ("run_id", |o| o.run_id = Some("../x".into())),
            ("drain_timeout", |o| o.drain_timeout = f64::INFINITY),
            ("check", |o| o.check = vec!["p95 < 300".into()]),
            ("check", |o| o.check = vec![String::new()]),
            ("check", |o| o.check = vec!["p95 < 300ms".into(), "p95<0.3s".into()]),
            ("check", |o| o.check = (0..201).map(|i| format!("requests > {i}")).collect()),
            ("warmup", |o| o.warmup = -1.0),
            ("warmup", |o| o.warmup = 86_401.0),
        ];
        for (option, change) in invalid {
            let mut options = Options::default();
            change(&mut options);
            let error = options.validate().expect_err(option);
            assert_eq!(error.option, option);
            assert!(error.to_string().starts_with(&format!("argument --cw-{}: ", option.replace('_', "-"))), "{error}");
        }
    }

    #[test]
    fn checks_are_parsed_and_the_error_of_a_malformed_one_shows_its_position() {
        let expressions: Vec<String> = (0..200).map(|i| format!("requests > {i}")).collect();
        let config = config(|o| (o.check, o.warmup) = (expressions.clone(), 1.5));
        assert_eq!(config.warmup, Duration::from_millis(1500));
        assert_eq!(config.checks.into_iter().map(|check| check.text).collect::<Vec<_>>(), expressions);
        let options = Options { check: vec!["p95 < 300".into()], ..Options::default() };
        assert_eq!(
            options.validate().expect_err("a time without a unit").to_string(),
            "argument --cw-check: expected a time such as 300ms, 0.8s or 2m, not \"300\": write 300ms or 300s\n\
             p95 < 300\n      ^"
        );
    }

    #[test]
    fn the_dimension_of_a_gauge_counts_for_the_maximum() {
        let options = |dimensions: &str, number: usize| Options {
            dimensions: dimensions.into(),
            dimension: (0..number).map(|i| format!("k{i}=v")).collect(),
            ..Options::default()
        };
        assert!(options("Host", 28).validate().is_ok());
        assert_eq!(options("Host", 29).validate().expect_err("30 and the user class").option, "dimension");
    }

    /// Mostly valid text, some that is almost valid, and some arbitrary text.
    fn typed(valid: &'static str) -> impl Strategy<Value = String> {
        let almost_valid = prop::string::string_regex(&format!("{valid}[ -~]")).expect("a pattern");
        prop_oneof![6 => valid, 2 => almost_valid, 1 => ".{0,20}", 1 => any::<String>()]
    }

    fn has_only(text: &str, allowed: &str, max_chars: usize) -> bool {
        (1..=max_chars).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || allowed.contains(c))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]
        #[test]
        fn cloudwatch_accepts_all_valid_options_and_the_error_of_others_names_the_option(
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
                    prop_assert!(known.contains(&error.option.as_str()), "{error}");
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

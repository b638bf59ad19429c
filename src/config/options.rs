//! The options of the core with their names and defaults, and the error of an invalid option.
//!
//! A new option needs a field with a default here, and its validated form in [`super::validate`].

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantNames};

use super::value::{OptionValue, OptionValues};

/// Options as the user sets them, with the defaults of the command line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
    pub logs: LogChoice,
    pub log_sample: f64,
    pub log_format: LogFormat,
    pub log_fields: LogFields,
    pub log_urls: LogUrls,
    pub log_group: String,
    pub log_stream: String,
    pub log_retention_days: Option<i64>,
    pub log_class: LogClass,
    pub region: Option<String>,
    pub profile: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    pub endpoint_url: Option<String>,
    pub run_id: Option<String>,
    pub spool_dir: Option<String>,
    pub spool_max_mb: i64,
    pub drain_timeout: f64,
    pub check: Vec<String>,
    pub warmup: f64,
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
            logs: LogChoice::All,
            log_sample: 1.0,
            log_format: LogFormat::Json,
            log_fields: LogFields::Full,
            log_urls: LogUrls::Redacted,
            log_group: "LocustTests".to_owned(),
            log_stream: "load-generator".to_owned(),
            log_retention_days: None,
            log_class: LogClass::Standard,
            region: None,
            profile: None,
            role_arn: None,
            external_id: None,
            endpoint_url: None,
            run_id: None,
            spool_dir: None,
            spool_max_mb: 1024,
            drain_timeout: 30.0,
            check: Vec::new(),
            warmup: 0.0,
        }
    }
}

impl Options {
    /// Reads options by name. Options that are not set have their defaults.
    ///
    /// # Errors
    /// If an option is unknown, or its value has the wrong type.
    pub fn read(values: impl IntoIterator<Item = (String, OptionValue)>) -> Result<Self, InvalidOption> {
        Self::deserialize(OptionValues::new(values))
    }

    /// The values that an option accepts; none for an option that is free text, a number or a flag.
    #[must_use]
    pub fn choices(option: &str) -> &'static [&'static str] {
        // No option accepts an empty text as a choice, so the error lists the choices.
        match Self::read([(option.to_owned(), OptionValue::Text(String::new()))]) {
            Err(InvalidOption { problem: Problem::NotAChoice { choices, .. }, .. }) => choices,
            _ => &[],
        }
    }
}

/// An invalid option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argument --cw-{}: {problem}", .option.replace('_', "-"))]
pub struct InvalidOption {
    /// The option's name in Python form, such as `flush_interval`.
    pub option: String,
    /// The problem with it.
    pub problem: Problem,
}

/// The problem with an option, and the valid values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The core has no option of this name.
    #[error("there is no such option")]
    Unknown,
    /// The option has a fixed set of values.
    #[error("must be one of {}, not {given}", .choices.join(", "))]
    NotAChoice {
        /// The values.
        choices: &'static [&'static str],
        /// The value that was given.
        given: String,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// A dimension that a series can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[expect(missing_docs, reason = "they are the names of the dimensions")]
pub enum SeriesKey {
    Host,
    Request,
    Method,
    RunId,
}

impl SeriesKey {
    /// The name of the dimension.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Which requests become log events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are the values of the option")]
pub enum LogChoice {
    All,
    Failures,
    Off,
}

/// The format of a log event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are the values of the option")]
pub enum LogFormat {
    Json,
    Text,
}

/// Which fields the log event of a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFields {
    /// All.
    Full,
    /// Those that do not repeat what the log stream, its life-cycle events or the event's timestamp say.
    Compact,
}

/// Whether log events contain the values of URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogUrls {
    /// URLs without their values: see [`crate::redact`].
    Redacted,
    /// Complete URLs.
    Full,
}

/// The class of a log group that locust-cw creates. CloudWatch has a third class, `DELIVERY`, for logs of AWS services only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "they are CloudWatch's own names")]
pub enum LogClass {
    Standard,
    InfrequentAccess,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(option: &str, value: OptionValue) -> Result<Options, InvalidOption> {
        Options::read([(option.to_owned(), value)])
    }

    #[test]
    fn options_that_are_not_set_have_their_defaults() {
        assert_eq!(Options::read([]).expect("valid options"), Options::default());
        let options = read("flush_interval", OptionValue::Int(7)).expect("a number");
        assert_eq!(options, Options { flush_interval: 7.0, ..Options::default() });
    }

    #[test]
    fn an_unknown_option_is_named() {
        let error = read("nonsense", OptionValue::Bool(true)).expect_err("unknown");
        assert_eq!((error.option.as_str(), error.problem), ("nonsense", Problem::Unknown));
    }

    #[test]
    fn the_message_about_a_value_of_the_wrong_type_names_the_option_and_the_type() {
        let text = |text: &str| OptionValue::Text(text.into());
        for (option, value, message) in [
            ("flush_interval", text("a"), "argument --cw-flush-interval: must be a number, not 'a'"),
            ("resolution", OptionValue::Float(1.5), "argument --cw-resolution: must be a whole number, not 1.5"),
            ("resolution", OptionValue::Bool(true), "argument --cw-resolution: must be a whole number, not True"),
            ("live", text("yes"), "argument --cw-live: must be a Boolean, not 'yes'"),
            ("namespace", OptionValue::None, "argument --cw-namespace: must be text, not None"),
            ("region", OptionValue::Int(5), "argument --cw-region: must be text, not 5"),
            ("dimension", text("Team=a"), "argument --cw-dimension: must be a list of text, not 'Team=a'"),
            ("dimension", OptionValue::List(vec![OptionValue::Int(1)]), "argument --cw-dimension: must be text, not 1"),
            (
                "spool_dir",
                OptionValue::Other("Path('/x')".into()),
                "argument --cw-spool-dir: must be text, not Path('/x')",
            ),
            ("logs", text("some"), "argument --cw-logs: must be one of all, failures, off, not 'some'"),
            ("logs", OptionValue::Int(1), "argument --cw-logs: must be one of all, failures, off, not 1"),
            (
                "log_class",
                text("DELIVERY"),
                "argument --cw-log-class: must be one of STANDARD, INFREQUENT_ACCESS, not 'DELIVERY'",
            ),
        ] {
            let error = read(option, value).expect_err(option);
            assert_eq!((error.option.as_str(), error.to_string().as_str()), (option, message));
        }
    }

    #[test]
    fn each_choice_of_an_option_is_accepted() {
        for (option, choices) in [
            ("logs", &["all", "failures", "off"][..]),
            ("log_format", &["json", "text"]),
            ("log_fields", &["full", "compact"]),
            ("log_urls", &["redacted", "full"]),
            ("log_class", &["STANDARD", "INFREQUENT_ACCESS"]),
            ("namespace", &[]),
            ("live", &[]),
            ("nonsense", &[]),
        ] {
            assert_eq!(Options::choices(option), choices, "{option}");
            for choice in choices {
                assert!(read(option, OptionValue::Text((*choice).to_owned())).is_ok(), "{option} {choice}");
            }
        }
    }
}

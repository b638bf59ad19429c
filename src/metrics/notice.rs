//! Notices about the series of a run: there are too many, or not the expected ones.

use std::mem::{Discriminant, discriminant};

use smol_str::SmolStr;

use crate::messages::Level;
use crate::redact::redact_urls;

/// Maximum number of hosts with series of their own.
pub const MAX_HOSTS: usize = 100;
/// Maximum number of methods with series of their own, if the method is a dimension.
pub const MAX_METHODS: usize = 50;
/// Maximum number of series for each request name that `--cw-max-requests` allows.
pub const MAX_SERIES_PER_REQUEST: usize = 10;

/// Maximum number of series of custom metrics of a process. Each costs as much as a metric of CloudWatch.
pub const MAX_CUSTOM_SERIES: usize = 200;

/// A notice about the series of a run. Each kind is reported once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeriesNotice {
    /// This request name and further ones are published as [`OTHER`].
    TooManyRequests(SmolStr),
    /// This host and further ones are published as [`OTHER`].
    TooManyHosts(SmolStr),
    /// This method and further ones are published as [`OTHER`].
    TooManyMethods(SmolStr),
    /// Further combinations of host, request name and method get no series. This is the request name of the first one.
    TooManySeries(SmolStr),
    /// This request name contains values of a URL. Log events omit such values, but names are published unchanged.
    ValuesInName(SmolStr),
    /// Requests with this name but different methods share a series.
    MethodsShareSeries(SmolStr),
    /// Further series of custom metrics are published as [`OTHER`], and further custom metrics are ignored. This is the metric of
    /// the first one.
    TooManyCustomSeries(SmolStr),
    /// This custom metric is both a gauge and a count.
    GaugeAndCount(SmolStr),
}

impl SeriesNotice {
    /// The log level.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::MethodsShareSeries(_) => Level::Info,
            _ => Level::Warning,
        }
    }

    /// The topic, one for each kind.
    #[must_use]
    pub const fn topic(&self) -> &'static str {
        match self {
            Self::TooManyRequests(_) => "request names",
            Self::TooManyHosts(_) => "hosts",
            Self::TooManyMethods(_) => "methods",
            Self::TooManySeries(_) => "series",
            Self::ValuesInName(_) => "request name with values",
            Self::MethodsShareSeries(_) => "shared series",
            Self::TooManyCustomSeries(_) => "custom metrics",
            Self::GaugeAndCount(_) => "gauge and count",
        }
    }

    /// The message.
    #[must_use]
    pub fn text(&self, max_requests: usize) -> String {
        match self {
            Self::TooManyRequests(name) => format!(
                "More than {max_requests} distinct request names: {:?} and further ones are published as \"(other)\". Group requests with name=, or raise \
                 --cw-max-requests.",
                shown(name),
            ),
            Self::TooManyHosts(host) => format!(
                "More than {MAX_HOSTS} distinct hosts: {:?} and further ones are published as \"(other)\". To publish all requests for one host, set --host.",
                shown(host),
            ),
            Self::TooManyMethods(method) => {
                format!(
                    "More than {MAX_METHODS} distinct methods: {:?} and further ones are published as \"(other)\".",
                    shown(method)
                )
            }
            Self::TooManySeries(name) => format!(
                "More than {} combinations of host, request name and method: {:?} and further ones are published as \"(other)\". Group requests with name=, or \
                 raise --cw-max-requests.",
                max_requests.saturating_mul(MAX_SERIES_PER_REQUEST),
                shown(name),
            ),
            Self::ValuesInName(name) => format!(
                "The request name {:?} contains values of a URL, and names are published unchanged: in the dimension \
                 Request and in log events. Give such requests a name= without values.",
                shown(name),
            ),
            Self::MethodsShareSeries(name) => format!(
                "Requests named {:?} use several methods and share their metrics. To tell them apart, add Method to \
                 --cw-dimensions, or give each a name= of its own.",
                shown(name),
            ),
            Self::TooManyCustomSeries(metric) => format!(
                "More than {MAX_CUSTOM_SERIES} custom metrics, counted with their dimensions: {:?} and further ones are published \
                 with \"(other)\" for each dimension, and new names are ignored. Use dimensions with few values.",
                shown(metric),
            ),
            Self::GaugeAndCount(metric) => format!(
                "The custom metric {:?} is used as a gauge and as a count: locust-cw ignores the values of the second \
                 kind. Give each a name of its own.",
                shown(metric),
            ),
        }
    }
}

/// The start of a text, without the values of URLs, because messages appear in the log and in the web UI.
fn shown(text: &str) -> String {
    redact_urls(text).chars().take(100).collect()
}

/// Keeps the first notice of each kind.
#[derive(Default)]
pub struct Notices {
    pending: Vec<SeriesNotice>,
    noted: Vec<Discriminant<SeriesNotice>>,
}

impl Notices {
    /// Whether a notice of this kind was added.
    pub fn has_noted(&self, kind: fn(SmolStr) -> SeriesNotice) -> bool {
        self.noted.contains(&discriminant(&kind(SmolStr::default())))
    }

    /// Adds a notice, unless one of its kind was added before.
    pub fn note(&mut self, kind: fn(SmolStr) -> SeriesNotice, text: &str) {
        if !self.has_noted(kind) {
            let notice = kind(text.into());
            self.noted.push(discriminant(&notice));
            self.pending.push(notice);
        }
    }

    /// Takes the pending notices.
    pub fn take(&mut self) -> Vec<SeriesNotice> {
        std::mem::take(&mut self.pending)
    }
}

//! `RunStatistics` and `Summary`: the numbers of a run for checks, for the master of a worker, and for the record.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::checks::{Check, CheckResult, TargetValue, parsed, target_values};
use super::run_numbers::{ErrorTotals, LoadTimeline, RequestTimeline, SingleRequest, errors, slowest, timelines};
use crate::metrics::custom;
use crate::sample::RequestKey;
use crate::statistics;
use crate::summary;
use crate::timestamp::Timestamp;

/// The statistics of a run while it is under way.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct RunStatistics {
    statistics: Arc<statistics::RunStatistics>,
}

impl From<&Arc<statistics::RunStatistics>> for RunStatistics {
    fn from(statistics: &Arc<statistics::RunStatistics>) -> Self {
        Self { statistics: Arc::clone(statistics) }
    }
}

#[pymethods]
impl RunStatistics {
    /// The end of the warm-up.
    #[getter]
    fn measured_from(&self) -> f64 {
        self.statistics.measured_from().seconds_f64()
    }

    /// Whether a check may stop the test.
    #[getter]
    fn may_abort(&self) -> bool {
        self.statistics.may_abort()
    }

    /// The first second, since the epoch, that this process has not closed.
    #[getter]
    fn open_second(&self, py: Python<'_>) -> i64 {
        py.detach(|| self.statistics.open_second())
    }

    /// The number of requests so far, including those of the warm-up.
    #[getter]
    fn observed(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.statistics.observed())
    }

    /// Whether the requests that ended before a point in time are counted.
    fn has_all_requests(&self, py: Python<'_>, time: f64) -> bool {
        py.detach(|| self.statistics.has_all_requests(Timestamp::from_seconds_f64(time)))
    }

    /// The results of all checks.
    #[pyo3(signature = (until, targets = None))]
    fn check_results(
        &self,
        py: Python<'_>,
        until: f64,
        targets: Option<BTreeMap<String, TargetValue>>,
    ) -> Vec<CheckResult> {
        let targets = target_values(targets);
        let results = py.detach(|| self.statistics.check_results(Timestamp::from_seconds_f64(until), &targets));
        results.into_iter().map(CheckResult::from).collect()
    }

    /// Restarts the warm-up: the users start now.
    fn begin(&self, py: Python<'_>, time: f64) {
        py.detach(|| self.statistics.begin(Timestamp::from_seconds_f64(time)));
    }

    /// The end of the measured time.
    #[getter]
    fn measured_until(&self, py: Python<'_>) -> Option<f64> {
        py.detach(|| self.statistics.measured_until()).map(Timestamp::seconds_f64)
    }

    /// All checks are undecided, for this reason.
    fn undecided_results(&self, py: Python<'_>, reason: &str) -> Vec<CheckResult> {
        py.detach(|| self.statistics.undecided_results(reason)).into_iter().map(CheckResult::from).collect()
    }

    /// Notes the end of the measured time. Later calls have no effect.
    fn end_measured_time(&self, py: Python<'_>, time: f64) {
        py.detach(|| self.statistics.end_measured_time(Timestamp::from_seconds_f64(time)));
    }

    /// The check that has to stop the test now, if there is one.
    fn take_abort(&self, py: Python<'_>) -> Option<Check> {
        py.detach(|| self.statistics.take_abort().cloned()).map(Check::from)
    }

    /// Takes the value of a target check in one minute.
    fn observe_target(&self, py: Python<'_>, text: &str, minute: f64, value: f64) {
        let minute = Timestamp::from_seconds_f64(minute).seconds();
        py.detach(|| self.statistics.observe_target(text, minute, value));
    }

    /// The changes of a worker's summary that are to be sent now.
    fn take_increments(&self, py: Python<'_>) -> Vec<Cow<'static, [u8]>> {
        py.detach(|| self.statistics.take_increments(Instant::now())).into_iter().map(Cow::Owned).collect()
    }

    /// All changes of a worker's summary that its master has not acknowledged.
    fn take_last_increments(&self, py: Python<'_>) -> Vec<Cow<'static, [u8]>> {
        py.detach(|| self.statistics.take_last_increments(Instant::now())).into_iter().map(Cow::Owned).collect()
    }

    /// The master has an increment.
    fn acknowledge(&self, py: Python<'_>, sequence: u64) {
        py.detach(|| self.statistics.acknowledge(sequence));
    }

    /// Seconds are complete only when these workers have reported them.
    fn expect_workers(&self, py: Python<'_>, names: Vec<String>) {
        py.detach(|| self.statistics.expect_workers(names));
    }

    /// Locust's reports say what the workers did.
    fn expect_reports(&self, py: Python<'_>) {
        py.detach(|| self.statistics.expect_reports());
    }

    /// Adds an increment of a worker, unless it was added before.
    #[pyo3(signature = (worker, increment, clock_offset = 0))]
    fn add_increment(&self, py: Python<'_>, worker: &str, increment: &[u8], clock_offset: i64) -> PyResult<u64> {
        let added = py.detach(|| self.statistics.add_increment(worker, increment, clock_offset));
        added.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Keeps the values of seconds for a live view.
    fn watch(&self, py: Python<'_>) {
        py.detach(|| self.statistics.watch());
    }

    /// Forgets the values that only a live view needs.
    fn unwatch(&self, py: Python<'_>) {
        py.detach(|| self.statistics.unwatch());
    }

    /// The seconds that have changed since a revision, as a JSON object.
    #[pyo3(signature = (since = None))]
    fn live(&self, py: Python<'_>, since: Option<u64>) -> Option<String> {
        // Numbers can always be written as JSON.
        py.detach(|| self.statistics.live(since).map(|seconds| serde_json::to_string(&seconds).unwrap_or_default()))
    }

    /// How often a second was changed for a live view.
    #[getter]
    fn live_changes(&self) -> u64 {
        self.statistics.live_changes()
    }

    /// The request names of the run, if it has had more than the maximum.
    fn request_names(&self, py: Python<'_>) -> Option<Vec<String>> {
        let names = py.detach(|| self.statistics.request_names())?;
        Some(names.into_iter().map(String::from).collect())
    }

    /// The marks of users in all processes so far, oldest first: time and text.
    #[getter]
    fn marks(&self, py: Python<'_>) -> Vec<(f64, String)> {
        shown(&py.detach(|| self.statistics.marks()))
    }

    /// The custom metrics of all processes so far, by name.
    #[getter]
    fn custom_metrics(&self, py: Python<'_>) -> Vec<CustomMetric> {
        py.detach(|| self.statistics.custom_metrics()).iter().map(CustomMetric::from).collect()
    }

    /// The summary so far.
    fn summary(&self, py: Python<'_>) -> Summary {
        Summary { summary: py.detach(|| self.statistics.summary()) }
    }
}

/// A custom metric of a run, with the names of its dimensions.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct CustomMetric {
    name: String,
    kind: String,
    unit: &'static str,
    dimensions: Vec<String>,
}

impl From<&custom::CustomMetric> for CustomMetric {
    fn from(metric: &custom::CustomMetric) -> Self {
        Self {
            name: metric.metric.to_string(),
            kind: metric.kind.to_string(),
            unit: metric.unit.as_str(),
            dimensions: metric.dimensions.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The marks of two parts of a run, oldest first: time and text.
#[pyfunction]
pub fn merge_marks(one: Vec<(f64, String)>, other: Vec<(f64, String)>) -> Vec<(f64, String)> {
    let marks = |pairs: Vec<(f64, String)>| {
        pairs.into_iter().filter_map(|(time, text)| summary::Mark::new(Timestamp::from_seconds_f64(time), &text))
    };
    shown(&summary::merge_marks(marks(one), marks(other)))
}

fn shown(marks: &[summary::Mark]) -> Vec<(f64, String)> {
    marks.iter().map(|mark| (mark.time().seconds_f64(), mark.text().to_owned())).collect()
}

/// The totals of the requests with one method and name.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct RequestTotals {
    method: String,
    name: String,
    requests: u64,
    failures: u64,
    mean_ms: Option<f64>,
    quantiles_ms: Vec<Option<f64>>,
}

impl RequestTotals {
    fn of(key: Option<&RequestKey>, totals: &summary::Totals, quantiles: &[f64]) -> Self {
        Self {
            method: key.map(|key| key.method().to_owned()).unwrap_or_default(),
            name: key.map(|key| key.name().to_owned()).unwrap_or_default(),
            requests: totals.requests,
            failures: totals.failures,
            mean_ms: totals.successful.mean_ms(),
            quantiles_ms: quantiles.iter().map(|&quantile| totals.successful.quantile_ms(quantile)).collect(),
        }
    }
}

/// The totals and distributions of a run.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Summary {
    pub(super) summary: summary::Summary,
}

#[pymethods]
impl Summary {
    /// Reads what `to_json` has written.
    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        let summary = py.detach(|| serde_json::from_str(text));
        let summary = summary
            .map_err(|error| PyValueError::new_err(format!("not a summary of this version of locust-cw: {error}")))?;
        Ok(Self { summary })
    }

    /// The summary as a JSON object.
    fn to_json(&self, py: Python<'_>) -> String {
        // Numbers and text can always be written as JSON.
        py.detach(|| serde_json::to_string(&self.summary).unwrap_or_default())
    }

    /// The sum of this summary and that of another part of the run.
    fn merge(&self, py: Python<'_>, other: &Self) -> Self {
        let sum = py.detach(|| {
            let mut sum = self.summary.clone();
            sum.merge(&other.summary);
            sum
        });
        Self { summary: sum }
    }

    /// A quantile of the response times of successful requests, in milliseconds.
    fn quantile_ms(&self, py: Python<'_>, quantile: f64) -> Option<f64> {
        py.detach(|| self.summary.all_measured().successful.quantile_ms(quantile))
    }

    /// Judges the requests.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes arguments by value")]
    fn check(
        &self,
        py: Python<'_>,
        expressions: Vec<String>,
        seconds: f64,
        targets: BTreeMap<String, TargetValue>,
    ) -> PyResult<Vec<CheckResult>> {
        let checks = expressions.iter().map(|text| parsed(text)).collect::<Result<Vec<_>, _>>()?;
        let targets = target_values(Some(targets));
        let results = py.detach(|| statistics::judge(&checks, &self.summary, seconds, &targets));
        Ok(results.into_iter().map(CheckResult::from).collect())
    }

    /// The totals of each request over the whole run, with these quantiles of its successful response times.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes arguments by value")]
    fn requests(&self, py: Python<'_>, quantiles: Vec<f64>) -> Vec<RequestTotals> {
        py.detach(|| {
            let requests = self.summary.requests().into_iter();
            requests.map(|(key, summary)| RequestTotals::of(Some(key), &summary.whole_run(), &quantiles)).collect()
        })
    }

    /// The same of all requests.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes arguments by value")]
    fn all_requests(&self, py: Python<'_>, quantiles: Vec<f64>) -> RequestTotals {
        py.detach(|| RequestTotals::of(None, &self.summary.whole_run(), &quantiles))
    }

    /// The same of the requests beyond the maximum number of names, if there are any.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes arguments by value")]
    fn other_requests(&self, py: Python<'_>, quantiles: Vec<f64>) -> Option<RequestTotals> {
        let totals = py.detach(|| self.summary.others().map(summary::RequestSummary::whole_run));
        totals.map(|totals| RequestTotals::of(None, &totals, &quantiles))
    }

    /// All measured requests by time, and then those of each method and name.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes arguments by value")]
    fn timelines(&self, py: Python<'_>, quantiles: Vec<f64>) -> Vec<RequestTimeline> {
        py.detach(|| timelines(&self.summary, &quantiles))
    }

    /// The load by time.
    fn load(&self) -> LoadTimeline {
        self.summary.load().into()
    }

    /// The failures of the whole run by type of error.
    fn errors(&self, py: Python<'_>) -> Vec<ErrorTotals> {
        py.detach(|| errors(&self.summary))
    }

    /// The slowest successful requests.
    fn slowest(&self) -> Vec<SingleRequest> {
        slowest(&self.summary)
    }

    /// Whether response times are from the reports of workers.
    #[getter]
    fn is_approximate(&self) -> bool {
        self.summary.is_approximate()
    }
}

//! `Publisher`: the Python class of a run. No method holds the GIL during an operation that can block.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCFunction, PyDict};
use smol_str::SmolStr;

use super::asyncio::awaitable;
use super::checks::CheckResult;
use super::custom::{self, CustomArguments};
use super::errors::not_started;
use super::flush::Flush;
use super::listener::RequestListener;
use super::options::config;
use super::progress::{LogMessage, Progress, destination};
use super::receipt::{Coverage, Receipt};
use super::request::{LateArguments, RequestArguments};
use super::responses::Responses;
use super::status_report::StatusReport;
use super::{context, convert};
use crate::accounting::receipt::LocustTotals;
use crate::accounting::status_report::Seconds;
use crate::aws::Aws;
use crate::config::identity::{RunIdentity, origin_of, public_host};
use crate::config::{LogChoice, validate};
use crate::ingest::queue::ControlMessage;
use crate::run::{ReportExtras, Run, TestState};
use crate::sample::{Gauge, LifeCycleEvent, Unit};
use crate::statistics::{Audience, RunStatistics, end_of_warm_up};
use crate::timestamp::Timestamp;

/// A run: records samples, publishes them, and counts them.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Publisher {
    run: Arc<Run>,
    /// The listener of a load test.
    listener: PyOnceLock<Arc<RequestListener>>,
}

impl Publisher {
    /// Converts the requests that the listener has not converted yet.
    fn convert_pending(&self, py: Python<'_>) {
        if let Some(listener) = self.listener.get(py) {
            listener.convert_pending(py);
        }
    }
}

fn seconds(timeout: f64) -> PyResult<Duration> {
    if timeout == f64::INFINITY {
        return Ok(Duration::MAX);
    }
    Duration::try_from_secs_f64(timeout)
        .map_err(|_| PyValueError::new_err(format!("a timeout must be a number of seconds, not {timeout}")))
}

#[pymethods]
impl Publisher {
    #[new]
    #[pyo3(signature = (options, *, run_id, worker, host = None, fallback_host = None, measured_from = None))]
    fn new(
        py: Python<'_>,
        options: &Bound<'_, PyDict>,
        run_id: String,
        worker: String,
        host: Option<String>,
        fallback_host: Option<&str>,
        measured_from: Option<f64>,
    ) -> PyResult<Self> {
        let config = config(options)?;
        let run_id = validate::run_id(run_id)?;
        let host = host.map(|host| public_host(&host));
        let fallback_host = fallback_host.map(|host| origin_of(host).unwrap_or_else(|| public_host(host)));
        let identity = RunIdentity { run_id, worker, host, fallback_host };
        let audience = if measured_from.is_some() { Audience::Master } else { Audience::Own };
        let measured_from =
            measured_from.map_or_else(|| end_of_warm_up(Timestamp::now(), config.warmup), Timestamp::from_seconds_f64);
        let statistics = RunStatistics::new(&config, measured_from, audience);
        let run = py.detach(|| Run::start(config, identity, statistics, crate::runtime::handle()?, Aws::new));
        Ok(Self { run: Arc::new(run.map_err(|error| not_started(&error))?), listener: PyOnceLock::new() })
    }

    /// A listener of Locust's `request` event, which records each finished request and never raises an exception. It converts
    /// requests in batches, the last ones at `set_users`, and whenever the data is to be sent.
    fn request_listener<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCFunction>> {
        let listener = self.listener.get_or_init(py, || Arc::new(RequestListener::new(py, Arc::clone(&self.run))));
        Arc::clone(listener).function(py)
    }

    /// Records a finished request, with the arguments of Locust's `request` event. Never raises an exception.
    #[pyo3(signature = (
        request_type = None, name = None, response_time = None, response_length = None, exception = None,
        context = None, response = None, start_time = None, url = None, status = None, **_other
    ))]
    #[expect(clippy::too_many_arguments, reason = "these are the arguments of Locust's event")]
    fn record(
        &self,
        py: Python<'_>,
        request_type: Option<&Bound<'_, PyAny>>,
        name: Option<&Bound<'_, PyAny>>,
        response_time: Option<&Bound<'_, PyAny>>,
        response_length: Option<&Bound<'_, PyAny>>,
        exception: Option<&Bound<'_, PyAny>>,
        context: Option<&Bound<'_, PyAny>>,
        response: Option<&Bound<'_, PyAny>>,
        start_time: Option<&Bound<'_, PyAny>>,
        url: Option<&Bound<'_, PyAny>>,
        status: Option<&Bound<'_, PyAny>>,
        _other: Option<&Bound<'_, PyDict>>,
    ) {
        let late = LateArguments { request_type, name, start_time, url, response_length };
        let request = RequestArguments { late, response_time, exception, context, response, status };
        let sample = request.sample(&self.run, &Responses::default());
        if let Err(item) = self.run.try_record(sample) {
            py.detach(|| self.run.record_blocking(item));
        }
    }

    /// Records the current value of a gauge of locust-cw. Custom metrics have rules of their own.
    #[pyo3(signature = (metric, value, unit = "None", dimension = None))]
    fn gauge(
        &self,
        py: Python<'_>,
        metric: String,
        value: f64,
        unit: &str,
        dimension: Option<(String, String)>,
    ) -> PyResult<()> {
        let unit = Unit::named(unit).map_err(PyValueError::new_err)?;
        let gauge = Gauge { time: Timestamp::now(), metric, value, unit, dimension };
        py.detach(|| self.run.push(ControlMessage::Gauge(Box::new(gauge))));
        Ok(())
    }

    /// Records a value of a custom metric.
    #[pyo3(signature = (kind, metric, value, unit, dimensions, *, in_test))]
    fn custom(
        &self,
        kind: &str,
        metric: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        unit: &Bound<'_, PyAny>,
        dimensions: &Bound<'_, PyDict>,
        in_test: bool,
    ) -> PyResult<()> {
        let arguments = CustomArguments { metric, value, unit, dimensions };
        arguments.record(&*self.run, kind, custom::source(in_test))
    }

    /// Records a mark.
    #[pyo3(signature = (text, *, in_test))]
    fn mark(&self, text: &Bound<'_, PyAny>, in_test: bool) -> PyResult<()> {
        custom::mark(&*self.run, text, custom::source(in_test))
    }

    /// Records the custom metrics and marks of a worker that this process publishes for.
    fn add_custom_report(&self, py: Python<'_>, worker: &str, report: &[u8], clock_offset: i64) -> PyResult<()> {
        py.detach(|| self.run.add_custom_report(worker, report, clock_offset))
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// How many values of custom metrics and marks were not recorded.
    #[getter]
    fn ignored(&self) -> u64 {
        self.run.ignored()
    }

    /// Records an event of the whole test as a log event.
    #[pyo3(signature = (name, fields = None))]
    fn event(&self, py: Python<'_>, name: String, fields: Option<&Bound<'_, PyAny>>) {
        let fields = context::entries(fields);
        let event = LifeCycleEvent { time: Timestamp::now(), name, fields, users: self.run.users() };
        py.detach(|| self.run.push(ControlMessage::LifeCycle(Box::new(event))));
    }

    /// Counts an exception in a task, and logs it unless there were too many.
    fn user_error(&self, py: Python<'_>, fields: &Bound<'_, PyAny>) {
        let fields = context::entries(Some(fields));
        let event =
            LifeCycleEvent { time: Timestamp::now(), name: "user_error".to_owned(), fields, users: self.run.users() };
        py.detach(|| self.run.user_error(event));
    }

    /// Sets the number of users in this process, for the requests that finish from now on.
    fn set_users(&self, py: Python<'_>, users: u64) {
        self.convert_pending(py);
        self.run.users.store(users.try_into().unwrap_or(u32::MAX), Relaxed);
    }

    /// Starts to send all data recorded so far.
    fn flush(&self, py: Python<'_>) -> Flush {
        self.convert_pending(py);
        Flush::start(py, &self.run)
    }

    /// The awaitable form: returns whether all of the data is settled within `timeout` seconds.
    #[pyo3(signature = (timeout = None))]
    fn flush_async<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        self.convert_pending(py);
        let timeout = timeout.map(seconds).transpose()?;
        let run = Arc::clone(&self.run);
        awaitable(py, async move { Ok(run.flushed(timeout).await) })
    }

    /// Whether `record` would return without waiting.
    #[getter]
    fn has_room(&self) -> bool {
        self.run.has_room()
    }

    /// Awaitable: waits for room for a sample, for as long as `record` would wait.
    fn room_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let run = Arc::clone(&self.run);
        awaitable(py, async move {
            run.room().await;
            Ok(())
        })
    }

    /// Awaitable: closes the run, sends its data for up to `timeout` seconds, and returns the receipt.
    fn close_async<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Bound<'py, PyAny>> {
        self.convert_pending(py);
        let timeout = seconds(timeout)?;
        let run = Arc::clone(&self.run);
        let statistics = Arc::clone(&run.statistics);
        statistics.end_measured_time(Timestamp::now());
        awaitable(py, async move {
            run.closed(timeout).await;
            // Ending the run waits for threads.
            let ended = tokio::task::spawn_blocking(move || run.finish()).await;
            let (mut receipt, end) = ended.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
            receipt.checks = statistics.final_results();
            Ok(Receipt::new(receipt, end, Coverage::All))
        })
    }

    /// Starts to send all data recorded so far, and sends later data without delay.
    fn drain(&self, py: Python<'_>) {
        self.convert_pending(py);
        py.detach(|| self.run.push(ControlMessage::Drain));
    }

    /// Starts to send all data recorded so far, and records no more.
    fn seal(&self, py: Python<'_>) {
        self.convert_pending(py);
        py.detach(|| {
            self.run.statistics.end_measured_time(Timestamp::now());
            self.run.push(ControlMessage::Close);
        });
    }

    /// Ends a drain.
    fn resume(&self, py: Python<'_>) {
        py.detach(|| self.run.resume());
    }

    /// The progress of the delivery.
    fn progress(&self, py: Python<'_>) -> Progress {
        self.convert_pending(py);
        py.detach(|| self.run.progress()).into()
    }

    /// Takes the pending messages for the log.
    fn take_messages(&self) -> Vec<LogMessage> {
        self.run.take_messages().into_iter().map(LogMessage::from).collect()
    }

    /// Records an entry of Locust's statistics that a worker sent to the master. Ignores any other value.
    fn record_stats(&self, py: Python<'_>, entry: &Bound<'_, PyAny>) {
        if let Some(entry) = convert::reported_stats(entry, Timestamp::now()) {
            py.detach(|| self.run.record_stats(entry));
        }
    }

    /// The series of this process so far.
    fn series<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.convert_pending(py);
        Ok(pythonize::pythonize(py, &py.detach(|| self.run.series()))?)
    }

    /// The report of this process to its master.
    #[pyo3(signature = (*, stopped = false, problem = None, refusal = None, remarks = Vec::new()))]
    fn status_report(
        &self,
        py: Python<'_>,
        stopped: bool,
        problem: Option<(String, f64)>,
        refusal: Option<String>,
        remarks: Vec<String>,
    ) -> StatusReport {
        self.convert_pending(py);
        let problem = problem.and_then(|(text, time)| Some((text, Seconds::try_from(time).ok()?)));
        let test = if stopped { TestState::Stopped } else { TestState::Running };
        let extras = ReportExtras { test, problem, refusal, remarks };
        StatusReport { report: py.detach(|| self.run.status_report(extras, Timestamp::now())) }
    }

    /// Ends the run, even if not all data is sent, and builds its receipt: adds those of other processes, and reconciles it with
    /// Locust's totals if they are given.
    #[pyo3(signature = (*, locust_totals = None, workers = Vec::new(), lacks_reports = false, dashboard_url = None, stop_reason = None, checks = None))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes arguments by value")]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword in Python")]
    fn finish(
        &self,
        py: Python<'_>,
        locust_totals: Option<(u64, u64)>,
        workers: Vec<PyRef<'_, StatusReport>>,
        lacks_reports: bool,
        dashboard_url: Option<String>,
        stop_reason: Option<String>,
        checks: Option<Vec<CheckResult>>,
    ) -> Receipt {
        self.convert_pending(py);
        let locust = locust_totals.map(|(requests, failures)| LocustTotals { requests, failures });
        let (mut receipt, end) = py.detach(|| self.run.finish());
        workers.iter().for_each(|worker| receipt.add(&worker.report.receipt));
        receipt.dashboard_url = dashboard_url;
        receipt.stop_reason = stop_reason;
        receipt.checks = match checks {
            Some(checks) => checks.into_iter().map(|check| check.result).collect(),
            None => py.detach(|| self.run.statistics.final_results()),
        };
        let coverage = if lacks_reports { Coverage::Partial } else { Coverage::All };
        Receipt::new(receipt.reconciled_with(locust), end, coverage)
    }

    /// Publishes no other request names than these from now on.
    fn restrict_requests(&self, py: Python<'_>, names: Vec<String>) {
        self.convert_pending(py);
        let names = names.into_iter().map(SmolStr::from).collect();
        py.detach(|| self.run.push(ControlMessage::RestrictRequests(names)));
    }

    /// The statistics of the run.
    #[getter]
    fn statistics(&self) -> super::statistics::RunStatistics {
        (&self.run.statistics).into()
    }

    /// The destination of the data, as far as it is known.
    fn destination<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        destination(py, self.run.destination().as_ref())
    }

    /// The run ID.
    #[getter]
    fn run_id(&self) -> &str {
        &self.run.identity.run_id
    }

    /// How many seconds to send the remaining data at the end.
    #[getter]
    fn drain_timeout(&self) -> f64 {
        self.run.config.drain_timeout.as_secs_f64()
    }

    /// Whether the run publishes log events.
    #[getter]
    fn has_logs(&self) -> bool {
        self.run.config.log.choice != LogChoice::Off
    }
}

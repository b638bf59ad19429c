//! `Publisher`: one run, as Python sees it. No method holds the GIL through anything that can wait.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use smol_str::SmolStr;

use super::asyncio::awaitable;
use super::errors::not_started;
use super::options::config;
use super::progress::{LogMessage, Progress, destination};
use super::receipt::{Coverage, Receipt};
use super::status_report::StatusReport;
use super::{context, convert};
use crate::accounting::receipt::LocustTotals;
use crate::accounting::status_report::Seconds;
use crate::aws::Aws;
use crate::config::identity::{RunIdentity, origin_of, public_host};
use crate::config::{LogChoice, validate};
use crate::ingest::queue::ControlMessage;
use crate::ingest::sample::{Gauge, LifeCycleEvent, Sample};
use crate::metrics::datum::{SAMPLE_METRICS, Unit};
use crate::redact::redact_urls;
use crate::run::{self, ReportExtras, Run, TestState};
use crate::timestamp::Timestamp;

/// One run: takes samples, publishes them, and accounts for them.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Publisher {
    run: Arc<Run>,
}

/// A flush under way.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Flush {
    run: Arc<Run>,
    flush: run::Flush,
}

#[pymethods]
impl Flush {
    /// True when everything is settled, false where nothing more can be sent for now, else `None`.
    #[getter]
    fn settled(&self, py: Python<'_>) -> Option<bool> {
        py.detach(|| self.run.is_flushed(&self.flush))
    }
}

impl Publisher {
    /// A request's URL, unless it is below the run's host, as most are.
    fn foreign_url(&self, url: Option<&Bound<'_, PyAny>>) -> Option<Box<str>> {
        let url = url.filter(|url| !url.is_none())?;
        let text = url.cast::<PyString>().ok().and_then(|url| url.to_str().ok());
        if text.is_some_and(|url| self.run.identity.is_own_url(url)) { None } else { Some(convert::text(url)) }
    }

    /// Warns once that response times are of a type that is no number, such as text: no percentile would show them.
    fn warn_unless_number(&self, response_time: Option<&Bound<'_, PyAny>>, sample: &Sample) {
        let Some(value) = response_time.filter(|value| !convert::has_numeric_type(value)) else { return };
        let text = format!(
            "The response time of {} {} has the type {}, and is not published: the request is counted without a time. \
             Pass milliseconds as a number. Further such requests are not reported.",
            sample.method,
            redact_urls(&sample.name),
            convert::type_name(value)
        );
        self.run.warn_once("response time", &text);
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
    #[pyo3(signature = (options, *, run_id, worker, host = None, fallback_host = None))]
    fn new(
        py: Python<'_>,
        options: &Bound<'_, PyDict>,
        run_id: String,
        worker: String,
        host: Option<String>,
        fallback_host: Option<&str>,
    ) -> PyResult<Self> {
        let config = config(options)?;
        let run_id = validate::run_id(run_id)?;
        let host = host.map(|host| public_host(&host));
        let fallback_host = fallback_host.map(|host| origin_of(host).unwrap_or_else(|| public_host(host)));
        let identity = RunIdentity { run_id, worker, host, fallback_host };
        let run = py.detach(|| Run::start(config, identity, crate::runtime::handle()?, Aws::new));
        Ok(Self { run: Arc::new(run.map_err(|error| not_started(&error))?) })
    }

    /// Takes a finished request: the listener of Locust's `request` event. Never raises.
    #[pyo3(signature = (
        request_type = None, name = None, response_time = None, response_length = None, exception = None,
        context = None, response = None, start_time = None, url = None, status = None, **_other
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of Locust's event")]
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
        let text = |value: Option<&Bound<'_, PyAny>>| value.map_or(SmolStr::new_static("None"), convert::text);
        let response_time_ms = convert::measure(response_time);
        let start = convert::number(start_time);
        let sample = Sample {
            time: Timestamp::of_completion(start, response_time_ms.unwrap_or_default(), Timestamp::now()),
            method: text(request_type),
            name: text(name),
            url: self.foreign_url(url),
            response_time_ms,
            response_bytes: convert::measure(response_length),
            failure: convert::failure(exception).map(Box::new),
            status: convert::status(status).or_else(|| convert::status_of(response)),
            users: self.run.users(),
            context: context::entries(context).into(),
        };
        if sample.response_time_ms.is_none() {
            self.warn_unless_number(response_time, &sample);
        }
        if let Err(item) = self.run.try_record(sample) {
            py.detach(|| self.run.record_blocking(item));
        }
    }

    /// Takes the present value of a gauge.
    #[pyo3(signature = (metric, value, unit = "None", dimension = None))]
    fn gauge(
        &self,
        py: Python<'_>,
        metric: String,
        value: f64,
        unit: &str,
        dimension: Option<(String, String)>,
    ) -> PyResult<()> {
        let unit: Unit = unit.parse().map_err(PyValueError::new_err)?;
        if !value.is_finite() || value < 0.0 {
            return Err(PyValueError::new_err(format!(
                "{metric}: a gauge must be finite and not negative, not {value}"
            )));
        }
        if SAMPLE_METRICS.contains(&metric.as_str()) {
            return Err(PyValueError::new_err(format!(
                "locust-cw computes {metric} from requests; choose another \
                                                      name"
            )));
        }
        let gauge = Gauge { time: Timestamp::now(), metric, value, unit, dimension };
        py.detach(|| self.run.push(ControlMessage::Gauge(Box::new(gauge))));
        Ok(())
    }

    /// Logs something that happened to the whole test.
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

    /// Tells how many users run in this process.
    fn set_users(&self, users: u64) {
        self.run.users.store(users.try_into().unwrap_or(u32::MAX), Relaxed);
    }

    /// Begins to send everything taken so far. Does not wait for it.
    fn flush(&self, py: Python<'_>) -> Flush {
        Flush { run: Arc::clone(&self.run), flush: py.detach(|| self.run.flush()) }
    }

    /// The same, to be awaited: whether everything is done with before `timeout` seconds.
    #[pyo3(signature = (timeout = None))]
    fn flush_async<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let timeout = timeout.map(seconds).transpose()?;
        let run = Arc::clone(&self.run);
        awaitable(py, async move { Ok(run.flushed(timeout).await) })
    }

    /// Whether a sample would be taken without waiting.
    #[getter]
    fn has_room(&self) -> bool {
        self.run.has_room()
    }

    /// To be awaited: room for a sample, for at most as long as `record` would wait.
    fn room_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let run = Arc::clone(&self.run);
        awaitable(py, async move {
            run.room().await;
            Ok(())
        })
    }

    /// To be awaited: sends everything, takes nothing more, and draws up the receipt after at most `timeout` seconds.
    fn close_async<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Bound<'py, PyAny>> {
        let timeout = seconds(timeout)?;
        let run = Arc::clone(&self.run);
        awaitable(py, async move {
            run.closed(timeout).await;
            // The end waits for threads.
            let ended = tokio::task::spawn_blocking(move || run.finish()).await;
            let (receipt, end) = ended.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
            Ok(Receipt::new(receipt, end, Coverage::All))
        })
    }

    /// Begins to send everything taken so far, and from now on everything at once. Does not wait for it.
    fn drain(&self, py: Python<'_>) {
        py.detach(|| self.run.push(ControlMessage::Drain));
    }

    /// The same, and takes nothing more. Does not wait for it.
    fn seal(&self, py: Python<'_>) {
        py.detach(|| self.run.push(ControlMessage::Close));
    }

    /// Goes on as before a drain.
    fn resume(&self, py: Python<'_>) {
        py.detach(|| self.run.resume());
    }

    /// How far the delivery has come.
    fn progress(&self, py: Python<'_>) -> Progress {
        py.detach(|| self.run.progress()).into()
    }

    /// Takes the messages for the log.
    fn diagnostics(&self) -> Vec<LogMessage> {
        self.run.take_messages().into_iter().map(LogMessage::from).collect()
    }

    /// Takes what a worker reported of one request name: an entry of Locust's statistics, as it is sent to the master.
    /// What is no such entry is passed over.
    fn report(&self, py: Python<'_>, entry: &Bound<'_, PyAny>) {
        if let Some(report) = convert::report(entry, Timestamp::now()) {
            py.detach(|| self.run.report(report));
        }
    }

    /// What this process reports to its master.
    #[pyo3(signature = (*, stopped = false, problem = None, refusal = None, remarks = Vec::new()))]
    fn status_report(
        &self,
        py: Python<'_>,
        stopped: bool,
        problem: Option<(String, f64)>,
        refusal: Option<String>,
        remarks: Vec<String>,
    ) -> StatusReport {
        let problem = problem.and_then(|(text, time)| Some((text, Seconds::try_from(time).ok()?)));
        let test = if stopped { TestState::Stopped } else { TestState::Running };
        let extras = ReportExtras { test, problem, refusal, remarks };
        StatusReport { report: py.detach(|| self.run.status_report(extras, Timestamp::now())) }
    }

    /// Ends the run, whatever is left, and makes its receipt: with those of other processes added, and reconciled with Locust's
    /// totals if they are given.
    #[pyo3(signature = (*, locust_totals = None, workers = Vec::new(), lacks_reports = false, dashboard_url = None, stop_reason = None))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
    fn finish(
        &self,
        py: Python<'_>,
        locust_totals: Option<(u64, u64)>,
        workers: Vec<PyRef<'_, StatusReport>>,
        lacks_reports: bool,
        dashboard_url: Option<String>,
        stop_reason: Option<String>,
    ) -> Receipt {
        let locust = locust_totals.map(|(requests, failures)| LocustTotals { requests, failures });
        let (mut receipt, end) = py.detach(|| self.run.finish());
        workers.iter().for_each(|worker| receipt.add(&worker.report.receipt));
        receipt.dashboard_url = dashboard_url;
        receipt.stop_reason = stop_reason;
        let coverage = if lacks_reports { Coverage::Partial } else { Coverage::All };
        Receipt::new(receipt.reconciled_with(locust), end, coverage)
    }

    /// Where the data goes, as far as that is known by now.
    fn destination<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        destination(py, self.run.destination().as_ref())
    }

    /// The run's id.
    #[getter]
    fn run_id(&self) -> &str {
        &self.run.identity.run_id
    }

    /// Seconds to keep sending at the end.
    #[getter]
    fn drain_timeout(&self) -> f64 {
        self.run.config.drain_timeout.as_secs_f64()
    }

    /// Whether there are log events.
    #[getter]
    fn has_logs(&self) -> bool {
        self.run.config.log.choice != LogChoice::Off
    }
}

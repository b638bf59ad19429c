//! `Publisher`: one run, as Python sees it. No method holds the GIL through anything that can wait.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::pythonize;
use smol_str::SmolStr;

use super::asyncio::awaitable;
use super::convert;
use super::options::{config, run_id_of};
use crate::accounting::counters::{Counters, Counts};
use crate::accounting::messages::Level;
use crate::accounting::pricing::Cost;
use crate::accounting::receipt::{self, LocustTotals, Style};
use crate::aws::Aws;
use crate::config::ResolvedAws;
use crate::config::identity::{RunIdentity, origin_of, public_host};
use crate::delivery;
use crate::ingest::queue::{ControlMessage, QueueSender};
use crate::ingest::sample::{Gauge, LifeCycleEvent, Sample};
use crate::metrics::datum::{SAMPLE_METRICS, Unit};
use crate::run::{self, Run};
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
    /// True when everything is done with, false where nothing more can be sent for now, else `None`.
    #[getter]
    fn settled(&self, py: Python<'_>) -> Option<bool> {
        py.detach(|| self.run.is_flushed(&self.flush))
    }
}

/// How far a run's delivery has come.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct Progress {
    left: u64,
    settled: u64,
    metrics_calls: u64,
    logs_calls: u64,
    over: bool,
    failures: Vec<String>,
    refusals: Vec<String>,
    trouble_since: Option<f64>,
    delivered_until: Option<f64>,
    waiting_bytes: u64,
}

impl From<delivery::Progress> for Progress {
    #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch")]
    fn from(progress: delivery::Progress) -> Self {
        Self {
            left: progress.left,
            settled: progress.settled,
            metrics_calls: progress.succeeded.0,
            logs_calls: progress.succeeded.1,
            over: progress.over,
            failures: progress.failures,
            refusals: progress.refusals,
            trouble_since: progress.trouble_since.map(|time| time.micros() as f64 / 1e6),
            delivered_until: progress.delivered_until.map(|second| second as f64),
            waiting_bytes: progress.waiting_bytes,
        }
    }
}

/// The account of a run.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct Receipt {
    text: String,
    colored_text: String,
    json: String,
    message: String,
    complete: bool,
    remarks: Vec<String>,
}

impl Receipt {
    pub(super) fn new(receipt: &receipt::Receipt, remarks: &receipt::Remarks) -> Self {
        Self {
            text: receipt.to_text(remarks, Style::Plain),
            colored_text: receipt.to_text(remarks, Style::Ansi),
            json: receipt.to_json(),
            message: receipt.to_message(),
            complete: receipt.is_complete() && !remarks.lacks_accounts,
            remarks: remarks.lines.clone(),
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

/// Messages, each with `logging`'s number of its level.
pub(super) fn numbered(messages: Vec<(Level, String)>) -> Vec<(u8, String)> {
    messages.into_iter().map(|(level, message)| (level.number(), message)).collect()
}

/// Where data goes, as a dict.
pub(super) fn destination<'py>(py: Python<'py>, resolved: Option<&ResolvedAws>) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(resolved.map(|resolved| pythonize(py, resolved)).transpose()?)
}

/// An id for a run that begins now, such as `20261122T110301Z-7f3a`.
#[pyfunction]
#[must_use]
pub fn new_run_id() -> String {
    run::new_run_id()
}

/// The receipt of a run of which nothing was recorded, and why.
#[pyfunction]
#[must_use]
pub fn nothing_recorded(run_id: &str, why: String) -> Receipt {
    let receipt = receipt::Receipt::new(run_id, &Counters::default(), Counts::default(), Cost::default());
    Receipt::new(&receipt, &receipt::Remarks { lines: vec![why], ..receipt::Remarks::default() })
}

#[pymethods]
impl Publisher {
    #[new]
    #[pyo3(signature = (options, *, run_id, worker, host = None, fallback_host = None, announces = true))]
    fn new(
        py: Python<'_>,
        options: &Bound<'_, PyDict>,
        run_id: String,
        worker: String,
        host: Option<String>,
        fallback_host: Option<&str>,
        announces: bool,
    ) -> PyResult<Self> {
        let config = config(options)?;
        let run_id = run_id_of(run_id)?;
        let host = host.map(|host| public_host(&host));
        let fallback_host = fallback_host.map(|host| origin_of(host).unwrap_or_else(|| public_host(host)));
        let identity = RunIdentity { run_id, worker, host, fallback_host, announces };
        let run = py.detach(|| Run::start(config, identity, crate::runtime::handle()?, Aws::new));
        Ok(Self { run: Arc::new(run.map_err(|error| PyOSError::new_err(error.to_string()))?) })
    }

    /// Takes a finished request: the listener of Locust's `request` event. Never raises.
    #[pyo3(signature = (
        request_type = None, name = None, response_time = None, response_length = None, exception = None,
        context = None, response = None, start_time = None, url = None, status = None, **_other
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of Locust's event")]
    #[expect(clippy::result_large_err, reason = "a sample that does not fit comes back as it is")]
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
            url: if self.run.identity.host.is_none() { url.map(convert::text) } else { None },
            response_time_ms,
            response_bytes: convert::measure(response_length),
            failure: convert::failure(exception).map(Box::new),
            status: convert::status(status).or_else(|| convert::status_of(response)),
            users: self.run.users(),
            context: convert::scalars(context).into(),
        };
        self.run.record(sample, |sender: &QueueSender, item| py.detach(|| sender.push(item)));
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
            return Err(PyValueError::new_err(format!("{metric} is made from requests; choose another name")));
        }
        let gauge = Gauge { time: Timestamp::now(), metric, value, unit, dimension };
        py.detach(|| self.run.push(ControlMessage::Gauge(Box::new(gauge))));
        Ok(())
    }

    /// Logs something that happened to the whole test.
    #[pyo3(signature = (name, fields = None))]
    fn event(&self, py: Python<'_>, name: String, fields: Option<&Bound<'_, PyAny>>) {
        let fields = convert::scalars(fields);
        let event = LifeCycleEvent { time: Timestamp::now(), name, fields, users: self.run.users() };
        py.detach(|| self.run.push(ControlMessage::LifeCycle(Box::new(event))));
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
            let (receipt, remarks) = ended.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
            Ok(Receipt::new(&receipt, &remarks))
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

    /// Takes the messages that wait to be logged, each with `logging`'s number of its level.
    fn diagnostics(&self) -> Vec<(u8, String)> {
        numbered(self.run.messages())
    }

    /// Takes what a worker reported of one request name: an entry of Locust's statistics, as it is sent to the master.
    /// What is no such entry is passed over.
    fn report(&self, py: Python<'_>, entry: &Bound<'_, PyAny>) {
        if let Some(report) = convert::report(entry, Timestamp::now()) {
            py.detach(|| self.run.report(report));
        }
    }

    /// The account so far, for the master of the run: what is on its way counts as spooled.
    fn snapshot(&self, py: Python<'_>) -> String {
        py.detach(|| self.run.snapshot().to_message())
    }

    /// Ends the run, whatever is left, and draws up its receipt: with those of the workers added, and reconciled with
    /// Locust's totals where they are given.
    #[pyo3(signature = (
        requests = None, failures = None, workers = Vec::new(), lacks_accounts = false, remarks = Vec::new(),
        dashboard_url = None
    ))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
    #[expect(clippy::too_many_arguments, reason = "they are named where it is called")]
    fn finish(
        &self,
        py: Python<'_>,
        requests: Option<u64>,
        failures: Option<u64>,
        workers: Vec<String>,
        lacks_accounts: bool,
        remarks: Vec<String>,
        dashboard_url: Option<String>,
    ) -> PyResult<Receipt> {
        let locust = requests.zip(failures).map(|(requests, failures)| LocustTotals { requests, failures });
        let (mut receipt, mut own_remarks) = py
            .detach(|| {
                let (mut receipt, remarks) = self.run.finish();
                for worker in &workers {
                    receipt.add(&receipt::Receipt::from_json(worker)?);
                }
                Ok((receipt, remarks))
            })
            .map_err(|error: serde_json::Error| PyValueError::new_err(format!("a worker's receipt: {error}")))?;
        own_remarks.lacks_accounts = lacks_accounts;
        own_remarks.lines.extend(remarks);
        receipt.dashboard_url = dashboard_url;
        Ok(Receipt::new(&receipt.reconciled_with(locust), &own_remarks))
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
        self.run.config.log.choice != crate::config::LogChoice::Off
    }
}

//! The listener of Locust's `request` event.
//!
//! Locust evicts code and data from the caches between two requests, so a call costs more the more code it runs. Therefore
//! the listener reads at once only what it must, and converts the rest of many requests together.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyString};

use super::convert;
use super::request::{Known, LateArguments, RequestArguments};
use super::responses::Responses;
use crate::ingest::pending::Pending;
use crate::run::Run;
use crate::sample::Sample;
use crate::timestamp::Timestamp;

/// How many requests are converted together. More would save little, and the user of the last one waits for all of them.
const BATCH: usize = 64;
/// The keywords of the event that are read, in the order in which `FastHttpUser` passes them.
const KEYWORDS: [&str; 10] = [
    "request_type",
    "name",
    "context",
    "response",
    "exception",
    "start_time",
    "url",
    "response_length",
    "response_time",
    "status",
];

/// Passes the time of the oldest pending request to the run.
type PublishTime = Box<dyn Fn(Option<Timestamp>) + Send + Sync>;

/// Records the requests of a load test.
pub struct RequestListener {
    run: Arc<Run>,
    names: Names,
    responses: Responses,
    pending: Pending<PendingRequest, PublishTime>,
}

impl RequestListener {
    /// A listener for a run. Its owner must call [`Self::convert_pending`] every tenth of a second, and before the data
    /// is sent.
    pub fn new(py: Python<'_>, run: Arc<Run>) -> Self {
        let of_run = Arc::clone(&run);
        let publish: PublishTime = Box::new(move |time| of_run.set_pending_since(time));
        let pending = Pending::new(BATCH, publish);
        Self { run, names: Names::new(py), responses: Responses::of_locust(py), pending }
    }

    /// The listener as a function of Python, which never raises an exception.
    ///
    /// A method with parameters would do the same. But a closure gets the keywords as the dictionary that Python has made for the
    /// call, and sorting them into parameters is half of the code of a call.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn function(self: Arc<Self>, py: Python<'_>) -> PyResult<Bound<'_, PyCFunction>> {
        let doc = c"Record a finished request.";
        let listen = move |_: &Bound<'_, _>, keywords: Option<&Bound<'_, PyDict>>| {
            if let Some(keywords) = keywords {
                self.on_request(keywords);
            }
        };
        PyCFunction::new_closure(py, Some(c"record_request"), Some(doc), listen)
    }

    fn on_request(&self, keywords: &Bound<'_, PyDict>) {
        let py = keywords.py();
        let values = KeywordValues::of(keywords, &self.names);
        let arguments = values.arguments();
        // What may change, or holds resources of the user, is converted at once.
        if arguments.exception.is_some_and(|exception| !exception.is_none()) {
            return self.record(py, || arguments.sample(&self.run, &self.responses));
        }
        let response_time_ms = convert::measure(arguments.response_time);
        let detail = self.run.details.next(false, response_time_ms);
        if response_time_ms.is_none() || detail.is_full() && arguments.has_context() || !arguments.late.is_plain() {
            return self.record(py, || arguments.sample_of(None, detail, &self.run, &self.responses));
        }
        let status = if detail.is_full() { arguments.status(&self.responses) } else { None };
        let number = self.pending.add(|now| PendingRequest {
            known: Known { now, detail, response_time_ms, failure: None, status, context: Box::default() },
            values: values.into_late(),
        });
        if number >= BATCH {
            self.convert_pending(py);
        }
    }

    /// Converts and queues all requests so far.
    pub fn convert_pending(&self, py: Python<'_>) {
        if let Some((batch, _conversion)) = self.pending.take() {
            self.convert(py, batch);
        }
    }

    /// Converts and queues a request at once, after the pending ones.
    fn record(&self, py: Python<'_>, sample: impl FnOnce() -> Sample) {
        let (batch, _conversion) = self.pending.take_before_another();
        self.convert(py, batch);
        self.queue(py, sample());
    }

    fn convert(&self, py: Python<'_>, batch: Vec<PendingRequest>) {
        for PendingRequest { known, values } in batch {
            let values = values.map(|value| value.map(|value| value.into_bound(py)));
            self.queue(py, LateArguments::of(values.each_ref().map(Option::as_ref)).sample(&self.run, known));
        }
    }

    fn queue(&self, py: Python<'_>, sample: Sample) {
        if let Err(item) = self.run.try_record(sample) {
            py.detach(|| self.run.record_blocking(item));
        }
    }
}

/// A request of which texts and numbers are not converted yet. Their Python objects live until then.
struct PendingRequest {
    known: Known,
    values: [Option<Py<PyAny>>; 5],
}

/// The names of the keywords as Python objects. Python interns the names in its code, so that most have the same address.
struct Names([Py<PyString>; KEYWORDS.len()]);

impl Names {
    fn new(py: Python<'_>) -> Self {
        Self(KEYWORDS.map(|name| PyString::intern(py, name).unbind()))
    }

    fn position(&self, name: &Bound<'_, PyAny>) -> Option<usize> {
        self.0.iter().position(|known| known.is(name)).or_else(|| {
            // The name may be that of a dictionary that was made from data.
            let name = name.cast::<PyString>().ok()?.to_str().ok()?;
            KEYWORDS.iter().position(|known| *known == name)
        })
    }
}

/// The values of the keywords, in their order.
struct KeywordValues<'py>([Option<Bound<'py, PyAny>>; KEYWORDS.len()]);

impl<'py> KeywordValues<'py> {
    fn of(keywords: &Bound<'py, PyDict>, names: &Names) -> Self {
        let mut values = [const { None }; KEYWORDS.len()];
        for (name, value) in keywords {
            if let Some(position) = names.position(&name) {
                values[position] = Some(value);
            }
        }
        Self(values)
    }

    fn arguments(&self) -> RequestArguments<'_, 'py> {
        let [request_type, name, context, response, exception, start_time, url, response_length, response_time, status] =
            self.0.each_ref().map(Option::as_ref);
        let late = LateArguments { request_type, name, start_time, url, response_length };
        RequestArguments { late, response_time, exception, context, response, status }
    }

    fn into_late(self) -> [Option<Py<PyAny>>; 5] {
        let [request_type, name, _, _, _, start_time, url, response_length, ..] = self.0;
        [request_type, name, start_time, url, response_length].map(|value| value.map(Bound::unbind))
    }
}

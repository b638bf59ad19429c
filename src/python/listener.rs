//! The listener of Locust's `request` event.
//!
//! Locust evicts code and data from the caches between two requests, so a call costs more the more code it runs. Therefore
//! the listener reads at once only what it must, and converts the rest of many requests together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyString};

use super::convert;
use super::request::{Known, LateArguments, RequestArguments};
use super::responses::Responses;
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

/// Records the requests of a load test.
pub struct RequestListener {
    run: Arc<Run>,
    names: Names,
    responses: Responses,
    pending: Mutex<Pending>,
}

/// Requests that have finished, and are not in the queue yet.
struct Pending {
    /// Those that are not converted yet: fewer than [`BATCH`].
    requests: Vec<PendingRequest>,
    /// How many threads convert others.
    converting: usize,
}

impl Pending {
    const fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.converting == 0
    }
}

impl RequestListener {
    /// A listener for a run. Its owner must call [`Self::convert_pending`] every tenth of a second, and before the data
    /// is sent.
    pub fn new(py: Python<'_>, run: Arc<Run>) -> Self {
        Self {
            run,
            names: Names::new(py),
            responses: Responses::of_locust(py),
            pending: Mutex::new(Pending { requests: Vec::with_capacity(BATCH), converting: 0 }),
        }
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
        let known =
            Known { now: Timestamp::now(), detail, response_time_ms, failure: None, status, context: Box::default() };
        let is_full = {
            let mut pending = self.pending_from(known.now);
            pending.requests.push(PendingRequest { known, values: values.into_late() });
            pending.requests.len() >= BATCH
        };
        if is_full {
            self.convert_pending(py);
        }
    }

    /// Converts and queues all requests so far.
    pub fn convert_pending(&self, py: Python<'_>) {
        let batch = {
            let mut pending = self.pending();
            if pending.requests.is_empty() {
                return;
            }
            pending.converting += 1;
            std::mem::replace(&mut pending.requests, Vec::with_capacity(BATCH))
        };
        for PendingRequest { known, values } in batch {
            let values = values.map(|value| value.map(|value| value.into_bound(py)));
            self.queue(py, LateArguments::of(values.each_ref().map(Option::as_ref)).sample(&self.run, known));
        }
        self.end_conversion();
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pending requests, to which one of this time will be added.
    fn pending_from(&self, now: Timestamp) -> MutexGuard<'_, Pending> {
        let pending = self.pending();
        if pending.is_empty() {
            self.run.set_pending_since(Some(now));
        }
        pending
    }

    /// What this thread has converted is in the queue. While it waited for room, other threads may have made requests.
    fn end_conversion(&self) {
        let mut pending = self.pending();
        pending.converting -= 1;
        if pending.converting == 0 {
            self.run.set_pending_since(pending.requests.first().map(|request| request.known.now));
        }
    }

    /// Records a request after those before it.
    fn record(&self, py: Python<'_>, sample: impl FnOnce() -> Sample) {
        self.convert_pending(py);
        self.pending_from(Timestamp::now()).converting += 1;
        self.queue(py, sample());
        self.end_conversion();
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

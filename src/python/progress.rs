//! The progress of a delivery, and messages for the log, as Python classes.

use pyo3::prelude::*;
use pythonize::pythonize;

use crate::config::ResolvedAws;
use crate::delivery;
use crate::delivery::error::CallError;
use crate::messages::Message;

/// The progress of a delivery.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct Progress {
    left: u64,
    settled: u64,
    metrics_calls: u64,
    logs_calls: u64,
    over: bool,
    call_failures: Vec<CallFailure>,
}

impl From<delivery::Progress> for Progress {
    fn from(progress: delivery::Progress) -> Self {
        Self {
            left: progress.left,
            settled: progress.settled,
            metrics_calls: progress.succeeded.0,
            logs_calls: progress.succeeded.1,
            over: progress.over,
            call_failures: progress.call_failures.iter().map(CallFailure::from).collect(),
        }
    }
}

/// Why a call to AWS failed.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
#[derive(Clone)]
pub struct CallFailure {
    operation: String,
    resource: String,
    code: String,
    message: String,
    topic: String,
    needs_action: bool,
}

impl From<&CallError> for CallFailure {
    fn from(error: &CallError) -> Self {
        Self {
            operation: error.operation.clone(),
            resource: error.resource.to_string(),
            code: error.cause.code().to_owned(),
            message: error.to_string(),
            topic: error.topic(),
            needs_action: error.needs_action(),
        }
    }
}

/// A message for the log.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct LogMessage {
    level: u8,
    topic: String,
    text: String,
}

impl From<Message> for LogMessage {
    fn from(message: Message) -> Self {
        Self { level: message.level.number(), topic: message.topic, text: message.text }
    }
}

/// Converts a destination to a dict.
pub fn destination<'py>(py: Python<'py>, resolved: Option<&ResolvedAws>) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(resolved.map(|resolved| pythonize(py, resolved)).transpose()?)
}

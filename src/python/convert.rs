//! Converts the values that Locust's clients report to plain Rust values. No conversion raises an exception; invalid values are
//! omitted.

use std::collections::BTreeMap;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::redact::head;
use crate::sample::{Failure, MAX_TEXT_BYTES, Point, ReportedStats};
use crate::timestamp::Timestamp;

/// Any value as the text that Python's `str` returns. Bytes are decoded as UTF-8.
pub fn text<T: for<'a> From<&'a str>>(value: &Bound<'_, PyAny>) -> T {
    text_up_to(value, MAX_TEXT_BYTES)
}

pub(super) fn text_up_to<T: for<'a> From<&'a str>>(value: &Bound<'_, PyAny>, limit: usize) -> T {
    if let Ok(string) = value.cast::<PyString>() {
        return head(&string.to_string_lossy(), limit).into();
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        let bytes = bytes.as_bytes();
        // One further byte shows that the text is cut.
        return head(&String::from_utf8_lossy(&bytes[..bytes.len().min(limit + 1)]), limit).into();
    }
    match value.str() {
        Ok(string) => head(&string.to_string_lossy(), limit).into(),
        Err(error) => {
            raise_ctrl_c_later(value.py(), &error);
            head(&format!("({} that has no text)", type_name(value)), limit).into()
        }
    }
}

/// A Python value as a Rust type; `None` if it cannot be converted. The conversion may run code of the user.
pub(super) fn value_of<'py, T>(value: &Bound<'py, PyAny>) -> Option<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    value.extract().inspect_err(|error| raise_ctrl_c_later(value.py(), error)).ok()
}

/// Repeats Ctrl-C after this call, if Python raised it in code of the user that this module called.
pub(super) fn raise_ctrl_c_later(py: Python<'_>, error: &PyErr) {
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        // It does not fail in practice, and the sample is more important.
        let _ =
            py.import(intern!(py, "_thread")).and_then(|threads| threads.call_method0(intern!(py, "interrupt_main")));
    }
}

/// The name of a value's type, such as `str`.
pub(super) fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// A finite and non-negative number.
pub fn measure(value: Option<&Bound<'_, PyAny>>) -> Option<f64> {
    number(value).filter(|number| number.is_finite() && *number >= 0.0)
}

/// Whether a value is `None`, or has a type that converts to a number. Runs no code of that type.
pub fn has_numeric_type(value: &Bound<'_, PyAny>) -> bool {
    let class = value.get_type();
    let converts = |method| class.hasattr(method).unwrap_or(false);
    value.is_none() || converts(intern!(value.py(), "__float__")) || converts(intern!(value.py(), "__index__"))
}

/// Any number.
pub fn number(value: Option<&Bound<'_, PyAny>>) -> Option<f64> {
    value.filter(|value| !value.is_none()).and_then(value_of)
}

/// Why a request failed; `None` if Locust counts it as successful.
pub fn failure(exception: Option<&Bound<'_, PyAny>>) -> Option<Failure> {
    let exception = exception.filter(|exception| !exception.is_none())?;
    // Locust counts a failure if the exception is true.
    let is_failure = exception.is_truthy().unwrap_or_else(|error| {
        raise_ctrl_c_later(exception.py(), &error);
        true
    });
    is_failure.then(|| Failure { kind: type_name(exception), message: text(exception) })
}

/// An HTTP status.
pub fn status(status: Option<&Bound<'_, PyAny>>) -> Option<u16> {
    value_of(status?).filter(|&status| status > 0)
}

/// Maximum count in an entry of Locust's statistics. Real counts are lower, and sums of such counts fit into a counter.
const MAX_COUNT: f64 = u32::MAX as f64;

/// Converts an entry of Locust's statistics, as workers send it; `None` if it has no requests, or is not such an entry.
///
/// Its counts per second are exact. Locust has rounded its response times, which include those of failed requests.
pub fn reported_stats(entry: &Bound<'_, PyAny>, now: Timestamp) -> Option<ReportedStats> {
    let entry = entry.cast::<PyDict>().ok()?;
    let get = |key: &str| entry.get_item(key).ok().flatten();
    let counts = |key: &str| get(key).map(|value| pairs(&value)).unwrap_or_default();
    let failures: BTreeMap<i64, u64> = counts("num_fail_per_sec").into_iter().collect();
    let mut seconds: BTreeMap<i64, (u64, u64)> =
        counts("num_reqs_per_sec").into_iter().map(|(second, requests)| (second, (requests, 0))).collect();
    for (second, number) in failures {
        seconds.entry(second).or_default().1 = number;
    }
    let at = |second: f64| Timestamp::of_completion(Some(second), 0.0, now);
    #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch")]
    let seconds: Vec<_> =
        seconds.into_iter().map(|(second, (requests, failures))| (at(second as f64), requests, failures)).collect();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a response")]
    let response_times_ms: Vec<_> = counts("response_times")
        .into_iter()
        .filter(|&(ms, _)| ms >= 0)
        .map(|(ms, count)| Point { value: ms as f64, count })
        .collect();
    let requests: u64 = seconds.iter().map(|second| second.1).sum();
    let bytes = number(get("total_content_length").as_ref()).filter(|bytes| *bytes >= 0.0);
    #[expect(clippy::cast_precision_loss, reason = "a number of requests")]
    let response_bytes = bytes.map(|bytes| Point { value: bytes / requests as f64, count: requests });
    (requests > 0).then(|| ReportedStats {
        method: get("method").map_or_else(|| "None".to_owned(), |value| text(&value)),
        name: get("name").map_or_else(|| "None".to_owned(), |value| text(&value)),
        seconds,
        last: number(get("last_request_timestamp").as_ref()).map_or(now, at),
        response_times_ms,
        response_bytes,
    })
}

/// The entries of a dict of numbers with counts. Invalid entries are omitted.
fn pairs(value: &Bound<'_, PyAny>) -> Vec<(i64, u64)> {
    let Ok(dict) = value.cast::<PyDict>() else { return Vec::new() };
    let number = |value: &Bound<'_, PyAny>| self::number(Some(value)).filter(|number| number.is_finite());
    let count = |value: &Bound<'_, PyAny>| number(value).filter(|count| (0.0..=MAX_COUNT).contains(count));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds, milliseconds and counts")]
    dict.iter().filter_map(|(key, value)| Some((number(&key)? as i64, count(&value)? as u64))).collect()
}

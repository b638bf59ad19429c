//! The entries of a request's `context`, and the fields of a life-cycle event, as scalar values for log events.
//!
//! Numbers stay numbers, including those of NumPy, `Decimal` and `Fraction`; the entries of a nested dict get names such
//! as `cart.items`; any other value is logged as the text that `str` returns.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString, PyType};

use super::convert::{text_up_to, value_of};
use crate::sample::{MAX_CONTEXT_ENTRIES, MAX_ENTRY_BYTES, MAX_ENTRY_NAME_BYTES, Scalar};

/// At most [`MAX_CONTEXT_ENTRIES`] entries of a dict, with those of dicts in it; empty for any other value.
pub fn entries(context: Option<&Bound<'_, PyAny>>) -> Vec<(String, Scalar)> {
    let mut entries = Vec::new();
    if let Some(dict) = context.and_then(|context| context.cast::<PyDict>().ok()) {
        add(dict, None, &mut entries);
    }
    entries
}

fn add(dict: &Bound<'_, PyDict>, parent: Option<&str>, entries: &mut Vec<(String, Scalar)>) {
    if dict.is_empty() {
        return;
    }
    // The items are copied first, because converting a value may run the user's code, which may change the dict.
    let items: Vec<_> = dict.iter().collect();
    for (key, value) in items {
        if entries.len() >= MAX_CONTEXT_ENTRIES {
            return;
        }
        let key: String = text_up_to(&key, MAX_ENTRY_NAME_BYTES);
        let name = parent.map_or_else(|| key.clone(), |parent| format!("{parent}.{key}"));
        match value.cast::<PyDict>() {
            Ok(nested) if parent.is_none() && !nested.is_empty() => add(nested, Some(&name), entries),
            _ => entries.push((name, scalar(&value))),
        }
    }
}

fn scalar(value: &Bound<'_, PyAny>) -> Scalar {
    // Exact types are tested first: they are by far the most frequent, and converting them runs no code of the user.
    if value.is_none() {
        return Scalar::Null;
    }
    if let Ok(truth) = value.cast_exact::<PyBool>() {
        return Scalar::Bool(truth.is_true());
    }
    if value.is_exact_instance_of::<PyInt>() {
        return integer(value);
    }
    if let Ok(number) = value.cast_exact::<PyFloat>() {
        return Scalar::Float(number.value());
    }
    if !value.is_instance_of::<PyString>() {
        if is_numpy_bool(value) {
            return value_of(value).map_or_else(|| text(value), Scalar::Bool);
        }
        if is_instance_of_number(value, &INTEGRAL, "Integral") {
            return integer(value);
        }
        if is_instance_of_number(value, &NUMBER, "Number") {
            // A `Decimal` can be larger than any float.
            let number: Option<f64> = value_of(value).filter(|number: &f64| number.is_finite());
            return number.map_or_else(|| text(value), Scalar::Float);
        }
    }
    text(value)
}

/// An integer, or text if it does not fit into 64 bits.
fn integer(value: &Bound<'_, PyAny>) -> Scalar {
    value_of(value).map_or_else(|| text(value), Scalar::Int)
}

fn text(value: &Bound<'_, PyAny>) -> Scalar {
    Scalar::Text(text_up_to(value, MAX_ENTRY_BYTES))
}

static INTEGRAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static NUMBER: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Whether a value is an instance of an abstract base class of Python's module `numbers`. NumPy and `decimal` register their
/// types with these classes.
fn is_instance_of_number(value: &Bound<'_, PyAny>, class: &PyOnceLock<Py<PyType>>, name: &str) -> bool {
    class.import(value.py(), "numbers", name).and_then(|class| value.is_instance(class)).unwrap_or(false)
}

/// Whether a value is a NumPy Boolean, which is neither an instance of `bool` nor of an abstract base class.
fn is_numpy_bool(value: &Bound<'_, PyAny>) -> bool {
    let class = value.get_type();
    let is_numpy =
        class.getattr(intern!(value.py(), "__module__")).is_ok_and(|module| module.eq("numpy").unwrap_or(false));
    is_numpy && class.name().is_ok_and(|name| name == "bool_" || name == "bool")
}

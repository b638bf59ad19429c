//! Converts errors of the core to Python exceptions. Their classes have fields, and are defined in `python/locust_cw/_errors.py`.

use std::io;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::{PyTypeInfo as _, import_exception};

use crate::aws::account::AccountError;
use crate::config::{InvalidOption, Problem};
use crate::delivery::error::CallError;

import_exception!(locust_cw._errors, AwsError);
import_exception!(locust_cw._errors, InvalidOptionError);

/// Adds the exceptions to the native module.
///
/// # Errors
/// If the Python package is incomplete.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("AwsError", AwsError::type_object(py))?;
    module.add("InvalidOptionError", InvalidOptionError::type_object(py))
}

impl From<InvalidOption> for PyErr {
    fn from(error: InvalidOption) -> Self {
        let InvalidOption { option, problem } = error;
        match problem {
            Problem::Unknown => InvalidOptionError::new_err((option,)),
            problem => InvalidOptionError::new_err((option, problem.to_string())),
        }
    }
}

impl From<CallError> for PyErr {
    fn from(error: CallError) -> Self {
        let (message, code) = (error.to_string(), error.cause.code().to_owned());
        let (kind, stage): (&str, &str) = (error.kind().into(), error.stage.into());
        AwsError::new_err((message, code, error.operation, error.resource.into_string(), kind, stage))
    }
}

impl From<AccountError> for PyErr {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Call(error) => error.into(),
            AccountError::Input { .. } => PyValueError::new_err(error.to_string()),
        }
    }
}

/// The exception if a thread or the runtime could not be started.
pub fn not_started(error: &io::Error) -> PyErr {
    PyOSError::new_err(error.to_string())
}

//! Options on their way from Python, and their errors on the way back.

use std::path::PathBuf;

use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::config::{self, Config, InvalidOption, Options};

create_exception!(
    locust_cw._core,
    InvalidOptionError,
    PyValueError,
    "An option that is not known, or whose value cannot be used. The message names it."
);

/// Reads, by the names of [`Options`]' fields, the options that a dict holds; the others have their defaults.
macro_rules! fields {
    ($apply:ident) => {
        $apply!(
            live,
            dry_run,
            local,
            namespace,
            dimensions,
            dimension,
            resolution,
            flush_interval,
            max_requests,
            logs,
            log_sample,
            log_format,
            log_urls,
            log_group,
            log_stream,
            log_retention_days,
            log_class,
            region,
            profile,
            role_arn,
            external_id,
            endpoint_url,
            run_id,
            spool_dir,
            spool_max_mb,
            drain_timeout
        )
    };
}

/// The validated form of a dict of options.
pub fn config(dict: &Bound<'_, PyDict>) -> PyResult<Config> {
    let mut options = Options::default();
    for (key, value) in dict {
        let key: String = key.extract()?;
        macro_rules! read {
            ($($field:ident),*) => {
                match key.as_str() {
                    $(stringify!($field) => options.$field = get(&key, &value)?,)*
                    _ => return Err(InvalidOptionError::new_err(format!("{key}: there is no such option"))),
                }
            };
        }
        fields!(read);
    }
    options.validate().map_err(|error| invalid(&error))
}

/// The id of a run, checked as the option is.
pub fn run_id_of(text: String) -> PyResult<String> {
    config::run_id(text).map_err(|error| invalid(&error))
}

pub fn invalid(error: &InvalidOption) -> PyErr {
    InvalidOptionError::new_err(error.to_string())
}

fn get<'a, 'py, T: FromPyObject<'a, 'py>>(key: &str, value: &'a Bound<'py, PyAny>) -> PyResult<T> {
    value.extract::<T>().map_err(|error| {
        let error: PyErr = error.into();
        let option = key.replace('_', "-");
        InvalidOptionError::new_err(format!("argument --cw-{option}: has the wrong type: {}", error.value(value.py())))
    })
}

/// Every option with its default.
#[pyfunction]
pub fn default_options(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let options = Options::default();
    let dict = PyDict::new(py);
    macro_rules! write {
        ($($field:ident),*) => { $(dict.set_item(stringify!($field), options.$field)?;)* };
    }
    fields!(write);
    Ok(dict)
}

/// Checks a dict of options and does nothing else.
#[pyfunction]
pub fn check_options(options: &Bound<'_, PyDict>) -> PyResult<()> {
    config(options).map(drop)
}

/// The folder that holds the spools of all runs: the one that is given, else the one in the user's state folder.
#[pyfunction]
#[pyo3(signature = (spool_dir = None))]
pub fn spool_root(spool_dir: Option<String>) -> PyResult<PathBuf> {
    config::spool_dir(spool_dir).map_err(|error| invalid(&error))
}

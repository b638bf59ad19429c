//! Reads options from Python.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::{depythonize, pythonize};

use crate::config::value::OptionValue;
use crate::config::{Config, Options, validate};

/// Reads a dict of options.
pub fn read(dict: &Bound<'_, PyDict>) -> PyResult<Options> {
    let values = dict.iter().map(|(option, value)| Ok((option.extract()?, value_of(&value)?)));
    Ok(Options::read(values.collect::<PyResult<Vec<_>>>()?)?)
}

/// Reads and validates a dict of options.
pub fn config(dict: &Bound<'_, PyDict>) -> PyResult<Config> {
    Ok(read(dict)?.validate()?)
}

fn value_of(value: &Bound<'_, PyAny>) -> PyResult<OptionValue> {
    match depythonize(value) {
        Ok(plain) => Ok(plain),
        Err(_) => Ok(OptionValue::Other(value.repr()?.to_string_lossy().into_owned())),
    }
}

/// Every option with its default.
#[pyfunction]
pub fn default_options(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    Ok(pythonize(py, &Options::default())?)
}

/// The values that an option accepts.
#[pyfunction]
#[must_use]
pub fn option_choices(option: &str) -> Vec<&'static str> {
    Options::choices(option).to_vec()
}

/// Validates a dict of options.
#[pyfunction]
pub fn check_options(options: &Bound<'_, PyDict>) -> PyResult<()> {
    config(options).map(drop)
}

/// The folder with the spools of all runs.
#[pyfunction]
#[pyo3(signature = (spool_dir = None))]
pub fn spool_root(spool_dir: Option<String>) -> PyResult<PathBuf> {
    Ok(validate::spool_dir(spool_dir)?)
}

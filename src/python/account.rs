//! `Account`: calls to AWS other than those that publish data.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::{depythonize, pythonize};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::errors::not_started;
use super::options::config;
use crate::aws::account::{Account as AwsAccount, AccountError};
use crate::config::ResolvedAws;

/// The AWS account of the options. The first call resolves the configuration.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Account {
    account: Arc<AwsAccount>,
}

#[pymethods]
impl Account {
    #[new]
    #[pyo3(signature = (options, *, recorded = None, account = None))]
    fn new(
        options: &Bound<'_, PyDict>,
        recorded: Option<&Bound<'_, PyDict>>,
        account: Option<String>,
    ) -> PyResult<Self> {
        let mut aws = config(options)?.aws;
        if recorded.is_some() || account.is_some() {
            let recorded = recorded.map(|recorded| depythonize::<ResolvedAws>(recorded)).transpose()?;
            aws = aws.continuing(recorded, account)?;
        }
        Ok(Self { account: Arc::new(AwsAccount::new(aws)) })
    }

    /// Starts an operation.
    fn call(&self, py: Python<'_>, operation: String, parameters: &Bound<'_, PyDict>) -> PyResult<Call> {
        let input: Value = depythonize(parameters).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let account = Arc::clone(&self.account);
        Call::start(py, async move { account.call(&operation, &input).await })
    }

    /// What delays the credentials at present, such as a program; `None` if they are not being loaded.
    #[getter]
    fn waits_for_credentials(&self) -> Option<String> {
        self.account.waits_for_credentials()
    }

    /// Starts to resolve the region, profile and endpoints.
    fn destination(&self, py: Python<'_>) -> PyResult<Call> {
        let account = Arc::clone(&self.account);
        Call::start(py, async move { account.destination().await })
    }
}

/// A call in progress.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Call {
    runtime: Handle,
    task: Mutex<Option<JoinHandle<Result<Value, AccountError>>>>,
}

impl Call {
    fn start(
        py: Python<'_>,
        call: impl Future<Output = Result<Value, AccountError>> + Send + 'static,
    ) -> PyResult<Self> {
        let runtime = py.detach(crate::runtime::handle).map_err(|error| not_started(&error))?;
        let task = runtime.spawn(call);
        Ok(Self { runtime, task: Mutex::new(Some(task)) })
    }
}

#[pymethods]
impl Call {
    /// Whether `result` returns without waiting.
    #[getter]
    fn done(&self) -> bool {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the output and returns it. It can be called once.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let ended = py.detach(|| {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
            task.map(|task| self.runtime.block_on(task))
        });
        match ended {
            Some(Ok(output)) => Ok(pythonize(py, &output?)?),
            Some(Err(error)) => Err(PyRuntimeError::new_err(error.to_string())),
            None => Err(PyRuntimeError::new_err("its result was taken before")),
        }
    }
}

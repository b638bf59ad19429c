//! `Account`: everything but publishing that is asked of the account.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::depythonize;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::options::{config, invalid};
use crate::aws::account::{Account as AwsAccount, AccountError};
use crate::aws::direct;
use crate::config::ResolvedAws;

create_exception!(locust_cw._core, AwsError, PyException, "A call that AWS refused, or that did not reach it.");

/// The account that options name. Nothing is looked up before the first call.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Account {
    account: Arc<AwsAccount>,
}

#[pymethods]
impl Account {
    /// Where a run's record says where it published, that goes before the environment; its account, or the one that is
    /// given by number, is required then.
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
            aws = aws.continuing(recorded, account).map_err(|error| invalid(&error))?;
        }
        Ok(Self { account: Arc::new(AwsAccount::new(aws)) })
    }

    /// Begins an operation, with its parameters as JSON text.
    fn call(&self, py: Python<'_>, operation: String, parameters: &str) -> PyResult<Call> {
        let input = serde_json::from_str(parameters).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let account = Arc::clone(&self.account);
        Call::begin(py, async move { account.call(&operation, &input).await })
    }

    /// Begins to find out the region.
    fn region(&self, py: Python<'_>) -> PyResult<Call> {
        let account = Arc::clone(&self.account);
        Call::begin(py, async move { account.region().await })
    }
}

/// Whether requests to a URL never go through a proxy: those to this machine and to link-local addresses.
#[pyfunction]
pub fn never_proxied(py: Python<'_>, url: &str) -> PyResult<bool> {
    let runtime = crate::runtime::handle().map_err(|error| PyOSError::new_err(error.to_string()))?;
    Ok(py.detach(|| direct::is_direct(url) || runtime.block_on(direct::leads_here(url))))
}

impl Call {
    fn begin(
        py: Python<'_>,
        call: impl Future<Output = Result<Value, AccountError>> + Send + 'static,
    ) -> PyResult<Self> {
        let begun = py.detach(|| -> std::io::Result<_> {
            let runtime = crate::runtime::handle()?;
            let task = runtime.spawn(async { call.await.map(|output| output.to_string()) });
            Ok(Self { runtime, task: Mutex::new(Some(task)) })
        });
        begun.map_err(|error| PyOSError::new_err(error.to_string()))
    }
}

/// A call under way.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Call {
    runtime: Handle,
    task: Mutex<Option<JoinHandle<Result<String, AccountError>>>>,
}

#[pymethods]
impl Call {
    /// Whether the result is there.
    #[getter]
    fn done(&self) -> bool {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the output, JSON text. To be asked once.
    fn result(&self, py: Python<'_>) -> PyResult<String> {
        let ended = py.detach(|| {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
            task.map(|task| self.runtime.block_on(task))
        });
        match ended {
            Some(Ok(Ok(output))) => Ok(output),
            Some(Ok(Err(AccountError::Call(error)))) => {
                Err(AwsError::new_err((error.to_string(), error.cause.name().to_owned())))
            }
            Some(Ok(Err(error))) => Err(PyValueError::new_err(error.to_string())),
            Some(Err(error)) => Err(PyRuntimeError::new_err(error.to_string())),
            None => Err(PyRuntimeError::new_err("its result was taken before")),
        }
    }
}

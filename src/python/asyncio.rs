//! Rust futures as awaitables of asyncio, on this process's own runtime.
//!
//! pyo3-async-runtimes has a runtime of its own too, which would not survive a fork. What it does not see to is seen to
//! here: an event loop that was closed meanwhile, and an interpreter that is finalising.

use std::pin::Pin;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3_async_runtimes::TaskLocals;
use pyo3_async_runtimes::generic::{ContextExt, Runtime, future_into_py_with_locals};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

/// Makes an awaitable for the running event loop. Cancelled, it drops the future.
///
/// # Errors
/// `RuntimeError` where no event loop runs; `OSError` where no thread can be started.
pub fn awaitable<'py, T>(
    py: Python<'py>,
    future: impl Future<Output = PyResult<T>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'any> IntoPyObject<'any> + Send + 'static,
{
    py.detach(crate::runtime::handle).map_err(|error| PyOSError::new_err(error.to_string()))?;
    let running = py.import("asyncio")?.call_method0("get_running_loop")?;
    let event_loop = Bound::new(py, EventLoop(running.unbind()))?;
    future_into_py_with_locals::<ThisProcess, _, _>(py, TaskLocals::new(event_loop.into_any()), future)
}

/// An event loop that takes no offence at a result which comes after it was closed: nobody waits for it any more.
#[pyclass(frozen, module = "locust_cw._core")]
struct EventLoop(Py<PyAny>);

#[pymethods]
impl EventLoop {
    fn create_future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.bind(py).call_method0("create_future")
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn call_soon_threadsafe(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let event_loop = self.0.bind(py);
        match event_loop.call_method("call_soon_threadsafe", args, kwargs) {
            Err(_) if event_loop.call_method0("is_closed")?.is_truthy()? => Ok(()),
            called => called.map(drop),
        }
    }
}

/// The process's runtime, as pyo3-async-runtimes wants it.
struct ThisProcess;

impl ThisProcess {
    fn handle() -> Handle {
        // `awaitable` has made it, and all else runs on it.
        crate::runtime::handle().unwrap_or_else(|_| Handle::current())
    }
}

impl Runtime for ThisProcess {
    type JoinError = JoinError;
    type JoinHandle = JoinHandle<()>;

    fn spawn<F: Future<Output = ()> + Send + 'static>(future: F) -> Self::JoinHandle {
        Self::handle().spawn(future)
    }

    /// Runs what hands a result over to Python, unless Python is about to end.
    fn spawn_blocking<F: FnOnce() + Send + 'static>(hand_over: F) -> Self::JoinHandle {
        Self::handle().spawn_blocking(|| {
            let _ = Python::try_attach(|_| hand_over());
        })
    }
}

impl ContextExt for ThisProcess {
    fn scope<F, R>(_: TaskLocals, future: F) -> Pin<Box<dyn Future<Output = R> + Send>>
    where
        F: Future<Output = R> + Send + 'static,
    {
        // Our futures call no Python, so nothing in them asks for it.
        Box::pin(future)
    }

    fn get_task_locals() -> Option<TaskLocals> {
        None
    }
}

//! Converts Rust futures to awaitables of asyncio, and runs them on the runtime of the process.
//!
//! The runtime of pyo3-async-runtimes would not survive a fork. This module also handles two cases that pyo3-async-runtimes does
//! not: an event loop that was closed in the meantime, and an interpreter that is finalizing.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError, RwLock};

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3_async_runtimes::TaskLocals;
use pyo3_async_runtimes::generic::{ContextExt, Runtime, future_into_py_with_locals};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

/// Creates an awaitable for the running event loop. Cancelling it drops the future.
///
/// # Errors
/// `RuntimeError` if no event loop runs, or the interpreter is finalizing; `OSError` if no thread can be started.
pub fn awaitable<'py, T>(
    py: Python<'py>,
    future: impl Future<Output = PyResult<T>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'any> IntoPyObject<'any> + Send + 'static,
{
    py.detach(crate::runtime::handle).map_err(|error| PyOSError::new_err(error.to_string()))?;
    if InterpreterShutdownGate::of_this_process(py)?.closed.load(SeqCst) {
        return Err(PyRuntimeError::new_err(
            "the interpreter is shutting down and cannot await: call the method without _async",
        ));
    }
    let running = py.import("asyncio")?.call_method0("get_running_loop")?;
    let event_loop = Bound::new(py, EventLoop(running.unbind()))?;
    future_into_py_with_locals::<ThisProcess, _, _>(py, TaskLocals::new(event_loop.into_any()), future)
}

/// An event loop that ignores results after it was closed, because no task waits for them.
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

/// Prevents the delivery of results to Python while the interpreter finalizes.
///
/// Before Python 3.14, a finalizing interpreter ends each other thread that runs Python code as soon as it requests the GIL. This
/// unwinds the stack of the thread through Rust code, which crashes. An exit handler therefore waits for the deliveries in
/// progress, and no delivery starts after it.
struct InterpreterShutdownGate {
    /// The process that created the gate.
    owner: u32,
    closed: AtomicBool,
    /// Each thread that delivers a result holds a read lock.
    deliveries: RwLock<()>,
}

/// The gate of the process that created one last. After a fork, the child creates its own, because the threads of its parent do
/// not exist in it.
static GATE: Mutex<Option<&'static InterpreterShutdownGate>> = Mutex::new(None);

impl InterpreterShutdownGate {
    fn known() -> Option<&'static Self> {
        let known = *GATE.lock().unwrap_or_else(PoisonError::into_inner);
        known.filter(|gate| gate.owner == std::process::id())
    }

    fn of_this_process(py: Python<'_>) -> PyResult<&'static Self> {
        if let Some(known) = Self::known() {
            return Ok(known);
        }
        let owner = std::process::id();
        let new = Box::leak(Box::new(Self { owner, closed: AtomicBool::new(false), deliveries: RwLock::new(()) }));
        *GATE.lock().unwrap_or_else(PoisonError::into_inner) = Some(new);
        // Without the lock, because Python may run another thread in the meantime.
        py.import("atexit")?.call_method1("register", (wrap_pyfunction!(close_gate, py)?,))?;
        Ok(new)
    }
}

/// Waits for the deliveries in progress, and prevents further ones.
#[pyfunction]
fn close_gate(py: Python<'_>) {
    py.detach(|| {
        if let Some(gate) = InterpreterShutdownGate::known() {
            gate.closed.store(true, SeqCst);
            drop(gate.deliveries.write());
        }
    });
}

/// The runtime of the process, for pyo3-async-runtimes.
struct ThisProcess;

impl ThisProcess {
    fn handle() -> Handle {
        // `awaitable` has created the runtime, and all other callers run on it.
        crate::runtime::handle().unwrap_or_else(|_| Handle::current())
    }
}

impl Runtime for ThisProcess {
    type JoinError = JoinError;
    type JoinHandle = JoinHandle<()>;

    fn spawn<F: Future<Output = ()> + Send + 'static>(future: F) -> Self::JoinHandle {
        Self::handle().spawn(future)
    }

    /// Runs a function that delivers a result to Python, unless the interpreter is finalizing.
    fn spawn_blocking<F: FnOnce() + Send + 'static>(deliver: F) -> Self::JoinHandle {
        Self::handle().spawn_blocking(|| {
            let Some(gate) = InterpreterShutdownGate::known() else { return };
            let _delivery = gate.deliveries.read();
            if !gate.closed.load(SeqCst) {
                let _ = Python::try_attach(|_| deliver());
            }
        })
    }
}

impl ContextExt for ThisProcess {
    fn scope<F, R>(_: TaskLocals, future: F) -> Pin<Box<dyn Future<Output = R> + Send>>
    where
        F: Future<Output = R> + Send + 'static,
    {
        // The futures of locust-cw do not call Python, so they do not need the locals.
        Box::pin(future)
    }

    fn get_task_locals() -> Option<TaskLocals> {
        None
    }
}

//! Rust futures as awaitables of asyncio, on this process's own runtime.
//!
//! pyo3-async-runtimes has a runtime of its own too, which would not survive a fork. What it does not see to is seen to
//! here: an event loop that was closed meanwhile, and an interpreter that is finalising.

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

/// Makes an awaitable for the running event loop. Cancelled, it drops the future.
///
/// # Errors
/// `RuntimeError` where no event loop runs, or the interpreter is ending; `OSError` where no thread can be started.
pub fn awaitable<'py, T>(
    py: Python<'py>,
    future: impl Future<Output = PyResult<T>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'any> IntoPyObject<'any> + Send + 'static,
{
    py.detach(crate::runtime::handle).map_err(|error| PyOSError::new_err(error.to_string()))?;
    if InterpreterShutdownGate::of_this_process(py)?.ended.load(SeqCst) {
        return Err(PyRuntimeError::new_err(
            "the interpreter is shutting down and cannot await: call the method without _async",
        ));
    }
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

/// The handing over of results to Python, which ends before the interpreter does.
///
/// A thread that is in Python's code when the interpreter ends is ended by it, at the next line that lets others run: it
/// is unwound through Rust's code, which crashes (before Python 3.14). So an exit handler waits for those that have begun,
/// and none begins after it.
struct InterpreterShutdownGate {
    owner: u32,
    ended: AtomicBool,
    /// Held shared by each thread that hands something over.
    under_way: RwLock<()>,
}

/// Those of the process that was the last to have any: a fork's threads do not exist in the child.
static HAND_OVERS: Mutex<Option<&'static InterpreterShutdownGate>> = Mutex::new(None);

impl InterpreterShutdownGate {
    fn known() -> Option<&'static Self> {
        let known = *HAND_OVERS.lock().unwrap_or_else(PoisonError::into_inner);
        known.filter(|hand_overs| hand_overs.owner == std::process::id())
    }

    fn of_this_process(py: Python<'_>) -> PyResult<&'static Self> {
        if let Some(known) = Self::known() {
            return Ok(known);
        }
        let owner = std::process::id();
        let new = Box::leak(Box::new(Self { owner, ended: AtomicBool::new(false), under_way: RwLock::new(()) }));
        *HAND_OVERS.lock().unwrap_or_else(PoisonError::into_inner) = Some(new);
        // Not under the lock: Python may let another thread run meanwhile.
        py.import("atexit")?.call_method1("register", (wrap_pyfunction!(end_hand_overs, py)?,))?;
        Ok(new)
    }
}

/// Waits for the results that are being handed over, and has no other begin.
#[pyfunction]
fn end_hand_overs(py: Python<'_>) {
    py.detach(|| {
        if let Some(hand_overs) = InterpreterShutdownGate::known() {
            hand_overs.ended.store(true, SeqCst);
            drop(hand_overs.under_way.write());
        }
    });
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
            let Some(hand_overs) = InterpreterShutdownGate::known() else { return };
            let _under_way = hand_overs.under_way.read();
            if !hand_overs.ended.load(SeqCst) {
                let _ = Python::try_attach(|_| hand_over());
            }
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

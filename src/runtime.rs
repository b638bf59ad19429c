//! The Tokio runtime of the process. It is created at first use, never at import, and a forked child never uses its parent's.

use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Handle, Runtime};

/// Two threads are enough for any number of runs, because senders mainly wait for the network.
const THREADS: usize = 2;
/// Maximum number of threads that read the spool.
const BLOCKING_THREADS: usize = 4;
/// Added to the niceness of these threads, because a flush must not take CPU time from the users.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

static RUNTIME: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

/// The runtime of this process.
///
/// After a fork, the threads of the parent's runtime do not exist in the child. The child neither uses nor drops that runtime,
/// and creates its own.
///
/// # Errors
/// If its threads cannot be started.
pub fn handle() -> io::Result<Handle> {
    let mut current = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let pid = std::process::id();
    if let Some((owner, runtime)) = *current
        && owner == pid
    {
        return Ok(runtime.handle().clone());
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("locust-cw")
        .on_thread_start(lower_thread_priority())
        .enable_all()
        .build()?;
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));
    *current = Some((pid, runtime));
    Ok(runtime.handle().clone())
}

/// Returns the function that each thread runs at its start: it gives the thread a lower priority than that of the thread that
/// creates the runtime. Only Linux has a niceness for each thread; threads inherit it.
fn lower_thread_priority() -> impl Fn() + Send + Sync + 'static {
    #[cfg(target_os = "linux")]
    let niceness = rustix::process::getpriority_process(None).unwrap_or_default() + NICE;
    move || {
        #[cfg(target_os = "linux")]
        // Best effort: if it is not permitted, the threads keep their priority.
        let _ = rustix::process::setpriority_process(None, niceness);
    }
}

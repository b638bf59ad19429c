//! The process's tokio runtime: made at its first use, never at import, and never used in a forked child.

use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Handle, Runtime};

/// Sending is waiting, for the most part: two threads do for any number of runs.
const THREADS: usize = 2;
/// Threads that read the spool.
const BLOCKING_THREADS: usize = 4;
/// What a flush takes of the processor is better taken slowly than from the users: how much nicer these threads are.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

static RUNTIME: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

/// The runtime of this process.
///
/// After a fork the parent's is left alone in the child, as its threads do not exist there: it is neither used nor
/// dropped, and the child makes its own.
///
/// # Errors
/// Where its threads cannot be started.
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

/// What each thread does first: let those of whoever made the runtime go first where there is not enough for all. Only on
/// Linux has each thread a niceness of its own; it hands it on to threads that it starts.
fn lower_thread_priority() -> impl Fn() + Send + Sync + 'static {
    #[cfg(target_os = "linux")]
    let niceness = rustix::process::getpriority_process(None).unwrap_or_default() + NICE;
    move || {
        #[cfg(target_os = "linux")]
        // Whoever forbids it has its reasons, and all goes on as well.
        let _ = rustix::process::setpriority_process(None, niceness);
    }
}

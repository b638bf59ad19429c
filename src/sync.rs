//! What threads meet at: the standard library's, or those of a checker that tries out the orders in which threads may
//! run (`make model`).

use std::time::Duration;

#[cfg(not(all(test, shuttle)))]
pub use std::{
    sync::{Mutex, MutexGuard, atomic, mpsc},
    thread,
};

#[cfg(all(test, shuttle))]
pub use shuttle::{
    sync::{Mutex, MutexGuard, atomic, mpsc},
    thread,
};

/// Waits for what a channel has next, for at most `time`.
#[cfg(not(all(test, shuttle)))]
pub fn receive_within<T>(receiver: &mpsc::Receiver<T>, time: Duration) -> Option<T> {
    receiver.recv_timeout(time).ok()
}

/// The checker knows no time, and so no limit: who is never woken is found.
#[cfg(all(test, shuttle))]
pub fn receive_within<T>(receiver: &mpsc::Receiver<T>, _time: Duration) -> Option<T> {
    receiver.recv().ok()
}

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

/// Waits for what a channel has next, for at most so long.
#[cfg(not(all(test, shuttle)))]
pub fn receive_within<T>(receiver: &mpsc::Receiver<T>, time: Duration) -> Option<T> {
    receiver.recv_timeout(time).ok()
}

/// Time does not pass in the checker, where waiting with a limit is waiting without.
#[cfg(all(test, shuttle))]
pub fn receive_within<T>(receiver: &mpsc::Receiver<T>, _time: Duration) -> Option<T> {
    thread::yield_now();
    receiver.try_recv().ok()
}

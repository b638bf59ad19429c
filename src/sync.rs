//! Synchronization primitives: those of the standard library, or those of Shuttle, which runs threads in many different orders
//! (`make model`).

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

/// Receives the next value of a channel, and waits for it for at most `time`.
#[cfg(not(all(test, shuttle)))]
pub fn receive_within<T>(receiver: &mpsc::Receiver<T>, time: Duration) -> Option<T> {
    receiver.recv_timeout(time).ok()
}

/// Shuttle has no clock, so this waits without limit. A thread that is never woken fails the test.
#[cfg(all(test, shuttle))]
pub fn receive_within<T>(receiver: &mpsc::Receiver<T>, _time: Duration) -> Option<T> {
    receiver.recv().ok()
}

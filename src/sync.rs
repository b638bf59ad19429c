//! What threads meet at: the standard library's, or those of a checker that tries out the orders in which threads may
//! run (`make model`).

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

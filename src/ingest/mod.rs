//! From the hook to segments: samples enter a bounded queue, and one thread empties it.

pub mod queue;
pub mod sample;
pub mod worker;

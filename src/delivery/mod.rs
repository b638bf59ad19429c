//! The second half of a run's way: from the outbox to CloudWatch, and what is left in the end. A replay is this half alone.

mod bisect;
pub mod call;
pub mod client;
pub mod destination;
pub mod error;
mod explain;
mod handle;
mod in_flight;
mod lane;
pub mod limits;
mod outage;
pub mod outbox;
mod pacing;
mod progress;
pub mod retry;
mod send;

pub use handle::{Delivery, DeliveryOptions};
pub use progress::{DeliveryEnd, Progress};

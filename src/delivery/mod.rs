//! Delivery: from the outbox to CloudWatch. A run records data in front of it; a replay consists of it alone.

mod bisect;
pub mod call;
pub mod client;
pub mod destination;
pub mod dry_run;
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

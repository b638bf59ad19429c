//! Delivery: from the outbox to CloudWatch. A run records data in front of it; a replay consists of it alone.

pub mod assemble;
mod bisect;
pub mod client;
pub mod destination;
pub mod dry_run;
pub mod error;
mod explain;
mod in_flight;
mod lane;
mod lifecycle;
pub mod limits;
mod outage;
pub mod outbox;
mod pacing;
mod progress;
pub mod retry;
mod send;

pub use lifecycle::{Delivery, DeliveryKind, DeliveryOptions};
pub use progress::{DeliveryEnd, Progress};

//! Metrics: from samples to the datums that CloudWatch stores. Pure: no code here uses a clock, the network or Python.

pub mod aggregator;
pub mod custom;
pub mod custom_windows;
pub mod datum;
pub mod histogram;
pub mod notice;
pub mod series;

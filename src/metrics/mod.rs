//! Metrics: from samples to the datums that CloudWatch stores. Pure: nothing here knows a clock, a network or Python.

pub mod aggregator;
pub mod datum;
pub mod dimension;
pub mod histogram;
pub mod notice;
pub mod series;

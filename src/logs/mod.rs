//! Log events: from samples to the lines that CloudWatch Logs stores. Pure: nothing here knows a clock, a network or Python.

pub mod event;

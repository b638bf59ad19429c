//! Log events: from samples to the lines that CloudWatch Logs stores. Pure: nothing here knows a clock, a network or Python.

mod error_text;
mod escaped_json;
pub mod event;
pub mod formats;
pub mod line;

pub use self::error_text::separate_url;

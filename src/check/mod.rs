//! Checks: conditions that a run must meet, such as `p95 < 300ms`. Pure: no clock, no I/O.
//!
//! ```text
//! [SCOPE: ] MEASURE OPERATOR VALUE [abort after DURATION]
//! ```
//!
//! - SCOPE ends at the first colon that is followed by whitespace. It is `generator`, the name of a request as Locust lists it,
//!   or a target. Without it, the check covers all requests. A name that contains a colon and a space, or begins with a condition,
//!   and a request named `generator` must be in double quotes, in which `\"` is a quotation mark and `\\` a backslash.
//! - MEASURE is one word: a percentile (`p1` to `p99.999`), `mean`, `max`, `failures`, `rps` or `requests`; for the generator,
//!   `cpu` or `memory`. Two words are a metric and a statistic of a target. A metric name with a space must be in double quotes.
//! - OPERATOR is `<`, `<=`, `>`, `>=` or `==`.
//! - VALUE is a time in `ms`, `s` or `m`; for `failures` a share (`1%`) or a number; for `rps` and `requests` a number; for `cpu`
//!   a percentage; for `memory` a number of `MB` or `GB`; for a target a number in the unit of its metric. Numbers have at most 12
//!   digits before the decimal point and 6 after it.
//! - DURATION is a whole number of seconds, from 1 second to 24 hours.

mod breach;
mod diagnose;
mod error;
mod evaluate;
mod expression;
mod measure;
mod name;
mod number;
mod parse;
mod result;
mod scanner;
mod several;
mod statistic;
mod subject;
#[cfg(test)]
mod tests;
mod value;

pub use breach::{BreachTracker, Signal};
pub use error::ParseError;
pub use evaluate::{GeneratorValues, Undecided, Values};
pub use expression::{Check, Measure, Operator, Scope, Unit};
pub use result::{CheckResult, CheckVerdict};
pub use scanner::MAX_CHARS;

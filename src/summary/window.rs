//! A window: what a process counted of one request in one second.

use serde::{Deserialize, Serialize};

use crate::sample::RequestKey;
use crate::summary::totals::Totals;

/// The part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RunPart {
    /// The warm-up, and the time after the stop: requests that are counted, and not judged.
    Unmeasured,
    /// The rest of the run.
    Measured,
}

/// The requests of one key that completed in one second, or a part of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The request.
    pub key: RequestKey,
    /// Seconds since the epoch.
    pub second: i64,
    /// The part of the run.
    pub part: RunPart,
    /// The requests.
    pub totals: Totals,
}

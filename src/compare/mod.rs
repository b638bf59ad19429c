//! The comparison of two runs: how much requests, failures and response times changed, and whether that is more than chance.
//!
//! Pure: no code here uses a clock, the network or Python. Equal summaries have equal results.
//!
//! # Method
//!
//! - **Values** are those of the whole measured time, from histograms of 1 % precision, as checks and receipts show them.
//! - **Intervals.** Requests of a run are not independent: a slow second is followed by another one. Each run is resampled in windows
//!   of time blocks ([`bootstrap`]), which yields the variance of each value if the run were repeated. Response times are compared on
//!   a logarithmic scale, failure rates by their difference. The interval and the test of a change follow Student's distribution, with
//!   the few degrees of freedom that a run of some windows has ([`change`]).
//! - **Comparability.** Runs with different loads, a load generator at its limit, or too little data have no verdict ([`comparable`]).
//! - **Verdicts** are corrected for the number of tests by Holm's procedure ([`holm`]). `slower` and `faster` need both a significant
//!   change and an estimate beyond the tolerance; `same` needs an interval within the tolerance ([`verdict`]).
//!
//! `docs/decisions/0018-compare-runs-by-block-bootstrap.md` explains the choices, with measurements of the errors.

mod bootstrap;
mod change;
mod comparable;
mod holm;
mod result;
mod rows;
mod timeline;
mod verdict;

use std::collections::BTreeMap;
use std::fmt;

use smol_str::SmolStr;

pub use self::result::{Comparison, ComparisonVerdict, Measure, Row};
use self::rows::Runs;
use crate::sample::RequestKey;
use crate::summary::{RequestSummary, Summary};

/// A run in a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// What the requests add up to.
    pub summary: &'a Summary,
    /// The length of the measured time.
    pub seconds: f64,
}

/// The role of a run, as messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SideName {
    /// The run that is compared with.
    Base,
    /// The other run.
    Run,
}

impl fmt::Display for SideName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Base => "base",
            Self::Run => "run",
        })
    }
}

/// What to compare.
#[derive(Debug, Clone)]
pub struct Options {
    /// The largest change that counts as the same: 0.05 for 5 %.
    pub tolerance: f64,
    /// Names of requests, with or without their methods. Other requests have no rows. None for all.
    pub requests: Option<Vec<SmolStr>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { tolerance: 0.05, requests: None }
    }
}

/// Why a comparison cannot start: its options are invalid.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// The tolerance is not a positive number.
    #[error("the tolerance must be more than 0, not {0}")]
    Tolerance(f64),
    /// Neither run has a request of this name.
    #[error("neither run has a request {0:?}")]
    UnknownRequest(SmolStr),
}

/// Compares a run with a base.
///
/// # Errors
/// If the options are invalid.
pub fn compare(base: Side<'_>, run: Side<'_>, options: &Options) -> Result<Comparison, CompareError> {
    if !(options.tolerance > 0.0 && options.tolerance.is_finite()) {
        return Err(CompareError::Tolerance(options.tolerance));
    }
    let summaries = [base.summary, run.summary];
    let requests = selected(requests_of(summaries), options.requests.as_deref())?;
    let all = summaries.map(Summary::all_requests);
    let runs = Runs::new([base, run], &all);
    let mut drafts = runs.drafts(None, all.each_ref().map(Some), comparable::mix(summaries));
    for (key, parts) in requests {
        drafts.extend(runs.drafts(Some(&key.to_string()), parts, None));
    }
    let rows = verdict::judge(drafts, options.tolerance);
    let reasons = runs.no_times.iter().map(ToString::to_string).collect();
    Ok(Comparison { verdict: verdict::of_run(&rows), reasons, rows })
}

/// A request in both runs, by name and then method as Locust lists requests.
type Requests<'a> = BTreeMap<ByName<'a>, [Option<&'a RequestSummary>; 2]>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ByName<'a> {
    name: &'a str,
    method: &'a str,
    key: &'a RequestKey,
}

impl fmt::Display for ByName<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(formatter)
    }
}

/// The requests with measured times, of both runs.
fn requests_of(summaries: [&Summary; 2]) -> Requests<'_> {
    let mut requests = Requests::new();
    for (side, summary) in summaries.into_iter().enumerate() {
        for (key, request) in summary.requests() {
            if request.measured.requests > 0 {
                let by_name = ByName { name: key.name(), method: key.method(), key };
                requests.entry(by_name).or_default()[side] = Some(request);
            }
        }
    }
    requests
}

fn selected<'a>(requests: Requests<'a>, texts: Option<&[SmolStr]>) -> Result<Requests<'a>, CompareError> {
    let Some(texts) = texts else { return Ok(requests) };
    if let Some(unknown) = texts.iter().find(|text| !requests.keys().any(|request| request.key.matches(text))) {
        return Err(CompareError::UnknownRequest(unknown.clone()));
    }
    Ok(requests.into_iter().filter(|(request, _)| texts.iter().any(|text| request.key.matches(text))).collect())
}

#[cfg(test)]
mod tests;

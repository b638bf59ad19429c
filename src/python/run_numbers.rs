//! What a summary says of a run for its report: requests and load over time, failures by type, and the slowest requests.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use pyo3::prelude::*;

use crate::sample::RequestKey;
use crate::summary::{Highlight, LoadBlocks, RequestSummary, Summary, TimeBlocks};

/// The requests of one method and name, or all, by time.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct RequestTimeline {
    method: Option<String>,
    name: Option<String>,
    period_s: u64,
    starts: Vec<i64>,
    requests: Vec<u64>,
    failures: Vec<u64>,
    quantiles_ms: Vec<Vec<Option<f64>>>,
}

impl RequestTimeline {
    fn of(key: Option<&RequestKey>, blocks: &TimeBlocks, quantiles: &[f64]) -> Self {
        let mut timeline = Self {
            method: key.map(|key| key.method().to_owned()),
            name: key.map(|key| key.name().to_owned()),
            period_s: blocks.length_seconds(),
            starts: Vec::new(),
            requests: Vec::new(),
            failures: Vec::new(),
            quantiles_ms: vec![Vec::new(); quantiles.len()],
        };
        for (start, block) in blocks.iter() {
            timeline.starts.push(start);
            timeline.requests.push(block.requests);
            timeline.failures.push(block.failures);
            for (values, &quantile) in timeline.quantiles_ms.iter_mut().zip(quantiles) {
                values.push(block.times.quantile_ms(quantile));
            }
        }
        timeline
    }
}

/// All requests, and then each method and name.
pub fn timelines(summary: &Summary, quantiles: &[f64]) -> Vec<RequestTimeline> {
    let all = RequestTimeline::of(None, &summary.all_blocks(), quantiles);
    let each = summary.requests().into_iter();
    let each = each.map(|(key, row)| RequestTimeline::of(Some(key), &row.blocks, quantiles));
    std::iter::once(all).chain(each).collect()
}

/// The load by time.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct LoadTimeline {
    period_s: u64,
    starts: Vec<i64>,
    users: Vec<Option<u64>>,
    cpu_percent: Vec<Option<f64>>,
    memory_bytes: Vec<Option<f64>>,
}

impl From<&LoadBlocks> for LoadTimeline {
    fn from(blocks: &LoadBlocks) -> Self {
        let mut timeline = Self {
            period_s: blocks.length_seconds(),
            starts: Vec::new(),
            users: Vec::new(),
            cpu_percent: Vec::new(),
            memory_bytes: Vec::new(),
        };
        for (start, load) in blocks.iter() {
            timeline.starts.push(start);
            timeline.users.push(load.users);
            timeline.cpu_percent.push(load.generator.cpu_percent());
            timeline.memory_bytes.push(load.generator.memory_bytes());
        }
        timeline
    }
}

/// A single request.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct SingleRequest {
    time: f64,
    method: String,
    name: String,
    response_ms: Option<f64>,
    error: Option<String>,
    status: Option<u16>,
    users: u32,
    context: Vec<(String, String)>,
}

impl From<&Highlight> for SingleRequest {
    #[expect(clippy::cast_precision_loss, reason = "times of this century have fewer than 53 bits")]
    fn from(highlight: &Highlight) -> Self {
        Self {
            time: highlight.time_micros as f64 / 1e6,
            method: highlight.request.method().to_owned(),
            name: highlight.request.name().to_owned(),
            response_ms: highlight.response_micros.map(|micros| micros as f64 / 1e3),
            error: highlight.error.as_ref().map(ToString::to_string),
            status: highlight.status,
            users: highlight.users,
            context: highlight.context.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        }
    }
}

/// The slowest successful requests, slowest first.
pub fn slowest(summary: &Summary) -> Vec<SingleRequest> {
    summary.highlights().slowest().map(SingleRequest::from).collect()
}

/// The failures with one type of error.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct ErrorTotals {
    #[pyo3(get)]
    error_type: Option<String>,
    #[pyo3(get)]
    failures: u64,
    #[pyo3(get)]
    requests: Vec<(String, String, u64)>,
    first: Option<Highlight>,
}

#[pymethods]
impl ErrorTotals {
    /// The first of them.
    #[getter]
    fn first(&self) -> Option<SingleRequest> {
        self.first.as_ref().map(SingleRequest::from)
    }
}

/// The failures of the whole run by type of error, the most frequent ones first, and then those without a known type.
pub fn errors(summary: &Summary) -> Vec<ErrorTotals> {
    let mut types = BTreeMap::<String, (u64, Vec<(String, String, u64)>)>::new();
    let (mut failures, mut known) = (0u64, 0u64);
    let mut add = |key: Option<&RequestKey>, row: &RequestSummary| {
        let totals = row.whole_run();
        failures = failures.saturating_add(totals.failures);
        for (name, number) in totals.errors.top(usize::MAX).0 {
            known = known.saturating_add(number);
            let (sum, requests) = types.entry(name.to_owned()).or_default();
            *sum = sum.saturating_add(number);
            requests.extend(key.map(|key| (key.method().to_owned(), key.name().to_owned(), number)));
        }
    };
    summary.requests().into_iter().for_each(|(key, row)| add(Some(key), row));
    summary.others().into_iter().for_each(|row| add(None, row));
    let mut totals: Vec<_> = types
        .into_iter()
        .map(|(name, (failures, mut requests))| {
            requests.sort_by_key(|(_, _, number)| Reverse(*number));
            let first = summary.highlights().first_failure(&name).cloned();
            ErrorTotals { error_type: Some(name), failures, requests, first }
        })
        .collect();
    totals.sort_by_key(|error| Reverse(error.failures));
    let unknown = failures.saturating_sub(known);
    if unknown > 0 {
        totals.push(ErrorTotals { error_type: None, failures: unknown, requests: Vec::new(), first: None });
    }
    totals
}

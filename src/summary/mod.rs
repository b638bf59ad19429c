//! The run summary: what the requests of a run add up to, as a bounded value that can be merged in any order.
//!
//! It is the only source of checks, comparisons, the live view and the record of a run. Pure: no code here uses a clock, the network
//! or Python.
//!
//! The aggregation thread converts each window that it closes to a [`Window`] and adds it:
//!
//! - in the process that judges the run, the master or the only one, to the [`Summary`] of the run ([`Summary::add_window`]) and to
//!   the values of single seconds ([`Seconds::add_window`]);
//! - in a worker, to its [`IncrementSender`]. [`IncrementSender::take`] returns the messages for the master. The master passes each
//!   to its [`IncrementReceiver`] for this worker, adds what is new with [`Increment::add_to`], and acknowledges it.
//!
//! Everything is bounded: the names ([`SummaryLimits`]), the types of errors ([`ErrorTypes`]), the blocks ([`TimeBlocks`]) and the buckets
//! of histograms. The bounds choose what to keep by rules that do not depend on order, so that any order and any partition of the
//! same windows has an equal summary.

mod block;
mod blocks;
mod bounded;
mod custom_data;
mod encoding;
mod errors;
mod generator;
mod highlights;
mod increment;
mod load_blocks;
mod log_histogram;
mod packed;
mod receiver;
mod seconds;
mod sender;
mod totals;
mod window;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use self::block::{Block, CompactHistogram};
pub use self::blocks::{MAX_BLOCKS, TimeBlocks};
use self::bounded::{BoundedMap, Key, Merge};
pub use self::custom_data::{
    CustomData, MAX_MARK_CHARS, MAX_MARKS, MAX_MARKS_PER_MINUTE, Mark, MarkAdded, MarkLimits, RunCustomData,
    merge_marks,
};
pub use self::errors::ErrorTypes;
pub use self::generator::GeneratorLoad;
pub use self::highlights::{Highlight, Highlights};
pub use self::increment::{Increment, IncrementError};
pub use self::load_blocks::{LoadBlock, LoadBlocks};
pub use self::log_histogram::LogHistogram;
pub use self::receiver::{Accepted, IncrementReceiver};
pub use self::seconds::{SecondStats, Seconds};
pub use self::sender::IncrementSender;
pub use self::totals::Totals;
pub use self::window::{RunPart, Window};
use crate::sample::RequestKey;
use crate::stable_hash::stable_hash;

/// Which requests a summary keeps apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryLimits {
    /// Maximum number of request names: `--cw-max-requests`. All others are added up to one. The methods of a name are not limited
    /// here: [`crate::metrics::series::SeriesRegistry`] limits those of a process.
    pub max_requests: usize,
    /// Requests that checks name, as [`RequestKey::matches`] reads them. They are kept first.
    pub pinned: Vec<SmolStr>,
}

impl SummaryLimits {
    fn rank(&self, key: &RequestKey) -> RankedKey {
        let is_pinned = self.pinned.iter().any(|text| key.matches(text));
        RankedKey { is_unpinned: !is_pinned, hash: stable_hash(&[key.name()]), key: key.clone() }
    }

    fn max_names(&self) -> usize {
        self.max_requests.max(self.pinned.len())
    }
}

/// A request in the order in which requests are kept: pinned ones first, then by the hash of the name. The requests of a name are a
/// group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct RankedKey {
    is_unpinned: bool,
    hash: u64,
    key: RequestKey,
}

impl Key for RankedKey {
    fn is_grouped_with(&self, other: &Self) -> bool {
        (self.is_unpinned, self.hash) == (other.is_unpinned, other.hash)
    }
}

/// What is known of one request, or of all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestSummary {
    /// The requests that are not measured, if there are any.
    pub unmeasured: Option<Box<Totals>>,
    /// The requests of the measured time.
    pub measured: Totals,
    /// The requests of the measured time, by time.
    pub blocks: TimeBlocks,
}

impl RequestSummary {
    /// Adds the same request of another part of the run.
    pub fn merge(&mut self, other: &Self) {
        if let Some(totals) = &other.unmeasured {
            self.unmeasured.get_or_insert_default().merge(totals);
        }
        self.measured.merge(&other.measured);
        self.blocks.merge(&other.blocks);
    }

    /// The totals of the whole run, with the warm-up.
    #[must_use]
    pub fn whole_run(&self) -> Totals {
        let mut sum = self.measured.clone();
        self.unmeasured.iter().for_each(|totals| sum.merge(totals));
        sum
    }

    fn add(&mut self, window: &Window) {
        match window.part {
            RunPart::Unmeasured => self.unmeasured.get_or_insert_default().merge(&window.totals),
            RunPart::Measured => {
                self.measured.merge(&window.totals);
                self.blocks.add(window.second, &window.totals);
            }
        }
    }
}

impl Merge for RequestSummary {
    fn merge(&mut self, other: &Self) {
        self.merge(other);
    }
}

/// Why a summary has no request with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotFound {
    /// No request has this name.
    Missing,
    /// Requests with these methods have this name.
    SeveralMethods(Vec<SmolStr>),
}

/// The summary of a run, or of a part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Summary {
    limits: SummaryLimits,
    requests: BoundedMap<RankedKey, RequestSummary>,
    generator: GeneratorLoad,
    load: LoadBlocks,
    highlights: Highlights,
    is_approximate: bool,
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct Stored {
    limits: SummaryLimits,
    requests: Vec<Row>,
    others: Option<RequestSummary>,
    generator: GeneratorLoad,
    #[serde(default)]
    load: LoadBlocks,
    #[serde(default)]
    highlights: Highlights,
    approximate: bool,
}

#[derive(Serialize, Deserialize)]
struct Row {
    request: RequestKey,
    summary: RequestSummary,
}

impl Summary {
    /// A summary without requests.
    #[must_use]
    pub fn new(limits: SummaryLimits) -> Self {
        Self {
            limits,
            requests: BoundedMap::default(),
            generator: GeneratorLoad::default(),
            load: LoadBlocks::default(),
            highlights: Highlights::default(),
            is_approximate: false,
        }
    }

    /// Adds a window. Windows of the same request and second add up.
    pub fn add_window(&mut self, window: &Window) {
        let first = || {
            let mut summary = RequestSummary::default();
            summary.add(window);
            summary
        };
        let key = self.limits.rank(&window.key);
        self.requests.update(&key, self.limits.max_names(), |summary| summary.add(window), first);
    }

    /// Adds the load of a process of the load generator.
    pub fn add_generator(&mut self, load: &GeneratorLoad) {
        self.generator.merge(load);
    }

    /// Adds the load in a second since the epoch.
    pub fn add_load(&mut self, second: i64, load: &LoadBlock) {
        self.load.add(second, load);
    }

    /// Adds single requests that a report names.
    pub fn add_highlights(&mut self, highlights: &Highlights) {
        self.highlights.merge(highlights);
    }

    /// Records that response times are approximate, such as those that Locust rounds in the reports of workers.
    pub const fn mark_approximate(&mut self) {
        self.is_approximate = true;
    }

    /// Adds another part of the run.
    pub fn merge(&mut self, other: &Self) {
        for (ranked, summary) in other.requests.iter() {
            self.requests.add(&self.limits.rank(&ranked.key), summary, self.limits.max_names());
        }
        other.requests.others().iter().for_each(|summary| self.requests.add_to_others(summary));
        self.generator.merge(&other.generator);
        self.load.merge(&other.load);
        self.highlights.merge(&other.highlights);
        self.is_approximate |= other.is_approximate;
    }

    /// Takes what was added so far. The limits stay.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let empty = self.empty();
        std::mem::replace(self, empty)
    }

    /// A summary of the same limits, without requests.
    fn empty(&self) -> Self {
        Self::new(self.limits.clone())
    }

    /// The requests, by name and then method as Locust lists them.
    #[must_use]
    pub fn requests(&self) -> Vec<(&RequestKey, &RequestSummary)> {
        let mut rows: Vec<_> = self.requests.iter().map(|(ranked, summary)| (&ranked.key, summary)).collect();
        rows.sort_by_key(|(key, _)| (key.name(), key.method()));
        rows
    }

    /// The names of the requests that are kept apart, in order.
    #[must_use]
    pub fn names(&self) -> Vec<SmolStr> {
        let names: BTreeSet<_> = self.requests.iter().map(|(ranked, _)| ranked.key.name()).collect();
        names.into_iter().map(SmolStr::new).collect()
    }

    /// The sum of all requests beyond the maximum number, if there are any.
    #[must_use]
    pub const fn others(&self) -> Option<&RequestSummary> {
        self.requests.others()
    }

    /// The sum of all requests.
    #[must_use]
    pub fn all_requests(&self) -> RequestSummary {
        let mut sum = RequestSummary::default();
        self.rows().for_each(|summary| sum.merge(summary));
        sum
    }

    /// All measured requests by time.
    #[must_use]
    pub fn all_blocks(&self) -> TimeBlocks {
        let mut sum = TimeBlocks::default();
        self.rows().for_each(|summary| sum.merge(&summary.blocks));
        sum
    }

    /// The totals of all measured requests, without their blocks, which take longer to add up.
    #[must_use]
    pub fn all_measured(&self) -> Totals {
        let mut sum = Totals::default();
        self.rows().for_each(|summary| sum.merge(&summary.measured));
        sum
    }

    /// The totals of all requests of the whole run.
    #[must_use]
    pub fn whole_run(&self) -> Totals {
        let mut sum = self.all_measured();
        self.rows().filter_map(|summary| summary.unmeasured.as_ref()).for_each(|totals| sum.merge(totals));
        sum
    }

    /// The numbers of measured requests and failures.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        self.rows().map(|summary| &summary.measured).fold((0u64, 0u64), |(requests, failures), totals| {
            (requests.saturating_add(totals.requests), failures.saturating_add(totals.failures))
        })
    }

    /// The number of all requests, including those that are not measured.
    #[must_use]
    pub fn observed(&self) -> u64 {
        let unmeasured = self.rows().filter_map(|summary| summary.unmeasured.as_ref());
        unmeasured.map(|totals| totals.requests).fold(self.counts().0, u64::saturating_add)
    }

    fn rows(&self) -> impl Iterator<Item = &RequestSummary> {
        self.requests.iter().map(|(_, summary)| summary).chain(self.others())
    }

    /// The request with a name, or with a method and a name with a space between them.
    ///
    /// # Errors
    /// If there is no such request, or if the text is only a name and several methods have requests with it.
    pub fn find(&self, text: &str) -> Result<&RequestSummary, NotFound> {
        let mut matching: Vec<_> = self.requests().into_iter().filter(|(key, _)| key.matches(text)).collect();
        if let Some((_, summary)) = matching.iter().find(|(key, _)| key.is(text)) {
            return Ok(summary);
        }
        match (matching.pop(), matching.is_empty()) {
            (None, _) => Err(NotFound::Missing),
            (Some((_, summary)), true) => Ok(summary),
            (Some(last), false) => {
                matching.push(last);
                Err(NotFound::SeveralMethods(matching.iter().map(|(key, _)| key.method().into()).collect()))
            }
        }
    }

    /// The highest load of the processes.
    #[must_use]
    pub const fn generator(&self) -> &GeneratorLoad {
        &self.generator
    }

    /// The load over time.
    #[must_use]
    pub const fn load(&self) -> &LoadBlocks {
        &self.load
    }

    /// Single requests that a report names.
    #[must_use]
    pub const fn highlights(&self) -> &Highlights {
        &self.highlights
    }

    /// Whether response times are approximate.
    #[must_use]
    pub const fn is_approximate(&self) -> bool {
        self.is_approximate
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let has_requests = self.rows().next().is_some() || !self.highlights.is_empty();
        let has_load = self.generator != GeneratorLoad::default() || !self.load.is_empty();
        !has_requests && !has_load && !self.is_approximate
    }
}

impl From<Summary> for Stored {
    fn from(summary: Summary) -> Self {
        let row =
            |(key, summary): (&RequestKey, &RequestSummary)| Row { request: key.clone(), summary: summary.clone() };
        Self {
            requests: summary.requests().into_iter().map(row).collect(),
            others: summary.others().cloned(),
            generator: summary.generator,
            load: summary.load,
            highlights: summary.highlights,
            approximate: summary.is_approximate,
            limits: summary.limits,
        }
    }
}

impl From<Stored> for Summary {
    fn from(Stored { limits, requests, others, generator, load, highlights, approximate }: Stored) -> Self {
        let mut summary = Self { generator, load, highlights, is_approximate: approximate, ..Self::new(limits) };
        for Row { request, summary: row } in &requests {
            summary.requests.add(&summary.limits.rank(request), row, summary.limits.max_names());
        }
        others.iter().for_each(|others| summary.requests.add_to_others(others));
        summary
    }
}

#[cfg(test)]
mod tests;

//! Single requests that a report names: the slowest ones, and the first failure of each type.
//!
//! The selection is by total orders, so that any order and any partition of the same requests has an equal result, and a request that
//! is added twice counts once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::sample::RequestKey;
use crate::summary::errors::{ErrorType, MAX_TYPES};

/// Maximum number of slowest requests.
const MAX_SLOWEST: usize = 10;
/// Maximum number of entries of a request's `context`.
const MAX_ENTRIES: usize = 8;
/// Maximum length of the name or value of an entry.
const MAX_ENTRY_BYTES: usize = 100;
/// Maximum length of the text of an error.
const MAX_ERROR_BYTES: usize = 300;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// A single request. The order is that of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Highlight {
    /// When it completed: microseconds since the epoch.
    pub time_micros: i64,
    /// The request.
    pub request: RequestKey,
    /// Response time in microseconds, if it is known.
    pub response_micros: Option<u64>,
    /// The text of the error of a failed request.
    pub error: Option<SmolStr>,
    /// HTTP status, if there is one.
    pub status: Option<u16>,
    /// Users in the process.
    pub users: u32,
    /// Entries of Locust's request `context`, as text.
    pub context: Vec<(SmolStr, SmolStr)>,
}

#[derive(Deserialize)]
struct Stored {
    time_micros: i64,
    request: RequestKey,
    response_micros: Option<u64>,
    error: Option<SmolStr>,
    status: Option<u16>,
    users: u32,
    context: Vec<(SmolStr, SmolStr)>,
}

impl From<Stored> for Highlight {
    fn from(parts: Stored) -> Self {
        let Stored { time_micros, request, response_micros, error, status, users, context } = parts;
        Self { time_micros, request, response_micros, error, status, users, context }.fitted()
    }
}

impl Highlight {
    /// The request with texts of limited length.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        self.error = self.error.map(|text| cut(text, MAX_ERROR_BYTES));
        self.context.truncate(MAX_ENTRIES);
        for (name, value) in &mut self.context {
            *name = cut(std::mem::take(name), MAX_ENTRY_BYTES);
            *value = cut(std::mem::take(value), MAX_ENTRY_BYTES);
        }
        self
    }

    #[cfg(test)]
    fn heap_bytes(&self) -> usize {
        use super::tests::{allocated, heap_bytes, heap_bytes_of_key};
        let entries = self.context.iter().map(|(name, value)| heap_bytes(name) + heap_bytes(value)).sum::<usize>();
        let list = allocated(self.context.capacity() * size_of::<(SmolStr, SmolStr)>());
        heap_bytes_of_key(&self.request) + self.error.as_ref().map_or(0, heap_bytes) + entries + list
    }
}

fn cut(text: SmolStr, limit: usize) -> SmolStr {
    if text.len() <= limit {
        return text;
    }
    let end = text.floor_char_boundary(limit - "…".len());
    format!("{}…", &text[..end]).into()
}

/// The slowest successful requests, and the first failure of each type of error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "HighlightsParts", into = "HighlightsParts")]
pub struct Highlights {
    slowest: BTreeSet<(Reverse<u64>, Highlight)>,
    first_failures: BTreeMap<ErrorType, Highlight>,
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct HighlightsParts {
    slowest: Vec<Highlight>,
    first_failures: BTreeMap<SmolStr, Highlight>,
}

impl Highlights {
    /// Whether a successful request with this response time may be among the slowest ones.
    #[must_use]
    pub fn may_be_slowest(&self, response_micros: u64, time_micros: i64) -> bool {
        let last = self.slowest.last().filter(|_| self.slowest.len() >= MAX_SLOWEST);
        last.is_none_or(|(Reverse(slow), last)| {
            (Reverse(response_micros), time_micros) <= (Reverse(*slow), last.time_micros)
        })
    }

    /// The response time in microseconds from which a successful request may be among the slowest ones.
    #[must_use]
    pub fn slowest_from(&self) -> u64 {
        let last = self.slowest.last().filter(|_| self.slowest.len() >= MAX_SLOWEST);
        last.map_or(0, |(Reverse(slow), _)| *slow)
    }

    /// Whether a failure at this time may be the first of its type.
    #[must_use]
    pub fn may_be_first(&self, error_type: &str, time_micros: i64) -> bool {
        let error_type = ErrorType::new(error_type);
        match self.first_failures.get(&error_type) {
            Some(first) => time_micros <= first.time_micros,
            None => self.has_room_for(&error_type),
        }
    }

    fn has_room_for(&self, error_type: &ErrorType) -> bool {
        self.first_failures.len() < MAX_TYPES
            || self.first_failures.last_key_value().is_some_and(|(last, _)| error_type < last)
    }

    /// Adds a successful request, if it is among the slowest ones.
    pub fn add_successful(&mut self, request: Highlight) {
        if let Some(micros) = request.response_micros
            && self.may_be_slowest(micros, request.time_micros)
        {
            self.slowest.insert((Reverse(micros), request));
            while self.slowest.len() > MAX_SLOWEST {
                self.slowest.pop_last();
            }
        }
    }

    /// Adds a failed request, if it is the first of its type.
    pub fn add_failed(&mut self, error_type: &str, request: Highlight) {
        self.add_first(ErrorType::new(error_type), request);
    }

    fn add_first(&mut self, error_type: ErrorType, request: Highlight) {
        if let Some(first) = self.first_failures.get_mut(&error_type) {
            if request < *first {
                *first = request;
            }
        } else if self.has_room_for(&error_type) {
            self.first_failures.insert(error_type, request);
            if self.first_failures.len() > MAX_TYPES {
                self.first_failures.pop_last();
            }
        }
    }

    /// Adds those of another part of the run.
    pub fn merge(&mut self, other: &Self) {
        other.slowest.iter().for_each(|(_, request)| self.add_successful(request.clone()));
        for (error_type, request) in &other.first_failures {
            self.add_first(error_type.clone(), request.clone());
        }
    }

    /// Moves all requests in time, because the clock of the process was wrong.
    pub(super) fn shift(&mut self, seconds: i64) {
        let micros = seconds.saturating_mul(MICROS_PER_SECOND);
        let shifted = |request: Highlight| {
            let time_micros = request.time_micros.saturating_add(micros);
            Highlight { time_micros, ..request }
        };
        let slowest = std::mem::take(&mut self.slowest).into_iter();
        self.slowest = slowest.map(|(response, request)| (response, shifted(request))).collect();
        let first_failures = std::mem::take(&mut self.first_failures).into_iter();
        self.first_failures = first_failures.map(|(kind, request)| (kind, shifted(request))).collect();
    }

    /// The slowest successful requests, slowest first.
    pub fn slowest(&self) -> impl Iterator<Item = &Highlight> {
        self.slowest.iter().map(|(_, request)| request)
    }

    /// The first failure with this type of error.
    #[must_use]
    pub fn first_failure(&self, error_type: &str) -> Option<&Highlight> {
        self.first_failures.get(&ErrorType::new(error_type))
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slowest.is_empty() && self.first_failures.is_empty()
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        // A node of a B-tree is at least half full.
        let slowest: usize = self.slowest().map(Highlight::heap_bytes).sum();
        let failures: usize = self.first_failures.values().map(Highlight::heap_bytes).sum();
        let nodes = self.slowest.len() * size_of::<(Reverse<u64>, Highlight)>()
            + self.first_failures.len() * size_of::<(ErrorType, Highlight)>();
        slowest + failures + 2 * nodes
    }
}

impl From<Highlights> for HighlightsParts {
    fn from(Highlights { slowest, first_failures }: Highlights) -> Self {
        Self {
            slowest: slowest.into_iter().map(|(_, request)| request).collect(),
            first_failures: first_failures.into_iter().map(|(kind, request)| (kind.name, request)).collect(),
        }
    }
}

impl From<HighlightsParts> for Highlights {
    fn from(parts: HighlightsParts) -> Self {
        let mut highlights = Self::default();
        parts.slowest.into_iter().for_each(|request| highlights.add_successful(request));
        for (kind, request) in parts.first_failures {
            highlights.add_failed(&kind, request);
        }
        highlights
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::summary) fn request(time_micros: i64, response_micros: u64) -> Highlight {
        Highlight {
            time_micros,
            request: RequestKey::new("GET", "/"),
            response_micros: Some(response_micros),
            error: None,
            status: None,
            users: 1,
            context: vec![],
        }
    }

    /// Requests with few different values, so that many are equal in part.
    fn requests() -> impl Strategy<Value = Vec<(Option<u32>, Highlight)>> {
        let one = (prop::option::of(0..150u32), 0..20i64, 0..8u64, 0..3u32);
        let one = one.prop_map(|(error, time, micros, users)| (error, Highlight { users, ..request(time, micros) }));
        prop::collection::vec(one, 0..300)
    }

    fn add(highlights: &mut Highlights, (error, request): &(Option<u32>, Highlight)) {
        match error {
            None => highlights.add_successful(request.clone()),
            Some(number) => highlights.add_failed(&format!("Error{number}"), request.clone()),
        }
    }

    proptest! {
        #[test]
        fn any_order_and_partition_selects_the_same_requests(requests in requests(), cuts in prop::collection::vec(0..300usize, 0..4)) {
            let mut whole = Highlights::default();
            requests.iter().for_each(|request| add(&mut whole, request));
            let mut merged = Highlights::default();
            let mut rest = requests.as_slice();
            for cut in cuts {
                let (part, others) = rest.split_at(cut.min(rest.len()));
                let mut highlights = Highlights::default();
                part.iter().rev().for_each(|request| add(&mut highlights, request));
                highlights.merge(&merged);
                (merged, rest) = (highlights, others);
            }
            rest.iter().for_each(|request| add(&mut merged, request));
            prop_assert_eq!(&merged, &whole);
            merged.merge(&whole);
            prop_assert_eq!(&merged, &whole);

            let mut slowest: Vec<_> = requests.iter().filter(|(error, _)| error.is_none()).map(|(_, request)| request).collect();
            slowest.sort_by_key(|request| (Reverse(request.response_micros), *request));
            slowest.dedup();
            slowest.truncate(MAX_SLOWEST);
            prop_assert_eq!(whole.slowest().collect::<Vec<_>>(), slowest);
            for number in 0..150 {
                let first = requests.iter().filter(|(error, _)| *error == Some(number)).map(|(_, request)| request).min();
                let found = whole.first_failure(&format!("Error{number}"));
                prop_assert!(found == first || whole.first_failures.len() == MAX_TYPES, "{:?}", found);
            }
            let json = serde_json::to_string(&whole).expect("plain data");
            prop_assert_eq!(&serde_json::from_str::<Highlights>(&json).expect("just written"), &whole);
            let bytes = postcard::to_allocvec(&whole).expect("plain data");
            prop_assert_eq!(&postcard::from_bytes::<Highlights>(&bytes).expect("just written"), &whole);
        }

        #[test]
        fn a_request_that_cannot_be_selected_is_known_before_it_is_added(requests in requests(), (error, new) in (0..9u32, (0..20i64, 0..8u64))) {
            let mut highlights = Highlights::default();
            requests.iter().for_each(|request| add(&mut highlights, request));
            let mut changed = highlights.clone();
            changed.add_successful(request(new.0, new.1));
            prop_assert!(changed == highlights || highlights.may_be_slowest(new.1, new.0));
            let mut changed = highlights.clone();
            changed.add_failed(&error.to_string(), request(new.0, new.1));
            prop_assert!(changed == highlights || highlights.may_be_first(&error.to_string(), new.0));
        }
    }

    #[test]
    fn requests_are_moved_in_time() {
        let mut highlights = Highlights::default();
        highlights.add_successful(request(5_000_000, 1));
        highlights.add_failed("Error", request(7_000_000, 1));
        highlights.shift(-2);
        let mut expected = Highlights::default();
        expected.add_successful(request(3_000_000, 1));
        expected.add_failed("Error", request(5_000_000, 1));
        assert_eq!(highlights, expected);
    }

    #[test]
    fn long_texts_are_cut() {
        let text = SmolStr::new("오".repeat(500));
        let long = Highlight { error: Some(text.clone()), context: vec![(text.clone(), text); 20], ..request(0, 1) };
        let fitted = long.clone().fitted();
        assert!(fitted.error.as_ref().is_some_and(|text| text.len() <= MAX_ERROR_BYTES && text.ends_with("오…")));
        assert_eq!(fitted.context.len(), MAX_ENTRIES);
        assert!(fitted.context.iter().all(|(name, value)| name.len().max(value.len()) <= MAX_ENTRY_BYTES));
        let json = serde_json::to_string(&long).expect("plain data");
        assert_eq!(serde_json::from_str::<Highlight>(&json).expect("just written"), fitted);
    }
}

//! Failures by the type of their error.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::stable_hash::stable_hash;
use crate::summary::bounded::{BoundedMap, Key};

/// Maximum number of types of errors per request.
pub(super) const MAX_TYPES: usize = 100;
/// Maximum length of the name of a type. Longer names are cut.
const MAX_NAME_BYTES: usize = 200;

/// Numbers of failures by the name of the type of their error, such as `HTTPError`, for a limited number of types.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct ErrorTypes(BoundedMap<ErrorType, u64>);

/// The name of a type, in the order of its hash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ErrorType {
    hash: u64,
    pub(super) name: SmolStr,
}

impl Key for ErrorType {}

impl ErrorType {
    pub(super) fn new(name: &str) -> Self {
        let name = &name[..name.floor_char_boundary(MAX_NAME_BYTES)];
        Self { hash: stable_hash(&[name]), name: name.into() }
    }
}

impl ErrorTypes {
    /// Adds failures with this type of error.
    pub fn add(&mut self, name: &str, failures: u64) {
        if failures > 0 {
            self.0.add(&ErrorType::new(name), &failures, MAX_TYPES);
        }
    }

    /// Adds the failures of other types.
    pub fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0, MAX_TYPES);
    }

    /// The `number` most frequent types with their failures, most frequent first, and the failures of all other types.
    #[must_use]
    pub fn top(&self, number: usize) -> (Vec<(&str, u64)>, u64) {
        let mut types: Vec<_> = self.0.iter().map(|(key, &failures)| (key.name.as_str(), failures)).collect();
        types.sort_by_key(|&(name, failures)| (Reverse(failures), name));
        let rest = types.split_off(number.min(types.len()));
        let others = self.0.others().copied().unwrap_or_default();
        (types, rest.iter().fold(others, |sum, (_, failures)| sum.saturating_add(*failures)))
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        // A node of a B-tree has room for 11 entries, and is at least half full.
        let names = self.0.iter().map(|(key, _)| super::tests::heap_bytes(&key.name));
        self.0.iter().count() * 2 * size_of::<(ErrorType, u64)>() + names.sum::<usize>()
    }
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct Stored {
    types: BTreeMap<SmolStr, u64>,
    others: u64,
}

impl From<ErrorTypes> for Stored {
    fn from(errors: ErrorTypes) -> Self {
        let types = errors.0.iter().map(|(key, &failures)| (key.name.clone(), failures)).collect();
        Self { types, others: errors.0.others().copied().unwrap_or_default() }
    }
}

impl From<Stored> for ErrorTypes {
    fn from(Stored { types, others }: Stored) -> Self {
        let mut errors = Self::default();
        types.iter().for_each(|(name, &failures)| errors.add(name, failures));
        if others > 0 {
            errors.0.add_to_others(&others);
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_types_are_listed_and_the_rest_is_one_number() {
        let mut errors = ErrorTypes::default();
        for (name, failures) in [("B", 5), ("A", 5), ("C", 9), ("D", 1), ("C", 1), ("E", 0)] {
            errors.add(name, failures);
        }
        assert_eq!(errors.top(3), (vec![("C", 10), ("A", 5), ("B", 5)], 1));
        assert_eq!(errors.top(20).0.len(), 4);
    }

    #[test]
    fn any_number_of_types_keeps_the_same_ones_and_counts_each_failure() {
        let names: Vec<String> = (0..500).map(|number| format!("Error{number}")).collect();
        let (mut forwards, mut backwards) = (ErrorTypes::default(), ErrorTypes::default());
        names.iter().for_each(|name| forwards.add(name, 2));
        names.iter().rev().for_each(|name| backwards.add(name, 2));
        assert_eq!(forwards, backwards);
        let (types, others) = forwards.top(usize::MAX);
        assert_eq!((types.len(), others), (MAX_TYPES, 800));
        let json = serde_json::to_string(&forwards).expect("plain data");
        assert_eq!(serde_json::from_str::<ErrorTypes>(&json).expect("just written"), forwards);
    }

    #[test]
    fn long_names_are_cut() {
        let mut errors = ErrorTypes::default();
        errors.add(&"오".repeat(100), 1);
        assert_eq!(errors.top(1).0[0].0.len(), 198);
    }
}

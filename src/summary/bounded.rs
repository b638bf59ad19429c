//! A map that keeps a limited number of keys, chosen by a rule that does not depend on the order in which they are added.

use std::collections::BTreeMap;

/// Values that can be added up, in any order.
pub(super) trait Merge {
    fn merge(&mut self, other: &Self);
}

impl Merge for u64 {
    fn merge(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }
}

/// A key of a [`BoundedMap`]. Keys that follow each other can form a group, which counts once for the limit.
pub(super) trait Key: Ord + Clone {
    /// Whether two keys are in the same group. If they are, so are all keys between them.
    fn is_grouped_with(&self, other: &Self) -> bool {
        self == other
    }
}

/// The values of the keys in the smallest groups, and the sum of the others.
///
/// A key that is kept in the end was among the smallest in each part of the data, so its value is exact. All processes keep the same
/// keys of the same data, and any order and partition of additions has an equal result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BoundedMap<K, V> {
    kept: BTreeMap<K, V>,
    groups: usize,
    others: Option<V>,
}

impl<K, V> Default for BoundedMap<K, V> {
    fn default() -> Self {
        Self { kept: BTreeMap::new(), groups: 0, others: None }
    }
}

impl<K: Key, V: Merge + Clone> BoundedMap<K, V> {
    /// Adds a value. The keys of at most `limit` groups are kept.
    pub(super) fn add(&mut self, key: &K, value: &V, limit: usize) {
        self.update(key, limit, |own| own.merge(value), || value.clone());
    }

    /// Adds to the value of a key, or to that of the others. `first` is what a key has to begin with.
    pub(super) fn update(&mut self, key: &K, limit: usize, add: impl FnOnce(&mut V), first: impl FnOnce() -> V) {
        if let Some(own) = self.kept.get_mut(key) {
            add(own);
        } else if self.has_group_of(key) {
            self.kept.insert(key.clone(), first());
        } else if self.groups < limit || self.kept.last_key_value().is_some_and(|(last, _)| key < last) {
            self.kept.insert(key.clone(), first());
            self.groups += 1;
            if self.groups > limit {
                self.evict_last_group();
            }
        } else if let Some(others) = &mut self.others {
            add(others);
        } else {
            self.others = Some(first());
        }
    }

    fn has_group_of(&self, key: &K) -> bool {
        let neighbors = [self.kept.range(..key).next_back(), self.kept.range(key..).next()];
        neighbors.into_iter().flatten().any(|(other, _)| other.is_grouped_with(key))
    }

    fn evict_last_group(&mut self) {
        let Some(last) = self.kept.last_key_value().map(|(key, _)| key.clone()) else { return };
        while let Some(entry) = self.kept.last_entry().filter(|entry| entry.key().is_grouped_with(&last)) {
            let evicted = entry.remove();
            self.add_to_others(&evicted);
        }
        self.groups -= 1;
    }

    /// Adds a value to the sum of the keys that are not kept.
    pub(super) fn add_to_others(&mut self, value: &V) {
        match &mut self.others {
            Some(sum) => sum.merge(value),
            None => self.others = Some(value.clone()),
        }
    }

    /// Adds all values of another map.
    pub(super) fn merge(&mut self, other: &Self, limit: usize) {
        other.kept.iter().for_each(|(key, value)| self.add(key, value, limit));
        other.others.iter().for_each(|value| self.add_to_others(value));
    }

    /// The keys that are kept, in ascending order, with their values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.kept.iter()
    }

    /// The sum of the others, if there are any.
    pub(super) const fn others(&self) -> Option<&V> {
        self.others.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Key for u32 {
        /// Even and odd numbers that follow each other are grouped.
        fn is_grouped_with(&self, other: &Self) -> bool {
            self / 2 == other / 2
        }
    }

    proptest! {
        #[test]
        fn any_order_and_partition_has_an_equal_result(
            additions in prop::collection::vec((0..20u32, 0..1000u64), 0..100), cuts in prop::collection::vec(0..100usize, 0..5), limit in 1..25usize,
        ) {
            let mut sums = BTreeMap::<u32, u64>::new();
            additions.iter().for_each(|(key, value)| *sums.entry(*key).or_default() += value);
            let mut merged = BoundedMap::default();
            let mut rest = additions.as_slice();
            for cut in cuts {
                let (part, others) = rest.split_at(cut.min(rest.len()));
                let mut map = BoundedMap::default();
                part.iter().rev().for_each(|(key, value)| map.add(key, value, limit));
                map.merge(&merged, limit);
                (merged, rest) = (map, others);
            }
            rest.iter().for_each(|(key, value)| merged.add(key, value, limit));
            let mut groups: Vec<_> = sums.keys().map(|key| key / 2).collect();
            groups.dedup();
            let is_kept = |key: u32| groups.iter().take(limit).any(|&group| group == key / 2);
            let kept: Vec<_> = sums.iter().filter(|(key, _)| is_kept(**key)).collect();
            let rest = sums.iter().filter(|(key, _)| !is_kept(**key)).map(|(_, sum)| *sum);
            let others = (groups.len() > limit).then(|| rest.sum::<u64>());
            prop_assert_eq!((merged.iter().collect::<Vec<_>>(), merged.others().copied()), (kept, others));
        }
    }
}

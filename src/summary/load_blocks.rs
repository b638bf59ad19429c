//! The load over time: users, and the CPU and memory of the load generator, in at most 120 blocks of the same length.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::summary::GeneratorLoad;
use crate::summary::blocks::{MAX_BLOCKS, MAX_EXPONENT};

/// The highest load in a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadBlock {
    /// Users in the whole test, if they are known.
    pub users: Option<u64>,
    /// The busiest process.
    pub generator: GeneratorLoad,
}

impl LoadBlock {
    fn merge(&mut self, other: &Self) {
        self.users = self.users.max(other.users);
        self.generator.merge(&other.generator);
    }
}

/// The blocks with a known load. As for [`crate::summary::TimeBlocks`], their length is the smallest power of two, in seconds, with
/// which there are at most [`MAX_BLOCKS`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct LoadBlocks {
    exponent: u32,
    blocks: BTreeMap<i64, LoadBlock>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    exponent: u32,
    blocks: Vec<(i64, LoadBlock)>,
}

impl LoadBlocks {
    /// Adds the load of a second since the epoch.
    pub fn add(&mut self, second: i64, load: &LoadBlock) {
        self.blocks.entry(second >> self.exponent).or_default().merge(load);
        self.shorten();
    }

    /// Adds the load of another part of the run.
    pub fn merge(&mut self, other: &Self) {
        self.widen(other.exponent);
        let by = self.exponent - other.exponent;
        for (number, load) in &other.blocks {
            self.blocks.entry(number >> by).or_default().merge(load);
        }
        self.shorten();
    }

    /// Doubles the length of the blocks until there are few enough.
    fn shorten(&mut self) {
        while self.blocks.len() > MAX_BLOCKS && self.exponent < MAX_EXPONENT {
            self.widen(self.exponent + 1);
        }
    }

    fn widen(&mut self, exponent: u32) {
        let by = exponent.saturating_sub(self.exponent);
        if by > 0 {
            for (number, load) in std::mem::take(&mut self.blocks) {
                self.blocks.entry(number >> by).or_default().merge(&load);
            }
            self.exponent = exponent;
        }
    }

    /// The length of a block, in seconds.
    #[must_use]
    pub const fn length_seconds(&self) -> u64 {
        1 << self.exponent
    }

    /// The blocks in ascending order: the second since the epoch with which the block starts, and its load.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &LoadBlock)> {
        self.blocks.iter().map(|(number, load)| (number.wrapping_shl(self.exponent), load))
    }

    /// Whether no load is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        // A node of a B-tree is at least half full.
        self.blocks.len() * 2 * size_of::<(i64, LoadBlock)>()
    }
}

impl From<LoadBlocks> for Stored {
    fn from(LoadBlocks { exponent, blocks }: LoadBlocks) -> Self {
        Self { exponent, blocks: blocks.into_iter().collect() }
    }
}

impl From<Stored> for LoadBlocks {
    fn from(Stored { exponent, blocks }: Stored) -> Self {
        let exponent = exponent.min(MAX_EXPONENT);
        let mut read = Self { exponent, blocks: BTreeMap::new() };
        for (number, load) in blocks {
            read.blocks.entry(number).or_default().merge(&load);
        }
        read.shorten();
        if read.is_empty() { Self::default() } else { read }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn load(users: u64, cpu: f64) -> LoadBlock {
        LoadBlock {
            users: (users > 0).then_some(users),
            generator: GeneratorLoad::new((cpu > 50.0).then_some(cpu), None),
        }
    }

    fn seconds() -> impl Strategy<Value = Vec<(i64, LoadBlock)>> {
        let second = prop_oneof![4 => 1_795_348_000..1_795_348_900i64, 1 => -9000..9000i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
        prop::collection::vec((second, (0..9u64, 0.0..100.0).prop_map(|(users, cpu)| load(users, cpu))), 0..400)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn blocks_are_few_and_equal_in_any_order(seconds in seconds(), split in 0..400usize) {
            let mut whole = LoadBlocks::default();
            seconds.iter().for_each(|(second, load)| whole.add(*second, load));
            let (a, b) = seconds.split_at(split.min(seconds.len()));
            let [mut parts, first] = [b, a].map(|part| {
                let mut blocks = LoadBlocks::default();
                part.iter().rev().for_each(|(second, load)| blocks.add(*second, load));
                blocks
            });
            parts.merge(&first);
            prop_assert_eq!(&parts, &whole);
            prop_assert!(whole.iter().count() <= MAX_BLOCKS);
            let most = |loads: &mut dyn Iterator<Item = Option<u64>>| loads.flatten().max();
            prop_assert_eq!(most(&mut whole.iter().map(|(_, load)| load.users)), most(&mut seconds.iter().map(|(_, load)| load.users)));
            let json = serde_json::to_string(&whole).expect("plain data");
            prop_assert_eq!(&serde_json::from_str::<LoadBlocks>(&json).expect("just written"), &whole);
            let bytes = postcard::to_allocvec(&whole).expect("plain data");
            prop_assert_eq!(&postcard::from_bytes::<LoadBlocks>(&bytes).expect("just written"), &whole);
        }
    }

    #[test]
    fn the_length_doubles_as_a_run_becomes_longer() {
        let mut blocks = LoadBlocks::default();
        (0..3600).for_each(|second| blocks.add(1_795_348_992 + second, &load(3, 60.0)));
        assert_eq!((blocks.length_seconds(), blocks.iter().next()), (32, Some((1_795_348_992, &load(3, 60.0)))));
        let invalid = Stored { exponent: 99, blocks: vec![(1, load(1, 60.0))] };
        assert_eq!(LoadBlocks::from(invalid).exponent, MAX_EXPONENT);
    }
}

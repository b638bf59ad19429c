//! The requests of a run by time: at most 120 blocks of the same length, which doubles as the run becomes longer.

use serde::{Deserialize, Serialize};

use crate::summary::block::Block;
use crate::summary::encoding::{Encoded, Invalid, push_varint, take_varint};
use crate::summary::totals::Totals;

/// Maximum number of blocks with requests.
pub const MAX_BLOCKS: usize = 120;

/// The length is at most two to this power, in seconds, so that a shift by it is valid.
pub(super) const MAX_EXPONENT: u32 = 62;

/// The blocks with requests. The length of a block is the smallest power of two, in seconds, with which there are at most
/// [`MAX_BLOCKS`]. Blocks start at multiples of their length since the epoch, so blocks of different processes coincide.
///
/// Blocks without requests are not stored. A process whose clock is far off therefore has blocks of its own, and does not lengthen
/// the others by more than it would with a correct clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct TimeBlocks {
    /// The length of a block is two to this power, in seconds.
    exponent: u32,
    /// For each block: its distance from the previous one, less one (the first: its number, with the sign in the lowest bit), its
    /// size, and its packed form.
    packed: Box<[u8]>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    exponent: u32,
    blocks: Encoded,
}

impl TimeBlocks {
    /// Adds the requests of a second since the epoch.
    pub(super) fn add(&mut self, second: i64, totals: &Totals) {
        let mut packed = BlocksPacker::with_capacity(0);
        packed.push(second, &totals.block().to_bytes());
        self.merge(&Self { exponent: 0, packed: packed.bytes.into() });
    }

    /// Adds the requests of other blocks.
    pub fn merge(&mut self, other: &Self) {
        if other.packed.is_empty() {
            return;
        }
        let mut exponent = self.exponent.max(other.exponent);
        let mut packer = BlocksPacker::with_capacity(self.packed.len() + other.packed.len());
        packer.merge(self.parts(exponent), other.parts(exponent));
        while packer.count > MAX_BLOCKS && exponent < MAX_EXPONENT {
            let finer = Self { exponent, packed: packer.bytes.into() };
            exponent += 1;
            packer = finer.widened(exponent);
        }
        *self = Self { exponent, packed: packer.bytes.into() };
    }

    /// The same requests in blocks of at least `seconds`, a power of two, so that the blocks of two runs can be compared.
    #[must_use]
    pub fn of_length(&self, seconds: u64) -> Self {
        let exponent = seconds.next_power_of_two().trailing_zeros().clamp(self.exponent, MAX_EXPONENT);
        Self { exponent, packed: self.widened(exponent).bytes.into() }
    }

    fn widened(&self, exponent: u32) -> BlocksPacker {
        let mut packer = BlocksPacker::with_capacity(self.packed.len());
        packer.merge(self.parts(exponent), std::iter::empty());
        packer
    }

    /// The length of a block, in seconds.
    #[must_use]
    pub const fn length_seconds(&self) -> u64 {
        1 << self.exponent
    }

    /// The blocks with requests in ascending order: the second since the epoch with which the block starts, and its requests.
    pub fn iter(&self) -> impl Iterator<Item = (i64, Block)> {
        self.parts(self.exponent)
            .filter_map(|(number, packed)| Some((number.wrapping_shl(self.exponent), Block::from_bytes(packed).ok()?)))
    }

    /// The numbers of the blocks in which the stored ones are, if blocks had this length, and their packed forms.
    fn parts(&self, exponent: u32) -> impl Iterator<Item = (i64, &[u8])> {
        let by = exponent - self.exponent;
        Unpacker { bytes: &self.packed, previous: None }.map(move |(number, packed)| (number >> by, packed))
    }

    #[cfg(test)]
    pub(super) const fn heap_bytes(&self) -> usize {
        super::tests::allocated(self.packed.len())
    }
}

/// Packs blocks in ascending order.
struct BlocksPacker {
    bytes: Vec<u8>,
    count: usize,
    previous: Option<i64>,
}

impl BlocksPacker {
    fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), count: 0, previous: None }
    }

    /// Appends two series of packed blocks in ascending order. Blocks of the same number are added up, in the same series too.
    fn merge<'a>(&mut self, one: impl Iterator<Item = (i64, &'a [u8])>, other: impl Iterator<Item = (i64, &'a [u8])>) {
        let (mut one, mut other) = (one.peekable(), other.peekable());
        loop {
            let (number, first) = match (one.peek(), other.peek()) {
                (Some(a), Some(b)) if b.0 < a.0 => *b,
                (Some(a), _) => *a,
                (None, Some(b)) => *b,
                (None, None) => break,
            };
            let same = |same: &(i64, &[u8])| same.0 == number;
            let mut next = || one.next_if(same).or_else(|| other.next_if(same));
            next();
            let Some((_, second)) = next() else {
                self.push(number, first);
                continue;
            };
            let mut sum = Block::default();
            for packed in [first, second].into_iter().chain(std::iter::from_fn(|| next().map(|(_, packed)| packed))) {
                if let Ok(block) = Block::from_bytes(packed) {
                    sum.merge(&block);
                }
            }
            self.push(number, &sum.to_bytes());
        }
    }

    fn push(&mut self, number: i64, packed: &[u8]) {
        let distance = match self.previous {
            None => ((number << 1) ^ (number >> 63)).cast_unsigned(),
            Some(previous) => number.wrapping_sub(previous).wrapping_sub(1).cast_unsigned(),
        };
        push_varint(&mut self.bytes, distance);
        push_varint(&mut self.bytes, packed.len() as u64);
        self.bytes.extend_from_slice(packed);
        self.previous = Some(number);
        self.count += 1;
    }
}

/// Reads packed blocks, up to the first byte that is not part of one.
struct Unpacker<'a> {
    bytes: &'a [u8],
    previous: Option<i64>,
}

impl<'a> Iterator for Unpacker<'a> {
    type Item = (i64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = self.bytes;
        let (distance, length) = (take_varint(&mut bytes)?, take_varint(&mut bytes)?);
        let (packed, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
        let number = match self.previous {
            None => (distance >> 1).cast_signed() ^ -(distance & 1).cast_signed(),
            Some(previous) => previous.checked_add_unsigned(distance)?.checked_add(1)?,
        };
        *self = Self { bytes: rest, previous: Some(number) };
        Some((number, packed))
    }
}

impl From<TimeBlocks> for Stored {
    fn from(TimeBlocks { exponent, packed }: TimeBlocks) -> Self {
        Self { exponent, blocks: Encoded(packed.into()) }
    }
}

impl TryFrom<Stored> for TimeBlocks {
    type Error = Invalid;

    fn try_from(Stored { exponent, blocks: Encoded(bytes) }: Stored) -> Result<Self, Invalid> {
        const INVALID: Invalid = Invalid("time blocks");
        if exponent > MAX_EXPONENT {
            return Err(INVALID);
        }
        let mut blocks = Unpacker { bytes: &bytes, previous: None };
        let mut packer = BlocksPacker::with_capacity(bytes.len());
        for (number, packed) in blocks.by_ref() {
            let starts_at_a_second = (number << exponent) >> exponent == number;
            if !starts_at_a_second || packer.count == MAX_BLOCKS {
                return Err(INVALID);
            }
            // Packing it again yields the only form that equal blocks have.
            packer.push(number, &Block::from_bytes(packed)?.to_bytes());
        }
        match (blocks.bytes.is_empty(), packer.count) {
            (true, 0) => Ok(Self::default()),
            (true, _) => Ok(Self { exponent, packed: packer.bytes.into() }),
            (false, _) => Err(INVALID),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn totals(requests: u64, failures: u64) -> Totals {
        Totals { requests, failures, ..Totals::default() }
    }

    fn seconds() -> impl Strategy<Value = Vec<(i64, u64, u64)>> {
        let second = prop_oneof![
            4 => 1_795_348_000..1_795_348_900i64, 2 => 1_795_348_000..1_795_360_000i64, 1 => -9000..9000i64,
            1 => Just(i64::MIN), 1 => Just(i64::MAX),
        ];
        prop::collection::vec((second, 1..1000u64, 0..10u64), 0..400)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn blocks_are_few_and_equal_in_any_order_and_hold_each_request_once(seconds in seconds(), split in 0..400usize) {
            let mut whole = TimeBlocks::default();
            seconds.iter().for_each(|&(second, requests, failures)| whole.add(second, &totals(requests, failures)));
            let (a, b) = seconds.split_at(split.min(seconds.len()));
            let [mut parts, first] = [b, a].map(|part| {
                let mut blocks = TimeBlocks::default();
                part.iter().rev().for_each(|&(second, requests, failures)| blocks.add(second, &totals(requests, failures)));
                blocks
            });
            parts.merge(&first);
            prop_assert_eq!(&parts, &whole);

            let mut expected = BTreeMap::new();
            for &(second, requests, failures) in &seconds {
                let sum = expected.entry(second >> whole.exponent << whole.exponent).or_insert((0, 0));
                *sum = (sum.0 + requests, sum.1 + failures);
            }
            prop_assert!(expected.len() <= MAX_BLOCKS);
            let got = whole.iter().map(|(start, block)| (start, (block.requests, block.failures))).collect();
            prop_assert_eq!(expected, got);
            if whole.exponent > 0 {
                let distinct: std::collections::BTreeSet<_> =
                    seconds.iter().map(|second| second.0 >> (whole.exponent - 1)).collect();
                prop_assert!(distinct.len() > MAX_BLOCKS, "a shorter length would do");
            }
            let bytes = postcard::to_allocvec(&whole).expect("plain data");
            prop_assert_eq!(&postcard::from_bytes::<TimeBlocks>(&bytes).expect("just written"), &whole);
        }

        #[test]
        fn any_bytes_are_refused_or_have_one_form(bytes in prop::collection::vec(any::<u8>(), 0..60), exponent in 0..70u32) {
            if let Ok(blocks) = TimeBlocks::try_from(Stored { exponent, blocks: Encoded(bytes) }) {
                let again = TimeBlocks::try_from(Stored::from(blocks.clone()));
                prop_assert_eq!(again, Ok(blocks.clone()));
                prop_assert!(blocks.iter().count() <= MAX_BLOCKS);
                prop_assert!(blocks.iter().count() > 0 || blocks == TimeBlocks::default());
                let mut twice = blocks.clone();
                twice.merge(&blocks);
                prop_assert_eq!(twice.iter().count(), blocks.iter().count());
            }
        }
    }

    #[test]
    fn the_length_doubles_as_a_run_becomes_longer() {
        let mut blocks = TimeBlocks::default();
        let lengths: Vec<_> = (0..3600)
            .map(|second| {
                blocks.add(1_795_348_981 + second, &totals(1, 0));
                blocks.length_seconds()
            })
            .collect();
        assert_eq!([lengths[119], lengths[120], lengths[3599]], [1, 2, 32]);
        let longer = blocks.of_length(60);
        assert_eq!((longer.length_seconds(), longer.iter().map(|(_, block)| block.requests).sum::<u64>()), (64, 3600));
        assert!(longer.iter().all(|(start, _)| start % 64 == 0));
        assert_eq!(blocks.of_length(1), blocks);
    }

    #[test]
    fn a_clock_that_is_far_off_adds_blocks_and_does_not_lengthen_the_others() {
        let mut blocks = TimeBlocks::default();
        for second in 0..60 {
            blocks.add(1_795_348_981 + second, &totals(1, 0));
            blocks.add(second, &totals(1, 0));
        }
        assert_eq!((blocks.length_seconds(), blocks.iter().count()), (1, 120));
    }
}

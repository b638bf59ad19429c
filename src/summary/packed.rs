//! Counts of numbered buckets, packed into bytes. Most buckets take one or two, so that histograms of many requests stay small.
//!
//! A bucket is a token: an integer in little-endian base 128 (LEB128), whose lowest bits are its kind.
//!
//! - `0`: the bucket follows the previous one. The other bits are its count, less one.
//! - `01`: the other bits are the number of empty buckets before it. Its count is one.
//! - `11`: the same, and its count is the next integer.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::summary::encoding::{Encoded, Invalid, push_varint, take_varint, varint_len};
use crate::summary::log_histogram::BUCKETS;

/// A larger count of a bucket that follows the previous one has the long form, so that no shift overflows.
const MAX_SHORT_COUNT: u64 = u32::MAX as u64;

/// Counts by the number of their bucket.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Encoded", into = "Encoded")]
pub(super) struct PackedCounts(Box<[u8]>);

impl PackedCounts {
    /// The numbers and counts of the buckets that are not empty, in ascending order of the numbers.
    pub(super) const fn iter(&self) -> Iter<'_> {
        Iter { bytes: &self.0, next: 0 }
    }

    /// Adds other counts.
    pub(super) fn merge(&mut self, other: &Self) {
        if self.is_empty() {
            self.0.clone_from(&other.0);
        } else if !other.is_empty() {
            let mut packer = CountsPacker::with_capacity(self.0.len() + other.0.len());
            merge(self.iter(), other.iter(), |number, count| packer.push(number, count));
            self.0 = packer.bytes.into();
        }
    }

    /// Whether all buckets are empty.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(super) const fn heap_bytes(&self) -> usize {
        super::tests::allocated(self.0.len())
    }
}

/// Packs counts in ascending order of their numbers. Counts of the same number are added up.
impl FromIterator<(u32, u64)> for PackedCounts {
    fn from_iter<T: IntoIterator<Item = (u32, u64)>>(counts: T) -> Self {
        let mut packer = CountsPacker::default();
        let mut counts = counts.into_iter();
        let Some((mut current, mut sum)) = counts.next() else { return Self::default() };
        for (number, count) in counts {
            if number == current {
                sum = sum.saturating_add(count);
            } else {
                packer.push(current, sum);
                (current, sum) = (number, count);
            }
        }
        packer.push(current, sum);
        Self(packer.bytes.into())
    }
}

/// Appends the packed form of counts in ascending order of their numbers, each of which occurs once.
pub(super) fn pack(bytes: &mut Vec<u8>, counts: &[(u32, u64)]) {
    let mut packer = CountsPacker { bytes: std::mem::take(bytes), next: 0 };
    counts.iter().for_each(|&(number, count)| packer.push(number, count));
    *bytes = packer.bytes;
}

/// Reads packed counts. The number of each bucket is less than `buckets`.
///
/// # Errors
/// If the bytes are not packed counts.
pub(super) fn unpack(bytes: &[u8], buckets: u32) -> Result<Vec<(u32, u64)>, Invalid> {
    let mut unread = Iter { bytes, next: 0 };
    let mut counts = Vec::with_capacity(bytes.len());
    counts.extend(unread.by_ref());
    let is_valid = unread.bytes.is_empty() && counts.iter().all(|&(number, count)| number < buckets && count > 0);
    if is_valid { Ok(counts) } else { Err(Invalid("counts of buckets")) }
}

/// Appends buckets in ascending order of their numbers.
#[derive(Default)]
struct CountsPacker {
    bytes: Vec<u8>,
    next: u32,
}

impl CountsPacker {
    fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), next: 0 }
    }

    #[inline]
    fn push(&mut self, number: u32, count: u64) {
        match (u64::from(number.saturating_sub(self.next)), count) {
            (0, 1..=MAX_SHORT_COUNT) => push_varint(&mut self.bytes, (count - 1) << 1),
            (gap, 1) => push_varint(&mut self.bytes, gap << 2 | 0b01),
            (gap, _) => {
                push_varint(&mut self.bytes, gap << 2 | 0b11);
                push_varint(&mut self.bytes, count);
            }
        }
        self.next = number.saturating_add(1);
    }
}

/// Number of bytes of a bucket that follows the previous one. It does not decrease if the count grows, and that of a sum is at
/// most the sum of both.
pub(super) const fn bucket_bytes(count: u64) -> usize {
    varint_len(count.saturating_sub(1).saturating_mul(2))
}

/// Passes the buckets of two histograms to `push` in ascending order, and adds up those of the same number.
pub(super) fn merge(
    mut one: impl Iterator<Item = (u32, u64)>,
    mut other: impl Iterator<Item = (u32, u64)>,
    mut push: impl FnMut(u32, u64),
) {
    let (mut own, mut others) = (one.next(), other.next());
    loop {
        match (own, others) {
            (Some((a, count)), Some((b, added))) if a == b => {
                push(a, count.saturating_add(added));
                (own, others) = (one.next(), other.next());
            }
            (Some((a, count)), Some((b, _))) if a < b => {
                push(a, count);
                own = one.next();
            }
            (_, Some((b, count))) => {
                push(b, count);
                others = other.next();
            }
            (Some((a, count)), None) => {
                push(a, count);
                own = one.next();
            }
            (None, None) => break,
        }
    }
}

/// The buckets of packed counts.
#[derive(Clone)]
pub(super) struct Iter<'a> {
    bytes: &'a [u8],
    next: u32,
}

impl Iterator for Iter<'_> {
    type Item = (u32, u64);

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = self.bytes;
        let token = take_varint(&mut bytes)?;
        let (gap, count) = match token & 0b11 {
            0b01 => (token >> 2, 1),
            0b11 => (token >> 2, take_varint(&mut bytes)?),
            _ => (0, (token >> 1) + 1),
        };
        let number = self.next.checked_add(u32::try_from(gap).ok()?)?;
        *self = Self { bytes, next: number.checked_add(1)? };
        Some((number, count))
    }
}

impl fmt::Debug for PackedCounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

impl From<PackedCounts> for Encoded {
    fn from(counts: PackedCounts) -> Self {
        Self(counts.0.into())
    }
}

impl TryFrom<Encoded> for PackedCounts {
    type Error = Invalid;

    fn try_from(Encoded(bytes): Encoded) -> Result<Self, Invalid> {
        // Packing them again yields the only form that equal counts have.
        unpack(&bytes, BUCKETS).map(Self::from_iter)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    pub(crate) fn counts() -> impl Strategy<Value = BTreeMap<u32, u64>> {
        let count =
            prop_oneof![Just(1), 1..200u64, 1..100_000u64, Just(MAX_SHORT_COUNT), any::<u64>().prop_map(|n| n.max(1))];
        let number = prop_oneof![0..8u32, 0..300u32, 0..4000u32];
        prop::collection::btree_map(number, count, 0..80)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn packed_counts_are_read_back(counts in counts()) {
            let packed: PackedCounts = counts.clone().into_iter().collect();
            prop_assert_eq!(packed.iter().collect::<BTreeMap<_, _>>(), counts);
            prop_assert_eq!(PackedCounts::try_from(Encoded(packed.0.to_vec())), Ok(packed));
        }

        #[test]
        fn merged_counts_are_added_up(one in counts(), other in counts()) {
            let mut sum = one.clone();
            for (&number, &count) in &other {
                let sum = sum.entry(number).or_default();
                *sum = sum.saturating_add(count);
            }
            let [mut packed, other]: [PackedCounts; 2] = [one, other].map(|counts| counts.into_iter().collect());
            packed.merge(&other);
            prop_assert_eq!(packed.iter().collect::<BTreeMap<_, _>>(), sum);
        }

        #[test]
        fn any_bytes_are_refused_or_have_one_form(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(packed) = PackedCounts::try_from(Encoded(bytes)) {
                prop_assert!(packed.iter().all(|(number, count)| number < BUCKETS && count > 0));
                prop_assert_eq!(packed.iter().collect::<PackedCounts>(), packed);
            }
        }

        #[test]
        fn a_sum_takes_at_most_as_many_bytes_as_its_parts(a in 1..u64::MAX / 2, b in 1..u64::MAX / 2, shift in 0..63u32) {
            let (a, b) = ((a >> shift).max(1), (b >> shift).max(1));
            prop_assert!(bucket_bytes(a + b) <= bucket_bytes(a) + bucket_bytes(b));
            prop_assert!(bucket_bytes(a + b) >= bucket_bytes(a).max(bucket_bytes(b)));
        }
    }

    #[test]
    fn most_buckets_take_one_byte() {
        let dense: PackedCounts = (1000..2000).map(|number| (number, 64)).collect();
        let sparse: PackedCounts = (0..100).map(|number| (number * 30, 1)).collect();
        assert_eq!((dense.0.len(), sparse.0.len()), (1002, 100));
    }
}

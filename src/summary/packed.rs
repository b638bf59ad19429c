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
            *self = union(self.iter(), other.iter()).collect();
        }
    }

    /// Whether all buckets are empty.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The packed bytes.
    pub(super) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads packed bytes. The number of each bucket is less than `buckets`.
    ///
    /// # Errors
    /// If the bytes are not packed counts.
    pub(super) fn from_bytes(bytes: &[u8], buckets: u32) -> Result<Self, Invalid> {
        let mut counts = Iter { bytes, next: 0 };
        let mut is_valid = true;
        // Packing them again yields the only form that equal counts have.
        let packed = counts.by_ref().inspect(|&(number, count)| is_valid &= number < buckets && count > 0).collect();
        if is_valid && counts.bytes.is_empty() { Ok(packed) } else { Err(Invalid("counts of buckets")) }
    }

    #[cfg(test)]
    pub(super) const fn heap_bytes(&self) -> usize {
        super::tests::allocated(self.0.len())
    }
}

/// Packs counts in ascending order of their numbers. Counts of the same number are added up.
impl FromIterator<(u32, u64)> for PackedCounts {
    fn from_iter<T: IntoIterator<Item = (u32, u64)>>(counts: T) -> Self {
        let (mut bytes, mut next) = (Vec::new(), 0);
        let mut current: Option<(u32, u64)> = None;
        for (number, count) in counts {
            match &mut current {
                Some((same, sum)) if *same == number => *sum = sum.saturating_add(count),
                _ => {
                    if let Some(full) = current.replace((number, count)) {
                        next = push_bucket(&mut bytes, next, full);
                    }
                }
            }
        }
        if let Some(last) = current {
            push_bucket(&mut bytes, next, last);
        }
        Self(bytes.into())
    }
}

/// Appends a bucket that is at `next` or after it, and returns the number after it.
fn push_bucket(bytes: &mut Vec<u8>, next: u32, (number, count): (u32, u64)) -> u32 {
    match (u64::from(number.saturating_sub(next)), count) {
        (0, 1..=MAX_SHORT_COUNT) => push_varint(bytes, (count - 1) << 1),
        (gap, 1) => push_varint(bytes, gap << 2 | 0b01),
        (gap, _) => {
            push_varint(bytes, gap << 2 | 0b11);
            push_varint(bytes, count);
        }
    }
    number.saturating_add(1)
}

/// Number of bytes of a bucket that follows the previous one. It does not decrease if the count grows, and that of a sum is at
/// most the sum of both.
pub(super) const fn bucket_bytes(count: u64) -> usize {
    varint_len(count.saturating_sub(1).saturating_mul(2))
}

/// The buckets of two histograms in ascending order, those of both twice.
pub(super) fn union(
    one: impl Iterator<Item = (u32, u64)>,
    other: impl Iterator<Item = (u32, u64)>,
) -> impl Iterator<Item = (u32, u64)> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some((a, _)), Some((b, _))) if b < a => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    })
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
        Self::from_bytes(&bytes, super::log_histogram::BUCKETS)
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
            prop_assert_eq!(PackedCounts::from_bytes(packed.as_bytes(), 4000), Ok(packed));
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
            if let Ok(packed) = PackedCounts::from_bytes(&bytes, 4000) {
                prop_assert!(packed.iter().all(|(number, count)| number < 4000 && count > 0));
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
        assert_eq!((dense.as_bytes().len(), sparse.as_bytes().len()), (1002, 100));
    }
}

//! Bytes of packed values: integers of variable length, and their form in JSON.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Data of another process or of a file does not have the form that this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not {0}")]
pub(super) struct Invalid(pub(super) &'static str);

/// Packed bytes as they are stored: base64 in JSON, and the bytes themselves in a binary format.
pub(super) struct Encoded(pub(super) Vec<u8>);

impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD_NO_PAD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(EncodedVisitor)
        } else {
            deserializer.deserialize_bytes(EncodedVisitor)
        }
    }
}

struct EncodedVisitor;

impl Visitor<'_> for EncodedVisitor {
    type Value = Encoded;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("packed bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Encoded, E> {
        STANDARD_NO_PAD.decode(text).map(Encoded).map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Encoded, E> {
        Ok(Encoded(bytes.to_vec()))
    }
}

/// Appends an integer: seven bits per byte, the lowest first.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "seven bits remain")]
pub(super) fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes an integer from the front of the bytes, unless they do not begin with one.
#[inline]
pub(super) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    match bytes.split_first()? {
        // Most integers have one byte.
        (&byte @ 0..0x80, rest) => {
            *bytes = rest;
            Some(byte.into())
        }
        _ => take_long_varint(bytes),
    }
}

fn take_long_varint(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift > 63 || (shift == 63 && bits > 1) {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

/// Number of bytes of an integer.
pub(super) const fn varint_len(number: u64) -> usize {
    let bits = u64::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_are_read_back(number in any::<u64>(), shift in 0..64u32) {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, number >> shift);
            prop_assert_eq!(bytes.len(), varint_len(number >> shift));
            bytes.push(7);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_varint(&mut rest), Some(number >> shift));
            prop_assert_eq!(rest, [7]);
        }

        #[test]
        fn packed_bytes_are_read_back_from_json(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            let json = serde_json::to_string(&Encoded(bytes.clone())).expect("text");
            prop_assert_eq!(serde_json::from_str::<Encoded>(&json).expect("just written").0, bytes);
        }
    }

    #[test]
    fn integers_that_do_not_fit_or_do_not_end_are_refused() {
        for mut bytes in
            [&[0xff; 10][..], &[0x80], &[], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]]
        {
            assert_eq!(take_varint(&mut bytes), None);
        }
    }
}

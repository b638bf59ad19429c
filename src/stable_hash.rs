//! A hash that does not change between processes and versions.

use std::hash::Hasher as _;

use fnv::FnvHasher;

/// A hash of texts that is the same in all processes and versions. Keys in the order of their hashes are a random selection.
#[must_use]
pub fn stable_hash(texts: &[&str]) -> u64 {
    let mut hasher = FnvHasher::default();
    for text in texts {
        hasher.write(text.as_bytes());
        hasher.write(&[0]);
    }
    // The last characters hardly change the highest bits of FNV. The finalizer of MurmurHash3 distributes them.
    let mut bits = hasher.finish();
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fixed_and_separates_texts() {
        assert_eq!(stable_hash(&["GET", "/"]), 16_048_507_705_862_135_815);
        assert_ne!(stable_hash(&["GET", "/"]), stable_hash(&["GET/", ""]));
        // The upper half of numbered names is not a range of numbers.
        let high: Vec<u32> = (0..64).filter(|number| stable_hash(&["GET", &format!("/{number}")]) >> 63 == 1).collect();
        assert!((20..44).contains(&high.len()) && high.windows(2).any(|pair| pair[1] == pair[0] + 1), "{high:?}");
    }
}

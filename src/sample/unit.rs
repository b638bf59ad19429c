//! The units of CloudWatch.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantNames};

/// The units of CloudWatch.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(try_from = "String", into = "&'static str")]
#[expect(missing_docs, reason = "they are CloudWatch's own names")]
pub enum Unit {
    Seconds,
    Microseconds,
    Milliseconds,
    Bytes,
    Kilobytes,
    Megabytes,
    Gigabytes,
    Terabytes,
    Bits,
    Kilobits,
    Megabits,
    Gigabits,
    Terabits,
    Percent,
    Count,
    #[strum(serialize = "Bytes/Second")]
    BytesPerSecond,
    #[strum(serialize = "Kilobytes/Second")]
    KilobytesPerSecond,
    #[strum(serialize = "Megabytes/Second")]
    MegabytesPerSecond,
    #[strum(serialize = "Gigabytes/Second")]
    GigabytesPerSecond,
    #[strum(serialize = "Terabytes/Second")]
    TerabytesPerSecond,
    #[strum(serialize = "Bits/Second")]
    BitsPerSecond,
    #[strum(serialize = "Kilobits/Second")]
    KilobitsPerSecond,
    #[strum(serialize = "Megabits/Second")]
    MegabitsPerSecond,
    #[strum(serialize = "Gigabits/Second")]
    GigabitsPerSecond,
    #[strum(serialize = "Terabits/Second")]
    TerabitsPerSecond,
    #[strum(serialize = "Count/Second")]
    CountPerSecond,
    None,
}

impl Unit {
    /// CloudWatch's name of the unit.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The unit with this name.
    ///
    /// # Errors
    /// If there is none: the text says which there are.
    pub fn named(name: &str) -> Result<Self, String> {
        name.parse().map_err(|_| format!("{name:?} is not a unit of CloudWatch: {}", Self::VARIANTS.join(", ")))
    }
}

impl TryFrom<String> for Unit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::named(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_the_names_of_cloudwatch() {
        assert_eq!(Unit::VARIANTS.len(), 27);
        for &name in Unit::VARIANTS {
            let unit: Unit = name.parse().expect("a unit");
            assert_eq!(unit.as_str(), name);
            let json = serde_json::to_string(&unit).expect("text");
            assert_eq!((json.as_str(), serde_json::from_str(&json).ok()), (&*format!("{name:?}"), Some(unit)));
        }
        assert!(Unit::VARIANTS.contains(&"Bytes/Second") && Unit::VARIANTS.contains(&"None"));
        assert!(Unit::named("bytes").expect_err("another name").contains("Bytes, "));
    }
}

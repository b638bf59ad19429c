//! Names and values of dimensions, and their conversion to a form that CloudWatch accepts. No conversion fails.

use std::fmt::Write as _;
use std::hash::Hasher;
use std::sync::Arc;

use fnv::FnvHasher;

/// Maximum length of the value of a dimension, in characters (PutMetricData).
pub const MAX_VALUE_CHARS: usize = 1024;
/// Maximum length of the name of a dimension, in characters (PutMetricData).
pub const MAX_NAME_CHARS: usize = 255;
/// Maximum number of dimensions of a datum (PutMetricData).
pub const MAX_DIMENSIONS: usize = 30;

/// Replaces a name that is empty or blank, because CloudWatch accepts no blank value.
const BLANK: &str = "(empty)";

/// One dimension of a metric.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dimension {
    /// Such as `Request`.
    pub name: Arc<str>,
    /// Such as `/checkout`.
    pub value: Arc<str>,
}

impl Dimension {
    /// Creates a dimension whose value [`fit_value`] has made valid.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.into(), value: fit_value(value).into() }
    }
}

/// Makes any text a valid value: ASCII without control characters, not blank, at most [`MAX_VALUE_CHARS`].
///
/// Other characters are percent-encoded as UTF-8. A value that is too long is cut, and ends with `~` and a hash of the whole
/// text, so that different long names have different values.
#[must_use]
pub fn fit_value(text: &str) -> String {
    fit(text, MAX_VALUE_CHARS)
}

/// Makes any text a valid name of a dimension or metric, as [`fit_value`] does: at most [`MAX_NAME_CHARS`], not starting
/// with a colon.
#[must_use]
pub fn fit_name(text: &str) -> String {
    match text.strip_prefix(':') {
        Some(rest) => fit(&format!("%3A{rest}"), MAX_NAME_CHARS),
        None => fit(text, MAX_NAME_CHARS),
    }
}

fn fit(text: &str, max_chars: usize) -> String {
    if text.trim().is_empty() {
        return BLANK.to_owned();
    }
    let mut fitted = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_control() {
            fitted.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(fitted, "%{byte:02X}");
            }
        }
    }
    if fitted.len() > max_chars {
        let mut hasher = FnvHasher::default();
        hasher.write(text.as_bytes());
        let ending = format!("~{:016x}", hasher.finish());
        fitted.truncate(max_chars - ending.len());
        fitted.push_str(&ending);
    }
    fitted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_that_cloudwatch_does_not_accept_is_changed() {
        assert_eq!(fit_value("/checkout?id=[id]"), "/checkout?id=[id]");
        assert_eq!(fit_value("주문"), "%EC%A3%BC%EB%AC%B8");
        assert_eq!(fit_value("a\tb\n\u{7f}"), "a%09b%0A%7F");
        assert_eq!(fit_value(""), BLANK);
        assert_eq!(fit_value("  "), BLANK);
        assert_eq!(fit_value("\u{a0}"), BLANK);
    }

    #[test]
    fn long_names_that_differ_only_at_the_end_have_different_values() {
        let (a, b) = ("x".repeat(5000) + "a", "x".repeat(5000) + "b");
        assert_eq!(fit_value(&a).len(), MAX_VALUE_CHARS);
        assert_ne!(fit_value(&a), fit_value(&b));
    }

    proptest! {
        #[test]
        fn every_text_becomes_a_valid_value(text in any::<String>()) {
            let value = fit_value(&text);
            prop_assert!((1..=MAX_VALUE_CHARS).contains(&value.len()));
            prop_assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b)));
            prop_assert!(!value.trim().is_empty());
            prop_assert_eq!(fit_value(&value), value.clone());
        }

        #[test]
        fn every_text_becomes_a_valid_name(text in ":?\\PC{0,300}") {
            let name = fit_name(&text);
            prop_assert!((1..=MAX_NAME_CHARS).contains(&name.len()) && !name.starts_with(':'));
            prop_assert!(name.bytes().all(|b| (0x20..0x7f).contains(&b)));
            prop_assert_eq!(fit_name(&name), name.clone());
        }
    }
}

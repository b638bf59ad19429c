//! Decimal numbers, without rounding: 0.07 s is 70 ms.

use std::fmt;

/// Maximum number of digits before the decimal point.
pub(super) const MAX_DIGITS: usize = 12;
/// The lowest number with more digits.
const TOO_LARGE: f64 = 1e12;
/// Maximum number of digits after the decimal point.
pub(super) const MAX_DECIMALS: usize = 6;

const ONE: i128 = 1_000_000;

/// A number of millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(i128);

impl Number {
    pub(super) const fn whole(number: i128) -> Self {
        Self(number * ONE)
    }

    /// Reads digits, and optionally a point and further digits. None if the text has another form, or too many digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (digits, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let has_form =
            |part: &str, max: usize| (1..=max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if !has_form(digits, MAX_DIGITS) || !has_form(decimals, MAX_DECIMALS) {
            return None;
        }
        format!("{digits}{decimals:0<MAX_DECIMALS$}").parse().ok().map(Self)
    }

    pub(super) const fn negated(self) -> Self {
        Self(-self.0)
    }

    pub(super) const fn times(self, factor: i128) -> Self {
        Self(self.0 * factor)
    }

    /// The thousandth part; None if it has more decimal places than a number.
    pub(super) const fn exact_thousandth(self) -> Option<Self> {
        if self.0 % 1000 == 0 { Some(Self(self.0 / 1000)) } else { None }
    }

    pub(super) const fn is_whole(self) -> bool {
        self.0 % ONE == 0
    }

    /// Whether [`Self::to_f64`] has at most [`MAX_DIGITS`] digits before the decimal point.
    pub(super) fn has_few_digits(self) -> bool {
        self.to_f64().abs() < TOO_LARGE
    }

    /// The part before the decimal point.
    pub(super) const fn truncated(self) -> i128 {
        self.0 / ONE
    }

    /// The nearest floating-point number.
    pub(super) fn to_f64(self) -> f64 {
        // `Display` writes a number that `f64` parses. Adding zero turns -0 into 0.
        self.to_string().parse::<f64>().unwrap_or_default() + 0.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, size) = (if self.0 < 0 { "-" } else { "" }, self.0.abs());
        let text = format!("{sign}{}.{:0MAX_DECIMALS$}", size / ONE, size % ONE);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

//! Points in time, and their text formats. Only [`Timestamp::now`] reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Points in time at or after this cannot be shown as a date: 9999-12-31, in seconds since the epoch.
pub const DATES_END: f64 = 253_402_214_400.0;
/// Maximum age of data that CloudWatch accepts: two weeks (PutMetricData, PutLogEvents).
pub const MAX_AGE_SECONDS: i64 = 14 * 24 * 3600;
/// How far in the future CloudWatch accepts data: two hours (PutMetricData, PutLogEvents).
pub const MAX_AHEAD_SECONDS: i64 = 2 * 3600;

/// Maximum age of a reported time. It is half of what CloudWatch accepts, because the data may then wait in the spool for as
/// long.
const EARLIEST_SECONDS: i64 = MAX_AGE_SECONDS / 2;
/// How far in the future a reported time may be. It is half of what CloudWatch accepts, because the clocks of CloudWatch and of
/// this machine may differ.
const LATEST_SECONDS: i64 = MAX_AHEAD_SECONDS / 2;

const MICROS: i64 = 1_000_000;
const MICRO_DIGITS: usize = 6;

impl Timestamp {
    /// The current time of the machine's clock.
    #[must_use]
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    /// Converts seconds since the epoch. Values that are out of range become the nearest time.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS))
    }

    /// Converts milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis * 1000)
    }

    /// Converts microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Converts seconds since the epoch with a fraction. Values that are out of range become the nearest time, and NaN the epoch.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    pub fn from_seconds_f64(seconds: f64) -> Self {
        Self((seconds * MICROS as f64) as i64)
    }

    /// The completion time of a request: `start` (seconds since the epoch) plus `elapsed_ms`.
    ///
    /// It is `now` if the start is unknown or not finite, or if the result is more than a week ago or more than an hour in the
    /// future. CloudWatch could refuse the whole call because of such a time, and some clients report a monotonic clock.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked before the cast")]
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into 53 bits until 2255")]
    pub fn of_completion(start: Option<f64>, elapsed_ms: f64, now: Self) -> Self {
        let Some(start) = start else { return now };
        let micros = (start + elapsed_ms / 1000.0) * MICROS as f64;
        let (earliest, latest) = now.limits();
        if (earliest.0 as f64..=latest.0 as f64).contains(&micros) { Self(micros as i64) } else { now }
    }

    /// Whether a reported time is at most a week ago and at most an hour in the future. CloudWatch could refuse the whole call
    /// because of another one.
    #[must_use]
    pub fn is_near(self, now: Self) -> bool {
        let (earliest, latest) = now.limits();
        (earliest..=latest).contains(&self)
    }

    /// The earliest and the latest time that a process may report now.
    const fn limits(self) -> (Self, Self) {
        (Self(self.0 - EARLIEST_SECONDS * MICROS), Self(self.0 + LATEST_SECONDS * MICROS))
    }

    /// The time that is this many microseconds later.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0 + micros)
    }

    /// The time after a duration.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    /// Seconds since the epoch, with a fraction.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into 53 bits until 2255")]
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / MICROS as f64
    }

    /// Whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The microseconds that [`Self::millis`] leaves out: 0 to 999.
    #[must_use]
    pub const fn micros_of_milli(self) -> i64 {
        self.0.rem_euclid(1000)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// `2026-11-22T11:03:01.123456Z`, as in log events.
    #[must_use]
    pub fn iso8601(self) -> String {
        self.format(["-", "-", "T", ":", ":", ".", "Z"])
    }

    /// Reads a time in the format of [`Self::iso8601`], or in another one of RFC 3339.
    #[must_use]
    pub fn parse_iso8601(text: &str) -> Option<Self> {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(time.unix_timestamp_nanos().div_euclid(1000)).ok().map(Self)
    }

    /// `2026/11/22 11:03:01.123456 UTC`, as in the text format of log events.
    #[must_use]
    pub fn slashed(self) -> String {
        self.format(["/", "/", " ", ":", ":", ".", " UTC"])
    }

    /// `20261122T110301Z`, as in run IDs.
    #[must_use]
    pub fn compact(self) -> String {
        let second = self.format(["", "", "T", "", "", "Z", ""]);
        second[..second.len() - MICRO_DIGITS].to_owned()
    }

    /// Writes the numbers from the year to the microsecond, each followed by its separator. It does not use `format!`, which is
    /// slower, because it runs for every log event.
    fn format(self, separators: [&str; 7]) -> String {
        let t = OffsetDateTime::from_unix_timestamp(self.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let micros = u32::try_from(self.0.rem_euclid(MICROS)).unwrap_or_default();
        let numbers = [
            (4, t.year().unsigned_abs()),
            (2, u8::from(t.month()).into()),
            (2, t.day().into()),
            (2, t.hour().into()),
            (2, t.minute().into()),
            (2, t.second().into()),
            (MICRO_DIGITS, micros),
        ];
        let mut text = String::with_capacity(32);
        for ((width, mut number), separator) in numbers.into_iter().zip(separators) {
            let mut digits = ['0'; MICRO_DIGITS];
            for digit in digits[..width].iter_mut().rev() {
                *digit = char::from_digit(number % 10, 10).unwrap_or_default();
                number /= 10;
            }
            text.extend(&digits[..width]);
            text.push_str(separator);
        }
        text
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into 53 bits until 2255")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_795_348_981); // 2026-11-22 12:03:01 UTC

    #[test]
    fn the_time_of_a_sample_is_its_completion_time() {
        let at = Timestamp::of_completion(Some(1_795_348_980.0), 250.5, NOON);
        assert_eq!(at.micros(), 1_795_348_980_250_500);
    }

    #[test]
    fn a_start_time_that_cloudwatch_would_refuse_is_replaced_by_now() {
        for start in [0.0, 12_345.678, f64::NAN, f64::INFINITY, -1.0, 4e9] {
            assert_eq!(Timestamp::of_completion(Some(start), 10.0, NOON), NOON, "{start}");
        }
        assert_eq!(Timestamp::of_completion(None, 10.0, NOON), NOON);
        assert_eq!(Timestamp::of_completion(Some(1_795_348_980.0), f64::MAX, NOON), NOON);
    }

    #[test]
    fn the_three_formats() {
        let t = Timestamp(1_795_348_981_123_456);
        assert_eq!(t.iso8601(), "2026-11-22T12:03:01.123456Z");
        assert_eq!(t.slashed(), "2026/11/22 12:03:01.123456 UTC");
        assert_eq!(t.compact(), "20261122T120301Z");
    }

    proptest! {
        #[test]
        fn the_completion_time_is_one_that_cloudwatch_accepts_for_any_start_time(
            start in prop_oneof![any::<f64>(), 1.7e9..1.9e9f64, NOON.seconds() as f64 - 2e6..NOON.seconds() as f64, NOON.seconds() as f64..NOON.seconds() as f64 + 2e4],
            elapsed_ms in prop_oneof![any::<f64>(), 0.0..1e7f64],
        ) {
            let time = Timestamp::of_completion(Some(start), elapsed_ms, NOON);
            let age = NOON.seconds() - time.seconds();
            prop_assert!((-MAX_AHEAD_SECONDS..=MAX_AGE_SECONDS).contains(&age), "{age}");
            let completed = start + elapsed_ms / 1000.0;
            let is_near = (completed - NOON.seconds() as f64).abs() < 3600.0;
            prop_assert!(!is_near || (time.micros() as f64 / 1e6 - completed).abs() < 1e-5);
        }

        #[test]
        fn the_formats_have_the_same_digits_and_sort_in_the_order_of_the_times(
            a in 0..253_402_300_800_000_000i64, b in 0..253_402_300_800_000_000i64,
        ) {
            let digits = |text: String| text.chars().filter(char::is_ascii_digit).collect::<String>();
            let (a, b) = (Timestamp(a), Timestamp(b));
            prop_assert_eq!(digits(a.iso8601()), digits(a.slashed()));
            prop_assert_eq!(digits(a.compact()), &digits(a.iso8601())[..14]);
            prop_assert_eq!(Timestamp::parse_iso8601(&a.iso8601()), Some(a));
            prop_assert_eq!(a.cmp(&b), a.iso8601().cmp(&b.iso8601()));
            prop_assert_eq!((a.seconds(), a.millis()), (a.micros() / 1_000_000, a.micros() / 1000));
        }
    }
}

//! The result of a check.

use serde::{Deserialize, Serialize};

use super::evaluate::Undecided;
use super::expression::{Check, Unit};
use crate::timestamp::Timestamp;

/// Whether a run meets a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckVerdict {
    /// It does.
    Passed,
    /// It does not, or the check stopped the test.
    Failed,
    /// There is no value to compare. It counts as not passed.
    Undecided,
}

impl CheckVerdict {
    /// The verdict in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Undecided => "undecided",
        }
    }
}

/// The result of a check, with the keys of the receipt in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The expression as the user wrote it.
    pub expression: String,
    /// The verdict.
    pub verdict: CheckVerdict,
    /// The measured value in `unit`; None if there is none.
    pub measured: Option<f64>,
    /// The limit in `unit`.
    pub limit: f64,
    /// When a failed check was breached first, in ISO 8601; None if that is unknown.
    #[serde(with = "iso8601")]
    pub first_breach: Option<Timestamp>,
    /// The unit of the measured value and of the limit.
    pub unit: Unit,
    /// Why the check is undecided, or why it failed with a value that meets its limit.
    pub reason: Option<String>,
}

impl Check {
    /// Compares the measured value with the limit. The first breach is kept if the check fails.
    #[must_use]
    pub fn judge(&self, measured: Result<f64, Undecided>, first_breach: Option<Timestamp>) -> CheckResult {
        // A value that is not finite cannot be compared, nor written as JSON.
        match measured.and_then(|value| if value.is_finite() { Ok(value) } else { Err(Undecided::NoData) }) {
            Ok(value) if self.is_met_by(value) => self.result(CheckVerdict::Passed, Some(value), None, None),
            Ok(value) => self.result(CheckVerdict::Failed, Some(value), first_breach, None),
            Err(reason) => self.result(CheckVerdict::Undecided, None, None, Some(reason.to_string())),
        }
    }

    /// The result of a check that stopped the test. It fails, even if the value of the whole run meets the limit.
    #[must_use]
    pub fn judge_aborted(&self, measured: Result<f64, Undecided>, first_breach: Option<Timestamp>) -> CheckResult {
        let duration = self.abort_after.unwrap_or_default().as_secs();
        let reason = format!("breached for {duration} s without interruption, so the test was stopped");
        self.result(CheckVerdict::Failed, measured.ok().filter(|value| value.is_finite()), first_breach, Some(reason))
    }

    fn result(
        &self,
        verdict: CheckVerdict,
        measured: Option<f64>,
        first_breach: Option<Timestamp>,
        reason: Option<String>,
    ) -> CheckResult {
        let (expression, limit, unit) = (self.text.clone(), self.limit, self.measure.unit());
        CheckResult { expression, verdict, measured, limit, first_breach, unit, reason }
    }
}

mod iso8601 {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::timestamp::Timestamp;

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(super) fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(Timestamp::iso8601).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        Timestamp::parse_iso8601(&text).map(Some).ok_or_else(|| D::Error::custom("not a time in ISO 8601"))
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;
    use crate::check::evaluate::tests::{Requests, requests};
    use crate::check::parse::tests::check;
    use crate::check::{GeneratorValues, Operator};

    const SECOND: Timestamp = Timestamp::from_seconds(1_795_348_981); // 2026-11-22 12:03:01 UTC

    /// The verdict of a value that is below, at or above the limit.
    fn expected(operator: Operator, side: Ordering) -> CheckVerdict {
        let is_met = match operator {
            Operator::Less => side.is_lt(),
            Operator::LessOrEqual => side.is_le(),
            Operator::Greater => side.is_gt(),
            Operator::GreaterOrEqual => side.is_ge(),
            Operator::Equal => side.is_eq(),
        };
        if is_met { CheckVerdict::Passed } else { CheckVerdict::Failed }
    }

    /// Judges a value just below the limit, one at it and one just above it, with each operator.
    fn judge_around<V>(
        measure: &str,
        limit: &str,
        values: &[V; 3],
        measured: impl Fn(&Check, &V) -> Result<f64, Undecided>,
    ) {
        for (value, side) in values.iter().zip([Ordering::Less, Ordering::Equal, Ordering::Greater]) {
            for operator in Operator::ALL {
                let check = check(&format!("{measure} {operator} {limit}"));
                let result = check.judge(measured(&check, value), None);
                assert_eq!(result.verdict, expected(operator, side), "{result:?}");
            }
        }
    }

    fn judge_requests(measure: &str, limit: &str, values: &[Requests; 3]) {
        for measure in [measure, &format!("GET /: {measure}")] {
            judge_around(measure, limit, values, |check, values| check.measured(Some(values), 4.0));
        }
    }

    #[test]
    fn each_measure_passes_just_within_its_limit_and_fails_just_beyond_it() {
        for measure in ["p50", "p90", "p99", "mean", "max"] {
            judge_requests(measure, "0.3s", &[299.999, 300.0, 300.001].map(|time| requests(1000, time, 1)));
        }
        judge_requests("failures", "1%", &[9, 10, 11].map(|failed| requests(1000 - failed, 1.0, failed as u64)));
        judge_requests("failures", "10", &[9, 10, 11].map(|failed| requests(5, 1.0, failed)));
        judge_requests("requests", "10", &[7, 8, 9].map(|number| requests(number, 1.0, 2)));
        judge_requests("rps", "2.5", &[9, 10, 11].map(|number| requests(number, 1.0, 3)));
        judge_around("generator: cpu", "90%", &[89.99, 90.0, 90.01], |check, cpu| {
            check.measured_of_generator(GeneratorValues { cpu_percent: Some(*cpu), memory_bytes: None })
        });
        judge_around("generator: memory", "1GB", &[999_999_999.0, 1e9, 1_000_000_001.0], |check, bytes| {
            check.measured_of_generator(GeneratorValues { cpu_percent: None, memory_bytes: Some(*bytes) })
        });
        let values = [-0.500_000_1, -0.5, -0.499_999_9];
        judge_around("rds:shop-db: CPUUtilization Average", "-0.5", &values, |_, value| Ok(*value));
    }

    #[test]
    fn a_result_has_the_keys_of_the_receipt_in_their_order() {
        let check = check(" p95<0.3s");
        for (result, rest) in [
            (
                check.judge(Ok(312.5), Some(SECOND)),
                r#""failed","measured":312.5,"limit":300.0,"first_breach":"2026-11-22T12:03:01.000000Z","unit":"ms","reason":null}"#,
            ),
            (
                check.judge(Err(Undecided::NoTimes), None),
                r#""undecided","measured":null,"limit":300.0,"first_breach":null,"unit":"ms","reason":"no successful requests"}"#,
            ),
        ] {
            let json = serde_json::to_string(&result).expect("plain data");
            assert_eq!(json, format!(r#"{{"expression":"p95<0.3s","verdict":{rest}"#));
        }
    }

    #[test]
    fn only_a_failed_check_has_a_first_breach() {
        let check = check("max < 1s abort after 30s");
        assert_eq!(check.judge(Ok(999.0), Some(SECOND)).first_breach, None);
        assert_eq!(check.judge(Err(Undecided::NoTimes), Some(SECOND)).first_breach, None);
        assert_eq!(check.judge(Ok(1000.0), Some(SECOND)).first_breach, Some(SECOND));
    }

    #[test]
    fn a_check_that_stopped_the_test_fails_with_any_value() {
        let check = check("p99 < 1s abort after 30s");
        for measured in [Ok(5.0), Ok(5000.0), Ok(f64::NAN), Err(Undecided::NoTimes)] {
            let result = check.judge_aborted(measured.clone(), Some(SECOND));
            assert_eq!((result.verdict, result.first_breach), (CheckVerdict::Failed, Some(SECOND)));
            assert_eq!(result.measured, measured.ok().filter(|value| value.is_finite()));
            let reason = "breached for 30 s without interruption, so the test was stopped";
            assert_eq!(result.reason.as_deref(), Some(reason));
        }
    }

    #[test]
    fn a_value_that_is_not_finite_is_undecided() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let result = check("max >= 0s").judge(Ok(value), None);
            assert_eq!((result.verdict, result.measured), (CheckVerdict::Undecided, None));
            assert_eq!(result.reason.as_deref(), Some("no data"));
        }
    }

    #[test]
    fn a_time_in_another_format_is_refused() {
        let json = r#"{"expression":"","verdict":"passed","measured":null,"limit":1.0,"first_breach":"soon","unit":"","reason":null}"#;
        assert!(serde_json::from_str::<CheckResult>(json).expect_err("no time").to_string().contains("ISO 8601"));
        let json = json.replace("soon", "2026-11-22T12:03:01Z");
        let result: CheckResult = serde_json::from_str(&json).expect("a time");
        assert_eq!((result.first_breach, result.unit), (Some(SECOND), Unit::OfMetric));
    }

    const ONE_OF_EACH_UNIT: [&str; 6] =
        ["max < 1s", "failures < 1%", "rps < 1", "requests < 1", "generator: memory < 1", "rds:a: Connections Sum < 1"];

    proptest! {
        #[test]
        fn a_result_is_read_as_it_is_written(
            check in prop::sample::select(ONE_OF_EACH_UNIT.map(check).to_vec()), text in ".{0,20}", value in any::<f64>(),
            micros in prop::option::of(0..253_402_300_800_000_000i64), reason in prop::option::of(".{0,20}"),
        ) {
            let first_breach = micros.map(|micros| Timestamp::from_seconds(0).plus_micros(micros));
            let measured = reason.map_or(Ok(value), |reason| Err(Undecided::Other(reason)));
            let result = CheckResult { expression: text, ..check.judge(measured, first_breach) };
            let json = serde_json::to_string(&result).expect("plain data");
            for (key, name) in [("verdict", result.verdict.name()), ("unit", result.unit.name())] {
                let pair = format!(r#""{key}":"{name}""#);
                prop_assert!(json.contains(&pair), "{}", json);
            }
            prop_assert_eq!(serde_json::from_str::<CheckResult>(&json).expect("just written"), result);
        }
    }
}

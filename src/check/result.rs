//! The result of a check.

use serde::{Deserialize, Serialize};

use super::evaluate::Undecided;
use super::expression::{Check, Unit};
use crate::timestamp::Timestamp;

/// Whether a run meets a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It does.
    Passed,
    /// It does not, or the check stopped the test.
    Failed,
    /// There is no value to compare. It counts as not passed.
    Undecided,
}

impl Verdict {
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
    pub verdict: Verdict,
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
            Ok(value) if self.is_met_by(value) => self.result(Verdict::Passed, Some(value), None, None),
            Ok(value) => self.result(Verdict::Failed, Some(value), first_breach, None),
            Err(reason) => self.result(Verdict::Undecided, None, None, Some(reason.to_string())),
        }
    }

    /// The result of a check that stopped the test. It fails, even if the value of the whole run meets the limit.
    #[must_use]
    pub fn judge_aborted(&self, measured: Result<f64, Undecided>, first_breach: Option<Timestamp>) -> CheckResult {
        let duration = self.abort_after.unwrap_or_default().as_secs();
        let reason = format!("breached for {duration} s without interruption, so the test was stopped");
        self.result(Verdict::Failed, measured.ok().filter(|value| value.is_finite()), first_breach, Some(reason))
    }

    fn result(
        &self,
        verdict: Verdict,
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

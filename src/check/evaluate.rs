//! The measured value of a check, or why there is none.

use super::expression::{Check, Measure, Scope};

/// Samples that must lie beyond a percentile. With fewer, a few slow requests decide it.
const MIN_SAMPLES_BEYOND: u64 = 10;
/// Percentiles have up to this many parts of a percent.
const PARTS_OF_PERCENT: f64 = 1000.0;
const BYTES_PER_MEGABYTE: f64 = 1_000_000.0;

/// Requests of a run or of a second: all, or those of one name. Times are those of successful requests, in milliseconds.
pub trait Values {
    /// Finished requests, failed ones included.
    fn requests(&self) -> u64;
    /// Failed requests.
    fn failures(&self) -> u64;
    /// Successful requests with a response time.
    fn timed(&self) -> u64;
    /// The mean response time. None without [`Self::timed`] requests.
    fn mean_ms(&self) -> Option<f64>;
    /// The longest response time. None without [`Self::timed`] requests.
    fn max_ms(&self) -> Option<f64>;
    /// The response time at a quantile, 0 to 1, by nearest rank. None without [`Self::timed`] requests.
    fn quantile_ms(&self, quantile: f64) -> Option<f64>;
}

/// The load of the generator.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GeneratorValues {
    /// CPU time of the busiest process, in percent of one core.
    pub cpu_percent: Option<f64>,
    /// Memory of the largest process.
    pub memory_bytes: Option<f64>,
}

/// Why a check has no measured value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// The run has no requests, or none with the name of the check.
    #[error("no requests")]
    NoRequests,
    /// No successful request has a response time.
    #[error("no successful requests")]
    NoTimes,
    /// Too few successful requests for a percentile.
    #[error("{samples} successful requests, but p{percent} needs {needed}")]
    TooFewSamples {
        /// Successful requests with a response time.
        samples: u64,
        /// The percentile, in the form of an expression.
        percent: String,
        /// How many are needed.
        needed: u64,
    },
    /// A rate of a run without a duration.
    #[error("the measured time is 0 s")]
    NoDuration,
    /// The generator or the target has no data.
    #[error("no data")]
    NoData,
    /// Another reason, such as that of a failed call to CloudWatch.
    #[error("{0}")]
    Other(String),
}

impl Check {
    /// The measured value in the unit of the measure, for a check on requests.
    ///
    /// `values` are the requests of the check's scope, or None if the run has none of this name. `seconds` is the time in which
    /// they were measured.
    ///
    /// # Errors
    /// Why the check is undecided.
    pub fn measured(&self, values: Option<&dyn Values>, seconds: f64) -> Result<f64, Undecided> {
        let values =
            values.filter(|values| values.requests() > 0 || self.scope == Scope::All).ok_or(Undecided::NoRequests)?;
        match &self.measure {
            Measure::Percentile(percent) => percentile(values, *percent),
            Measure::Mean => values.mean_ms().ok_or(Undecided::NoTimes),
            Measure::Max => values.max_ms().ok_or(Undecided::NoTimes),
            Measure::FailureShare => failure_share(values).ok_or(Undecided::NoRequests),
            // Without requests, no failures are no success.
            Measure::Failures if values.requests() == 0 => Err(Undecided::NoRequests),
            Measure::Failures => Ok(as_f64(values.failures())),
            Measure::Requests => Ok(as_f64(values.requests())),
            Measure::RequestsPerSecond if seconds > 0.0 => Ok(successes(values) / seconds),
            Measure::RequestsPerSecond => Err(Undecided::NoDuration),
            Measure::GeneratorCpu | Measure::GeneratorMemory | Measure::Target { .. } => Err(Undecided::NoData),
        }
    }

    /// The measured value in the unit of the measure, for a check on the generator.
    ///
    /// # Errors
    /// Why the check is undecided.
    pub fn measured_of_generator(&self, values: GeneratorValues) -> Result<f64, Undecided> {
        let value = match self.measure {
            Measure::GeneratorCpu => values.cpu_percent,
            Measure::GeneratorMemory => values.memory_bytes.map(|bytes| bytes / BYTES_PER_MEGABYTE),
            _ => None,
        };
        value.ok_or(Undecided::NoData)
    }
}

fn percentile(values: &dyn Values, percent: f64) -> Result<f64, Undecided> {
    let (samples, needed) = (values.timed(), samples_needed(percent));
    if samples == 0 {
        return Err(Undecided::NoTimes);
    }
    if samples < needed {
        return Err(Undecided::TooFewSamples { samples, percent: percent.to_string(), needed });
    }
    values.quantile_ms(quantile(percent)).ok_or(Undecided::NoTimes)
}

/// The quantile of a percentile: the number that is nearest to 0.999 for 99.9, and not the nearest multiple.
pub(super) fn quantile(percent: f64) -> f64 {
    (percent * PARTS_OF_PERCENT).round() / (100.0 * PARTS_OF_PERCENT)
}

/// How many samples a percentile needs so that [`MIN_SAMPLES_BEYOND`] lie beyond it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentile is from 1 to 99.999")]
fn samples_needed(percent: f64) -> u64 {
    let parts_beyond = ((100.0 - percent) * PARTS_OF_PERCENT).round() as u64;
    (MIN_SAMPLES_BEYOND * 100_000).div_ceil(parts_beyond.max(1))
}

/// Failed requests in percent. The product is exact, so the quotient equals a limit with the same value.
pub(super) fn failure_share(values: &dyn Values) -> Option<f64> {
    (values.requests() > 0).then(|| as_f64(values.failures()) * 100.0 / as_f64(values.requests()))
}

pub(super) fn successes(values: &dyn Values) -> f64 {
    as_f64(values.requests().saturating_sub(values.failures()))
}

#[expect(clippy::cast_precision_loss, reason = "a run has far fewer than 2^53 requests")]
pub(super) fn as_f64(number: u64) -> f64 {
    number as f64
}

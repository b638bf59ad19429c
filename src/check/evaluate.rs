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
        let values = values.ok_or(Undecided::NoRequests)?;
        // Without requests, `failures == 0` says nothing, while `rps >= 1` is not met. A name without requests may be misspelled.
        let is_about_zero = matches!(self.measure, Measure::Requests | Measure::RequestsPerSecond);
        if values.requests() == 0 && !(is_about_zero && self.scope == Scope::All) {
            return Err(Undecided::NoRequests);
        }
        match &self.measure {
            Measure::Percentile(percent) => percentile(values, *percent),
            Measure::Mean => values.mean_ms().ok_or(Undecided::NoTimes),
            Measure::Max => values.max_ms().ok_or(Undecided::NoTimes),
            Measure::FailureShare => failure_share(values).ok_or(Undecided::NoRequests),
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

/// The quantile of a percentile: for 99.9, the number nearest to 0.999. A division by 100 does not result in this number.
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

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the values are exact")]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::parse::tests::check;

    /// Requests with these response times, in ascending order, and some failures.
    #[derive(Debug, Clone, Default)]
    pub(in crate::check) struct Requests {
        pub(in crate::check) times: Vec<f64>,
        pub(in crate::check) failures: u64,
    }

    impl Values for Requests {
        fn requests(&self) -> u64 {
            self.timed() + self.failures
        }

        fn failures(&self) -> u64 {
            self.failures
        }

        fn timed(&self) -> u64 {
            self.times.len() as u64
        }

        fn mean_ms(&self) -> Option<f64> {
            (!self.times.is_empty()).then(|| self.times.iter().sum::<f64>() / as_f64(self.timed()))
        }

        fn max_ms(&self) -> Option<f64> {
            self.times.last().copied()
        }

        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers are small")]
        fn quantile_ms(&self, quantile: f64) -> Option<f64> {
            let rank = (quantile * as_f64(self.timed())).ceil() as usize;
            self.times.get(rank.max(1) - 1).copied()
        }
    }

    /// Requests with equal times, and failures.
    pub(in crate::check) fn requests(number: usize, time: f64, failures: u64) -> Requests {
        Requests { times: vec![time; number], failures }
    }

    fn measured(expression: &str, values: &Requests, seconds: f64) -> Result<f64, Undecided> {
        check(expression).measured(Some(values), seconds)
    }

    #[test]
    fn the_measures_of_requests() {
        let values = Requests { times: (1..=1000).map(f64::from).collect(), failures: 250 };
        for (expression, value) in [
            ("p50 < 1s", 500.0),
            ("p95 < 1s", 950.0),
            ("p99 < 1s", 990.0),
            ("p1 < 1s", 10.0),
            ("mean < 1s", 500.5),
            ("max < 1s", 1000.0),
            ("failures < 1%", 20.0),
            ("failures < 1", 250.0),
            ("requests < 1", 1250.0),
            ("rps < 1", 100.0),
            ("GET /: rps < 1", 100.0),
        ] {
            assert_eq!(measured(expression, &values, 10.0), Ok(value), "{expression}");
        }
    }

    #[test]
    fn a_percentile_needs_ten_samples_beyond_it() {
        for (percentile, needed) in [("p50", 20), ("p95", 200), ("p99", 1000), ("p99.9", 10_000), ("p1", 11)] {
            let expression = format!("{percentile} < 1s");
            assert_eq!(measured(&expression, &requests(needed, 7.0, 0), 1.0), Ok(7.0), "{expression}");
            let reason = measured(&expression, &requests(needed - 1, 7.0, 99), 1.0).expect_err(&expression);
            let samples = needed - 1;
            assert_eq!(reason.to_string(), format!("{samples} successful requests, but {percentile} needs {needed}"));
        }
    }

    #[test]
    fn a_check_without_a_value_is_undecided() {
        let none = Requests::default();
        let failures = requests(0, 0.0, 5);
        for measure in ["p50 < 1s", "mean < 1s", "max < 1s", "failures < 1%", "failures == 0"] {
            assert_eq!(measured(measure, &none, 1.0), Err(Undecided::NoRequests), "{measure}");
        }
        for measure in ["p50 < 1s", "mean < 1s", "max < 1s"] {
            assert_eq!(measured(measure, &failures, 1.0), Err(Undecided::NoTimes), "{measure}");
        }
        for measure in ["p50 < 1s", "mean < 1s", "failures == 0", "requests > 1", "rps > 1"] {
            let named = format!("GET /: {measure}");
            assert_eq!(measured(&named, &none, 1.0), Err(Undecided::NoRequests), "{named}");
            assert_eq!(check(&named).measured(None, 1.0), Err(Undecided::NoRequests), "{named}");
        }
        assert_eq!(measured("requests > 1", &none, 1.0), Ok(0.0));
        assert_eq!(measured("rps > 1", &none, 1.0), Ok(0.0));
        assert_eq!(measured("rps > 1", &failures, 0.0), Err(Undecided::NoDuration));
        assert_eq!(measured("rps > 1", &failures, f64::NAN), Err(Undecided::NoDuration));
        assert_eq!(measured("generator: cpu < 1%", &failures, 1.0), Err(Undecided::NoData));
    }

    #[test]
    fn the_measures_of_the_generator() {
        let values = GeneratorValues { cpu_percent: Some(135.5), memory_bytes: Some(1_500_000.0) };
        let (cpu, memory) = (check("generator: cpu < 1%"), check("generator: memory < 1MB"));
        assert_eq!((cpu.measured_of_generator(values), memory.measured_of_generator(values)), (Ok(135.5), Ok(1.5)));
        assert_eq!(cpu.measured_of_generator(GeneratorValues::default()), Err(Undecided::NoData));
        assert_eq!(memory.measured_of_generator(GeneratorValues::default()), Err(Undecided::NoData));
        assert_eq!(check("max < 1s").measured_of_generator(values), Err(Undecided::NoData));
    }

    /// Requests without times.
    struct Counts {
        requests: u64,
        failures: u64,
    }

    impl Values for Counts {
        fn requests(&self) -> u64 {
            self.requests
        }

        fn failures(&self) -> u64 {
            self.failures
        }

        fn timed(&self) -> u64 {
            0
        }

        fn mean_ms(&self) -> Option<f64> {
            None
        }

        fn max_ms(&self) -> Option<f64> {
            None
        }

        fn quantile_ms(&self, _quantile: f64) -> Option<f64> {
            None
        }
    }

    proptest! {
        #[test]
        fn the_number_of_needed_samples_is_the_lowest_with_ten_beyond(parts in 1000..100_000u32) {
            let needed = samples_needed(f64::from(parts) / 1000.0);
            let beyond = u64::from(100_000 - parts);
            prop_assert!(needed * beyond >= 1_000_000 && (needed - 1) * beyond < 1_000_000);
        }

        #[test]
        fn a_quantile_is_the_nearest_number(parts in 1000..100_000u32) {
            let percent: f64 = format!("{}.{:03}", parts / 1000, parts % 1000).parse().expect("a number");
            let nearest: f64 = format!("0.{parts:05}").parse().expect("a number");
            prop_assert_eq!(quantile(percent), nearest);
        }

        #[test]
        fn a_share_equals_a_limit_with_the_same_value(thousandths in 0..=100_000u64, factor in 1..100u64) {
            let share = check(&format!("failures == {}.{:03}%", thousandths / 1000, thousandths % 1000));
            let values = Counts { requests: 100_000 * factor, failures: thousandths * factor };
            prop_assert_eq!(share.measured(Some(&values), 1.0), Ok(share.limit));
        }
    }
}

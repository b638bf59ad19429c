//! The change from the base to a run: its estimate, its interval, and how likely such a change is by chance.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::bootstrap::Spread;

/// The probability that the interval contains the true change.
const CONFIDENCE: f64 = 0.95;

/// A difference between two runs and its uncertainty, on the scale on which it is tested.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The difference.
    pub estimate: f64,
    /// The 95 % interval.
    pub interval: (f64, f64),
    /// The probability of a difference of this size or more, in either direction, if the truth is zero.
    pub p_value: f64,
}

impl Change {
    /// The difference of two values with the spreads of the runs, by Welch's t test. `rounding` is the variance of the difference that
    /// results from rounding.
    pub fn new(estimate: f64, spreads: [Spread; 2], rounding: f64) -> Option<Self> {
        let of_runs: f64 = spreads.iter().map(|spread| spread.variance).sum();
        let variance = of_runs + rounding;
        if variance <= 0.0 {
            let p_value = if estimate == 0.0 { 1.0 } else { 0.0 };
            return Some(Self { estimate, interval: (estimate, estimate), p_value });
        }
        // B. L. Welch, "The generalization of Student's problem when several different population variances are involved", 1947.
        let squares: f64 = spreads.iter().map(|spread| spread.variance.powi(2) / spread.degrees_of_freedom).sum();
        let fewest = spreads.iter().map(|spread| spread.degrees_of_freedom).fold(f64::INFINITY, f64::min);
        let degrees_of_freedom = (variance.powi(2) / squares).clamp(fewest, MANY);
        let t = StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?;
        let error = variance.sqrt();
        let half = error * t.inverse_cdf(f64::midpoint(1.0, CONFIDENCE));
        Some(Self {
            estimate,
            interval: (estimate - half, estimate + half),
            p_value: 2.0 * t.cdf(-(estimate / error).abs()),
        })
    }

    /// The change of a ratio whose logarithm this is: 0.1 for 10 % more.
    pub fn relative(&self) -> (f64, (f64, f64)) {
        let (low, high) = self.interval;
        (self.estimate.exp_m1(), (low.exp_m1(), high.exp_m1()))
    }
}

/// Degrees of freedom with which Student's distribution is normal.
const MANY: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_spreads_have_the_t_test_of_tables() {
        // The 97.5 % quantile of Student's distribution with 10 degrees of freedom is 2.228.
        let spread = Spread { variance: 0.5, degrees_of_freedom: 5.0 };
        let Some(change) = Change::new(2.228, [spread; 2], 0.0) else { panic!("no change") };
        assert!((change.p_value - 0.05).abs() < 1e-4, "{change:?}");
        assert!(change.interval.0.abs() < 1e-3 && (change.interval.1 - 4.456).abs() < 1e-3, "{change:?}");
        let exact = Spread { variance: 0.0, degrees_of_freedom: 5.0 };
        let Some(change) = Change::new(1.96, [exact; 2], 1.0) else { panic!("no change") };
        assert!((change.p_value - 0.05).abs() < 1e-4, "{change:?}");
    }

    #[test]
    fn values_without_spread_are_certain() {
        let exact = Spread { variance: 0.0, degrees_of_freedom: 5.0 };
        let p_values = [0.0, 0.1].map(|estimate| Change::new(estimate, [exact; 2], 0.0).map(|change| change.p_value));
        assert_eq!(p_values, [Some(1.0), Some(0.0)]);
    }
}

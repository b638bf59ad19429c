//! Holm's correction of several tests.

/// A test of a hypothesis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// The probability of such data, or of more extreme ones, if the hypothesis is true.
    pub p_value: f64,
    /// The share of the probability of an error that the test may use, relative to the weights of the others.
    pub weight: f64,
}

/// Which hypotheses Holm's step-down procedure rejects, so that the probability of any wrong rejection is at most `level`, whatever
/// the dependence between the tests (S. Holm, "A simple sequentially rejective multiple test procedure", 1979, with weights).
///
/// The tests are passed through in ascending order of p-value by weight. Each is compared with the share of `level` that its weight
/// has among the remaining tests, up to the first that is larger.
pub fn rejected(tests: &[Test], level: f64) -> Vec<bool> {
    let ratio = |index: usize| tests[index].p_value / tests[index].weight;
    let mut order: Vec<usize> = (0..tests.len()).collect();
    order.sort_by(|&a, &b| ratio(a).total_cmp(&ratio(b)));
    let mut rejected = vec![false; tests.len()];
    for (step, &index) in order.iter().enumerate() {
        let remaining: f64 = order[step..].iter().map(|&index| tests[index].weight).sum();
        let is_small = tests[index].p_value * remaining <= level * tests[index].weight;
        if !is_small {
            break;
        }
        rejected[index] = true;
    }
    rejected
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition by closed testing: a hypothesis is rejected if Bonferroni's test rejects each set of hypotheses that has it.
    fn by_closed_testing(tests: &[Test], level: f64) -> Vec<bool> {
        let members = |set: u32| (0..tests.len()).filter(move |test| set & (1 << test) != 0).map(|test| tests[test]);
        let is_rejected = |set: u32| {
            let weight: f64 = members(set).map(|test| test.weight).sum();
            members(set).any(|test| test.p_value * weight <= level * test.weight)
        };
        let sets = || 1..1u32 << tests.len();
        (0..tests.len()).map(|test| sets().filter(|set| set & (1 << test) != 0).all(is_rejected)).collect()
    }

    fn equal(p_values: &[f64]) -> Vec<Test> {
        p_values.iter().map(|&p_value| Test { p_value, weight: 1.0 }).collect()
    }

    proptest! {
        #[test]
        fn it_rejects_what_closed_testing_rejects(
            tests in prop::collection::vec((prop_oneof![0.0..0.1f64, 0.0..1.0f64, Just(0.01)], 1..5u32), 0..9),
            level in 0.0..0.3f64,
        ) {
            let tests: Vec<_> =
                tests.into_iter().map(|(p_value, weight)| Test { p_value, weight: weight.into() }).collect();
            prop_assert_eq!(rejected(&tests, level), by_closed_testing(&tests, level));
        }
    }

    #[test]
    fn equal_weights_are_the_procedure_without_weights() {
        assert_eq!(rejected(&equal(&[0.05]), 0.05), [true]);
        assert_eq!(rejected(&equal(&[0.051]), 0.05), [false]);
        assert_eq!(rejected(&equal(&[f64::NAN, 0.01]), 0.05), [false, true]);
        assert_eq!(rejected(&equal(&[0.03, 0.02, 0.04]), 0.05), [false, false, false]);
        assert_eq!(rejected(&equal(&[0.03, 0.01, 0.02]), 0.05), [true, true, true]);
    }
}

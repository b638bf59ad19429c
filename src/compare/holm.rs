//! Holm's correction of several tests.

/// Which hypotheses Holm's step-down procedure rejects, so that the probability of any wrong rejection is at most `level`, whatever
/// the dependence between the tests (S. Holm, "A simple sequentially rejective multiple test procedure", 1979).
///
/// The p-values are tested in ascending order: the smallest against `level / m`, the next against `level / (m - 1)`, and so on up to
/// the first that is larger.
pub fn rejected(p_values: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut rejected = vec![false; p_values.len()];
    for (step, &index) in order.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "there are at most some thousand tests")]
        let remaining = (p_values.len() - step) as f64;
        if p_values[index].is_nan() || p_values[index] > level / remaining {
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
    fn by_closed_testing(p_values: &[f64], level: f64) -> Vec<bool> {
        let tests = p_values.len();
        let is_rejected = |set: u32| {
            let members = (0..tests).filter(|test| set & (1 << test) != 0);
            members.map(|test| p_values[test]).fold(f64::INFINITY, f64::min) <= level / f64::from(set.count_ones())
        };
        let sets = || 1..1u32 << tests;
        (0..tests).map(|test| sets().filter(|set| set & (1 << test) != 0).all(is_rejected)).collect()
    }

    proptest! {
        #[test]
        fn it_rejects_what_closed_testing_rejects(
            p_values in prop::collection::vec(prop_oneof![0.0..0.1f64, 0.0..1.0f64, Just(0.01)], 0..9),
            level in 0.0..0.3f64,
        ) {
            prop_assert_eq!(rejected(&p_values, level), by_closed_testing(&p_values, level));
        }
    }

    #[test]
    fn a_single_test_has_the_whole_level() {
        assert_eq!(rejected(&[0.05], 0.05), [true]);
        assert_eq!(rejected(&[0.051], 0.05), [false]);
        assert_eq!(rejected(&[f64::NAN, 0.01], 0.05), [false, true]);
        assert_eq!(rejected(&[0.03, 0.02, 0.04], 0.05), [false, false, false]);
        assert_eq!(rejected(&[0.03, 0.01, 0.02], 0.05), [true, true, true]);
    }
}

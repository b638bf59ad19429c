//! Parses any expression of a check: either the error points into it, or the check can be written, read again and judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use locust_cw::check::{BreachTracker, Check, CheckResult, MAX_CHARS};

fuzz_target!(|text: &str| {
    let check = match text.parse::<Check>() {
        Ok(check) => check,
        Err(error) => {
            assert!(error.position <= text.chars().count() && error.problem.len() > 10);
            assert!(!error.problem.contains(char::is_control));
            assert_eq!(error.to_string().lines().count(), 3);
            return;
        }
    };
    let form = check.to_string();
    assert!(form.chars().count() > MAX_CHARS || form.parse::<Check>().expect(&form) == check, "{form}");
    assert!(check.limit.is_finite() && check.text == text.trim());
    let mut tracker = BreachTracker::new(&check);
    for (second, value) in [check.limit - 1.0, check.limit, check.limit + 1.0, f64::NAN].into_iter().enumerate() {
        let is_due = tracker.observe(i64::try_from(second).expect("few"), check.signal(Some(value)));
        assert!(!is_due || tracker.first_breach().is_some());
        let result = check.judge(Ok(value), tracker.first_breach());
        let json = serde_json::to_string(&result).expect("plain data");
        assert_eq!(serde_json::from_str::<CheckResult>(&json).expect("just written"), result);
    }
});

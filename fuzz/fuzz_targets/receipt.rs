//! Whatever accounts the processes of a run send: they are refused, or add up and can be printed and sent on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use locust_cw::accounting::receipt::{Receipt, Remarks, Style};

fuzz_target!(|text: &str| {
    let mut accounts = text.lines().filter_map(|line| Receipt::from_json(line).ok());
    let Some(mut sum) = accounts.next() else { return };
    for account in accounts {
        let before = sum.clone();
        sum.add(&account);
        assert!(sum.requests.observed >= before.requests.observed.max(account.requests.observed));
        assert!(sum.series.len() >= before.series.len());
    }
    for style in [Style::Plain, Style::Ansi] {
        assert!(sum.to_text(&Remarks::default(), style).contains("requests"));
    }
    assert!(Receipt::from_json(&sum.to_json()).is_ok());
    assert_eq!(Receipt::from_json(&sum.to_message()).expect("just written"), sum);
});

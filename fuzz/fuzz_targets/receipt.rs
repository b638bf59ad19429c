//! Reads any status reports of the processes of a run: they are refused, or can be merged and sent again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use locust_cw::accounting::receipt::Receipt;
use locust_cw::accounting::status_report::StatusReport;

fuzz_target!(|text: &str| {
    let mut reports = text.lines().filter_map(|line| serde_json::from_str::<StatusReport>(line).ok());
    let Some(mut sum) = reports.next() else { return };
    for report in reports {
        let before = sum.clone();
        sum.merge(&report);
        let [sum, before, added] = [&sum, &before, &report].map(|report| &report.receipt);
        assert!(sum.requests.observed >= before.requests.observed.max(added.requests.observed));
        assert!(sum.series.len() >= before.series.len());
    }
    assert!(serde_json::from_str::<Receipt>(&sum.receipt.to_json()).is_ok());
    let message = serde_json::to_string(&sum).expect("plain data");
    assert_eq!(serde_json::from_str::<StatusReport>(&message).expect("just written"), sum);
    let _ = sum.aged(1.0).without_present();
});

//! Reads any custom metrics and marks of a worker: they are refused, or valid after the others were removed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use locust_cw::config::LogUrls;
use locust_cw::ingest::custom_report::{CustomReport, VERSION};
use locust_cw::metrics::custom::{Rules, Source};
use locust_cw::timestamp::Timestamp;

const RULES: Rules<'_> = Rules { source: Source::Test, constant_dimensions: &[] };
const NOW: Timestamp = Timestamp::from_seconds(1_795_348_981);

fuzz_target!(|data: &[u8]| {
    // The format is the first byte, which the fuzzer would often change.
    let Ok(read) = CustomReport::decode(&[&[VERSION], data].concat()) else { return };
    let mut report = read.clone();
    report.shift(300);
    let removed = report.retain_valid(RULES, LogUrls::Redacted, NOW);
    assert_eq!(report.number().saturating_add(removed), read.number());
    assert!(report.values.iter().all(|each| Timestamp::from_seconds(each.second).is_near(NOW)));
    assert!(report.marks.iter().all(|mark| mark.time().is_near(NOW) && !mark.text().trim().is_empty()));
    let again = CustomReport::decode(&report.encode().expect("plain data")).expect("just written");
    // The points of a histogram with many values are their mean values.
    assert_eq!((again.number(), &again.marks), (report.number(), &report.marks));
    let series =
        |report: &CustomReport| report.values.iter().map(|each| (each.second, each.series.clone())).collect::<Vec<_>>();
    assert_eq!(series(&again), series(&report));
});

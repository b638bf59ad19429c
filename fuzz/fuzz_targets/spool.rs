//! Reads a spool with any files: each segment is read or found damaged, and calls account for all segments.
#![no_main]

use libfuzzer_sys::fuzz_target;
use locust_cw::delivery::assemble::{logs_call, metrics_call};
use locust_cw::delivery::limits::MAX_DATUMS;
use locust_cw::logs::event::LogEvent;
use locust_cw::metrics::datum::{Body, Datum};
use locust_cw::metrics::histogram::MAX_VALUES_PER_DATUM;
use locust_cw::spool::{Lane, Spool};

mod folder;

fuzz_target!(|data: &[u8]| {
    let Ok((_spool, _, segments)) = Spool::reopen(&folder::folder(data), true) else { return };
    let (metrics, logs): (Vec<_>, Vec<_>) = segments.into_iter().partition(|segment| segment.lane == Lane::Metrics);
    for segment in &metrics {
        let Ok(datums) = segment.datums() else {
            assert_eq!(segment.contents.items, 0, "the contents of a damaged segment are unknown");
            continue;
        };
        assert_eq!(segment.contents.items, datums.len());
        for datum in datums {
            let line = datum.to_json().expect("plain data");
            assert_eq!(Datum::from_json(&line).expect("just written"), datum);
        }
    }
    let whole = metrics.first().and_then(|segment| segment.datums().ok());
    let number = metrics.len();
    let call = metrics_call(metrics);
    assert_eq!(call.segments.len() + call.rest.len() + call.unread.damaged.len(), number);
    if Some(&call.datums) != whole.as_ref() {
        assert!(call.datums.len() <= MAX_DATUMS);
        for datum in &call.datums {
            let Body::Points(points) = &datum.body else { continue };
            assert!(points.len() <= MAX_VALUES_PER_DATUM && points.is_sorted_by(|a, b| a.value < b.value));
        }
    }
    let number = logs.len();
    let call = logs_call(logs);
    assert_eq!(call.segments.len() + call.unread.damaged.len(), number);
    assert!(call.batch.events >= call.segments.iter().map(|segment| segment.contents.items).sum::<usize>());
    if let Ok(events) = serde_json::from_str::<Vec<LogEvent>>(&call.batch.json) {
        assert_eq!(events.len(), call.batch.events);
        assert!(events.is_sorted_by_key(|event| event.timestamp));
    }
});

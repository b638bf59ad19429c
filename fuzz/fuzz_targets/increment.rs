//! Reads any increments of the workers of a run: they are refused, or count the same in any order and are bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use locust_cw::summary::{Increment, IncrementReceiver, MAX_BLOCKS, Seconds, Summary, SummaryLimits};

const MAX_NAMES: usize = 3;

fn sum<'a>(increments: impl Iterator<Item = &'a Increment>) -> (Summary, Seconds) {
    let pinned = vec!["/a".into(), "GET /b".into()];
    let mut summary = Summary::new(SummaryLimits { max_requests: MAX_NAMES, pinned });
    let mut seconds = Seconds::new(["/a".into()]);
    increments.for_each(|increment| increment.add_to(&mut summary, &mut seconds));
    (summary, seconds)
}

fuzz_target!(|data: &[u8]| {
    // Two increments, after the length of the first one.
    let Some((&length, data)) = data.split_first_chunk() else { return };
    let (first, second) = data.split_at(usize::from(u16::from_le_bytes(length)).min(data.len()));
    let mut receiver = IncrementReceiver::default();
    let mut increments = Vec::new();
    for bytes in [first, second] {
        // The format is the first byte, which the fuzzer would often change.
        let bytes = [&[2], bytes].concat();
        let Ok(increment) = Increment::decode(&bytes) else { continue };
        assert_eq!(Increment::decode(&increment.encode().expect("plain data")).as_ref(), Ok(&increment));
        let accepted = receiver.accept(&bytes).ok().and_then(|accepted| accepted.increment);
        assert!(accepted.is_none_or(|accepted| accepted == increment));
        assert!(receiver.accept(&bytes).is_ok_and(|again| again.increment.is_none()) || increment.sequence > 7);
        increments.push(increment);
    }
    let (summary, seconds) = sum(increments.iter());
    assert_eq!(sum(increments.iter().rev()), (summary.clone(), seconds));
    assert!(summary.names().len() <= MAX_NAMES);
    let all = summary.all_requests();
    assert_eq!(summary.counts(), (all.measured.requests, all.measured.failures));
    assert!(all.blocks.iter().count() <= MAX_BLOCKS);
    assert!(summary.load().iter().count() <= MAX_BLOCKS);
    for quantile in [0.0, 0.5, 0.99, 1.0] {
        assert!(all.measured.successful.quantile_ms(quantile).is_none_or(f64::is_finite));
        assert!(all.blocks.iter().all(|(_, block)| block.times.quantile_ms(quantile).is_none_or(f64::is_finite)));
    }
    let json = serde_json::to_string(&summary).expect("plain data");
    assert_eq!(serde_json::from_str::<Summary>(&json).expect("just written"), summary);
});

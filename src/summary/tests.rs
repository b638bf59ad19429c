//! Tests of the whole summary: order, limits and sizes.

use std::collections::BTreeMap;
use std::mem::size_of;

use proptest::prelude::*;

use super::*;
use crate::metrics::histogram::Histogram;

/// Bytes of a heap allocation of this size: the allocator of glibc adds 8, and rounds up to 16.
pub(super) const fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16) }
}

/// Heap bytes of a text. Short ones have none.
pub(super) fn heap_bytes(text: &SmolStr) -> usize {
    if text.is_heap_allocated() { allocated(text.len() + 16) } else { 0 }
}

pub(super) fn heap_bytes_of_key(key: &RequestKey) -> usize {
    key.texts().into_iter().map(heap_bytes).sum()
}

impl Summary {
    /// Bytes in memory.
    fn memory(&self) -> usize {
        let row = |summary: &RequestSummary| {
            let unmeasured =
                summary.unmeasured.as_ref().map_or(0, |totals| allocated(size_of::<Totals>()) + totals.heap_bytes());
            unmeasured + summary.measured.heap_bytes() + summary.blocks.heap_bytes()
        };
        // A node of a B-tree is at least half full.
        let keys: usize = self.requests.iter().map(|(ranked, _)| heap_bytes_of_key(&ranked.key)).sum();
        let nodes = self.requests.iter().count() * 2 * size_of::<(RankedKey, RequestSummary)>();
        let rows = self.rows().map(row).sum::<usize>();
        size_of::<Self>() + nodes + keys + rows + self.load.heap_bytes() + self.highlights.heap_bytes()
    }
}

pub(super) fn limits() -> SummaryLimits {
    SummaryLimits { max_requests: 4, pinned: vec!["/pinned".into(), "POST /2".into()] }
}

fn totals_of(times: &[f64], failed: &[f64], error: &str) -> Totals {
    let histogram = |times: &[f64]| {
        let mut histogram = Histogram::default();
        times.iter().for_each(|&ms| histogram.add(ms));
        histogram
    };
    let (requests, failures) = ((times.len() + failed.len()) as u64, failed.len() as u64);
    let mut totals = Totals::of_window(requests, failures, &histogram(times), &histogram(failed));
    totals.errors.add(error, failures);
    totals
}

pub(super) fn window(method: &str, name: &str, second: i64, times: &[f64]) -> Window {
    Window { key: RequestKey::new(method, name), second, part: RunPart::Measured, totals: totals_of(times, &[], "") }
}

/// Windows of more requests than the limits keep.
pub(super) fn windows() -> impl Strategy<Value = Vec<Window>> {
    let times = || prop::collection::vec(log_histogram::tests::times(), 0..6);
    let key = (
        prop_oneof![Just("GET"), Just("POST")],
        prop_oneof![4 => (0..6u32).prop_map(|n| format!("/{n}")), 1 => Just("/pinned".to_owned())],
    );
    let second = prop_oneof![4 => 1_795_348_000..1_795_348_300i64, 1 => Just(-5)];
    let part = prop_oneof![1 => Just(RunPart::Unmeasured), 4 => Just(RunPart::Measured)];
    let window = (key, second, part, times(), times(), "[A-D]").prop_map(
        |((method, name), second, part, times, failed, error)| Window {
            key: RequestKey::new(method, name),
            second,
            part,
            totals: totals_of(&times, &failed, &error),
        },
    );
    prop::collection::vec(window, 0..80)
}

pub(super) fn summary_of(windows: &[Window]) -> Summary {
    let mut summary = Summary::new(limits());
    windows.iter().for_each(|window| summary.add_window(window));
    summary
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_order_and_partition_of_windows_has_an_equal_summary(
        windows in windows(), owners in prop::collection::vec(0..5usize, 80), rotation in 0..5usize,
    ) {
        let mut parts = vec![Summary::new(limits()); 5];
        for (window, &owner) in windows.iter().zip(&owners).rev() {
            parts[owner].add_window(window);
        }
        parts.rotate_left(rotation);
        // As a tree: a master of masters.
        let mut left = parts[0].clone();
        left.merge(&parts[1]);
        let mut right = parts[2].clone();
        right.merge(&parts[3]);
        right.merge(&parts[4]);
        left.merge(&right);
        prop_assert_eq!(&left, &summary_of(&windows));
    }

    #[test]
    fn totals_are_exact_and_pinned_requests_are_kept(windows in windows()) {
        let summary = summary_of(&windows);
        let of = |part: RunPart| windows.iter().filter(move |window| window.part == part);
        let requests = |part| of(part).map(|window| window.totals.requests).sum::<u64>();
        let failures: u64 = of(RunPart::Measured).map(|window| window.totals.failures).sum();
        let all = summary.all_requests();
        prop_assert_eq!(summary.counts(), (requests(RunPart::Measured), failures));
        prop_assert_eq!((all.measured.requests, all.measured.failures), summary.counts());
        prop_assert_eq!(summary.all_measured(), all.measured.clone());
        prop_assert_eq!(all.unmeasured.map_or(0, |totals| totals.requests), requests(RunPart::Unmeasured));
        prop_assert_eq!(all.measured.errors.top(0).1, failures);
        let blocks = all.blocks.iter().map(|(_, block)| block.requests).sum::<u64>();
        prop_assert_eq!(blocks, requests(RunPart::Measured));
        prop_assert!(summary.names().len() <= 4);

        // Kept requests have all of their windows.
        let mut counts = BTreeMap::<_, u64>::new();
        of(RunPart::Measured).for_each(|window| *counts.entry(&window.key).or_default() += window.totals.requests);
        for (key, row) in summary.requests() {
            prop_assert_eq!(row.measured.requests, counts.get(key).copied().unwrap_or_default());
        }
        for window in windows.iter().filter(|window| window.key.name() == "/pinned" || window.key.is("POST /2")) {
            prop_assert!(summary.requests().iter().any(|(key, _)| **key == window.key));
        }
    }

    #[test]
    fn a_summary_is_read_back(windows in windows(), is_approximate in any::<bool>()) {
        let mut summary = summary_of(&windows);
        summary.add_generator(&GeneratorLoad::new(Some(95.5), Some(1e8)));
        if is_approximate {
            summary.mark_approximate();
        }
        let json = serde_json::to_string(&summary).expect("plain data");
        prop_assert_eq!(&serde_json::from_str::<Summary>(&json).expect("just written"), &summary);
        let bytes = postcard::to_allocvec(&summary).expect("plain data");
        prop_assert_eq!(&postcard::from_bytes::<Summary>(&bytes).expect("just written"), &summary);
        let taken = summary.take();
        prop_assert!(summary.is_empty());
        summary.merge(&taken);
        prop_assert_eq!(&summary, &taken);
    }
}

#[test]
fn a_request_is_found_by_name_or_by_method_and_name() {
    let of = |keys: &[(&str, &str)]| {
        let windows: Vec<_> = keys.iter().map(|(method, name)| window(method, name, 0, &[1.0])).collect();
        let mut summary = Summary::new(SummaryLimits { max_requests: 9, pinned: vec![] });
        windows.iter().for_each(|window| summary.add_window(window));
        summary
    };
    let summary = of(&[("GET", "/a"), ("POST", "/b"), ("GET", "/b"), ("", "POST /b"), ("WS", "say: hello")]);
    for found in ["/a", "GET /a", "POST /b", "GET /b", "say: hello", "WS say: hello"] {
        assert_eq!(summary.find(found).map(|row| row.measured.requests), Ok(1), "{found}");
    }
    assert_eq!(summary.find("/b"), Err(NotFound::SeveralMethods(vec!["GET".into(), "POST".into()])));
    assert_eq!(summary.find("/c"), Err(NotFound::Missing));
    let names: Vec<_> = summary.requests().iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(names, ["GET /a", "GET /b", "POST /b", " POST /b", "WS say: hello"]);
}

#[test]
fn the_generator_has_the_highest_load_of_any_process() {
    let mut load = GeneratorLoad::new(Some(40.0), None);
    load.merge(&GeneratorLoad::new(Some(30.0), Some(5e8)));
    load.merge(&GeneratorLoad::new(Some(f64::NAN), Some(-1.0)));
    assert_eq!((load.cpu_percent(), load.memory_bytes()), (Some(40.0), Some(5e8)));
}

/// Pseudorandom numbers from 0 to 1 (`SplitMix64`), the same in each run of a test.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    #[expect(clippy::cast_precision_loss, reason = "the numbers have 53 bits")]
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Response times from 1 ms to a minute, evenly distributed on a logarithmic axis.
    fn wide(&mut self, number: usize) -> Vec<f64> {
        (0..number).map(|_| 60_000f64.powf(self.next())).collect()
    }

    /// Response times with a median of 20 ms and a long tail.
    pub(super) fn long_tailed(&mut self, number: usize) -> Vec<f64> {
        let mut normal = || (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
        (0..number).map(|_| 20.0 * (0.6 * normal()).exp()).collect()
    }
}

/// A run of 200 requests with 120 blocks and wide distributions.
fn wide_run(requests_per_block: usize, failures_per_block: usize) -> Summary {
    let mut numbers = Numbers(1);
    // Each request takes them from another one on, so that few have to be generated.
    let blocks: Vec<_> = (0..150)
        .map(|_| {
            let (times, failed) = (numbers.wide(requests_per_block), numbers.wide(failures_per_block));
            totals_of(&times, &failed, "requests.exceptions.ConnectionError")
        })
        .collect();
    let mut summary = Summary::new(SummaryLimits { max_requests: 200, pinned: vec![] });
    for request in 0..200 {
        let key = RequestKey::new("GET", format!("/products/{request}/reviews/by-date"));
        for (second, totals) in (0..124).zip(blocks.iter().cycle().skip(request % 26)) {
            let part = if second < 4 { RunPart::Unmeasured } else { RunPart::Measured };
            let second = 1_795_348_480 + 32 * second;
            summary.add_window(&Window { key: key.clone(), second, part, totals: totals.clone() });
        }
    }
    summary
}

/// Slow requests with a long context, and failures of some types with long texts.
fn long_highlights(types: usize) -> Highlights {
    let mut highlights = Highlights::default();
    let request = |number: i64| Highlight {
        context: vec![
            ("customer".into(), "0123456789".repeat(9).into()),
            ("basket".into(), "0123456789".repeat(9).into()),
        ],
        error: Some("HTTPConnectionPool: Max retries exceeded. ".repeat(7).into()),
        status: Some(500),
        ..highlights::tests::request(1_795_348_981_000_000 + number, 1_000_000)
    };
    (0..10).for_each(|number| highlights.add_successful(Highlight { error: None, ..request(number) }));
    for number in 0..types {
        highlights.add_failed(&format!("requests.exceptions.ConnectionError{number}"), request(0));
    }
    highlights
}

#[test]
fn a_summary_of_200_requests_with_120_blocks_takes_at_most_4_mb() {
    // An hour with 2,000 requests per second.
    let mut summary = wide_run(300, 15);
    summary.add_highlights(&long_highlights(100));
    for second in 0..3600 {
        let generator = GeneratorLoad::new(Some(87.654_321), Some(123_456_789.0));
        summary.add_load(1_795_348_480 + second, &LoadBlock { users: Some(12_345), generator });
    }
    assert_eq!((summary.requests().len(), summary.requests()[0].1.blocks.iter().count()), (200, MAX_BLOCKS));
    let encoded = postcard::to_allocvec(&summary).expect("plain data").len();
    let json = serde_json::to_vec(&summary).expect("plain data").len();
    let memory = summary.memory();
    assert!(memory.max(encoded).max(json) <= 4_000_000, "{memory} in memory, {encoded} encoded, {json} as JSON");
}

#[test]
fn an_increment_of_3_seconds_with_20_requests_takes_at_most_20_kb() {
    let mut numbers = Numbers(2);
    let mut sender = IncrementSender::new(SummaryLimits { max_requests: 200, pinned: vec![] });
    for second in 0..3 {
        for request in 0..20 {
            let key = RequestKey::new("GET", format!("/products/{request}/reviews/by-date"));
            let totals = totals_of(&numbers.wide(90), &numbers.wide(10), "requests.exceptions.ConnectionError");
            sender.add_window(Window { key, second: 1_795_348_981 + second, part: RunPart::Measured, totals });
        }
    }
    sender.add_highlights(&long_highlights(1));
    sender.close_until(1_795_348_984);
    let size = sender.take(std::time::Instant::now())[0].len();
    assert!(size <= 20_000, "{size}");
}

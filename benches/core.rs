//! Measures the pure core on one thread: samples from the queue to closed windows, and to log events.
//!
//!     cargo bench --no-default-features --bench core

#![expect(clippy::expect_used, reason = "a benchmark that cannot run must fail")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use locust_cw::accounting::counters::Counters;
use locust_cw::config::identity::RunIdentity;
use locust_cw::config::{Config, LogChoice, Options};
use locust_cw::delivery::outbox::{Outbox, SendMode};
use locust_cw::ingest::queue::{ControlMessage, Item, queue};
use locust_cw::ingest::worker::AggregationWorker;
use locust_cw::messages::Diagnostics;
use locust_cw::metrics::histogram::Histogram;
use locust_cw::sample::{RequestKey, Sample};
use locust_cw::spool::{Manifest, Spool};
use locust_cw::statistics::{Audience, RunStatistics};
use locust_cw::summary::{Increment, IncrementSender, RunPart, Seconds, Summary, SummaryLimits, Totals, Window};
use locust_cw::timestamp::Timestamp;
use rand::RngExt as _;

/// Number of samples, which fit into the queue.
const SAMPLES: u32 = 60_000;
const NAMES: u32 = 20;

fn identity() -> Arc<RunIdentity> {
    Arc::new(RunIdentity {
        run_id: "20261122T110301Z-7f3a".into(),
        worker: "w1".into(),
        host: Some("https://service.example".into()),
        fallback_host: None,
    })
}

fn config(logs: LogChoice) -> Config {
    Options { logs, ..Options::default() }.validate().expect("valid options")
}

/// Latencies with a median of 20 ms and a long tail.
fn latency_ms() -> f64 {
    let normal: f64 = (0..12).map(|_| rand::rng().random::<f64>()).sum::<f64>() - 6.0;
    20.0 * (0.6 * normal).exp()
}

fn sample(i: u32, now: Timestamp) -> Sample {
    Sample {
        time: now,
        method: "GET".into(),
        name: format!("/product/{}", i % NAMES).into(),
        url: None,
        response_time_ms: Some(latency_ms()),
        response_bytes: Some(f64::from(i % 5000)),
        failure: None,
        status: Some(200),
        users: 40,
        context: Box::default(),
        is_logged: true,
    }
}

/// Time to empty a full queue, including closing the windows and writing the segments.
fn aggregate(config: &Config) -> Duration {
    let identity = identity();
    let (sender, receiver) = queue();
    let (counters, diagnostics) = (Arc::new(Counters::default()), Arc::new(Diagnostics::default()));
    let spool = Spool::in_memory(&Manifest::of(config, &identity));
    let outbox =
        Arc::new(Outbox::new(spool, Arc::clone(&counters), Arc::clone(&diagnostics), u64::MAX, SendMode::Deferred));
    let now = Timestamp::now();
    let statistics = Arc::new(RunStatistics::new(config, now, Audience::Own));
    let worker = AggregationWorker::new(config, &identity, statistics, outbox, counters, diagnostics);
    for i in 0..SAMPLES {
        let is_logged = config.log.choice == LogChoice::All;
        sender.try_push(Item::Sample(Sample { is_logged, ..sample(i, now) })).expect("room");
    }
    sender.send_control(ControlMessage::Close);
    let begun = Instant::now();
    worker.run(&receiver, Timestamp::now);
    begun.elapsed()
}

fn samples(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("samples");
    group.throughput(Throughput::Elements(SAMPLES.into())).sample_size(20);
    for (name, logs) in [("to windows", LogChoice::Off), ("to windows and log events", LogChoice::All)] {
        let config = config(logs);
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| aggregate(&config)).sum());
        });
    }
    group.finish();
}

fn histograms(criterion: &mut Criterion) {
    let latencies: Vec<f64> = (0..10_000).map(|_| latency_ms()).collect();
    let mut group = criterion.benchmark_group("histogram");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("add", |bencher| {
        bencher.iter(|| {
            let mut histogram = Histogram::default();
            latencies.iter().for_each(|&ms| histogram.add(ms));
            black_box(histogram)
        });
    });
    group.finish();
}

/// What a worker with 2,000 requests per second counts of one request in one second.
fn window(request: u32, second: i64) -> Window {
    let mut histogram = Histogram::default();
    (0..2000 / NAMES).for_each(|_| histogram.add(latency_ms()));
    let totals = Totals::of_window((2000 / NAMES).into(), 0, &histogram, &Histogram::default());
    Window { key: RequestKey::new("GET", format!("/product/{request}")), second, part: RunPart::Measured, totals }
}

fn windows(seconds: std::ops::Range<i64>) -> Vec<Window> {
    seconds.flat_map(|second| (0..NAMES).map(move |request| window(request, second))).collect()
}

/// A summary after ten minutes of a hundred workers, and the seconds that their master keeps.
fn summary_of_workers() -> (Summary, Seconds) {
    let (mut summary, mut seconds) = (Summary::new(limits()), Seconds::new([]));
    for window in windows(0..600) {
        let mut of_workers = window.clone();
        (1..100).for_each(|_| of_workers.totals.merge(&window.totals));
        summary.add_window(&of_workers);
        seconds.add_window(&of_workers);
    }
    (summary, seconds)
}

fn limits() -> SummaryLimits {
    SummaryLimits { max_requests: 200, pinned: Vec::new() }
}

/// Merging what 100 workers with 20 requests each send in three seconds, and adding windows to a summary of ten minutes.
fn summaries(criterion: &mut Criterion) {
    const WORKERS: u32 = 100;
    let (mut summary, mut seconds) = summary_of_workers();
    let increments: Vec<Vec<u8>> = (0..WORKERS)
        .map(|_| {
            let mut sender = IncrementSender::new(limits());
            windows(600..603).into_iter().for_each(|window| sender.add_window(window));
            sender.take(Instant::now()).pop().expect("an increment")
        })
        .collect();
    let mut group = criterion.benchmark_group("summary");
    group.sample_size(20).throughput(Throughput::Elements((WORKERS * NAMES).into()));
    group.bench_function("add increments of 100 workers with 20 requests", |bencher| {
        bencher.iter(|| {
            for bytes in &increments {
                Increment::decode(bytes).expect("an increment").add_to(&mut summary, &mut seconds);
            }
        });
    });
    let parts: Vec<Summary> = (0..WORKERS)
        .map(|_| {
            let mut part = Summary::new(limits());
            windows(600..603).iter().for_each(|window| part.add_window(window));
            part
        })
        .collect();
    group.bench_function("merge summaries of 100 workers with 20 requests", |bencher| {
        bencher.iter(|| parts.iter().for_each(|part| summary.merge(part)));
    });
    let second = windows(603..604);
    group.throughput(Throughput::Elements(NAMES.into()));
    group.bench_function("add the windows of a second", |bencher| {
        bencher.iter(|| second.iter().for_each(|window| summary.add_window(window)));
    });
    group.bench_function("add the windows of a second to the seconds", |bencher| {
        bencher.iter(|| second.iter().for_each(|window| seconds.add_window(window)));
    });
    group.bench_function("create the windows of a second", |bencher| {
        let mut histogram = Histogram::default();
        (0..2000 / NAMES).for_each(|_| histogram.add(latency_ms()));
        bencher.iter(|| {
            (0..NAMES).for_each(|_| drop(black_box(Totals::of_window(100, 0, &histogram, &Histogram::default()))));
        });
    });
    group.finish();
}

criterion_group!(benches, samples, histograms, summaries);
criterion_main!(benches);

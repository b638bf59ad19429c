//! Measures the whole delivery: samples are recorded, written to disk, sent by the AWS SDK, and accepted by a sink on this
//! machine.
//!
//!     cargo bench --no-default-features --features aws --bench delivery

#![expect(clippy::expect_used, reason = "a benchmark that cannot run must fail")]
#![recursion_limit = "256"] // for the layout of the future that sends

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use locust_cw::aws::Aws;
use locust_cw::config::Options;
use locust_cw::config::identity::RunIdentity;
use locust_cw::ingest::queue::ControlMessage;
use locust_cw::run::Run;
use locust_cw::sample::Sample;
use locust_cw::statistics::{Audience, RunStatistics};
use locust_cw::timestamp::Timestamp;

const REQUESTS: u32 = 1_000_000;

/// Responds to each call of the SDK as CloudWatch does to a successful one.
fn respond(stream: TcpStream) -> std::io::Result<()> {
    let mut requests = BufReader::with_capacity(1 << 20, stream.try_clone()?);
    let mut responses = stream;
    loop {
        let (mut length, mut cbor) = (0, false);
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or_default();
            }
            cbor |= line.starts_with("smithy-protocol:");
            if line.is_empty() {
                break;
            }
        }
        std::io::copy(&mut (&mut requests).take(length), &mut std::io::sink())?;
        responses.write_all(if cbor {
            b"HTTP/1.1 200 OK\r\ncontent-type: application/cbor\r\nsmithy-protocol: rpc-v2-cbor\r\n\
              x-amzn-requestid: 0\r\ncontent-length: 1\r\n\r\n\xa0"
        } else {
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\n\
              x-amzn-requestid: 0\r\ncontent-length: 2\r\n\r\n{}"
        })?;
    }
}

fn sink() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(|| respond(stream));
        }
    });
    url
}

fn start(url: &str, folder: &tempfile::TempDir, live: bool) -> Run {
    let options = Options {
        endpoint_url: Some(url.into()),
        spool_dir: folder.path().to_str().map(Into::into),
        spool_max_mb: 4096,
        live,
        ..Options::default()
    };
    let mut config = options.validate().expect("valid options");
    // Fake credentials and a Region.
    config.aws.local = true;
    let identity = RunIdentity {
        run_id: "20261122T110301Z-7f3a".into(),
        worker: "w1".into(),
        host: Some("https://service.example".into()),
        fallback_host: None,
    };
    let statistics = RunStatistics::new(&config, Timestamp::now(), Audience::Own);
    let runtime = locust_cw::runtime::handle().expect("a runtime");
    Run::start(config, identity, statistics, runtime, Aws::new).expect("a run")
}

fn record(run: &Run) {
    for i in 0..REQUESTS {
        let sample = Sample {
            time: Timestamp::now(),
            method: "GET".into(),
            name: format!("/product/{}", i % 20).into(),
            url: None,
            response_time_ms: Some(f64::from(i % 997) / 7.0),
            response_bytes: Some(6000.0),
            failure: None,
            status: Some(200),
            users: 40,
            context: Box::default(),
            is_logged: true,
        };
        while !run.has_room() {
            thread::sleep(Duration::from_millis(1));
        }
        if let Err(item) = run.try_record(sample) {
            run.record_blocking(item);
        }
    }
}

/// Closes the run, and returns when CloudWatch has accepted all data.
fn deliver(run: &Run) {
    run.push(ControlMessage::Close);
    while !run.progress().over {
        thread::sleep(Duration::from_millis(1));
    }
    let (receipt, _) = run.finish();
    assert!(receipt.is_complete() && receipt.requests.observed == u64::from(REQUESTS), "{receipt:?}");
}

fn delivery(criterion: &mut Criterion) {
    let url = sink();
    let folder = tempfile::tempdir().expect("a folder");
    let mut group = criterion.benchmark_group("a million requests");
    group.throughput(Throughput::Elements(REQUESTS.into()));
    group.sample_size(10).sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_millis(1));
    group.bench_function(BenchmarkId::from_parameter("recorded and delivered, live"), |bencher| {
        bencher.iter_custom(|times| {
            let once = |_| {
                let run = start(&url, &folder, true);
                let begun = Instant::now();
                record(&run);
                deliver(&run);
                begun.elapsed()
            };
            (0..times).map(once).sum()
        });
    });
    group.bench_function(BenchmarkId::from_parameter("drained at the end"), |bencher| {
        bencher.iter_custom(|times| {
            let once = |_| {
                let run = start(&url, &folder, false);
                record(&run);
                let begun = Instant::now();
                deliver(&run);
                begun.elapsed()
            };
            (0..times).map(once).sum()
        });
    });
    group.finish();
}

criterion_group!(benches, delivery);
criterion_main!(benches);

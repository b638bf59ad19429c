//! Replays a spool with any files: the replay ends, and the counts of its receipt are consistent.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use locust_cw::delivery::dry_run::DryRun;
use locust_cw::replay::Replay;
use locust_cw::spool::pending::pending_spools;
use locust_cw::timestamp::Timestamp;
use tokio::runtime::{Builder, Runtime};

mod folder;

const NOW: Timestamp = Timestamp::from_seconds(1_795_348_981);
/// Time limit. A replay of a few lines takes a few milliseconds.
const TIMEOUT: Duration = Duration::from_secs(20);

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads"));

fuzz_target!(|data: &[u8]| {
    let folder = folder::folder(data);
    let _ = pending_spools(folder.parent().and_then(|run| run.parent()).expect("a root"));
    let cloudwatch = |_: &_, counters: &_| DryRun { counters: Arc::clone(counters) };
    let handle = RUNTIME.handle().clone();
    let Ok(replay) = Replay::start(&folder, |_| {}, None, false, NOW, handle, cloudwatch) else { return };
    let deadline = Instant::now() + TIMEOUT;
    while !replay.progress().over {
        assert!(Instant::now() < deadline, "the replay does not end");
        std::thread::sleep(Duration::from_micros(100));
    }
    let (receipt, _) = replay.finish();
    for counts in [receipt.requests, receipt.failures, receipt.log_events] {
        let sum = counts.delivered.saturating_add(counts.spooled).saturating_add(counts.rejected);
        assert_eq!(counts.observed, sum.saturating_add(counts.dropped), "{receipt:?}");
    }
});

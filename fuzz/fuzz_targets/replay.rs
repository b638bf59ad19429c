//! Whatever stands in the files of a spool: a replay comes to its end, and its receipt adds up.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use locust_cw::delivery::client::DryRun;
use locust_cw::replay::Replay;
use locust_cw::spool::pending::pending_spools;
use locust_cw::timestamp::Timestamp;
use tokio::runtime::{Builder, Runtime};

mod folder;

const NOW: Timestamp = Timestamp::from_seconds(1_795_348_981);
/// A replay of a few lines takes a few milliseconds.
const ENQUEUE_TIMEOUT: Duration = Duration::from_secs(20);

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads"));

fuzz_target!(|data: &[u8]| {
    let folder = folder::folder(data);
    let _ = pending_spools(folder.parent().and_then(|run| run.parent()).expect("a root"));
    let cloudwatch = |_: &_, counters: &_| DryRun { counters: Arc::clone(counters) };
    let handle = RUNTIME.handle().clone();
    let Ok(replay) = Replay::start(&folder, |_| {}, false, NOW, handle, cloudwatch) else { return };
    let deadline = Instant::now() + ENQUEUE_TIMEOUT;
    while !replay.progress().over {
        assert!(Instant::now() < deadline, "it hangs");
        std::thread::sleep(Duration::from_micros(100));
    }
    let (receipt, _) = replay.finish();
    for account in [receipt.requests, receipt.failures, receipt.log_events] {
        let rest = account.delivered.saturating_add(account.spooled).saturating_add(account.rejected);
        assert_eq!(account.observed, rest.saturating_add(account.dropped), "{receipt:?}");
    }
});

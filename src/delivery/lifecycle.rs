//! A running delivery: its start, its progress, and its end.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::accounting::counters::{Counters, Counts};
use crate::accounting::pricing::{Usage, estimate};
use crate::accounting::receipt::Receipt;
use crate::config::{LogClass, ResolvedAws};
use crate::delivery::client::CloudWatch;
use crate::delivery::destination::DestinationFinder;
use crate::delivery::dry_run::DryRun;
use crate::delivery::error::CallError;
use crate::delivery::lane::{LaneLoop, LaneStatus};
use crate::delivery::outage::OutageMonitor;
use crate::delivery::outbox::{Outbox, Retention, SendMode};
use crate::delivery::progress::{DeliveryEnd, Progress};
use crate::delivery::send::Sender;
use crate::messages::{Diagnostics, Message};
use crate::spool::{Lane, ResourceNames, Spool};

/// How long the end waits for a disk that does not respond.
const DISK_TIMEOUT: Duration = Duration::from_secs(3);
const DISK_PAUSE: Duration = Duration::from_millis(2);

/// Whether a delivery sends its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryKind {
    /// It is sent, and its files are deleted then.
    Real,
    /// Nothing is sent, and everything stays in the spool.
    DryRun,
}

impl DeliveryKind {
    /// The kind that the option `--cw-dry-run` asks for.
    #[must_use]
    pub const fn of(dry_run: bool) -> Self {
        if dry_run { Self::DryRun } else { Self::Real }
    }

    const fn retention(self) -> Retention {
        match self {
            Self::Real => Retention::Delete,
            Self::DryRun => Retention::Keep,
        }
    }
}

/// The options of a delivery.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryOptions {
    /// When the lanes start to send.
    pub mode: SendMode,
    /// Time between publications at [`SendMode::Periodic`].
    pub flush_interval: Option<Duration>,
    /// How many bytes the spool may hold.
    pub capacity_bytes: u64,
    /// Whether data is sent.
    pub kind: DeliveryKind,
    /// Record the resolved destination in the spool.
    pub records_destination: bool,
}

/// A running delivery.
pub struct Delivery {
    /// What happened to its data so far.
    pub counters: Arc<Counters>,
    /// The data that waits.
    pub outbox: Arc<Outbox>,
    /// Messages to the user.
    pub diagnostics: Arc<Diagnostics>,
    outage: Arc<OutageMonitor>,
    lanes: [watch::Receiver<LaneStatus>; 2],
    abandon: Box<dyn Fn() + Send + Sync>,
    resolved: watch::Receiver<Option<ResolvedAws>>,
    ended: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    runtime: Handle,
}

impl Delivery {
    /// Starts to send the segments that are pushed into the outbox.
    pub fn start<C: CloudWatch>(
        spool: Spool,
        names: ResourceNames,
        options: DeliveryOptions,
        diagnostics: Arc<Diagnostics>,
        runtime: Handle,
        cloudwatch: impl FnOnce(&Arc<Counters>) -> C,
    ) -> Self {
        let counters = Arc::new(Counters::default());
        let (capacity, mode) = (options.capacity_bytes, options.mode);
        let outbox = Outbox::new(spool, Arc::clone(&counters), Arc::clone(&diagnostics), capacity, mode);
        let outbox = Arc::new(outbox.with_retention(options.kind.retention()));
        let parts = DeliveryParts { names, options, counters, outbox, diagnostics, runtime };
        match options.kind {
            DeliveryKind::DryRun => {
                let dry_run = DryRun { counters: Arc::clone(&parts.counters) };
                parts.start(dry_run)
            }
            DeliveryKind::Real => {
                let cloudwatch = cloudwatch(&parts.counters);
                parts.start(cloudwatch)
            }
        }
    }

    /// The progress so far.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let [metrics, logs] = self.lanes.each_ref().map(|lane| lane.borrow().clone());
        let (observed, delivered) = (self.counters.observed.get(), self.counters.delivered.get());
        let (rejected, dropped) = (self.counters.rejected.get(), self.counters.dropped.get());
        let retained = self.outbox.retained();
        let settled = |part: fn(Counts) -> u64| part(delivered) + part(rejected) + part(dropped) + part(retained);
        let (requests, events) = (settled(|s| s.requests), settled(|s| s.log_events));
        let left_requests = observed.requests.saturating_sub(requests);
        let left_events = observed.log_events.saturating_sub(events);
        let (left, settled) =
            if left_requests > left_events { (left_requests, requests) } else { (left_events, events) };
        let at_rest = self.outbox.is_closed() && [&metrics, &logs].iter().all(|lane| lane.is_over());
        let over = at_rest || *self.ended.borrow();
        let mut call_failures: Vec<CallError> = [metrics.failure, logs.failure].into_iter().flatten().collect();
        call_failures.dedup_by_key(|error| error.topic());
        Progress {
            left,
            settled,
            succeeded: (metrics.succeeded, logs.succeeded),
            over,
            call_failures,
            outage_since: self.outage.since(),
            delivered_until: Some(self.counters.delivered_until.get()).filter(|&second| second > 0),
            waiting_bytes: self.outbox.waiting_bytes(),
        }
    }

    /// Whether all segments up to an ID are settled: `None` while that may still happen, false if nothing more can be sent at
    /// present.
    #[must_use]
    pub fn is_settled(&self, last: u64) -> Option<bool> {
        let mut all = true;
        for (lane, status) in Lane::ALL.iter().zip(&self.lanes) {
            let settled = self.outbox.is_settled(*lane, last);
            if !settled && !status.borrow().is_blocked() && !*self.ended.borrow() {
                return None;
            }
            all &= settled;
        }
        Some(all)
    }

    /// Takes the messages to the user that wait.
    #[must_use]
    pub fn take_messages(&self) -> Vec<Message> {
        self.diagnostics.take()
    }

    /// The destination of the data, as far as it is known.
    #[must_use]
    pub fn destination(&self) -> Option<ResolvedAws> {
        self.resolved.borrow().clone()
    }

    /// The receipt so far, with what the spool still holds.
    #[must_use]
    pub fn receipt(&self, run_id: &str, log_class: LogClass, spooled: Counts) -> Receipt {
        let cost = estimate(Usage {
            // A metric costs nothing before CloudWatch has data of it.
            metric_hours: if self.counters.delivered_until.get() > 0 { self.counters.metric_hours.get() } else { 0 },
            calls: self.counters.put_metric_data.get(),
            log_bytes: self.counters.log_bytes.get(),
            log_class,
            region: self.counters.region.get().map(String::as_str),
        });
        Receipt::new(run_id, &self.counters, spooled, cost)
    }

    /// Ends the delivery. Data that is left stays in the spool.
    pub fn end(&self) -> DeliveryEnd {
        let call_failures = self.progress().call_failures;
        (self.abandon)();
        self.ended.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // After they have ended, nothing changes the outbox any more. The panic hook has reported a panic in one of them.
        let responds = wait_for_disk(&tasks);
        self.outbox.drop_memory();
        if responds {
            let outbox = Arc::clone(&self.outbox);
            let remove = move || {
                outbox.spool().remove_if_empty();
                // The object of the run may live on, as after the last of several tests of a process.
                outbox.spool().release();
            };
            wait_for_disk(&[self.runtime.spawn_blocking(remove)]);
        }
        let spool = self.outbox.spool();
        let Counts { requests, log_events, .. } = self.outbox.spooled();
        DeliveryEnd {
            spool_folder: spool.folder().filter(|_| requests.max(log_events) > 0).map(Path::to_owned),
            rejected_folder: spool.rejected(),
            call_failures,
            destination: self.destination(),
        }
    }
}

/// Waits for tasks that only an unresponsive disk can delay, for a bounded time. Returns whether they have ended. The receipt
/// counts what is in flight then as before.
fn wait_for_disk(tasks: &[JoinHandle<()>]) -> bool {
    let deadline = Instant::now() + DISK_TIMEOUT;
    // Not on the runtime: its own threads, and with them its timers, may be blocked.
    while !tasks.iter().all(JoinHandle::is_finished) {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(DISK_PAUSE);
    }
    true
}

/// The parts of a delivery that do not depend on the type of its client.
struct DeliveryParts {
    names: ResourceNames,
    options: DeliveryOptions,
    counters: Arc<Counters>,
    outbox: Arc<Outbox>,
    diagnostics: Arc<Diagnostics>,
    runtime: Handle,
}

impl DeliveryParts {
    fn start<C: CloudWatch>(self, cloudwatch: C) -> Delivery {
        let Self { names, options, counters, outbox, diagnostics, runtime } = self;
        let outage = Arc::new(OutageMonitor::new(Arc::clone(&diagnostics)));
        let cloudwatch = Arc::new(cloudwatch);
        let sender = Sender::new(
            Arc::clone(&cloudwatch),
            names,
            Arc::clone(&outbox),
            Arc::clone(&counters),
            Arc::clone(&diagnostics),
            Arc::clone(&outage),
        );
        let mut tasks = Vec::new();
        let lanes = Lane::ALL.map(|lane| {
            let (status, lane_status) = watch::channel(LaneStatus::default());
            let lane_loop = LaneLoop::new(Arc::clone(&sender), lane, options.flush_interval, status);
            tasks.push(runtime.spawn(lane_loop.run()));
            lane_status
        });
        let (ended, end) = watch::channel(false);
        let (known, resolved) = watch::channel(None);
        let records = options.records_destination;
        let finder = DestinationFinder { cloudwatch, outbox: Arc::clone(&outbox), records, known };
        tasks.push(runtime.spawn(finder.run(end.clone())));
        tasks.push(runtime.spawn(Arc::clone(&outage).run(end)));
        let abandon = Box::new(move || sender.abandon());
        Delivery {
            counters,
            outbox,
            diagnostics,
            outage,
            lanes,
            abandon,
            resolved,
            ended,
            tasks: Mutex::new(tasks),
            runtime,
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::delivery::client::RejectedLogEvents;
    use crate::delivery::error::tests::refused;
    use crate::logs::event::LogBatch;
    use crate::metrics::datum::Datum;
    use crate::spool::tests::{event, manifest};

    /// Refuses log events, and makes their file block its readers.
    struct Stalling(PathBuf);

    impl CloudWatch for Stalling {
        async fn put_metric_data(&self, _: &str, _: Vec<Datum>) -> Result<(), CallError> {
            Ok(())
        }

        async fn put_log_events(&self, _: &str, _: &str, _: LogBatch) -> Result<RejectedLogEvents, CallError> {
            std::fs::remove_file(&self.0).expect("there");
            let made = std::process::Command::new("mkfifo").arg(&self.0).status().expect("a pipe");
            assert!(made.success());
            Err(CallError { operation: "PutLogEvents".into(), ..refused("InvalidParameterException", 400) })
        }

        async fn create_log_stream(&self, _: &str, _: &str) -> Result<Option<CallError>, CallError> {
            Ok(None)
        }
    }

    #[test]
    fn the_end_does_not_wait_for_a_disk_that_does_not_respond() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let (segment, _) = spool.write_events(&[event(1, "a"), event(2, "b")]);
        let files = std::fs::read_dir(spool.folder().expect("on the disk")).expect("readable");
        let mut paths = files.map(|file| file.expect("readable").path());
        let file = paths.find(|path| path.to_string_lossy().contains("-logs.")).expect("the segment's");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one");
        let options = DeliveryOptions {
            mode: SendMode::Immediate,
            flush_interval: None,
            capacity_bytes: 1 << 30,
            kind: DeliveryKind::Real,
            records_destination: true,
        };
        let (handle, cloudwatch) = (runtime.handle().clone(), Stalling(file.clone()));
        let delivery =
            Delivery::start(spool, manifest().resource_names(), options, Arc::default(), handle, |_| cloudwatch);
        delivery.outbox.push(segment);
        let refused = || delivery.counters.put_log_events.get() > 0;
        while !refused() {
            std::thread::sleep(DISK_PAUSE);
        }
        delivery.end();
        assert_eq!(delivery.outbox.spooled().log_events, 2);
        // Unblocks the reader, because the runtime waits for it.
        std::fs::write(&file, "").expect("a reader");
    }
}

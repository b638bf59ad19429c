//! One run, from its first sample to its receipt: the queue, the threads and the tasks behind it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::config::{Config, MAX_WORKER_CHARS};
use crate::diagnostics::{Diagnostics, Level};
use crate::intake::Intake;
use crate::ledger::{Ledger, Share};
use crate::outbox::{Outbox, Pace};
use crate::pricing::{Usage, estimate};
use crate::queue::{Entrance, Item, queue};
use crate::receipt::{LocustTotals, Receipt, Remarks};
use crate::sample::Sample;
use crate::sender::{Destination, LaneStatus, Sender};
use crate::spool::{Lane, Manifest, Spool};
use crate::transport::{CloudWatch, DryRun};
use crate::window::RunIdentity;

/// How far a run's delivery has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Requests and log events that are on their way, whichever are more.
    pub left: u64,
    /// Requests and log events that are settled, of the same kind.
    pub settled: u64,
    /// Calls that succeeded, of datums and of log events.
    pub succeeded: (u64, u64),
    /// Nothing is left to wait for: all is settled, or nothing more can be sent.
    pub over: bool,
    /// Why calls fail at present.
    pub failures: Vec<String>,
}

type Lanes = [watch::Receiver<LaneStatus>; 2];

/// A run.
pub struct Run {
    /// The options.
    pub config: Config,
    /// Its id and whose samples they are.
    pub identity: Arc<RunIdentity>,
    /// Users running in this process, as log events tell.
    pub users: AtomicU64,
    /// Messages to the user.
    pub diagnostics: Arc<Diagnostics>,
    entrance: Entrance,
    ledger: Arc<Ledger>,
    outbox: Arc<Outbox>,
    lanes: Lanes,
    abandon: Box<dyn Fn() + Send + Sync>,
    intake: Mutex<Option<JoinHandle<()>>>,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
    runtime: Handle,
}

impl Run {
    /// Starts a run that publishes to `cloudwatch`, or, with `--cw-dry-run`, to nowhere.
    ///
    /// # Errors
    /// Where the intake thread cannot be started.
    pub fn start<C: CloudWatch>(
        config: Config,
        identity: RunIdentity,
        runtime: Handle,
        cloudwatch: impl FnOnce(&Config, &Arc<Ledger>) -> C,
    ) -> std::io::Result<Self> {
        let ledger = Arc::new(Ledger::default());
        if config.dry_run {
            let dry_run = DryRun { ledger: Arc::clone(&ledger) };
            return Self::start_with(config, identity, runtime, ledger, dry_run);
        }
        let cloudwatch = cloudwatch(&config, &ledger);
        Self::start_with(config, identity, runtime, ledger, cloudwatch)
    }

    fn start_with<C: CloudWatch>(
        config: Config,
        mut identity: RunIdentity,
        runtime: Handle,
        ledger: Arc<Ledger>,
        cloudwatch: C,
    ) -> std::io::Result<Self> {
        identity.worker = path_safe(&identity.worker);
        let identity = Arc::new(identity);
        let diagnostics = Arc::new(Diagnostics::default());
        let destination = Destination {
            namespace: config.namespace.clone(),
            group: config.log.group.clone(),
            stream: format!("{}/{}/{}", config.log.stream_prefix, identity.run_id, identity.worker),
            windows_in_parts: config.resolution > 1,
            keep: config.dry_run,
        };
        let spool = Arc::new(open_spool(&config, &identity, &destination, &diagnostics));
        let pace = if config.live { Pace::Interval } else { Pace::Hold };
        let outbox = Arc::new(Outbox::new(
            Arc::clone(&spool),
            Arc::clone(&ledger),
            Arc::clone(&diagnostics),
            config.spool_max_bytes,
            pace,
        ));

        let sender =
            Sender::new(cloudwatch, destination, Arc::clone(&outbox), Arc::clone(&ledger), Arc::clone(&diagnostics));
        let flush_interval = config.live.then_some(config.flush_interval);
        let mut tasks = Vec::new();
        let lanes = Lane::ALL.map(|lane| {
            let (status, lane_status) = watch::channel(LaneStatus::default());
            tasks.push(runtime.spawn(Arc::clone(&sender).run(lane, flush_interval, status)));
            lane_status
        });

        let (entrance, exit) = queue();
        let intake =
            Intake::new(&config, &identity, Arc::clone(&outbox), Arc::clone(&ledger), Arc::clone(&diagnostics));
        let intake = std::thread::Builder::new()
            .name("locust-cw-intake".to_owned())
            .spawn(move || intake.run(&exit, Timestamp::now))?;

        Ok(Self {
            config,
            identity,
            users: AtomicU64::new(0),
            diagnostics,
            entrance,
            ledger,
            outbox,
            lanes,
            abandon: Box::new(move || sender.abandon()),
            intake: Mutex::new(Some(intake)),
            tasks: Mutex::new(tasks),
            runtime,
        })
    }

    /// Takes a sample, at once; where the queue is full, `wait` is called to push it with patience.
    pub fn record(&self, sample: Sample, wait: impl FnOnce(&Entrance, Item) -> Result<(), Item>) {
        let share = Share { requests: 1, failures: u64::from(sample.failure.is_some()), log_events: 0 };
        self.ledger.observed.add(share);
        let Err(item) = self.entrance.try_push(Item::Sample(Box::new(sample))) else { return };
        if wait(&self.entrance, item).is_err() {
            self.ledger.dropped.add(share);
            self.diagnostics.say_once(
                "queue full",
                Level::Warning,
                "Results come faster than this machine can take them in: some are dropped, and the receipt tells how \
                 many. The load generator is short of processor time.",
            );
        }
    }

    /// Takes anything but a sample: it is small, rare, and must not be lost. May wait for a full queue.
    pub fn push(&self, item: Item) {
        self.entrance.push_at_last(item);
    }

    /// How far the delivery has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let [metrics, logs] = self.lanes.each_ref().map(|lane| lane.borrow().clone());
        let (observed, delivered) = (self.ledger.observed.get(), self.ledger.delivered.get());
        let (rejected, dropped) = (self.ledger.rejected.get(), self.ledger.dropped.get());
        let kept = if self.config.dry_run { self.outbox.kept() } else { Share::default() };
        let settled = |part: fn(Share) -> u64| part(delivered) + part(rejected) + part(dropped) + part(kept);
        let (requests, events) = (settled(|s| s.requests), settled(|s| s.log_events));
        let left_requests = observed.requests.saturating_sub(requests);
        let left_events = observed.log_events.saturating_sub(events);
        let (left, settled) =
            if left_requests > left_events { (left_requests, requests) } else { (left_events, events) };
        Progress {
            left,
            settled,
            succeeded: (metrics.succeeded, logs.succeeded),
            over: self.outbox.is_closed() && [&metrics, &logs].iter().all(|lane| lane.done || lane.stopped),
            failures: [metrics.failed, logs.failed].into_iter().flatten().collect(),
        }
    }

    /// Ends the run, whatever is left, and draws up its receipt. What was not delivered stays in the spool.
    pub fn finish(&self, locust: Option<LocustTotals>) -> (Receipt, Remarks) {
        let intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(intake) = intake {
            self.push(Item::Close);
            // A panic there has been reported by the panic hook; the receipt shows what it cost.
            let _ = intake.join();
        }
        let mut reasons = self.progress().failures;
        reasons.dedup();
        (self.abandon)();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            let _ = self.runtime.block_on(task);
        }
        // A call that is cut off may have been taken.
        let in_flight = self.outbox.in_flight();
        self.ledger.uncertain.add(in_flight.requests + in_flight.log_events);
        self.outbox.drop_memory();
        self.outbox.spool().tidy_up();
        let cost = estimate(Usage {
            metric_hours: self.ledger.metric_hours.get(),
            calls: self.ledger.put_metric_data.get(),
            log_bytes: self.ledger.log_bytes.get(),
            log_class: self.config.log.class,
            region: self.config.aws.region.as_deref(),
        });
        let receipt = Receipt::new(&self.identity.run_id, &self.ledger, self.outbox.spooled(), cost, locust);
        let spool: Option<PathBuf> = self.outbox.spool().folder().map(Into::into);
        let remarks =
            Remarks { dry_run: self.config.dry_run, spool: spool.map(|folder| folder.display().to_string()), reasons };
        (receipt, remarks)
    }

    /// Users running in this process, as far as Python has told.
    #[must_use]
    pub fn users(&self) -> u64 {
        self.users.load(Relaxed)
    }
}

fn open_spool(config: &Config, identity: &RunIdentity, destination: &Destination, diagnostics: &Diagnostics) -> Spool {
    let series = config.series.iter().map(|key| key.name().to_owned());
    let constant = config.constant_dimensions.iter().map(|d| d.name.to_string());
    let manifest = Manifest {
        run_id: identity.run_id.clone(),
        worker: identity.worker.clone(),
        namespace: config.namespace.clone(),
        series: series.chain(constant).collect(),
        log_group: destination.group.clone(),
        log_stream: destination.stream.clone(),
        region: config.aws.region.clone(),
        endpoint_url: config.aws.endpoint_url.clone(),
    };
    Spool::create(&config.spool_dir, &manifest).unwrap_or_else(|error| {
        diagnostics.say_once(
            "spool",
            Level::Warning,
            format!(
                "The spool folder {} cannot be used ({error}): results are sent straight from memory, and what does \
                 not fit there is dropped and counted. Choose another --cw-spool-dir.",
                config.spool_dir.display()
            ),
        );
        Spool::in_memory(&manifest)
    })
}

/// A worker's name is part of a stream's name and of a folder's.
fn path_safe(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let mut safe: String = name.chars().map(safe).take(MAX_WORKER_CHARS).collect();
    if safe.is_empty() || safe.starts_with('.') {
        safe.insert(0, '_');
    }
    safe
}

/// An id for a run that begins now, such as `20261122T110301Z-7f3a`.
#[must_use]
pub fn new_run_id() -> String {
    format!("{}-{:04x}", Timestamp::now().compact(), rand::random::<u16>())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::config::tests::config;
    use crate::datum::{Datum, FAILURE_COUNT};
    use crate::log_event::LogEvent;
    use crate::retry::tests::{failed, refused};
    use crate::retry::{CallError, Cause};
    use crate::transport::LeftOut;
    use crate::window::tests::{identity, sample};

    /// A CloudWatch that answers as told: one of `answers` to each call, then success.
    #[derive(Default)]
    struct Scripted {
        answers: Mutex<Vec<CallError>>,
        taken: Mutex<Vec<usize>>,
        events: Mutex<Vec<LogEvent>>,
        hang: bool,
        /// Calls that hold a datum of this metric, for a request, are refused.
        guilty: Option<&'static str>,
    }

    impl Scripted {
        async fn answer(&self) -> Result<(), CallError> {
            if self.hang {
                std::future::pending::<()>().await;
            }
            self.answers.lock().expect("sound").pop().map_or(Ok(()), Err)
        }
    }

    impl CloudWatch for Arc<Scripted> {
        async fn put_metric_data(&self, _: &str, datums: Vec<Datum>) -> Result<(), CallError> {
            self.answer().await?;
            if datums.iter().any(|d| Some(&*d.key.metric) == self.guilty && d.key.dimensions.len() > 1) {
                return Err(refused("InvalidParameterValue", 400));
            }
            self.taken.lock().expect("sound").push(datums.len());
            Ok(())
        }

        async fn put_log_events(&self, _: &str, _: &str, events: Vec<LogEvent>) -> Result<LeftOut, CallError> {
            self.answer().await?;
            self.events.lock().expect("sound").extend(events);
            Ok(LeftOut { too_old: 1, ..LeftOut::default() })
        }

        async fn create_log_stream(&self, _: &str, _: &str) -> Result<(), CallError> {
            self.answer().await
        }
    }

    struct Test {
        run: Run,
        cloudwatch: Arc<Scripted>,
        folder: tempfile::TempDir,
    }

    fn start(cloudwatch: Scripted, change: impl FnOnce(&mut crate::config::Options)) -> Test {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(|options| {
            options.spool_dir = folder.path().to_str().map(Into::into);
            change(options);
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one");
        // It outlives the test, as the real one outlives every run.
        let runtime = Box::leak(Box::new(runtime)).handle();
        let cloudwatch = Arc::new(cloudwatch);
        let given = Arc::clone(&cloudwatch);
        let run = Run::start(config, (*identity()).clone(), runtime.clone(), |_, _| given).expect("a run");
        Test { run, cloudwatch, folder }
    }

    fn record(run: &Run, number: usize) {
        for i in 0..number {
            run.record(sample(&format!("/{}", i % 5), Timestamp::now().seconds(), 1.0), Entrance::push);
        }
    }

    fn wait_until_over(run: &Run) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !run.progress().over {
            assert!(Instant::now() < deadline, "{:?}", run.progress());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn adds_up(receipt: &Receipt) {
        for a in [receipt.requests, receipt.failures, receipt.log_events] {
            assert_eq!(a.observed, a.delivered + a.spooled + a.rejected + a.dropped, "{receipt:?}");
        }
    }

    #[test]
    fn nothing_is_sent_before_the_test_stops_and_everything_after() {
        let Test { run, cloudwatch, folder, .. } = start(Scripted::default(), |o| o.logs = "off".into());
        record(&run, 1000);
        run.push(Item::Flush);
        std::thread::sleep(Duration::from_millis(100));
        record(&run, 10);
        run.push(Item::Close);
        wait_until_over(&run);
        let (receipt, _) = run.finish(Some(LocustTotals { requests: 1010, failures: 0 }));
        assert_eq!((receipt.requests.delivered, receipt.reconciled), (1010, Some(true)));
        assert!(!cloudwatch.taken.lock().expect("sound").is_empty());
        adds_up(&receipt);
        assert_eq!(std::fs::read_dir(folder.path()).expect("there").count(), 0);
    }

    #[test]
    fn calls_that_fail_are_repeated_until_they_are_taken() {
        let answers =
            vec![failed(Cause::NoAnswer), refused("Throttling", 400), refused("", 503), failed(Cause::NotSent)];
        let Test { run, folder: _folder, .. } =
            start(Scripted { answers: Mutex::new(answers), ..Scripted::default() }, |_| {});
        record(&run, 100);
        run.push(Item::Close);
        wait_until_over(&run);
        let (receipt, _) = run.finish(None);
        assert_eq!((receipt.requests.delivered, receipt.log_events.delivered), (100, 99));
        assert_eq!(receipt.log_events.rejected, 1);
        assert!(receipt.uncertain > 0 && receipt.retries > 0, "{receipt:?}");
        adds_up(&receipt);
    }

    #[test]
    fn the_guilty_datum_alone_is_rejected() {
        let scripted = Scripted { guilty: Some(FAILURE_COUNT), ..Scripted::default() };
        let Test { run, cloudwatch, folder } = start(scripted, |o| o.logs = "off".into());
        run.record(sample("/a", Timestamp::now().seconds(), 1.0), Entrance::push);
        run.push(Item::Close);
        wait_until_over(&run);
        let (receipt, _) = run.finish(None);
        adds_up(&receipt);
        assert_eq!(receipt.requests.delivered, 1);
        // Totals, a time and a size for the request and for its host, less the guilty one.
        assert_eq!(cloudwatch.taken.lock().expect("sound").iter().sum::<usize>(), 7);
        let rejected = folder.path().join(&receipt.run_id).join("w1").join("rejected");
        assert_eq!(std::fs::read_dir(rejected).expect("there").count(), 1);
    }

    #[test]
    fn a_refusal_that_only_the_user_can_mend_is_said_once_and_keeps_everything() {
        let answers = (0..50).map(|_| refused("AccessDenied", 403)).collect();
        let Test { run, folder: _folder, .. } =
            start(Scripted { answers: Mutex::new(answers), ..Scripted::default() }, |_| {});
        record(&run, 100);
        run.push(Item::Close);
        wait_until_over(&run);
        let said = run.diagnostics.take();
        assert_eq!(said.len(), 1, "{said:?}");
        let (receipt, remarks) = run.finish(None);
        assert_eq!((receipt.requests.spooled, receipt.log_events.spooled), (100, 100));
        assert_eq!(remarks.reasons.len(), 1);
        adds_up(&receipt);
    }

    #[test]
    fn a_run_that_is_cut_off_leaves_everything_in_the_spool() {
        let Test { run, folder, .. } = start(Scripted { hang: true, ..Scripted::default() }, |_| {});
        record(&run, 100);
        run.push(Item::Drain);
        std::thread::sleep(Duration::from_millis(100));
        let (receipt, _) = run.finish(None);
        assert_eq!((receipt.requests.spooled, receipt.log_events.spooled), (100, 100));
        adds_up(&receipt);
        assert!(folder.path().join(&receipt.run_id).join("w1/run.json").exists());
    }

    #[test]
    fn a_dry_run_sends_nothing_and_tells_what_it_would_have_cost() {
        let Test { run, cloudwatch, folder: _folder } = start(Scripted::default(), |o| o.dry_run = true);
        record(&run, 100);
        run.push(Item::Close);
        wait_until_over(&run);
        let (receipt, _) = run.finish(None);
        assert_eq!((receipt.requests.spooled, receipt.api_calls.put_metric_data), (100, 1));
        assert!(receipt.estimated_cost_usd > 0.0 && receipt.bytes_sent > 0);
        assert!(cloudwatch.taken.lock().expect("sound").is_empty());
        adds_up(&receipt);
    }
}

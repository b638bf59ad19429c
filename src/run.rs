//! One run, from its first sample to its receipt: the queue, the aggregation thread, and the delivery.

mod custom_data;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::accounting::counters::{Counters, Counts};
use crate::accounting::receipt::{Receipt, SeriesTotal};
use crate::accounting::status_report::{ProcessStatus, Seconds, StatusReport};
use crate::config::identity::{RunIdentity, path_safe};
use crate::config::{Config, ResolvedAws};
use crate::delivery::client::CloudWatch;
use crate::delivery::outbox::SendMode;
use crate::delivery::{Delivery, DeliveryEnd, DeliveryKind, DeliveryOptions, Progress};
use crate::ingest::logging_rules::LoggingRules;
use crate::ingest::queue::{ControlMessage, ENQUEUE_TIMEOUT, FlushToken, Item, QueueSender, queue};
use crate::ingest::worker::AggregationWorker;
use crate::messages::{Diagnostics, Level, Message};
use crate::sample::{ReportedStats, Sample};
use crate::spool::{Manifest, open_spool};
use crate::statistics::RunStatistics;
use crate::summary::MarkLimits;
use crate::timestamp::Timestamp;

/// How long the end waits for the aggregation thread, which takes moments unless the disk does not respond.
const AGGREGATION_TIMEOUT: Duration = Duration::from_secs(3);
const AGGREGATION_PAUSE: Duration = Duration::from_millis(2);
/// How often a future polls the progress of the delivery.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A run.
pub struct Run {
    /// The options.
    pub config: Config,
    /// The run ID, the worker, and the host.
    pub identity: Arc<RunIdentity>,
    /// Users in this process, for log events.
    pub users: AtomicU32,
    /// The summary, and the state of the checks.
    pub statistics: Arc<RunStatistics>,
    /// Which details of a request are recorded.
    pub details: LoggingRules,
    delivery: Delivery,
    sender: QueueSender,
    marks: Mutex<MarkLimits>,
    aggregation: Mutex<Option<JoinHandle<()>>>,
    /// The aggregation thread did not end by itself.
    aggregation_failed: AtomicBool,
    /// The receipt, once the run has ended.
    ended: Mutex<Option<(Receipt, DeliveryEnd)>>,
}

/// A flush whose data may still be in flight.
pub struct Flush(FlushToken);

impl Run {
    /// Starts a run that publishes to `cloudwatch`, or nowhere with `--cw-dry-run`.
    ///
    /// # Errors
    /// If the aggregation thread cannot be started.
    pub fn start<C: CloudWatch>(
        config: Config,
        identity: RunIdentity,
        statistics: RunStatistics,
        runtime: Handle,
        cloudwatch: impl FnOnce(&Manifest, &Arc<Counters>) -> C,
    ) -> std::io::Result<Self> {
        Self::start_by(Timestamp::now, config, identity, statistics, runtime, cloudwatch)
    }

    /// The same, with the clock of the aggregation thread.
    fn start_by<C: CloudWatch>(
        clock: impl Fn() -> Timestamp + Send + 'static,
        config: Config,
        mut identity: RunIdentity,
        statistics: RunStatistics,
        runtime: Handle,
        cloudwatch: impl FnOnce(&Manifest, &Arc<Counters>) -> C,
    ) -> std::io::Result<Self> {
        identity.worker = path_safe(&identity.worker);
        let diagnostics = Arc::new(Diagnostics::default());
        let (spool, manifest) = open_spool(&config, &mut identity, &diagnostics);
        let options = DeliveryOptions {
            mode: mode_of(&config),
            flush_interval: config.live.then_some(config.flush_interval),
            capacity_bytes: config.spool_max_bytes,
            kind: DeliveryKind::of(config.dry_run),
            records_destination: true,
        };
        let delivery = Delivery::start(spool, manifest.resource_names(), options, diagnostics, runtime, |counters| {
            cloudwatch(&manifest, counters)
        });

        let identity = Arc::new(identity);
        let (sender, receiver) = queue();
        let (outbox, counters) = (Arc::clone(&delivery.outbox), Arc::clone(&delivery.counters));
        let statistics = Arc::new(statistics);
        let worker = AggregationWorker::new(
            &config,
            &identity,
            Arc::clone(&statistics),
            outbox,
            counters,
            Arc::clone(&delivery.diagnostics),
        );
        let details = LoggingRules::new(&config.log, worker.slowest_threshold());
        let thread = std::thread::Builder::new()
            .name("locust-cw-queue".to_owned())
            .spawn(move || worker.run(&receiver, clock))
            // Otherwise the tasks of the delivery would wait for the thread, and keep the spool locked.
            .inspect_err(|_| drop(delivery.end()))?;
        let aggregation = Mutex::new(Some(thread));
        Ok(Self {
            config,
            identity,
            users: AtomicU32::new(0),
            statistics,
            details,
            delivery,
            sender,
            marks: Mutex::default(),
            aggregation,
            aggregation_failed: AtomicBool::new(false),
            ended: Mutex::default(),
        })
    }

    /// Records a sample without waiting.
    ///
    /// # Errors
    /// Returns the sample if the queue is full: [`Self::record_blocking`] waits for room.
    #[expect(clippy::result_large_err, reason = "a sample without room is given back as it is")]
    pub fn try_record(&self, sample: Sample) -> Result<(), Item> {
        self.delivery.counters.observed.add(counts_of(&sample));
        self.sender.try_push(Item::Sample(sample))
    }

    /// Records what [`Self::try_record`] returned. Waits for room for a bounded time, and then drops it. Python calls it with the
    /// GIL released.
    pub fn record_blocking(&self, item: Item) {
        if let Err(item) = self.sender.push(item) {
            let counts = match &item {
                Item::Sample(sample) => counts_of(sample),
                Item::ReportedStats(entry) => Counts::from(&**entry),
                Item::Custom(_) => {
                    self.delivery.counters.ignored.add(1);
                    Counts::default()
                }
            };
            self.delivery.counters.dropped.add(counts);
            self.delivery.diagnostics.log_once(
                Level::Warning,
                "queue full",
                "The queue is full: locust-cw drops some requests, and the receipt counts them. The load generator \
                 is short of CPU time: use more workers or machines.",
            );
        }
    }

    /// Logs a warning, the first time that there is one on this topic.
    pub fn warn_once(&self, topic: &str, text: &str) {
        self.delivery.diagnostics.log_once(Level::Warning, topic, text);
    }

    /// Records the statistics of a worker that does not publish. Waits for room for a bounded time.
    pub fn record_stats(&self, entry: ReportedStats) {
        self.delivery.counters.observed.add(Counts::from(&entry));
        self.record_blocking(Item::ReportedStats(Box::new(entry)));
    }

    /// Sends a control message: it is small and rare, and must not be lost. Never waits.
    pub fn push(&self, message: ControlMessage) {
        self.sender.send_control(message);
    }

    /// Sets the time of the oldest request that has finished and is not recorded yet. Its second is not closed before.
    pub fn set_pending_since(&self, time: Option<Timestamp>) {
        self.sender.set_pending_since(time);
    }

    /// Waits for room in the queue, for as long as a hook would wait.
    pub async fn room(&self) {
        if !self.has_room() {
            self.push(ControlMessage::Wake);
        }
        until(ENQUEUE_TIMEOUT, || self.has_room().then_some(())).await;
    }

    /// Sends everything recorded so far. Returns whether all of it is settled before the `timeout`, if there is one.
    pub async fn flushed(&self, timeout: Option<Duration>) -> bool {
        let flush = self.flush();
        until(timeout.unwrap_or(Duration::MAX), || self.is_flushed(&flush)).await.unwrap_or(false)
    }

    /// Sends everything recorded so far and records nothing more. Returns when waiting longer cannot help, or after the `timeout`.
    pub async fn closed(&self, timeout: Duration) {
        self.push(ControlMessage::Close);
        until(timeout, || self.progress().over.then_some(())).await;
    }

    /// Whether the queue has room.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.sender.has_room()
    }

    /// Starts to send everything recorded so far.
    #[must_use]
    pub fn flush(&self) -> Flush {
        let token = FlushToken::default();
        self.push(ControlMessage::Flush(Arc::clone(&token)));
        Flush(token)
    }

    /// Whether everything recorded before a flush is settled: `None` while that may still happen, false if nothing more can be
    /// sent at present.
    #[must_use]
    pub fn is_flushed(&self, flush: &Flush) -> Option<bool> {
        match flush.0.get() {
            Some(&last) => self.delivery.is_settled(last),
            // After the end, the token is no longer set.
            None if self.delivery.outbox.is_closed() => {
                let settled = self.delivery.is_settled(u64::MAX);
                settled.map(|settled| settled && !self.aggregation_failed.load(Relaxed))
            }
            None => None,
        }
    }

    /// Ends a drain, because a worker has returned to its test.
    pub fn resume(&self) {
        self.delivery.outbox.set_mode(mode_of(&self.config));
    }

    /// The destination of the data, as far as it is known.
    #[must_use]
    pub fn destination(&self) -> Option<ResolvedAws> {
        self.delivery.destination()
    }

    /// Takes the pending messages to the user.
    #[must_use]
    pub fn take_messages(&self) -> Vec<Message> {
        self.delivery.take_messages()
    }

    /// The progress of the delivery.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.delivery.progress()
    }

    /// Ends the run and builds its receipt. Undelivered data stays in the spool. Later calls return the same receipt.
    pub fn finish(&self) -> (Receipt, DeliveryEnd) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.get_or_insert_with(|| self.end()).clone()
    }

    fn end(&self) -> (Receipt, DeliveryEnd) {
        let thread = self.aggregation.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.push(ControlMessage::Close);
            let deadline = Instant::now() + AGGREGATION_TIMEOUT;
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(AGGREGATION_PAUSE);
            }
        }
        if !self.delivery.outbox.is_closed() {
            // A thread that hangs or has panicked does not close the outbox, and a flush would wait for it forever.
            self.aggregation_failed.store(true, Relaxed);
            self.delivery.outbox.close();
        }
        let end = self.delivery.end();
        self.drop_unaccounted();
        (self.receipt(self.delivery.outbox.spooled()), end)
    }

    /// Counts what is lost in the queue as dropped, if the aggregation thread has panicked, or hangs on an unresponsive disk.
    fn drop_unaccounted(&self) {
        let counters = &self.delivery.counters;
        let mut missing = counters.observed.get();
        for known in
            [counters.delivered.get(), counters.rejected.get(), counters.dropped.get(), self.delivery.outbox.spooled()]
        {
            missing -= known;
        }
        counters.dropped.add(missing);
    }

    /// What this process reports to the master: the receipt so far, or the last one once the run has ended.
    #[must_use]
    pub fn status_report(&self, extras: ReportExtras, now: Timestamp) -> StatusReport {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let progress = self.progress();
        let (problem, problem_at) = extras.problem.unzip();
        let delay_s = progress.delivered_until.map(|second| age(second, now));
        StatusReport {
            run_id: self.identity.run_id.clone(),
            is_final: ended.is_some(),
            receipt: ended.map_or_else(|| self.snapshot(), |(receipt, _)| receipt),
            remarks: extras.remarks,
            // A dry run delivers nothing, so the end does not wait for it.
            left: if self.config.dry_run { 0 } else { progress.left },
            settled: progress.settled,
            status: ProcessStatus {
                call_failures: progress.call_failures.iter().map(ToString::to_string).collect(),
                outage_since: progress.outage_since.and_then(|since| since.seconds_f64().try_into().ok()),
                problem,
                problem_at,
                delay_s: delay_s.and_then(|delay| delay.try_into().ok()),
                waiting_bytes: progress.waiting_bytes,
                stopped: extras.test == TestState::Stopped,
            },
            refusal: extras.refusal,
        }
    }

    /// The receipt so far. Data that is not settled counts as spooled.
    #[must_use]
    pub fn snapshot(&self) -> Receipt {
        let mut receipt = self.receipt(Counts::default());
        // Reports are sent every few seconds, so only the last one contains the series.
        receipt.series.clear();
        for counts in [&mut receipt.requests, &mut receipt.failures, &mut receipt.log_events] {
            let settled = counts.delivered + counts.rejected + counts.dropped;
            counts.spooled = counts.observed.saturating_sub(settled);
        }
        receipt
    }

    /// The series of this process so far.
    #[must_use]
    pub fn series(&self) -> Vec<SeriesTotal> {
        self.receipt(Counts::default()).series
    }

    fn receipt(&self, spooled: Counts) -> Receipt {
        let receipt = self.delivery.receipt(&self.identity.run_id, self.config.log.class, spooled);
        Receipt { dry_run: self.config.dry_run, ..receipt }
    }

    /// Users in this process, as last set by Python.
    #[must_use]
    pub fn users(&self) -> u32 {
        self.users.load(Relaxed)
    }
}

/// The part of a report that the core does not know.
#[derive(Debug, Clone, Default)]
pub struct ReportExtras {
    /// Whether the test runs.
    pub test: TestState,
    /// The last problem that was logged, and when.
    pub problem: Option<(String, Seconds)>,
    /// Why the process did not start the test, if it did not.
    pub refusal: Option<String>,
    /// Lines for the text of the receipt.
    pub remarks: Vec<String>,
}

/// Whether a test runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TestState {
    /// It runs.
    #[default]
    Running,
    /// It has stopped. Requests may still finish.
    Stopped,
}

fn counts_of(sample: &Sample) -> Counts {
    Counts { requests: 1, failures: u64::from(sample.failure.is_some()), log_events: 0 }
}

/// Seconds from a second of the epoch to now.
#[expect(clippy::cast_precision_loss, reason = "seconds since the epoch")]
fn age(second: u64, now: Timestamp) -> f64 {
    (now.seconds_f64() - second as f64).max(0.0)
}

/// Polls until there is a value, or the time is over.
async fn until<T>(timeout: Duration, mut poll: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let value = poll();
        if value.is_some() || begun.elapsed() >= timeout {
            return value;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

const fn mode_of(config: &Config) -> SendMode {
    if config.live { SendMode::Periodic } else { SendMode::Deferred }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::config::LogChoice;
    use crate::config::identity::tests::identity;
    use crate::config::validate::tests::config;
    use crate::delivery::client::RejectedLogEvents;
    use crate::delivery::error::tests::{failed, making, refused};
    use crate::delivery::error::{CallError, Cause};
    use crate::logs::event::{LogBatch, LogEvent};
    use crate::metrics::aggregator::tests::sample;
    use crate::metrics::datum::{Datum, FAILURE_COUNT};
    use crate::statistics::Audience;

    /// A scripted CloudWatch: each call with data fails with one of the `errors`, and later calls succeed.
    #[derive(Default)]
    pub(super) struct Scripted {
        errors: Mutex<Vec<CallError>>,
        /// Calls with data.
        begun: AtomicU32,
        accepted: Mutex<Vec<usize>>,
        events: Mutex<Vec<LogEvent>>,
        hang: bool,
        /// The error of creating the log stream, if it fails.
        creation_error: Option<CallError>,
        /// Calls with a datum of this metric, for a request, are refused.
        invalid: Option<&'static str>,
        /// Calls with a log event that contains this text are refused.
        invalid_text: Option<&'static str>,
    }

    impl Scripted {
        async fn next_result(&self, operation: &str) -> Result<(), CallError> {
            self.begun.fetch_add(1, Relaxed);
            if self.hang {
                std::future::pending::<()>().await;
            }
            let error = self.errors.lock().expect("sound").pop();
            error.map_or(Ok(()), |error| Err(CallError { operation: operation.to_owned(), ..error }))
        }
    }

    impl CloudWatch for Arc<Scripted> {
        async fn put_metric_data(&self, _: &str, datums: Vec<Datum>) -> Result<(), CallError> {
            self.next_result("PutMetricData").await?;
            if datums.iter().any(|d| Some(&*d.key.metric) == self.invalid && d.key.dimensions.len() > 1) {
                return Err(refused("InvalidParameterValue", 400));
            }
            self.accepted.lock().expect("sound").push(datums.len());
            Ok(())
        }

        async fn put_log_events(&self, _: &str, _: &str, batch: LogBatch) -> Result<RejectedLogEvents, CallError> {
            self.next_result("PutLogEvents").await?;
            let events: Vec<LogEvent> = serde_json::from_str(&batch.json).expect("JSON");
            if events.iter().any(|event| self.invalid_text.is_some_and(|text| event.message.contains(text))) {
                return Err(refused("InvalidParameterException", 400));
            }
            self.events.lock().expect("sound").extend(events);
            Ok(RejectedLogEvents { too_old: 1, ..RejectedLogEvents::default() })
        }

        async fn create_log_stream(&self, _: &str, _: &str) -> Result<Option<CallError>, CallError> {
            self.creation_error.clone().map_or(Ok(None), Err)
        }
    }

    pub(super) struct Test {
        pub(super) run: Run,
        cloudwatch: Arc<Scripted>,
        pub(super) folder: tempfile::TempDir,
        runtime: Handle,
    }

    pub(super) fn start(cloudwatch: Scripted, change: impl FnOnce(&mut crate::config::Options)) -> Test {
        start_by(Timestamp::now, cloudwatch, change)
    }

    fn start_by(
        clock: impl Fn() -> Timestamp + Send + 'static,
        cloudwatch: Scripted,
        change: impl FnOnce(&mut crate::config::Options),
    ) -> Test {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(|options| {
            options.spool_dir = folder.path().to_str().map(Into::into);
            change(options);
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one");
        // It outlives the test, as the runtime of a process outlives each run.
        let runtime = Box::leak(Box::new(runtime)).handle();
        let cloudwatch = Arc::new(cloudwatch);
        let given = Arc::clone(&cloudwatch);
        let statistics = RunStatistics::new(&config, Timestamp::now(), Audience::Own);
        let run = Run::start_by(clock, config, (*identity()).clone(), statistics, runtime.clone(), |_, _| given);
        let run = run.expect("a run");
        Test { run, cloudwatch, folder, runtime: runtime.clone() }
    }

    fn record_one(run: &Run, name: &str) {
        if let Err(item) = run.try_record(sample(name, Timestamp::now().seconds(), 1.0)) {
            run.record_blocking(item);
        }
    }

    fn record(run: &Run, number: usize) {
        for i in 0..number {
            record_one(run, &format!("/{}", i % 5));
        }
    }

    fn wait_until(run: &Run, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition() {
            assert!(Instant::now() < deadline, "{:?}", run.progress());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(super) fn wait_until_over(run: &Run) {
        wait_until(run, || run.progress().over);
    }

    fn flushed(run: &Run) -> bool {
        let flush = run.flush();
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(settled) = run.is_flushed(&flush) {
                return settled;
            }
            assert!(Instant::now() < deadline, "{:?}", run.progress());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn check_sums(receipt: &Receipt) {
        for a in [receipt.requests, receipt.failures, receipt.log_events] {
            assert_eq!(a.observed, a.delivered + a.spooled + a.rejected + a.dropped, "{receipt:?}");
        }
    }

    #[test]
    fn without_live_publishing_data_is_sent_only_after_the_test_stops() {
        let Test { run, cloudwatch, folder, runtime } = start(Scripted::default(), |o| o.logs = LogChoice::Off);
        record(&run, 1000);
        wait_until(&run, || run.delivery.outbox.left().requests > 0);
        run.delivery.outbox.wake_all();
        // The runtime has one thread, so this lets the lanes start calls.
        let yield_to_lanes = async {
            for _ in 0..20 {
                tokio::task::yield_now().await;
                tokio::task::spawn_blocking(|| ()).await.expect("no panic");
            }
        };
        runtime.block_on(runtime.spawn(yield_to_lanes)).expect("no panic");
        assert!(cloudwatch.accepted.lock().expect("sound").is_empty());
        record(&run, 10);
        run.push(ControlMessage::Close);
        wait_until_over(&run);
        let (receipt, _) = run.finish();
        assert_eq!(receipt.requests.delivered, 1010);
        assert!(!cloudwatch.accepted.lock().expect("sound").is_empty());
        check_sums(&receipt);
        assert_eq!(std::fs::read_dir(folder.path()).expect("there").count(), 0);
    }

    #[test]
    fn a_flush_is_settled_when_all_data_before_it_is_delivered() {
        let Test { run, cloudwatch, folder: _folder, .. } = start(Scripted::default(), |o| o.live = true);
        for round in 1..=3u64 {
            record(&run, 100);
            assert!(flushed(&run));
            assert_eq!(run.snapshot().requests.delivered, 100 * round);
        }
        run.finish();
        assert_eq!(run.is_flushed(&run.flush()), Some(true), "nothing is left after the end");
        assert!(!cloudwatch.accepted.lock().expect("sound").is_empty());
    }

    #[test]
    fn a_flush_does_not_wait_for_the_user_to_resolve_a_problem() {
        let errors = (0..50).map(|_| refused("AccessDenied", 403)).collect();
        let Test { run, folder: _folder, .. } =
            start(Scripted { errors: Mutex::new(errors), ..Scripted::default() }, |o| o.live = true);
        record(&run, 10);
        assert!(!flushed(&run));
        let (first, second) = (run.finish(), run.finish());
        assert_eq!((first.0.requests.spooled, &first), (10, &second));
    }

    #[test]
    fn a_flush_ends_with_the_run() {
        let Test { run, folder: _folder, .. } =
            start(Scripted { hang: true, ..Scripted::default() }, |o| o.live = true);
        record(&run, 10);
        let flush = run.flush();
        assert_eq!(run.is_flushed(&flush), None);
        run.finish();
        assert_eq!(run.is_flushed(&flush), Some(false));
    }

    #[test]
    fn failed_calls_are_repeated_until_they_are_accepted() {
        let errors =
            vec![failed(Cause::NoAnswer), refused("Throttling", 400), refused("", 503), failed(Cause::NotSent)];
        let Test { run, folder: _folder, .. } =
            start(Scripted { errors: Mutex::new(errors), ..Scripted::default() }, |_| {});
        record(&run, 100);
        run.push(ControlMessage::Close);
        wait_until_over(&run);
        let (receipt, _) = run.finish();
        assert_eq!((receipt.requests.delivered, receipt.log_events.delivered), (100, 99));
        assert_eq!(receipt.log_events.rejected, 1);
        assert!(receipt.uncertain > 0 && receipt.retries > 0, "{receipt:?}");
        check_sums(&receipt);
    }

    #[test]
    fn only_the_invalid_datum_is_rejected() {
        let scripted = Scripted { invalid: Some(FAILURE_COUNT), ..Scripted::default() };
        let Test { run, cloudwatch, folder, .. } = start(scripted, |o| o.logs = LogChoice::Off);
        record_one(&run, "/a");
        run.push(ControlMessage::Close);
        wait_until_over(&run);
        let (receipt, _) = run.finish();
        check_sums(&receipt);
        assert_eq!(receipt.requests.delivered, 1);
        // Totals, a time and a size for the request and for its host, without the invalid one.
        assert_eq!(cloudwatch.accepted.lock().expect("sound").iter().sum::<usize>(), 7);
        let rejected = folder.path().join(&receipt.run_id).join("w1").join("rejected");
        assert_eq!(std::fs::read_dir(rejected).expect("there").count(), 1);
    }

    #[test]
    fn only_the_invalid_log_event_is_rejected() {
        let Test { run, cloudwatch, folder, .. } =
            start(Scripted { invalid_text: Some("/invalid"), ..Scripted::default() }, |_| {});
        record(&run, 7);
        record_one(&run, "/invalid");
        record(&run, 4);
        run.push(ControlMessage::Close);
        wait_until_over(&run);
        let (receipt, _) = run.finish();
        check_sums(&receipt);
        assert_eq!(cloudwatch.events.lock().expect("sound").len(), 11);
        let rejected = folder.path().join(&receipt.run_id).join("w1").join("rejected");
        let kept: Vec<_> =
            std::fs::read_dir(rejected).expect("there").map(|entry| entry.expect("one").path()).collect();
        assert_eq!(kept.len(), 1);
        let text = std::fs::read_to_string(&kept[0]).expect("readable");
        assert!(text.contains("/invalid") && text.lines().count() == 1, "{text}");
    }

    #[test]
    fn a_refusal_that_only_the_user_can_resolve_is_logged_once_and_keeps_everything() {
        let errors = (0..50).map(|_| refused("AccessDenied", 403)).collect();
        let Test { run, folder: _folder, .. } =
            start(Scripted { errors: Mutex::new(errors), ..Scripted::default() }, |_| {});
        record(&run, 100);
        run.push(ControlMessage::Close);
        wait_until_over(&run);
        let mut logged = run.take_messages();
        logged.retain(|message| message.level != Level::Debug);
        // One for each operation.
        assert_eq!(logged.len(), 2, "{logged:?}");
        let (receipt, end) = run.finish();
        assert_eq!((receipt.requests.spooled, receipt.log_events.spooled), (100, 100));
        assert_eq!((end.spool_folder.is_some(), end.rejected_folder, end.call_failures.len()), (true, None, 2));
        check_sums(&receipt);
    }

    #[test]
    fn a_blocked_lane_is_tried_once_more_at_the_end() {
        // One for each lane. The problem is resolved before the test ends.
        let errors = vec![refused("AccessDenied", 403), refused("AccessDenied", 403)];
        let Test { run, cloudwatch, folder: _folder, .. } =
            start(Scripted { errors: Mutex::new(errors), ..Scripted::default() }, |o| o.live = true);
        record(&run, 100);
        assert!(!flushed(&run));
        wait_until(&run, || cloudwatch.errors.lock().expect("sound").is_empty());
        record(&run, 10);
        run.push(ControlMessage::Close);
        wait_until_over(&run);
        let (receipt, _) = run.finish();
        assert_eq!((receipt.requests.delivered, receipt.log_events.spooled), (110, 0));
        check_sums(&receipt);
    }

    #[test]
    fn a_log_group_that_cannot_be_created_rejects_no_event() {
        let refused = making("InvalidParameterException", 400);
        let scripted = Scripted { creation_error: Some(refused), ..Scripted::default() };
        let Test { run, folder, .. } = start(scripted, |_| {});
        record(&run, 100);
        run.push(ControlMessage::Close);
        wait_until_over(&run);
        let (receipt, end) = run.finish();
        assert_eq!((receipt.requests.delivered, receipt.log_events.spooled), (100, 100));
        assert!(end.call_failures.iter().any(|error| error.to_string().contains("Check --cw-log-group")), "{end:?}");
        let files = std::fs::read_dir(folder.path().join(&receipt.run_id).join("w1")).expect("there").count();
        assert!(files < 10, "they are not split: {files}");
        check_sums(&receipt);
    }

    #[test]
    fn a_run_that_is_cut_off_leaves_everything_in_the_spool() {
        let Test { run, cloudwatch, folder, .. } = start(Scripted { hang: true, ..Scripted::default() }, |_| {});
        record(&run, 100);
        run.push(ControlMessage::Drain);
        wait_until(&run, || cloudwatch.begun.load(Relaxed) > 0);
        let (receipt, _) = run.finish();
        assert_eq!((receipt.requests.spooled, receipt.log_events.spooled), (100, 100));
        assert!(receipt.uncertain > 0, "{receipt:?}");
        check_sums(&receipt);
        assert!(folder.path().join(&receipt.run_id).join("w1/run.json").exists());
    }

    /// Records samples that the aggregation thread no longer handles, after ten that were delivered, and ends the run.
    fn check_that_later_samples_are_dropped(run: &Run) {
        record(run, 100);
        let flush = run.flush();
        let (receipt, _) = run.finish();
        assert_eq!((receipt.requests.delivered, receipt.requests.dropped), (10, 100));
        assert!(!receipt.is_complete());
        check_sums(&receipt);
        assert_eq!(run.is_flushed(&flush), Some(false));
    }

    #[test]
    fn samples_of_a_hanging_aggregation_thread_count_as_dropped() {
        let (block, reads) = (Arc::new(Mutex::new(())), Arc::new(AtomicU32::new(0)));
        let of_thread = (Arc::clone(&block), Arc::clone(&reads));
        let clock = move || {
            let (block, reads) = &of_thread;
            reads.fetch_add(1, Relaxed);
            let _block = block.lock().unwrap_or_else(PoisonError::into_inner);
            Timestamp::now()
        };
        let Test { run, folder: _folder, .. } = start_by(clock, Scripted::default(), |o| o.live = true);
        record(&run, 10);
        assert!(flushed(&run));
        let blocked = block.lock().expect("sound");
        let before = reads.load(Relaxed);
        wait_until(&run, || reads.load(Relaxed) > before);
        check_that_later_samples_are_dropped(&run);
        drop(blocked);
    }

    #[test]
    fn samples_after_a_panic_of_the_aggregation_thread_count_as_dropped() {
        let panics = Arc::new(AtomicBool::new(false));
        let clock = Arc::clone(&panics);
        let clock = move || if clock.load(Relaxed) { panic!("requested by the test") } else { Timestamp::now() };
        let Test { run, folder: _folder, .. } = start_by(clock, Scripted::default(), |o| o.live = true);
        record(&run, 10);
        assert!(flushed(&run));
        panics.store(true, Relaxed);
        let has_ended = |run: &Run| run.aggregation.lock().expect("sound").as_ref().is_none_or(JoinHandle::is_finished);
        wait_until(&run, || has_ended(&run));
        check_that_later_samples_are_dropped(&run);
    }

    #[test]
    fn data_of_an_earlier_process_of_the_same_name_is_not_mixed_with_new_data() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(|options| options.spool_dir = folder.path().to_str().map(Into::into));
        let open = || {
            let mut identity = (*identity()).clone();
            let (spool, manifest) = open_spool(&config, &mut identity, &Diagnostics::default());
            (spool.write_events(&[LogEvent { timestamp: 1, message: "x".into() }]).0, manifest, identity.worker)
        };
        let names: Vec<_> = (0..3).map(|_| open()).map(|(_, manifest, worker)| (manifest.worker, worker)).collect();
        assert_eq!(names, ["w1", "w1-2", "w1-3"].map(|name| (name.to_owned(), name.to_owned())));
        assert_eq!(crate::spool::pending::pending_spools(folder.path()).len(), 3);
    }

    #[test]
    fn a_dry_run_sends_nothing_and_estimates_its_cost() {
        let Test { run, cloudwatch, folder: _folder, .. } = start(Scripted::default(), |o| o.dry_run = true);
        record(&run, 100);
        run.push(ControlMessage::Close);
        wait_until_over(&run);
        let (receipt, _) = run.finish();
        assert_eq!((receipt.requests.spooled, receipt.api_calls.put_metric_data), (100, 1));
        assert!(receipt.estimated_cost_usd > 0.0 && receipt.bytes_sent > 0);
        assert!(cloudwatch.accepted.lock().expect("sound").is_empty());
        check_sums(&receipt);
    }
}

//! The statistics of a run while it is under way: its summary, the values of single seconds, and the state of its checks.
//!
//! The aggregation thread adds each second when it has closed it, and a master adds the increments of its workers. Everything
//! else reads: checks, the increments for the master, and the record of the run. The main thread of Locust waits for the lock,
//! so no thread holds it for long.

mod fleet;
mod live;
mod state;
mod update;
mod whole_run;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol_str::SmolStr;

use self::fleet::Fleet;
pub use self::live::LiveSeconds;
use self::state::{CPU_SECONDS, State};
pub use self::update::Update;
use self::whole_run::WholeRun;
use crate::check::{BreachTracker, Check, CheckResult, Scope, Undecided};
use crate::config::Config;
use crate::metrics::custom::CustomMetric;
use crate::sample::Gauge;
use crate::summary::{
    GeneratorLoad, Increment, IncrementError, IncrementSender, LoadBlock, Mark, MarkAdded, RunCustomData, Seconds,
    Summary, SummaryLimits,
};
use crate::timestamp::Timestamp;

/// Gauges of the load generator, which Python samples once a second.
const GENERATOR_CPU: &str = "GeneratorCpu_Percent";
const GENERATOR_MEMORY: &str = "GeneratorMemory_Bytes";
/// The gauge of the users of the whole test.
const USERS: &str = "UserCount";

/// Locust's workers report to their master every three seconds. A report may be late from a busy machine.
const REPORT_SECONDS: i64 = 5;
const SECONDS_PER_MINUTE: i64 = 60;

/// This process among those that add marks. No worker has an empty name.
const OWN_PROCESS: &str = "";

/// The values of target checks by their texts, or the reasons why there are none.
pub type TargetValues = BTreeMap<String, Result<f64, String>>;

/// The statistics of one run.
pub struct RunStatistics {
    checks: Vec<Check>,
    warmup: Duration,
    /// The first second that this process may still add to.
    open_second: AtomicI64,
    /// The check that has to stop the test, counted from 1; 0 for none.
    due: AtomicUsize,
    /// How often a second was changed for a live view.
    live_changes: AtomicU64,
    state: Mutex<State>,
}

/// Where the statistics of a process go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// They stay in this process, which judges the run.
    Own,
    /// They also go to the master of this worker.
    Master,
}

impl RunStatistics {
    /// The statistics of a run without requests. `measured_from` is the end of its warm-up.
    #[must_use]
    pub fn new(config: &Config, measured_from: Timestamp, audience: Audience) -> Self {
        let names = config.checks.iter().filter_map(|check| match &check.scope {
            Scope::Request(name) => Some(SmolStr::new(name)),
            _ => None,
        });
        let limits = SummaryLimits { max_requests: config.max_requests, pinned: names.collect() };
        let warmup_seconds = i64::try_from(config.warmup.as_secs()).unwrap_or_default();
        Self {
            checks: config.checks.clone(),
            warmup: config.warmup,
            open_second: AtomicI64::new(measured_from.seconds() - warmup_seconds),
            due: AtomicUsize::new(0),
            live_changes: AtomicU64::new(0),
            state: Mutex::new(State {
                started: measured_from.seconds() - warmup_seconds,
                measured_from,
                measured_until: None,
                seconds: Seconds::new(limits.pinned.iter().cloned()),
                increments: (audience == Audience::Master).then(|| IncrementSender::new(limits.clone())),
                summary: Summary::new(limits),
                fleet: Fleet::default(),
                custom_data: RunCustomData::default(),
                next_second: measured_from.seconds(),
                trackers: config.checks.iter().map(BreachTracker::new).collect(),
                stopped_by: None,
                cpu: VecDeque::with_capacity(CPU_SECONDS),
                lateness_seconds: 0,
                live: None,
                next_revision: 0,
            }),
        }
    }

    /// The end of the warm-up.
    #[must_use]
    pub fn measured_from(&self) -> Timestamp {
        self.lock().measured_from
    }

    /// Restarts the warm-up: the users start now, and not when the run was created.
    pub fn begin(&self, time: Timestamp) {
        let mut state = self.lock();
        state.started = time.seconds();
        state.measured_from = end_of_warm_up(time, self.warmup);
        state.next_second = state.measured_from.seconds();
    }

    /// Whether a check may stop the test.
    #[must_use]
    pub fn may_abort(&self) -> bool {
        self.checks.iter().any(|check| check.abort_after.is_some())
    }

    // The aggregation thread.

    /// Starts to collect closed seconds.
    pub fn update(&self) -> Update<'_> {
        Update::of(self)
    }

    /// Adds the users of the test, or a gauge of the load generator. Ignores other gauges, and those of the load generator in the
    /// warm-up and after the stop.
    pub fn add_gauge(&self, gauge: &Gauge) {
        if gauge.dimension.is_some() || !matches!(gauge.metric.as_str(), GENERATOR_CPU | GENERATOR_MEMORY | USERS) {
            return;
        }
        let second = gauge.time.seconds();
        let mut state = self.lock();
        if gauge.metric == USERS {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of users")]
            let users = gauge.value.round() as u64;
            state.summary.add_load(second, &LoadBlock { users: Some(users), generator: GeneratorLoad::default() });
            if let Some(live) = &mut state.live {
                live.set_users(second, users);
                self.live_changes.fetch_add(1, Relaxed);
            }
            return;
        }
        if gauge.time < state.measured_from || state.measured_until.is_some() {
            return;
        }
        let load = match gauge.metric.as_str() {
            GENERATOR_CPU => GeneratorLoad::new(state.average_cpu(gauge.value), None),
            _ => GeneratorLoad::new(None, Some(gauge.value)),
        };
        state.summary.add_generator(&load);
        state.summary.add_load(second, &LoadBlock { users: None, generator: load });
        state.seconds.add_generator(second, &load);
        state.increments.iter_mut().for_each(|increments| increments.add_generator(second, &load));
    }

    /// Adds a mark of a user of this process.
    pub fn add_mark(&self, mark: &Mark) {
        let mut state = self.lock();
        state.custom_data.add_mark(OWN_PROCESS, mark.clone());
        state.increments.iter_mut().for_each(|increments| increments.add_mark(mark.clone()));
    }

    /// Adds a mark of a worker that this process publishes for.
    pub fn add_mark_of(&self, worker: &str, mark: &Mark) -> MarkAdded {
        self.lock().custom_data.add_mark(worker, mark.clone())
    }

    /// Adds a custom metric of this process.
    pub fn add_metric(&self, metric: &CustomMetric) {
        let mut state = self.lock();
        state.custom_data.add_metric(metric.clone());
        state.increments.iter_mut().for_each(|increments| increments.add_metric(metric.clone()));
    }

    /// The marks of all processes so far, oldest first.
    #[must_use]
    pub fn marks(&self) -> Vec<Mark> {
        self.lock().custom_data.marks()
    }

    /// The custom metrics of all processes so far, by name.
    #[must_use]
    pub fn custom_metrics(&self) -> Vec<CustomMetric> {
        self.lock().custom_data.metrics()
    }

    /// Notes that some statistics are from reports of workers: they have rounded response times of successful and failed
    /// requests together.
    pub fn set_approximate(&self) {
        self.lock().summary.mark_approximate();
    }

    // A fleet.

    /// What a worker has to send to its master now.
    #[must_use]
    pub fn take_increments(&self, now: Instant) -> Vec<Vec<u8>> {
        self.lock().increments.as_mut().map(|increments| increments.take(now)).unwrap_or_default()
    }

    /// What a worker has to send with its last report: everything that its master has not acknowledged.
    #[must_use]
    pub fn take_last_increments(&self, now: Instant) -> Vec<Vec<u8>> {
        self.lock().increments.as_mut().map(|increments| increments.take_all(now)).unwrap_or_default()
    }

    /// The master has an increment.
    pub fn acknowledge(&self, sequence: u64) {
        self.lock().increments.iter_mut().for_each(|increments| increments.acknowledge(sequence));
    }

    /// Seconds are complete when these workers have reported them, and no others.
    pub fn expect_workers(&self, names: impl IntoIterator<Item = String>) {
        self.lock().fleet.expect(names);
    }

    /// Keeps seconds open for longer, because Locust's reports contain the workers' requests and cover several seconds each.
    pub fn expect_reports(&self) {
        self.lock().lateness_seconds = REPORT_SECONDS;
    }

    /// Adds the increment of a worker, unless it was added before. Returns the number to acknowledge. `clock_offset` is how many
    /// seconds the clock of the worker is behind that of this process.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn add_increment(&self, worker: &str, message: &[u8], clock_offset: i64) -> Result<u64, IncrementError> {
        let mut increment = Increment::decode(message)?;
        increment.shift(clock_offset);
        let open_second = self.open_second();
        let mut guard = self.lock();
        let state = &mut *guard;
        let (sequence, increment) = state.fleet.accept(worker, increment, open_second)?;
        if let Some(mut increment) = increment {
            for window in &mut increment.windows {
                window.part = state.part_of(window.second);
            }
            increment.add_to(&mut state.summary, &mut state.seconds);
            increment.custom_data.iter().for_each(|custom_data| state.custom_data.add(worker, custom_data));
            self.change(state, increment.windows.iter().map(|window| window.second));
            self.judge(state, open_second);
        }
        Ok(sequence)
    }

    /// The request names of the run, if it has had more than the maximum.
    #[must_use]
    pub fn request_names(&self) -> Option<Vec<SmolStr>> {
        let state = self.lock();
        state.summary.others().is_some().then(|| state.summary.names())
    }

    /// The first second that this process has not closed.
    #[must_use]
    pub fn open_second(&self) -> i64 {
        self.open_second.load(Relaxed)
    }

    /// Whether all requests that ended before a point in time are counted, here and by the expected workers.
    #[must_use]
    pub fn has_all_requests(&self, time: Timestamp) -> bool {
        self.lock().fleet.reported_until(self.open_second()) >= first_whole_second(time)
    }

    // Checks.

    /// The check that has to stop the test now. It is recorded as the reason, and the caller stops the test.
    pub fn take_abort(&self) -> Option<&Check> {
        let index = self.due.load(Relaxed).checked_sub(1)?;
        self.lock().stopped_by = Some(index);
        self.checks.get(index)
    }

    /// Takes the value of a target check in one minute, which starts at `minute`.
    pub fn observe_target(&self, text: &str, minute: i64, value: f64) {
        let Some(index) = self.checks.iter().position(|check| check.text == text) else { return };
        let signal = self.checks[index].signal(Some(value));
        let mut state = self.lock();
        // To its end, so that a minute of breach lasts a minute.
        for second in minute..=minute + SECONDS_PER_MINUTE {
            state.trackers[index].observe(second, signal);
        }
        self.publish_due(&state);
    }

    /// The results of all checks, where the measured time ends at `until`.
    #[must_use]
    pub fn check_results(&self, until: Timestamp, targets: &TargetValues) -> Vec<CheckResult> {
        if self.checks.is_empty() {
            return Vec::new();
        }
        let mut guard = self.lock();
        let state = &mut *guard;
        self.judge(state, self.open_second());
        let seconds = until.seconds_f64() - state.measured_from.seconds_f64();
        let run = WholeRun::of(&state.summary);
        let judged = self.checks.iter().zip(&state.trackers).enumerate().map(|(index, (check, tracker))| {
            let value = run.measured(check, seconds, targets);
            if state.stopped_by == Some(index) {
                check.judge_aborted(value, tracker.first_breach())
            } else {
                check.judge(value, tracker.first_breach())
            }
        });
        judged.collect()
    }

    /// All checks are undecided, for this reason.
    #[must_use]
    pub fn undecided_results(&self, reason: &str) -> Vec<CheckResult> {
        self.checks.iter().map(|check| check.judge(Err(Undecided::Other(reason.to_owned())), None)).collect()
    }

    /// Notes the end of the measured time. Later calls have no effect.
    pub fn end_measured_time(&self, time: Timestamp) {
        self.lock().measured_until.get_or_insert(time);
    }

    /// The end of the measured time, if it has ended.
    #[must_use]
    pub fn measured_until(&self) -> Option<Timestamp> {
        self.lock().measured_until
    }

    /// The results of all checks up to the end of the measured time. Checks of targets are undecided.
    #[must_use]
    pub fn final_results(&self) -> Vec<CheckResult> {
        self.check_results(self.measured_until().unwrap_or_else(Timestamp::now), &TargetValues::new())
    }

    /// The number of requests so far, including those that are not measured.
    #[must_use]
    pub fn observed(&self) -> u64 {
        self.lock().summary.observed()
    }

    /// The summary so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.lock().summary.clone()
    }

    /// Judges the seconds that are complete, or for which no worker is waited for any longer.
    fn judge(&self, state: &mut State, open_second: i64) {
        let last = state.measured_until.map_or(open_second, first_whole_second);
        // The end of the process closes all seconds.
        if last != i64::MAX && !self.checks.is_empty() {
            state.judge_until(&self.checks, state.judgeable_until(open_second).min(last));
            self.publish_due(state);
        }
        if open_second != i64::MAX {
            state.seconds.prune(open_second);
        }
    }

    fn publish_due(&self, state: &State) {
        if state.measured_until.is_none()
            && let Some(index) = state.trackers.iter().position(BreachTracker::is_abort_due)
        {
            self.due.store(index + 1, Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Judges a run that has ended.
#[must_use]
pub fn judge(checks: &[Check], summary: &Summary, seconds: f64, targets: &TargetValues) -> Vec<CheckResult> {
    let run = WholeRun::of(summary);
    checks.iter().map(|check| check.judge(run.measured(check, seconds, targets), None)).collect()
}

/// The end of the warm-up of a run that starts at this time. Windows are whole seconds, so the measured time begins with one.
#[must_use]
pub fn end_of_warm_up(start: Timestamp, warm_up: Duration) -> Timestamp {
    if warm_up.is_zero() { start } else { Timestamp::from_seconds(first_whole_second(start.plus(warm_up))) }
}

/// The first second that starts at or after a point in time.
fn first_whole_second(time: Timestamp) -> i64 {
    time.seconds() + i64::from(time.micros() > Timestamp::from_seconds(time.seconds()).micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::CheckVerdict;
    use crate::config::validate::tests::config;
    use crate::metrics::aggregator::Stats;
    use crate::metrics::histogram::Histogram;
    use crate::sample::RequestKey;

    pub(super) const START: i64 = 1_000;

    pub(super) fn statistics(checks: &[&str], audience: Audience) -> RunStatistics {
        let config = config(|o| o.check = checks.iter().map(|&text| text.to_owned()).collect());
        RunStatistics::new(&config, Timestamp::from_seconds(START), audience)
    }

    fn stats(times_ms: &[f64], failures: u64) -> Stats {
        let mut response_time = Histogram::default();
        times_ms.iter().for_each(|&ms| response_time.add(ms));
        let requests = times_ms.len() as u64 + failures;
        Stats { requests, failures, response_time, ..Stats::default() }
    }

    /// Adds a second of requests named `GET /` and closes it.
    pub(super) fn add_second(statistics: &RunStatistics, second: i64, times_ms: &[f64], failures: u64) {
        let mut update = statistics.update();
        update.add(second, &RequestKey::new("GET", "/"), &stats(times_ms, failures));
        update.close_until(second + 1);
    }

    /// The second at the start of which a check stops the test, given the response time in each second.
    fn stopped_at(check: &str, times_ms: &[f64]) -> Option<i64> {
        let statistics = statistics(&[check], Audience::Own);
        times_ms.iter().zip(START..).find_map(|(&ms, second)| {
            add_second(&statistics, second, &[ms; 5], 0);
            statistics.take_abort().map(|_| second + 1 - START)
        })
    }

    #[test]
    fn a_test_is_stopped_as_soon_as_a_breach_has_lasted_long_enough() {
        let check = "p95 < 100ms abort after 3s";
        assert_eq!(stopped_at(check, &[50.0, 150.0, 150.0, 150.0, 150.0]), Some(5));
        assert_eq!(stopped_at(check, &[150.0, 150.0, 150.0, 50.0, 150.0, 150.0, 50.0]), None);
        assert_eq!(stopped_at("requests < 12 abort after 1s", &[1.0; 5]), Some(4));
    }

    #[test]
    fn the_measured_time_after_a_warm_up_begins_with_a_full_second() {
        for (start_ms, warm_up_ms, end_ms) in
            [(1_500, 0, 1_500), (1_500, 1, 2_000), (1_500, 500, 2_000), (1_500, 501, 3_000), (2_000, 4_000, 6_000)]
        {
            let end = end_of_warm_up(Timestamp::from_millis(start_ms), Duration::from_millis(warm_up_ms));
            assert_eq!(end, Timestamp::from_millis(end_ms), "{start_ms} {warm_up_ms}");
        }
    }

    #[test]
    fn the_first_and_the_last_second_may_be_measured_only_in_part() {
        let checks = ["failures == 0", "max < 10ms", "mean < 10ms", "rps >= 4"];
        let config = config(|o| o.check = checks.iter().map(|&text| text.to_owned()).collect());
        let start = Timestamp::from_millis(START * 1000 + 700);
        let statistics = RunStatistics::new(&config, start, Audience::Own);
        add_second(&statistics, START, &[20.0], 0);
        add_second(&statistics, START + 1, &[1.0; 5], 0);
        add_second(&statistics, START + 2, &[1.0; 3], 0);
        let stop = Timestamp::from_millis(START * 1000 + 3300);
        statistics.end_measured_time(stop);
        add_second(&statistics, START + 3, &[1.0], 1);
        let results = statistics.check_results(stop, &TargetValues::new());
        let breaches: Vec<_> = results.iter().map(|result| result.first_breach.map(Timestamp::seconds)).collect();
        // The mean of the whole run meets its limit.
        assert_eq!(breaches, [Some(START + 3), Some(START), None, Some(START + 2)]);
    }

    #[test]
    fn a_check_that_stops_the_test_fails_even_if_the_whole_run_meets_it() {
        let statistics = statistics(&["mean < 100ms abort after 1s"], Audience::Own);
        add_second(&statistics, START, &[1.0; 1_000], 0);
        add_second(&statistics, START + 1, &[150.0], 0);
        add_second(&statistics, START + 2, &[150.0], 0);
        assert!(statistics.take_abort().is_some());
        let results = statistics.check_results(Timestamp::from_seconds(START + 3), &TargetValues::new());
        assert_eq!(results[0].verdict, CheckVerdict::Failed);
        assert_eq!(results[0].first_breach, Some(Timestamp::from_seconds(START + 1)));
    }

    #[test]
    fn each_scope_has_its_own_value() {
        let checks = [
            "requests == 4",
            "GET /: failures == 1",
            "/: mean < 2ms",
            "/other: requests > 0",
            "rps == 1.5",
            "rds:db: CPUUtilization Average < 80",
        ];
        let statistics = statistics(&checks, Audience::Own);
        add_second(&statistics, START, &[1.0, 1.0, 1.0], 1);
        let targets = TargetValues::from([("rds:db: CPUUtilization Average < 80".to_owned(), Ok(90.0))]);
        let results = statistics.check_results(Timestamp::from_seconds(START + 2), &targets);
        let got: Vec<_> = results.iter().map(|result| (result.verdict, result.measured)).collect();
        let (passed, failed, undecided) = (CheckVerdict::Passed, CheckVerdict::Failed, CheckVerdict::Undecided);
        let expected = [
            (passed, Some(4.0)),
            (passed, Some(1.0)),
            (passed, Some(1.0)),
            (undecided, None),
            (passed, Some(1.5)),
            (failed, Some(90.0)),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn requests_of_the_warm_up_and_after_the_stop_do_not_count() {
        let checks = ["requests == 3", "max < 10ms abort after 1s", "rps >= 1 abort after 1s"];
        let statistics = statistics(&checks, Audience::Own);
        for second in START - 3..START {
            add_second(&statistics, second, &[50.0, 50.0], 0);
        }
        for second in START..START + 3 {
            add_second(&statistics, second, &[1.0], 0);
        }
        statistics.end_measured_time(Timestamp::from_millis(START * 1000 + 2_900));
        for second in START + 3..START + 9 {
            add_second(&statistics, second, if second > START + 5 { &[] } else { &[50.0] }, 0);
        }
        assert!(statistics.take_abort().is_none());
        let results = statistics.check_results(Timestamp::from_seconds(START + 3), &TargetValues::new());
        let passed = |result: &CheckResult| result.verdict == CheckVerdict::Passed && result.first_breach.is_none();
        assert!(results.iter().all(passed), "{results:?}");
        assert_eq!(statistics.observed(), 6 + 3 + 3);
    }

    #[test]
    fn the_warm_up_starts_when_the_users_start() {
        let statistics = statistics(&["rps == 1"], Audience::Own);
        statistics.begin(Timestamp::from_seconds(START + 5));
        add_second(&statistics, START + 4, &[1.0], 0);
        add_second(&statistics, START + 5, &[1.0], 0);
        let results = statistics.check_results(Timestamp::from_seconds(START + 6), &TargetValues::new());
        assert_eq!(results[0].measured, Some(1.0));
        assert_eq!(statistics.measured_from(), Timestamp::from_seconds(START + 5));
    }

    /// A master with workers, whose messages all arrive.
    pub(super) fn deliver(master: &RunStatistics, name: &str, worker: &RunStatistics) {
        deliver_from(master, name, worker, 0);
    }

    /// The same, from a worker whose clock is behind by this many seconds.
    fn deliver_from(master: &RunStatistics, name: &str, worker: &RunStatistics, clock_offset: i64) {
        for increment in worker.take_increments(Instant::now()) {
            let add = || master.add_increment(name, &increment, clock_offset);
            let sequence = add().expect("an increment");
            assert_eq!(add(), Ok(sequence), "a repeated message is acknowledged again");
            worker.acknowledge(sequence);
        }
    }

    #[test]
    fn a_worker_with_a_wrong_clock_counts_in_the_seconds_of_its_master() {
        let checks = ["requests == 10", "rps == 2", "max < 100ms abort after 3s"];
        for clock_offset in [0, 300, -300] {
            let master = statistics(&checks, Audience::Own);
            let workers = [statistics(&checks, Audience::Master), statistics(&checks, Audience::Master)];
            master.expect_workers(["w1".to_owned(), "w2".to_owned()]);
            let breached = (START..START + 5).find_map(|second| {
                // Each process has slow requests for three seconds, which are the same seconds.
                let ms = if second < START + 2 { 50.0 } else { 150.0 };
                for (name, worker, clock_offset) in [("w1", &workers[0], 0), ("w2", &workers[1], clock_offset)] {
                    add_second(worker, second - clock_offset, &[ms], 0);
                    deliver_from(&master, name, worker, clock_offset);
                }
                master.update().close_until(second + 1);
                master.take_abort().map(|_| second)
            });
            assert_eq!(breached, None);
            let stop = Timestamp::from_seconds(START + 5);
            assert!(master.has_all_requests(stop), "{clock_offset}");
            master.end_measured_time(stop);
            let results = master.check_results(stop, &TargetValues::new());
            assert_eq!(results[0].measured, Some(10.0), "{clock_offset}");
            assert_eq!(results[1].measured, Some(2.0));
            assert_eq!(results[2].first_breach, Some(Timestamp::from_seconds(START + 2)));
            add_second(&workers[1], START + 5 - clock_offset, &[150.0], 0);
            deliver_from(&master, "w2", &workers[1], clock_offset);
            assert_eq!(master.observed(), 11);
        }
    }

    #[test]
    fn a_master_judges_the_requests_of_all_workers_once() {
        let checks = ["requests == 6", "rps == 3", "GET /: max < 2ms"];
        let master = statistics(&checks, Audience::Own);
        let workers = [statistics(&checks, Audience::Master), statistics(&checks, Audience::Master)];
        master.expect_workers(["w1".to_owned(), "w2".to_owned()]);
        for second in START..START + 2 {
            add_second(&workers[0], second, &[1.0, 1.0], 0);
            add_second(&workers[1], second, &[1.0], 0);
            master.update().close_until(second + 1);
            deliver(&master, "w1", &workers[0]);
        }
        deliver(&master, "w2", &workers[1]);
        assert!(master.has_all_requests(Timestamp::from_seconds(START + 2)));
        let results = master.check_results(Timestamp::from_seconds(START + 2), &TargetValues::new());
        assert_eq!(results.iter().map(|result| result.measured).collect::<Vec<_>>(), [Some(6.0), Some(3.0), Some(1.0)]);
    }

    #[test]
    fn a_master_has_the_users_and_the_load_and_single_requests_of_its_workers() {
        let (master, worker) = (statistics(&[], Audience::Own), statistics(&[], Audience::Master));
        let gauge = |second, metric: &str, value| Gauge {
            time: Timestamp::from_seconds(second),
            metric: metric.to_owned(),
            value,
            unit: crate::sample::Unit::Count,
            dimension: None,
        };
        // The warm-up has users.
        master.add_gauge(&gauge(START - 1, USERS, 3.0));
        (START..START + 10).for_each(|second| worker.add_gauge(&gauge(second, GENERATOR_CPU, 40.0)));
        let mut selector = crate::ingest::highlights::HighlightSelector::default();
        selector.add(&crate::metrics::aggregator::tests::sample("/slow", START, 900.0));
        let mut update = worker.update();
        update.add_highlights(selector.take());
        update.close_until(START + 1);
        deliver(&master, "w1", &worker);

        let summary = master.summary();
        let load: Vec<_> = summary.load().iter().map(|(second, load)| (second, load.users)).collect();
        assert_eq!((load[0], load.last()), ((START - 1, Some(3)), Some(&(START + 9, None))));
        assert_eq!(summary.load().iter().last().and_then(|(_, load)| load.generator.cpu_percent()), Some(40.0));
        let slowest: Vec<_> = summary.highlights().slowest().map(|request| request.request.name()).collect();
        assert_eq!(slowest, ["/slow"]);
        assert_eq!(worker.summary().highlights(), summary.highlights());
    }

    /// The second at the start of which a master stops the test. It expects two workers, the first of which always reports.
    fn fleet_stopped_at(check: &str, seconds: i64, second_reports: fn(i64) -> bool) -> Option<i64> {
        let master = statistics(&[check], Audience::Own);
        let workers = [statistics(&[check], Audience::Master), statistics(&[check], Audience::Master)];
        master.expect_workers(["w1".to_owned(), "w2".to_owned()]);
        (START..START + seconds).find_map(|second| {
            for (name, worker) in ["w1", "w2"].iter().zip(&workers) {
                if *name == "w1" || second_reports(second - START) {
                    add_second(worker, second, &[200.0; 5], 0);
                    deliver(&master, name, worker);
                }
            }
            master.update().close_until(second + 1);
            master.take_abort().map(|_| second + 1 - START)
        })
    }

    #[test]
    fn a_worker_that_does_not_report_hides_no_seconds_of_the_others() {
        for second_reports in [|_| false, |second| second < 4] {
            assert_eq!(fleet_stopped_at("rps >= 1 abort after 3s", 200, second_reports), None);
        }
    }

    #[test]
    fn a_worker_that_does_not_report_delays_a_stop_by_a_bounded_time() {
        let check = "max < 100ms abort after 3s";
        assert_eq!(fleet_stopped_at(check, 30, |_| true), Some(4));
        assert_eq!(fleet_stopped_at(check, 30, |_| false), Some(4 + 8));
    }

    #[test]
    fn workers_that_are_no_longer_expected_are_not_waited_for() {
        let master = statistics(&[], Audience::Own);
        master.expect_workers(["w1".to_owned()]);
        master.update().close_until(START + 9);
        assert!(!master.has_all_requests(Timestamp::from_seconds(START)));
        master.expect_workers([]);
        assert!(master.has_all_requests(Timestamp::from_seconds(START + 9)));
        assert!(!master.has_all_requests(Timestamp::from_millis(START * 1000 + 9_001)));
    }

    #[test]
    fn seconds_that_locust_reports_are_judged_later() {
        let master = statistics(&["rps >= 1 abort after 1s"], Audience::Own);
        master.expect_reports();
        master.update().close_until(START + REPORT_SECONDS);
        assert!(master.take_abort().is_none());
        master.update().close_until(START + REPORT_SECONDS + 2);
        assert!(master.take_abort().is_some());
    }

    #[test]
    fn the_cpu_usage_is_judged_by_its_average_over_ten_seconds() {
        let statistics = statistics(&["generator: cpu < 90%", "generator: memory < 50MB"], Audience::Own);
        for (second, percent) in (START..).zip([100.0, 100.0, 100.0, 100.0, 100.0, 50.0, 50.0, 50.0, 50.0, 50.0]) {
            let gauge = |metric: &str, value| Gauge {
                time: Timestamp::from_seconds(second),
                metric: metric.to_owned(),
                value,
                unit: crate::sample::Unit::Percent,
                dimension: None,
            };
            statistics.add_gauge(&gauge(GENERATOR_CPU, percent));
            statistics.add_gauge(&gauge(GENERATOR_MEMORY, 60e6));
        }
        let results = statistics.check_results(Timestamp::from_seconds(START + 10), &TargetValues::new());
        assert_eq!(results.iter().map(|result| result.measured).collect::<Vec<_>>(), [Some(75.0), Some(60.0)]);
    }
}

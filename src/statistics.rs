//! The statistics of a run while it is under way: its summary, the values of single seconds, and the state of its checks.
//!
//! The aggregation thread adds each second when it has closed it, and a master adds the increments of its workers. Everything
//! else reads: checks, the increments for the master, and the record of the run.

use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use smol_str::SmolStr;

use crate::check::{BreachTracker, Check, CheckResult, GeneratorValues, Measure, Scope, Signal, Undecided, Values};
use crate::config::Config;
use crate::ingest::sample::Gauge;
use crate::metrics::aggregator::Stats;
use crate::summary::{
    GeneratorLoad, IncrementError, IncrementReceiver, IncrementSender, Limits, NotFound, Phase, RequestKey, Seconds,
    Summary, Totals, Window,
};
use crate::timestamp::Timestamp;

/// Gauges of the load generator, which Python samples once a second.
const GENERATOR_CPU: &str = "GeneratorCpu_Percent";
const GENERATOR_MEMORY: &str = "GeneratorMemory_Bytes";
/// The CPU usage of a process is judged by its average over this many seconds: a peak of one second is no bottleneck.
const CPU_SECONDS: usize = 10;

/// How long a master waits for the increment of a worker before it judges a second without it.
const WORKER_GRACE_SECONDS: i64 = 8;
/// The same, if a check may stop the test: then workers report every second.
const ABORT_GRACE_SECONDS: i64 = 2;
/// Locust's workers report to their master every three seconds. A report may be late from a busy machine.
const REPORT_SECONDS: i64 = 5;
/// Maximum number of seconds to judge at once, as after a clock was set.
const MAX_SECONDS_AT_ONCE: i64 = 3_600;
const SECONDS_PER_MINUTE: i64 = 60;

/// The values of target checks by their texts, or the reasons why there are none.
pub type TargetValues = BTreeMap<String, Result<f64, String>>;

/// The statistics of one run.
pub struct RunStatistics {
    checks: Vec<Check>,
    measured_from: Timestamp,
    state: Mutex<State>,
}

struct State {
    summary: Summary,
    /// Seconds that are not judged yet.
    seconds: Seconds,
    /// In a worker, the part that its master lacks.
    increments: Option<IncrementSender>,
    workers: BTreeMap<String, IncrementReceiver>,
    /// The first second that this process may still add to.
    open_second: i64,
    /// The first second that is not judged.
    next_second: i64,
    /// One for each check.
    trackers: Vec<BreachTracker>,
    cpu: VecDeque<f64>,
    stopped: Option<Timestamp>,
    /// How long after a second this process may still add to it, in addition to its open windows.
    lateness_seconds: i64,
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
        let limits = Limits { max_requests: config.max_requests, pinned: names.collect() };
        Self {
            checks: config.checks.clone(),
            measured_from,
            state: Mutex::new(State {
                seconds: Seconds::new(limits.pinned.iter().cloned()),
                increments: (audience == Audience::Master).then(|| IncrementSender::new(limits.clone())),
                summary: Summary::new(limits),
                workers: BTreeMap::new(),
                open_second: 0,
                next_second: first_whole_second(measured_from),
                trackers: config.checks.iter().map(BreachTracker::new).collect(),
                cpu: VecDeque::with_capacity(CPU_SECONDS),
                stopped: None,
                lateness_seconds: 0,
            }),
        }
    }

    /// The end of the warm-up.
    #[must_use]
    pub const fn measured_from(&self) -> Timestamp {
        self.measured_from
    }

    /// Whether a check may stop the test.
    #[must_use]
    pub fn may_abort(&self) -> bool {
        self.checks.iter().any(|check| check.abort_after.is_some())
    }

    // The aggregation thread.

    /// Starts to add closed seconds.
    pub fn update(&self) -> Update<'_> {
        Update { measured_from: self.measured_from.seconds(), checks: &self.checks, state: self.lock() }
    }

    /// Adds a gauge of the load generator. Ignores other gauges.
    pub fn add_gauge(&self, gauge: &Gauge) {
        if gauge.dimension.is_some() {
            return;
        }
        let second = gauge.time.seconds();
        let mut state = self.lock();
        let load = match gauge.metric.as_str() {
            GENERATOR_CPU => GeneratorLoad::new(state.average_cpu(gauge.value), None),
            GENERATOR_MEMORY => GeneratorLoad::new(None, Some(gauge.value)),
            _ => return,
        };
        if second >= self.measured_from.seconds() {
            state.summary.add_generator(&load);
            state.seconds.add_generator(second, &load);
            state.increments.iter_mut().for_each(|increments| increments.add_generator(second, &load));
        }
    }

    /// Notes that some statistics are from reports of workers: they have rounded response times of successful and failed
    /// requests together.
    pub fn set_approximate(&self) {
        self.lock().summary.mark_approximate();
    }

    // A fleet.

    /// What a worker has to send to its master now.
    #[must_use]
    pub fn increments(&self, now: Instant) -> Vec<Vec<u8>> {
        self.lock().increments.as_mut().map(|increments| increments.take(now)).unwrap_or_default()
    }

    /// The master has an increment.
    pub fn acknowledge(&self, sequence: u64) {
        self.lock().increments.iter_mut().for_each(|increments| increments.acknowledge(sequence));
    }

    /// Seconds are complete only when these workers have reported them.
    pub fn expect_workers(&self, names: impl IntoIterator<Item = String>) {
        let mut state = self.lock();
        for name in names {
            state.workers.entry(name).or_default();
        }
    }

    /// Locust's reports, and not the workers themselves, say what the workers did: every few seconds, for several seconds.
    pub fn expect_reports(&self) {
        self.lock().lateness_seconds = REPORT_SECONDS;
    }

    /// Adds the increment of a worker, unless it was added before. Returns the number to acknowledge.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn add_increment(&self, worker: &str, message: &[u8]) -> Result<u64, IncrementError> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let accepted = state.workers.entry(worker.to_owned()).or_default().accept(message)?;
        if let Some(increment) = accepted.increment {
            increment.add_to(&mut state.summary, &mut state.seconds);
        }
        Ok(accepted.sequence)
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
        self.lock().open_second
    }

    /// Whether all requests that ended before a point in time are counted, here and by the workers.
    #[must_use]
    pub fn is_complete(&self, time: Timestamp) -> bool {
        self.lock().reported_until() >= first_whole_second(time)
    }

    // Checks.

    /// Judges the seconds that are complete. Returns a check that has to stop the test now.
    pub fn breached_check(&self, now: Timestamp) -> Option<&Check> {
        let grace = if self.may_abort() { ABORT_GRACE_SECONDS } else { WORKER_GRACE_SECONDS };
        let mut state = self.lock();
        let overdue = now.seconds() - grace;
        let until = state.complete_until().max(overdue.min(state.open_second - state.lateness_seconds));
        state.judge_until(&self.checks, until);
        let due = state.trackers.iter().position(BreachTracker::is_abort_due)?;
        Some(&self.checks[due])
    }

    /// Takes the value of a target check in one minute, which starts at `minute`.
    pub fn observe_target(&self, text: &str, minute: i64, value: f64) {
        let Some(index) = self.checks.iter().position(|check| check.text == text) else { return };
        let signal = self.checks[index].signal(Some(value));
        let tracker = &mut self.lock().trackers[index];
        // To its end, so that a minute of breach lasts a minute.
        for second in minute..=minute + SECONDS_PER_MINUTE {
            tracker.observe(second, signal);
        }
    }

    /// The results of all checks for the requests up to a point in time.
    ///
    /// The measured time ends at `until`.
    #[must_use]
    pub fn check_results(&self, until: Timestamp, targets: &TargetValues) -> Vec<CheckResult> {
        if self.checks.is_empty() {
            return Vec::new();
        }
        let mut state = self.lock();
        let complete = state.complete_until().min(until.seconds());
        state.judge_until(&self.checks, complete);
        let seconds = until.seconds_f64() - self.measured_from.seconds_f64();
        let run = WholeRun::of(&state.summary);
        let judged = self.checks.iter().zip(&state.trackers).map(|(check, tracker)| {
            let value = run.measured(check, seconds, targets);
            if tracker.is_abort_due() {
                check.judge_aborted(value, tracker.breached_since().or(tracker.first_breach()))
            } else {
                check.judge(value, tracker.first_breach())
            }
        });
        judged.collect()
    }

    /// Notes the end of the measured time. Later calls have no effect.
    pub fn stop(&self, time: Timestamp) {
        self.lock().stopped.get_or_insert(time);
    }

    /// The results of all checks up to the end of the measured time. Checks of targets are undecided.
    #[must_use]
    pub fn final_results(&self) -> Vec<CheckResult> {
        let stopped = self.lock().stopped;
        self.check_results(stopped.unwrap_or_else(Timestamp::now), &TargetValues::new())
    }

    /// The number of requests so far, including those of the warm-up.
    #[must_use]
    pub fn observed(&self) -> u64 {
        self.lock().summary.observed()
    }

    /// The summary so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.lock().summary.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The aggregation thread adds closed seconds.
pub struct Update<'a> {
    measured_from: i64,
    checks: &'a [Check],
    state: MutexGuard<'a, State>,
}

impl Update<'_> {
    /// Adds the statistics of a request in a second.
    pub fn add(&mut self, second: i64, request: &RequestKey, window: &Stats) {
        let phase = if second < self.measured_from { Phase::WarmUp } else { Phase::Measured };
        let window = Window { key: request.clone(), second, phase, totals: window.into() };
        let state = &mut *self.state;
        state.summary.add_window(&window);
        state.seconds.add_window(&window);
        state.increments.iter_mut().for_each(|increments| increments.add_window(window.clone()));
    }

    /// Notes that no earlier second gets more requests, except for late ones, and judges the seconds that are complete.
    pub fn close_until(&mut self, second: i64) {
        self.state.open_second = self.state.open_second.max(second);
        self.state.increments.iter_mut().for_each(|increments| increments.close_until(second));
        let end = self.state.stopped.map_or(i64::MAX, Timestamp::seconds).min(self.state.complete_until());
        // The end of the process closes all seconds.
        if second != i64::MAX {
            self.state.judge_until(self.checks, end);
        }
    }
}

impl State {
    /// The first second that is not complete, because this process or a worker may still add to it.
    fn complete_until(&self) -> i64 {
        self.reported_until().min(self.open_second.saturating_sub(self.lateness_seconds))
    }

    /// The first second that this process, or a worker that reports it, has not closed.
    fn reported_until(&self) -> i64 {
        let workers = self.workers.values().map(|worker| worker.closed_until().unwrap_or_default());
        workers.fold(self.open_second, i64::min)
    }

    /// The average CPU usage of the last seconds, once there are enough.
    fn average_cpu(&mut self, percent: f64) -> Option<f64> {
        if self.cpu.len() == CPU_SECONDS {
            self.cpu.pop_front();
        }
        self.cpu.push_back(percent);
        #[expect(clippy::cast_precision_loss, reason = "a handful of values")]
        let average = self.cpu.iter().sum::<f64>() / self.cpu.len() as f64;
        (self.cpu.len() == CPU_SECONDS).then_some(average)
    }

    fn judge_until(&mut self, checks: &[Check], end: i64) {
        self.next_second = self.next_second.max(end.saturating_sub(MAX_SECONDS_AT_ONCE));
        let run = WholeRun::of(&self.summary);
        while self.next_second < end {
            let second = self.next_second;
            for (check, tracker) in checks.iter().zip(&mut self.trackers) {
                if let Some(signal) = run.signal(check, second, &self.seconds) {
                    tracker.observe(second, signal);
                }
            }
            self.next_second += 1;
        }
        self.seconds.prune(end);
    }
}

/// The requests of the whole run, for checks.
struct WholeRun<'a> {
    summary: &'a Summary,
    /// All requests. They are added up for the first check that needs them.
    all: OnceCell<Totals>,
}

impl<'a> WholeRun<'a> {
    const fn of(summary: &'a Summary) -> Self {
        Self { summary, all: OnceCell::new() }
    }

    fn all(&self) -> &Totals {
        self.all.get_or_init(|| self.summary.all_measured())
    }

    /// What a second says about a check; `None` for checks of targets.
    fn signal(&self, check: &Check, second: i64, seconds: &Seconds) -> Option<Signal> {
        match &check.scope {
            Scope::Target(_) => None,
            Scope::Generator => {
                let load = seconds.generator(second).map(GeneratorValues::from).unwrap_or_default();
                Some(check.signal(check.measured_of_generator(load).ok()))
            }
            Scope::All => Some(check.signal_of_requests(as_values(seconds.all().get(&second)), Some(self.all()))),
            Scope::Request(name) => {
                let total = self.summary.find(name).ok().map(|found| &found.measured);
                let value = seconds.watched(name).and_then(|values| values.get(&second));
                Some(check.signal_of_requests(as_values(value), as_values(total)))
            }
        }
    }

    /// The value of a check, which was measured for some seconds.
    fn measured(&self, check: &Check, seconds: f64, targets: &TargetValues) -> Result<f64, Undecided> {
        match &check.scope {
            Scope::All => check.measured(Some(self.all()), seconds),
            Scope::Request(name) => {
                let found = match self.summary.find(name) {
                    Ok(found) => Some(&found.measured),
                    Err(NotFound::Missing) => None,
                    Err(NotFound::SeveralMethods(methods)) => return Err(Undecided::Other(several(name, &methods))),
                };
                check.measured(as_values(found), seconds)
            }
            Scope::Generator => {
                let measured = check.measured_of_generator(self.summary.generator().into());
                let too_short = format!("the CPU usage is averaged over {CPU_SECONDS} s, and less was measured");
                measured.map_err(|error| {
                    if check.measure == Measure::GeneratorCpu { Undecided::Other(too_short) } else { error }
                })
            }
            Scope::Target(_) => match targets.get(&check.text) {
                Some(value) => value.clone().map_err(Undecided::Other),
                None => Err(Undecided::NoData),
            },
        }
    }
}

fn several(name: &str, methods: &[SmolStr]) -> String {
    let first = methods.first().map_or("", SmolStr::as_str);
    format!("requests of several methods have this name ({}): write {first} {name}", methods.join(", "))
}

fn as_values<T: Values>(values: Option<&T>) -> Option<&dyn Values> {
    values.map(|values| values as &dyn Values)
}

/// Judges a run that has ended.
#[must_use]
pub fn judge(checks: &[Check], summary: &Summary, seconds: f64, targets: &TargetValues) -> Vec<CheckResult> {
    let run = WholeRun::of(summary);
    checks.iter().map(|check| check.judge(run.measured(check, seconds, targets), None)).collect()
}

/// The first second that starts at or after a point in time.
fn first_whole_second(time: Timestamp) -> i64 {
    time.seconds() + i64::from(time.micros() > Timestamp::from_seconds(time.seconds()).micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::config::validate::tests::config;
    use crate::metrics::histogram::Histogram;

    const START: i64 = 1_000;

    fn statistics(checks: &[&str], audience: Audience) -> RunStatistics {
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
    fn add_second(statistics: &RunStatistics, second: i64, times_ms: &[f64], failures: u64) {
        let mut update = statistics.update();
        update.add(second, &RequestKey::new("GET", "/"), &stats(times_ms, failures));
        update.close_until(second + 1);
    }

    /// The second at the start of which a check stops the test, given the response time in each second.
    fn stopped_at(check: &str, times_ms: &[f64]) -> Option<i64> {
        let statistics = statistics(&[check], Audience::Own);
        times_ms.iter().zip(START..).find_map(|(&ms, second)| {
            add_second(&statistics, second, &[ms; 5], 0);
            statistics.breached_check(Timestamp::from_seconds(second + 1)).map(|_| second + 1 - START)
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
    fn a_check_that_stops_the_test_fails_even_if_the_whole_run_meets_it() {
        let statistics = statistics(&["mean < 100ms abort after 1s"], Audience::Own);
        add_second(&statistics, START, &[1.0; 1_000], 0);
        add_second(&statistics, START + 1, &[150.0], 0);
        add_second(&statistics, START + 2, &[150.0], 0);
        assert!(statistics.breached_check(Timestamp::from_seconds(START + 3)).is_some());
        let results = statistics.check_results(Timestamp::from_seconds(START + 3), &TargetValues::new());
        assert_eq!(results[0].verdict, Verdict::Failed);
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
        let (passed, failed, undecided) = (Verdict::Passed, Verdict::Failed, Verdict::Undecided);
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
    fn requests_of_the_warm_up_do_not_count() {
        let statistics = statistics(&["requests == 1", "max < 10ms abort after 1s"], Audience::Own);
        add_second(&statistics, START - 1, &[50.0, 50.0], 0);
        add_second(&statistics, START, &[1.0], 0);
        assert!(statistics.breached_check(Timestamp::from_seconds(START + 1)).is_none());
        let results = statistics.check_results(Timestamp::from_seconds(START + 1), &TargetValues::new());
        assert!(results.iter().all(|result| result.verdict == Verdict::Passed), "{results:?}");
    }

    /// A master with workers, whose messages all arrive.
    fn deliver(master: &RunStatistics, name: &str, worker: &RunStatistics) {
        for increment in worker.increments(Instant::now()) {
            let sequence = master.add_increment(name, &increment).expect("an increment");
            assert_eq!(
                master.add_increment(name, &increment),
                Ok(sequence),
                "a repeated message is acknowledged again"
            );
            worker.acknowledge(sequence);
        }
    }

    #[test]
    fn a_master_judges_the_requests_of_all_workers_once() {
        let checks = ["requests == 6", "rps == 3", "GET /: max < 2ms"];
        let master = statistics(&checks, Audience::Own);
        let workers = [statistics(&checks, Audience::Master), statistics(&checks, Audience::Master)];
        for second in START..START + 2 {
            add_second(&workers[0], second, &[1.0, 1.0], 0);
            add_second(&workers[1], second, &[1.0], 0);
            master.update().close_until(second + 1);
            deliver(&master, "w1", &workers[0]);
        }
        deliver(&master, "w2", &workers[1]);
        assert!(master.is_complete(Timestamp::from_seconds(START + 2)));
        let results = master.check_results(Timestamp::from_seconds(START + 2), &TargetValues::new());
        assert_eq!(results.iter().map(|result| result.measured).collect::<Vec<_>>(), [Some(6.0), Some(3.0), Some(1.0)]);
    }

    #[test]
    fn a_second_is_not_judged_before_the_expected_workers_have_reported_it() {
        let master = statistics(&["rps >= 1 abort after 1s"], Audience::Own);
        let worker = statistics(&[], Audience::Master);
        master.expect_workers(["w1".to_owned()]);
        master.update().close_until(START + 1);
        assert!(master.breached_check(Timestamp::from_seconds(START + 1)).is_none());
        add_second(&worker, START, &[1.0], 0);
        deliver(&master, "w1", &worker);
        assert!(master.breached_check(Timestamp::from_seconds(START + 1)).is_none());
        assert!(master.is_complete(Timestamp::from_seconds(START + 1)));
        assert!(!master.is_complete(Timestamp::from_millis(START * 1000 + 1001)));
        // Without a report of the next seconds, they count as they are known.
        master.update().close_until(START + 9);
        assert!(master.breached_check(Timestamp::from_seconds(START + 2)).is_none());
        assert!(master.breached_check(Timestamp::from_seconds(START + 9)).is_some());
    }

    #[test]
    fn seconds_that_locust_reports_are_judged_later() {
        let master = statistics(&["rps >= 1 abort after 1s"], Audience::Own);
        master.expect_reports();
        master.update().close_until(START + REPORT_SECONDS);
        assert!(master.breached_check(Timestamp::from_seconds(START + REPORT_SECONDS)).is_none());
        master.update().close_until(START + REPORT_SECONDS + 2);
        assert!(master.breached_check(Timestamp::from_seconds(START + REPORT_SECONDS + 2)).is_some());
    }

    #[test]
    fn a_worker_that_is_silent_delays_a_stop_only_for_a_short_time() {
        let checks = ["requests < 1 abort after 1s"];
        let master = statistics(&checks, Audience::Own);
        let worker = statistics(&checks, Audience::Master);
        add_second(&worker, START, &[1.0], 0);
        deliver(&master, "w1", &worker);
        master.update().close_until(START + 9);
        assert!(master.breached_check(Timestamp::from_seconds(START + 1)).is_none());
        assert!(master.breached_check(Timestamp::from_seconds(START + 2 + ABORT_GRACE_SECONDS)).is_some());
    }

    #[test]
    fn the_cpu_usage_is_judged_by_its_average_over_ten_seconds() {
        let statistics = statistics(&["generator: cpu < 90%", "generator: memory < 50MB"], Audience::Own);
        for (second, percent) in (START..).zip([100.0, 100.0, 100.0, 100.0, 100.0, 50.0, 50.0, 50.0, 50.0, 50.0]) {
            let gauge = |metric: &str, value| Gauge {
                time: Timestamp::from_seconds(second),
                metric: metric.to_owned(),
                value,
                unit: crate::metrics::datum::Unit::Percent,
                dimension: None,
            };
            statistics.add_gauge(&gauge(GENERATOR_CPU, percent));
            statistics.add_gauge(&gauge(GENERATOR_MEMORY, 60e6));
        }
        let results = statistics.check_results(Timestamp::from_seconds(START + 10), &TargetValues::new());
        assert_eq!(results.iter().map(|result| result.measured).collect::<Vec<_>>(), [Some(75.0), Some(60.0)]);
    }
}

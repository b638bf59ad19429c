//! The outage: the time in which calls fail. It starts once and ends once, however many calls fail in between.
//!
//! The monitor owns it: the lanes report how calls end, and a task of its own notices the end.

use std::collections::HashSet;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::delivery::error::CallError;
use crate::delivery::retry::RetryAction;
use crate::messages::{Diagnostics, Level};
use crate::spool::Lane;
use crate::timestamp::Timestamp;

/// An outage is over when no call has failed for this long: calls that fail now and then are one outage.
const CALM_MICROS: i64 = 10_000_000;

/// An outage, from the first failed call until it is over.
#[derive(Debug)]
struct Outage {
    since: Timestamp,
    last_failure: Timestamp,
    /// The lanes whose last call failed.
    failing: HashSet<Lane>,
    /// When a call of the last failing lane succeeded. Not valid while a lane fails.
    recovered: Timestamp,
    /// Topics that were logged during the outage.
    logged: HashSet<String>,
}

/// Whether calls fail, and since when.
#[derive(Debug, Default)]
struct OutageTracker(Option<Outage>);

impl OutageTracker {
    /// A call failed. Returns whether to log why: if it starts the outage, or if it blocks the lane until the user acts
    /// (`blocks`) and is the first of its topic.
    fn failed(&mut self, lane: Lane, now: Timestamp, topic: &str, blocks: bool) -> bool {
        let starts = self.0.is_none();
        let outage = self.0.get_or_insert_with(|| Outage {
            since: now,
            last_failure: now,
            failing: HashSet::new(),
            recovered: now,
            logged: HashSet::new(),
        });
        outage.last_failure = now;
        outage.failing.insert(lane);
        (starts || blocks) && outage.logged.insert(topic.to_owned())
    }

    /// A call succeeded.
    fn succeeded(&mut self, lane: Lane, now: Timestamp) {
        if let Some(outage) = &mut self.0
            && outage.failing.remove(&lane)
        {
            outage.recovered = now;
        }
    }

    /// Since when calls fail.
    fn since(&self) -> Option<Timestamp> {
        self.0.as_ref().map(|outage| outage.since)
    }

    /// How long no further call may fail until the outage is over; `None` without an outage, or while calls fail.
    fn calm_in(&self, now: Timestamp) -> Option<Duration> {
        let outage = self.0.as_ref().filter(|outage| outage.failing.is_empty())?;
        // The clock may have been set back.
        let rest = (outage.last_failure.micros() + CALM_MICROS - now.micros()).clamp(0, CALM_MICROS);
        Some(Duration::from_micros(rest.unsigned_abs()))
    }

    /// Ends the outage if it is over: no lane fails any more, and that has been so for a while, or there is `nothing_left`
    /// to send. Returns its length in seconds, from the first failure to the success after the last one.
    fn end(&mut self, now: Timestamp, nothing_left: bool) -> Option<i64> {
        let is_over = |outage: &mut Outage| {
            outage.failing.is_empty() && (nothing_left || now.micros() - outage.last_failure.micros() >= CALM_MICROS)
        };
        let Outage { since, recovered, .. } = self.0.take_if(is_over)?;
        // The clock may have been set back.
        Some((recovered.micros() - since.micros()).max(0).saturating_add(500_000) / 1_000_000)
    }
}

/// The owner of the outage of a delivery. It logs the start, the end, and failures that matter.
pub(super) struct OutageMonitor {
    tracker: Mutex<OutageTracker>,
    /// Lanes that have nothing left to send.
    done: Mutex<HashSet<Lane>>,
    changed: Notify,
    diagnostics: Arc<Diagnostics>,
}

impl OutageMonitor {
    pub(super) fn new(diagnostics: Arc<Diagnostics>) -> Self {
        Self { tracker: Mutex::default(), done: Mutex::default(), changed: Notify::new(), diagnostics }
    }

    fn tracker(&self) -> MutexGuard<'_, OutageTracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when calls fail.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.tracker().since()
    }

    /// A call succeeded, or CloudWatch answered it.
    pub(super) fn call_succeeded(&self, lane: Lane) {
        self.tracker().succeeded(lane, Timestamp::now());
        self.changed.notify_one();
    }

    /// A call failed. Logs what matters to the user: each outage once, each kind of refusal once.
    pub(super) fn call_failed(&self, lane: Lane, error: &CallError) {
        let topic = error.topic();
        match error.action() {
            RetryAction::Block if self.fails(lane, &topic, true) => {
                self.diagnostics.log(Level::Error, &topic, format!("{error} Results are kept in the spool."));
                self.log_chain(&topic, error);
            }
            RetryAction::Retry | RetryAction::RetrySlowly if self.fails(lane, &topic, false) => {
                self.diagnostics.log(Level::Warning, &topic, format!("{error} locust-cw keeps retrying."));
                self.log_chain(&topic, error);
            }
            RetryAction::Block | RetryAction::Retry | RetryAction::RetrySlowly => {
                self.diagnostics.log(Level::Debug, &topic, error.to_string());
            }
            RetryAction::Split | RetryAction::Reject => {
                // The call was answered, so this is no outage.
                self.call_succeeded(lane);
                let text = if error.is_from_aws() {
                    format!("{error} locust-cw keeps rejected data in the spool.")
                } else {
                    format!("{error} locust-cw sends smaller calls.")
                };
                self.diagnostics.log_first(Level::Warning, &topic, text);
            }
            RetryAction::Recreate => self.diagnostics.log_first(
                Level::Warning,
                &topic,
                format!("{error} The log group or stream was deleted; recreating it."),
            ),
        }
    }

    fn log_chain(&self, topic: &str, error: &CallError) {
        if let Some(chain) = error.chain() {
            self.diagnostics.log(Level::Debug, topic, format!("{}: {chain}", error.operation));
        }
    }

    fn fails(&self, lane: Lane, topic: &str, blocks: bool) -> bool {
        let is_logged = self.tracker().failed(lane, Timestamp::now(), topic, blocks);
        self.changed.notify_one();
        is_logged
    }

    /// A lane has nothing left to send. With nothing left in both, an outage is over at once.
    pub(super) fn lane_done(&self, lane: Lane) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.insert(lane);
        if done.len() == Lane::ALL.len() {
            self.end(true);
        }
    }

    fn end(&self, nothing_left: bool) {
        let ended = self.tracker().end(Timestamp::now(), nothing_left);
        if let Some(seconds) = ended {
            let message = format!("CloudWatch accepts data again after an outage of {seconds} s.");
            self.diagnostics.log(Level::Info, "outage", message);
        }
    }

    /// Notices the end of each outage, until the delivery has `ended`.
    pub(super) async fn run(self: Arc<Self>, mut ended: watch::Receiver<bool>) {
        tokio::select! {
            () = self.watch() => {}
            // An error means that the delivery is gone, which is its end too.
            _ = ended.wait_for(|ended| *ended) => {}
        }
    }

    async fn watch(&self) {
        loop {
            let calm = self.tracker().calm_in(Timestamp::now());
            tokio::select! {
                () = self.changed.notified() => {}
                () = wait(calm) => self.end(false),
            }
        }
    }
}

/// Waits for a time, or forever.
async fn wait(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delivery::error::Cause;
    use crate::delivery::error::tests::failed;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn it_is_logged_once_when_it_starts_and_once_when_it_ends() {
        let mut outage = OutageTracker::default();
        assert!(outage.failed(Lane::Metrics, at(0), "away", false));
        assert!(!outage.failed(Lane::Logs, at(1), "away", false));
        outage.succeeded(Lane::Metrics, at(2));
        assert!(!outage.failed(Lane::Metrics, at(23), "slow", false), "it is the same outage");
        assert_eq!(outage.since(), Some(at(0)));
        outage.succeeded(Lane::Metrics, at(24));
        assert_eq!(outage.end(at(60), true), None, "the log events still fail");
        assert_eq!(outage.calm_in(at(60)), None);
        outage.succeeded(Lane::Logs, at(31));
        outage.succeeded(Lane::Logs, at(32));
        assert_eq!(outage.end(at(32), false), None, "it may not be over yet");
        assert_eq!(outage.calm_in(at(32)), Some(Duration::from_secs(1)));
        assert_eq!(outage.end(at(33), false), Some(31), "until the first success after the last failure");
        assert_eq!((outage.end(at(99), true), outage.since()), (None, None));
        assert!(outage.failed(Lane::Metrics, at(100), "away", false), "it is another");
    }

    #[test]
    fn with_nothing_left_to_be_sent_it_is_over_at_once() {
        let mut outage = OutageTracker::default();
        outage.failed(Lane::Logs, at(0), "away", false);
        outage.succeeded(Lane::Logs, at(1));
        assert_eq!(outage.end(at(1), true), Some(1));
    }

    #[test]
    fn what_only_the_user_can_resolve_is_logged_during_it() {
        let mut outage = OutageTracker::default();
        assert!(outage.failed(Lane::Metrics, at(0), "away", false));
        let denied: Vec<_> = (1..4).map(|now| outage.failed(Lane::Logs, at(now), "denied", true)).collect();
        assert_eq!(denied, [true, false, false]);
    }

    fn monitor() -> (Arc<OutageMonitor>, Arc<Diagnostics>) {
        let diagnostics: Arc<Diagnostics> = Arc::default();
        (Arc::new(OutageMonitor::new(Arc::clone(&diagnostics))), diagnostics)
    }

    #[test]
    fn the_end_is_logged_when_both_lanes_are_done() {
        let (monitor, diagnostics) = monitor();
        monitor.call_failed(Lane::Metrics, &failed(Cause::NoAnswer));
        monitor.lane_done(Lane::Logs);
        assert!(monitor.since().is_some());
        monitor.call_succeeded(Lane::Metrics);
        monitor.lane_done(Lane::Metrics);
        assert_eq!(monitor.since(), None);
        let levels: Vec<_> = diagnostics.take().into_iter().map(|message| message.level).collect();
        assert_eq!(levels, [Level::Warning, Level::Info]);
    }

    #[test]
    fn the_end_is_logged_although_nothing_asks_for_it() {
        let (monitor, diagnostics) = monitor();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        monitor.call_failed(Lane::Metrics, &failed(Cause::NoAnswer));
        monitor.tracker().0.as_mut().expect("it has begun").last_failure = Timestamp::now().plus_micros(-CALM_MICROS);
        let (end, ended) = watch::channel(false);
        let watch = runtime.spawn(Arc::clone(&monitor).run(ended));
        runtime.block_on(async {
            monitor.call_succeeded(Lane::Metrics);
            let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
            while monitor.since().is_some() {
                assert!(tokio::time::Instant::now() < deadline);
                sleep(Duration::from_millis(1)).await;
            }
            end.send_replace(true);
            watch.await.expect("it ends with the delivery");
        });
        assert_eq!(diagnostics.take().len(), 2);
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Failed(Lane, u8, bool),
        Succeeded(Lane),
        End(bool),
    }

    fn steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
        let lane = || prop_oneof![Just(Lane::Metrics), Just(Lane::Logs)];
        let step = prop_oneof![
            2 => (lane(), 0..3u8, any::<bool>()).prop_map(|(lane, topic, blocks)| Step::Failed(lane, topic, blocks)),
            2 => lane().prop_map(Step::Succeeded),
            1 => any::<bool>().prop_map(Step::End),
        ];
        prop::collection::vec((0..15i64, step), 0..100)
    }

    proptest! {
        #[test]
        fn each_outage_starts_and_ends_once_and_each_topic_is_logged_once(steps in steps()) {
            let mut outage = OutageTracker::default();
            let (mut now, mut last, mut logged) = (0, 0, Vec::new());
            let (mut failing, mut recovered) = ([false; 2], 0);
            for (elapsed, step) in steps {
                now += elapsed;
                let since = outage.since();
                match step {
                    Step::Failed(lane, topic, blocks) => {
                        let logs = outage.failed(lane, at(now), &topic.to_string(), blocks);
                        prop_assert_eq!(logs, since.is_none() || (blocks && !logged.contains(&topic)));
                        if logs {
                            logged.push(topic);
                        }
                        (failing[lane as usize], last) = (true, now);
                        prop_assert_eq!(outage.since(), since.or(Some(at(now))));
                    }
                    Step::Succeeded(lane) => {
                        outage.succeeded(lane, at(now));
                        let failed = std::mem::take(&mut failing[lane as usize]);
                        if failed && failing == [false; 2] {
                            recovered = now;
                        }
                        prop_assert_eq!(outage.since(), since);
                    }
                    Step::End(nothing_left) => {
                        let over = since.is_some() && failing == [false; 2] && (nothing_left || now - last >= 10);
                        let lasted = since.filter(|_| over).map(|since| recovered - since.seconds());
                        prop_assert_eq!(outage.end(at(now), nothing_left), lasted);
                        if over {
                            logged.clear();
                        }
                        prop_assert_eq!(outage.since().is_some(), since.is_some() && !over);
                    }
                }
            }
        }
    }
}

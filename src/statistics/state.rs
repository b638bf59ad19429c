//! The state behind the lock: what is counted, and which seconds are judged.

use std::collections::VecDeque;

use super::first_whole_second;
use super::fleet::{Fleet, MAX_GRACE_SECONDS};
use super::live::LiveView;
use super::whole_run::WholeRun;
use crate::check::{BreachTracker, Check, Measure};
use crate::summary::{IncrementSender, RunCustomData, RunPart, Seconds, Summary, Window};
use crate::timestamp::Timestamp;

/// The CPU usage of a process is judged by its average over this many seconds: a peak of one second is no bottleneck.
pub(super) const CPU_SECONDS: usize = 10;
/// Maximum number of seconds to judge at once, as after a clock was set.
const MAX_SECONDS_AT_ONCE: i64 = 3_600;

/// The state.
pub(super) struct State {
    /// The start of the warm-up.
    pub(super) started: i64,
    /// The end of the warm-up.
    pub(super) measured_from: Timestamp,
    /// The end of the measured time, if it has ended.
    pub(super) measured_until: Option<Timestamp>,
    /// The requests of all processes that report to this one.
    pub(super) summary: Summary,
    /// Seconds that are not judged yet.
    pub(super) seconds: Seconds,
    /// In a worker, the part that its master lacks.
    pub(super) increments: Option<IncrementSender>,
    /// The workers of a master.
    pub(super) fleet: Fleet,
    /// What users have added.
    pub(super) custom_data: RunCustomData,
    /// The first second that is not judged.
    pub(super) next_second: i64,
    /// One for each check.
    pub(super) trackers: Vec<BreachTracker>,
    /// The check that has stopped the test.
    pub(super) stopped_by: Option<usize>,
    /// The last values of the CPU usage, oldest first.
    pub(super) cpu: VecDeque<f64>,
    /// How long after a second this process may still add to it, in addition to its open windows.
    pub(super) lateness_seconds: i64,
    /// The live view, while a browser watches.
    pub(super) live: Option<Box<LiveView>>,
    /// The revision at which the next live view starts.
    pub(super) next_revision: u64,
}

impl State {
    /// Adds a window of this process.
    pub(super) fn add(&mut self, window: &Window) {
        let window = Window { part: self.part_of(window.second), ..window.clone() };
        self.summary.add_window(&window);
        self.seconds.add_window(&window);
        self.increments.iter_mut().for_each(|increments| increments.add_window(window.clone()));
    }

    /// Neither the warm-up nor the time after the stop is measured.
    pub(super) fn part_of(&self, second: i64) -> RunPart {
        let is_after = self.measured_until.is_some_and(|end| second > end.seconds());
        if second < self.measured_from.seconds() || is_after { RunPart::Unmeasured } else { RunPart::Measured }
    }

    /// The first second that cannot be judged yet: this process or a worker may still add to it.
    pub(super) fn judgeable_until(&self, open_second: i64) -> i64 {
        // After the stop, everything that is known counts.
        let own =
            if self.measured_until.is_some() { open_second } else { open_second.saturating_sub(self.lateness_seconds) };
        let overdue = own.saturating_sub(self.fleet.grace_seconds());
        self.fleet.reported_until(own).max(overdue)
    }

    /// The first second that the live view does not show yet. It shows no second without the requests of a worker that still reports,
    /// so it waits longer than checks do.
    pub(super) fn complete_until(&self, open_second: i64) -> i64 {
        let own = open_second.saturating_sub(self.lateness_seconds);
        self.fleet.reported_until(own).max(own.saturating_sub(MAX_GRACE_SECONDS))
    }

    /// The average CPU usage of the last seconds, once there are enough.
    pub(super) fn average_cpu(&mut self, percent: f64) -> Option<f64> {
        if self.cpu.len() == CPU_SECONDS {
            self.cpu.pop_front();
        }
        self.cpu.push_back(percent);
        #[expect(clippy::cast_precision_loss, reason = "a handful of values")]
        let average = self.cpu.iter().sum::<f64>() / self.cpu.len() as f64;
        (self.cpu.len() == CPU_SECONDS).then_some(average)
    }

    /// Judges the seconds before `end` that are not judged yet.
    pub(super) fn judge_until(&mut self, checks: &[Check], end: i64) {
        self.next_second = self.next_second.max(end.saturating_sub(MAX_SECONDS_AT_ONCE));
        let run = WholeRun::of(&self.summary);
        let whole = first_whole_second(self.measured_from)..self.measured_until.map_or(i64::MAX, Timestamp::seconds);
        while self.next_second < end {
            let second = self.next_second;
            for (check, tracker) in checks.iter().zip(&mut self.trackers) {
                // The first and the last second are measured only in part, and have fewer requests.
                let has_value = check.measure != Measure::RequestsPerSecond || whole.contains(&second);
                if let Some(signal) = run.signal(check, second, &self.seconds).filter(|_| has_value) {
                    tracker.observe(second, signal);
                }
            }
            self.next_second += 1;
        }
    }
}

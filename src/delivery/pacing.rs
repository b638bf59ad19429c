//! The pace of a lane: how many calls it may make at once, and when, by how its last calls ended.

use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::retry::{Backoff, RetryAction};

/// Most calls in flight at once, per lane.
const MAX_CALLS_AT_ONCE: usize = 4;
/// Splitting a full call down to its invalid item takes about this many refusals. Further ones are followed by a pause.
const REFUSALS_WITHOUT_PAUSE: u32 = 12;

/// How the calls of a lane end at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LaneHealth {
    /// They succeed.
    #[default]
    Healthy,
    /// They fail. One call at a time shows whether CloudWatch has recovered.
    BackingOff,
    /// CloudWatch refuses their content. They are split until the invalid item is alone.
    Isolating,
    /// They fail until the user changes something. One call a minute shows whether that has happened.
    Blocked,
}

/// The pace of a lane.
#[derive(Debug)]
pub(super) struct Pacing {
    health: LaneHealth,
    /// Calls in a row that failed, or that CloudWatch refused.
    in_a_row: u32,
    /// No call starts before this time.
    not_before: Instant,
}

impl Pacing {
    pub(super) fn new(now: Instant) -> Self {
        Self { health: LaneHealth::Healthy, in_a_row: 0, not_before: now }
    }

    pub(super) const fn health(&self) -> LaneHealth {
        self.health
    }

    /// How many calls may be in flight at a time.
    pub(super) fn calls_at_once(&self, now: Instant) -> usize {
        match self.health {
            _ if now < self.not_before => 0,
            LaneHealth::Isolating if self.in_a_row > REFUSALS_WITHOUT_PAUSE => 1,
            LaneHealth::Healthy | LaneHealth::Isolating => MAX_CALLS_AT_ONCE,
            LaneHealth::BackingOff | LaneHealth::Blocked => 1,
        }
    }

    /// The end of the present pause.
    pub(super) fn pause_end(&self, now: Instant) -> Option<Instant> {
        (now < self.not_before).then_some(self.not_before)
    }

    /// CloudWatch accepted a call.
    pub(super) const fn succeeded(&mut self, now: Instant) {
        (self.health, self.in_a_row, self.not_before) = (LaneHealth::Healthy, 0, now);
    }

    /// CloudWatch refused the content of a call. `chance` in 0..1 chooses the length of the pause.
    pub(super) fn refused(&mut self, now: Instant, chance: f64) {
        self.in_a_row = if self.health == LaneHealth::Isolating { self.in_a_row + 1 } else { 1 };
        self.health = LaneHealth::Isolating;
        if self.in_a_row > REFUSALS_WITHOUT_PAUSE {
            let further = self.in_a_row - REFUSALS_WITHOUT_PAUSE;
            self.not_before = now + Backoff::of(RetryAction::RetrySlowly).pause(further, chance);
        }
    }

    /// A call failed, and `action` says what helps.
    pub(super) fn failed(&mut self, action: RetryAction, now: Instant, chance: f64) {
        self.fail(now, Backoff::of(action), chance);
        self.health = if action == RetryAction::Block { LaneHealth::Blocked } else { LaneHealth::BackingOff };
    }

    /// The files of a call could not be read for now.
    pub(super) fn unreadable(&mut self, now: Instant, chance: f64) {
        self.fail(now, Backoff::of(RetryAction::Retry), chance);
        if self.health != LaneHealth::Blocked {
            self.health = LaneHealth::BackingOff;
        }
    }

    fn fail(&mut self, now: Instant, backoff: Backoff, chance: f64) {
        let fails = matches!(self.health, LaneHealth::BackingOff | LaneHealth::Blocked);
        self.in_a_row = if fails { self.in_a_row.saturating_add(1) } else { 1 };
        self.not_before = now + backoff.pause(self.in_a_row, chance);
    }

    /// Ends a pause, because what was in the way may have been resolved.
    pub(super) fn resume(&mut self, now: Instant) {
        self.not_before = now;
        if self.health == LaneHealth::Blocked {
            self.health = LaneHealth::BackingOff;
        }
    }
}

/// When a lane flushes, if it flushes periodically.
#[derive(Debug)]
pub(super) struct FlushTimer {
    interval: Option<Duration>,
    next: Option<Instant>,
}

/// The interval between flushes varies by this share, so that the processes of a fleet do not call all at once.
const JITTER: f64 = 0.1;

impl FlushTimer {
    /// The processes of a fleet start within moments, so their first flushes are spread over the whole interval.
    pub(super) fn new(interval: Option<Duration>, now: Instant, chance: f64) -> Self {
        Self { interval, next: interval.map(|interval| now + interval.mul_f64(chance)) }
    }

    /// The next flush.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Starts the next interval.
    pub(super) fn restart(&mut self, now: Instant, chance: f64) {
        let jitter = JITTER.mul_add(2.0 * chance - 1.0, 1.0);
        self.next = self.interval.map(|interval| now + interval.mul_f64(jitter));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_call_at_a_time_shows_whether_cloudwatch_has_recovered() {
        let now = Instant::now();
        let mut pacing = Pacing::new(now);
        assert_eq!((pacing.calls_at_once(now), pacing.pause_end(now)), (MAX_CALLS_AT_ONCE, None));
        pacing.failed(RetryAction::Retry, now, 1.0);
        let end = pacing.pause_end(now).expect("a pause");
        assert_eq!(
            (pacing.health(), pacing.calls_at_once(now), pacing.calls_at_once(end)),
            (LaneHealth::BackingOff, 0, 1)
        );
        pacing.failed(RetryAction::Retry, now, 1.0);
        assert!(pacing.pause_end(now) > Some(end), "pauses grow");
        pacing.succeeded(now);
        assert_eq!((pacing.health(), pacing.calls_at_once(now)), (LaneHealth::Healthy, MAX_CALLS_AT_ONCE));
        pacing.failed(RetryAction::Retry, now, 1.0);
        assert_eq!(pacing.pause_end(now), Some(end), "they begin anew");
    }

    #[test]
    fn refusals_are_followed_by_a_pause_only_when_they_are_too_many() {
        let now = Instant::now();
        let mut pacing = Pacing::new(now);
        (0..REFUSALS_WITHOUT_PAUSE).for_each(|_| pacing.refused(now, 1.0));
        assert_eq!((pacing.health(), pacing.calls_at_once(now)), (LaneHealth::Isolating, MAX_CALLS_AT_ONCE));
        pacing.refused(now, 1.0);
        let end = pacing.pause_end(now).expect("a pause");
        assert_eq!((pacing.calls_at_once(now), pacing.calls_at_once(end)), (0, 1));
        pacing.succeeded(now);
        pacing.refused(now, 1.0);
        assert_eq!(pacing.calls_at_once(now), MAX_CALLS_AT_ONCE);
    }

    #[test]
    fn a_blocked_lane_is_tried_again_at_once_when_it_resumes() {
        let now = Instant::now();
        let mut pacing = Pacing::new(now);
        pacing.failed(RetryAction::Block, now, 1.0);
        assert_eq!((pacing.health(), pacing.calls_at_once(now)), (LaneHealth::Blocked, 0));
        pacing.unreadable(now, 1.0);
        assert_eq!(pacing.health(), LaneHealth::Blocked, "a file that cannot be read does not change why calls fail");
        pacing.resume(now);
        assert_eq!((pacing.health(), pacing.calls_at_once(now)), (LaneHealth::BackingOff, 1));
    }

    proptest! {
        #[test]
        fn flushes_follow_each_other_within_the_jitter(seconds in 0.5..3600.0f64, chance in 0.0..1.0f64) {
            let now = Instant::now();
            let interval = Duration::from_secs_f64(seconds);
            let mut timer = FlushTimer::new(Some(interval), now, chance);
            prop_assert!(timer.next() >= Some(now) && timer.next() <= Some(now + interval));
            timer.restart(now, chance);
            let next = timer.next().expect("another").duration_since(now);
            prop_assert!(next >= interval.mul_f64(0.899) && next <= interval.mul_f64(1.101));
            prop_assert!(FlushTimer::new(None, now, chance).next().is_none());
        }
    }
}

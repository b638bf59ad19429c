//! The outage: the time in which calls fail. It begins once and ends once, however many calls fail in between.

use std::collections::HashSet;

use crate::spool::Lane;
use crate::timestamp::Timestamp;

/// So long nothing may have failed before trouble counts as over: calls that fail now and then are one trouble.
const CALM_MICROS: i64 = 10_000_000;

/// Whether calls fail, and since when.
#[derive(Debug, Default)]
pub struct OutageTracker {
    since: Option<Timestamp>,
    last_failure: Option<Timestamp>,
    failing: [bool; Lane::ALL.len()],
    /// What the user was told in its course.
    told: HashSet<String>,
}

impl OutageTracker {
    /// A call failed. Says whether the user should be told why: where trouble begins with it, and where it is `needs_action`,
    /// so that only the user can help, and this is the first on its `subject`.
    pub fn failed(&mut self, lane: Lane, now: Timestamp, subject: &str, needs_action: bool) -> bool {
        let begins = self.since.is_none();
        self.since.get_or_insert(now);
        self.last_failure = Some(now);
        self.failing[lane as usize] = true;
        (begins || needs_action) && self.told.insert(subject.to_owned())
    }

    /// A call succeeded.
    pub const fn succeeded(&mut self, lane: Lane) {
        self.failing[lane as usize] = false;
    }

    /// Since when calls fail.
    #[must_use]
    pub const fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Ends it where it is over: nothing fails any more, and that has been so for a while or there is `nothing_left` to
    /// be sent. Says how many seconds it took.
    pub fn end(&mut self, now: Timestamp, nothing_left: bool) -> Option<i64> {
        let (since, last) = (self.since?, self.last_failure?);
        let calm = nothing_left || now.micros() - last.micros() >= CALM_MICROS;
        if !calm || self.failing.contains(&true) {
            return None;
        }
        *self = Self::default();
        Some((last.micros() - since.micros() + 500_000) / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn it_is_told_once_when_it_begins_and_once_when_it_ends() {
        let mut trouble = OutageTracker::default();
        assert!(trouble.failed(Lane::Metrics, at(0), "away", false));
        assert!(!trouble.failed(Lane::Logs, at(1), "away", false));
        trouble.succeeded(Lane::Metrics);
        assert!(!trouble.failed(Lane::Metrics, at(23), "slow", false), "it is the same trouble");
        assert_eq!(trouble.since(), Some(at(0)));
        trouble.succeeded(Lane::Metrics);
        assert_eq!(trouble.end(at(60), true), None, "the log events still fail");
        trouble.succeeded(Lane::Logs);
        assert_eq!(trouble.end(at(32), false), None, "it may not be over yet");
        assert_eq!(trouble.end(at(33), false), Some(23));
        assert_eq!((trouble.end(at(99), true), trouble.since()), (None, None));
        assert!(trouble.failed(Lane::Metrics, at(100), "away", false), "it is another");
    }

    #[test]
    fn with_nothing_left_to_be_sent_it_is_over_at_once() {
        let mut trouble = OutageTracker::default();
        trouble.failed(Lane::Logs, at(0), "away", false);
        trouble.succeeded(Lane::Logs);
        assert_eq!(trouble.end(at(1), true), Some(0));
    }

    #[test]
    fn what_only_the_user_can_mend_is_told_beside_it() {
        let mut trouble = OutageTracker::default();
        assert!(trouble.failed(Lane::Metrics, at(0), "away", false));
        let denied: Vec<_> = (1..4).map(|now| trouble.failed(Lane::Logs, at(now), "denied", true)).collect();
        assert_eq!(denied, [true, false, false]);
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
            2 => (lane(), 0..3u8, any::<bool>()).prop_map(|(lane, subject, needs_action)| Step::Failed(lane, subject, needs_action)),
            2 => lane().prop_map(Step::Succeeded),
            1 => any::<bool>().prop_map(Step::End),
        ];
        prop::collection::vec((0..15i64, step), 0..100)
    }

    proptest! {
        #[test]
        fn each_trouble_begins_and_ends_once_and_says_each_thing_once(steps in steps()) {
            let mut trouble = OutageTracker::default();
            let (mut now, mut last, mut told) = (0, 0, Vec::new());
            let mut failing = [false; 2];
            for (elapsed, step) in steps {
                now += elapsed;
                let since = trouble.since();
                match step {
                    Step::Failed(lane, subject, needs_action) => {
                        let tells = trouble.failed(lane, at(now), &subject.to_string(), needs_action);
                        prop_assert_eq!(tells, since.is_none() || (needs_action && !told.contains(&subject)));
                        if tells {
                            told.push(subject);
                        }
                        (failing[lane as usize], last) = (true, now);
                        prop_assert_eq!(trouble.since(), since.or(Some(at(now))));
                    }
                    Step::Succeeded(lane) => {
                        trouble.succeeded(lane);
                        failing[lane as usize] = false;
                        prop_assert_eq!(trouble.since(), since);
                    }
                    Step::End(nothing_left) => {
                        let over = since.is_some() && failing == [false; 2] && (nothing_left || now - last >= 10);
                        let lasted = since.filter(|_| over).map(|since| last - since.seconds());
                        prop_assert_eq!(trouble.end(at(now), nothing_left), lasted);
                        if over {
                            told.clear();
                        }
                        prop_assert_eq!(trouble.since().is_some(), since.is_some() && !over);
                    }
                }
            }
        }
    }
}

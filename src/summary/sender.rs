//! The increments of a worker, each of which is sent until the master acknowledges it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::metrics::custom::CustomMetric;
use crate::sample::RequestKey;
use crate::summary::custom_data::{CustomData, Mark};
use crate::summary::highlights::Highlights;
use crate::summary::increment::Increment;
use crate::summary::load_blocks::LoadBlock;
use crate::summary::totals::Totals;
use crate::summary::window::{RunPart, Window};
use crate::summary::{GeneratorLoad, Summary, SummaryLimits};

/// Maximum number of increments from the oldest one without an acknowledgement on. Beyond it, windows wait for the next increment.
pub(super) const MAX_UNACKNOWLEDGED: u64 = 8;
/// Maximum number of windows that wait: 20 requests for more than three minutes. Older ones are added up.
const MAX_WINDOWS: usize = 4_000;
/// Maximum number of seconds whose load waits.
const MAX_LOADS: usize = 300;
/// How long the oldest increment waits for its acknowledgement before it is sent again. Workers report every three seconds.
const RESEND_AFTER: Duration = Duration::from_secs(6);
/// Each further time, the wait doubles, up to this. Locust keeps messages to a master that it cannot reach.
const MAX_RESEND_AFTER: Duration = Duration::from_mins(1);

/// What a worker has counted, and its master has not acknowledged.
#[derive(Debug)]
pub struct IncrementSender {
    windows: BTreeMap<(i64, RequestKey, RunPart), Totals>,
    /// The oldest windows, if too many wait. They have no values of seconds any more.
    earlier: Summary,
    generator: GeneratorLoad,
    /// The load of single seconds since the last increment.
    loads: BTreeMap<i64, GeneratorLoad>,
    /// Single requests since the last increment that a report names.
    highlights: Highlights,
    /// What users have added since the last increment. The process bounds it.
    custom_data: CustomData,
    closed_until: Option<i64>,
    /// Whether something has changed since the last increment.
    is_changed: bool,
    next: u64,
    unacknowledged: VecDeque<Unacknowledged>,
}

#[derive(Debug)]
struct Unacknowledged {
    sequence: u64,
    bytes: Vec<u8>,
    resend_at: Instant,
    wait: Duration,
}

impl IncrementSender {
    /// A sender without windows. The limits are those of the summary of the run.
    #[must_use]
    pub fn new(limits: SummaryLimits) -> Self {
        Self {
            windows: BTreeMap::new(),
            earlier: Summary::new(limits),
            generator: GeneratorLoad::default(),
            loads: BTreeMap::new(),
            highlights: Highlights::default(),
            custom_data: CustomData::default(),
            closed_until: None,
            is_changed: false,
            next: 0,
            unacknowledged: VecDeque::new(),
        }
    }

    /// Adds a window. Windows of the same request and second add up.
    pub fn add_window(&mut self, Window { key, second, part, totals }: Window) {
        self.is_changed = true;
        self.windows.entry((second, key, part)).or_default().merge(&totals);
        if self.windows.len() > MAX_WINDOWS
            && let Some(((second, key, part), totals)) = self.windows.pop_first()
        {
            self.earlier.add_window(&Window { key, second, part, totals });
        }
    }

    /// Adds the load of this process in one second.
    pub fn add_generator(&mut self, second: i64, load: &GeneratorLoad) {
        self.is_changed = true;
        self.generator.merge(load);
        self.loads.entry(second).or_default().merge(load);
        if self.loads.len() > MAX_LOADS
            && let Some((second, generator)) = self.loads.pop_first()
        {
            self.earlier.add_load(second, &LoadBlock { users: None, generator });
        }
    }

    /// Adds single requests that a report names.
    pub fn add_highlights(&mut self, highlights: &Highlights) {
        self.is_changed |= !highlights.is_empty();
        self.highlights.merge(highlights);
    }

    /// Adds a mark of a user.
    pub fn add_mark(&mut self, mark: Mark) {
        self.is_changed = true;
        self.custom_data.marks.push(mark);
    }

    /// Adds a custom metric.
    pub fn add_metric(&mut self, metric: CustomMetric) {
        self.is_changed = true;
        self.custom_data.metrics.push(metric);
    }

    /// Records that the windows of all seconds before this one, since the epoch, have been added.
    pub fn close_until(&mut self, second: i64) {
        if self.closed_until.is_none_or(|before| before < second) {
            self.closed_until = Some(second);
            self.is_changed = true;
        }
    }

    /// Takes what is to be sent now: a new increment if there is something to send, and the oldest one again if its
    /// acknowledgement is late.
    pub fn take(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        if let Some(oldest) = self.unacknowledged.front_mut()
            && oldest.resend_at <= now
        {
            oldest.wait = (oldest.wait * 2).min(MAX_RESEND_AFTER);
            oldest.resend_at = now + oldest.wait;
            messages.push(oldest.bytes.clone());
        }
        let oldest = self.unacknowledged.front().map_or(self.next, |oldest| oldest.sequence);
        if self.is_changed && self.next - oldest < MAX_UNACKNOWLEDGED {
            messages.extend(self.cut(now));
        }
        messages
    }

    /// Takes everything that the master has not acknowledged, for the last report: earlier reports may be lost when Locust ends.
    pub fn take_all(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if self.is_changed {
            self.cut(now);
        }
        self.unacknowledged.iter().map(|increment| increment.bytes.clone()).collect()
    }

    /// Cuts an increment of all that waits.
    fn cut(&mut self, now: Instant) -> Option<Vec<u8>> {
        let windows = std::mem::take(&mut self.windows).into_iter();
        let windows = windows.map(|((second, key, part), totals)| Window { key, second, part, totals }).collect();
        let earlier = self.earlier.take();
        let increment = Increment {
            sequence: self.next,
            closed_until: self.closed_until,
            generator: self.generator,
            loads: std::mem::take(&mut self.loads).into_iter().collect(),
            windows,
            highlights: std::mem::take(&mut self.highlights),
            earlier: (!earlier.is_empty()).then_some(earlier),
            custom_data: Some(std::mem::take(&mut self.custom_data))
                .filter(|custom_data| *custom_data != CustomData::default()),
        };
        let Ok(bytes) = increment.encode() else {
            // No value without a stored form is known. The windows stay, so that they are not lost.
            increment.windows.into_iter().for_each(|window| self.add_window(window));
            increment.earlier.iter().for_each(|earlier| self.earlier.merge(earlier));
            self.highlights = increment.highlights;
            self.custom_data = increment.custom_data.unwrap_or_default();
            return None;
        };
        self.unacknowledged.push_back(Unacknowledged {
            sequence: self.next,
            bytes: bytes.clone(),
            resend_at: now + RESEND_AFTER,
            wait: RESEND_AFTER,
        });
        self.next += 1;
        self.is_changed = false;
        Some(bytes)
    }

    /// Removes an increment that the master has received.
    pub fn acknowledge(&mut self, sequence: u64) {
        self.unacknowledged.retain(|increment| increment.sequence != sequence);
    }

    /// Whether the master has acknowledged everything.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.is_changed && self.unacknowledged.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::*;
    use crate::summary::custom_data::RunCustomData;
    use crate::summary::receiver::IncrementReceiver;
    use crate::summary::seconds::Seconds;
    use crate::summary::tests::{limits, summary_of, window, windows};
    use crate::timestamp::Timestamp;

    /// What happens to a message.
    #[derive(Debug, Clone, Copy)]
    enum Fate {
        Arrives,
        IsLost,
        ArrivesTwice,
        /// It arrives after the next ones.
        IsLate,
    }

    fn fates() -> impl Strategy<Value = Vec<Fate>> {
        let fate = prop_oneof![Just(Fate::Arrives), Just(Fate::IsLost), Just(Fate::ArrivesTwice), Just(Fate::IsLate)];
        prop::collection::vec(fate, 0..100)
    }

    /// A channel that treats each message as the next fate says. In the end, all messages arrive.
    struct Channel<'a, T> {
        fates: &'a RefCell<std::vec::IntoIter<Fate>>,
        late: Vec<T>,
    }

    impl<T: Clone> Channel<'_, T> {
        fn arriving(&mut self, messages: Vec<T>) -> Vec<T> {
            let (mut arriving, mut late) = (Vec::new(), std::mem::take(&mut self.late));
            for message in messages {
                match self.fates.borrow_mut().next() {
                    Some(Fate::IsLost) => {}
                    None | Some(Fate::Arrives) => arriving.push(message),
                    Some(Fate::ArrivesTwice) => arriving.extend([message.clone(), message]),
                    Some(Fate::IsLate) => self.late.push(message),
                }
            }
            arriving.append(&mut late);
            arriving
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_channel_that_loses_repeats_and_reorders_messages_counts_everything_once(windows in windows(), fates in fates()) {
            let fates = RefCell::new(fates.into_iter());
            let (mut there, mut back) = (Channel { fates: &fates, late: vec![] }, Channel { fates: &fates, late: vec![] });
            let (mut sender, mut receiver) = (IncrementSender::new(limits()), IncrementReceiver::default());
            let (mut summary, mut seconds) = (Summary::new(limits()), Seconds::default());
            let mut now = Instant::now();
            let mut rest = windows.iter();
            let mut rounds = 0;
            let (mut marked, mut custom_data) = (0, RunCustomData::default());
            while rest.len() > 0 || !sender.is_settled() {
                if rest.len() > 0 {
                    // Far enough apart that each is a mark of its own.
                    sender.add_mark(Mark::new(Timestamp::from_seconds(10 * rounds), "begin").expect("a text"));
                    marked += 1;
                }
                rest.by_ref().take(3).for_each(|window| sender.add_window(window.clone()));
                sender.close_until(rounds.min(20));
                now += Duration::from_secs(3);
                let mut acknowledgements = Vec::new();
                for bytes in there.arriving(sender.take(now)) {
                    let accepted = receiver.accept(&bytes).expect("an increment");
                    acknowledgements.push(accepted.sequence);
                    if let Some(increment) = &accepted.increment {
                        increment.add_to(&mut summary, &mut seconds);
                        increment.custom_data.iter().for_each(|added| custom_data.add("w1", added));
                    }
                }
                back.arriving(acknowledgements).into_iter().for_each(|sequence| sender.acknowledge(sequence));
                rounds += 1;
                prop_assert!(rounds < 1000, "nothing arrives");
            }
            prop_assert_eq!(summary, summary_of(&windows));
            prop_assert_eq!(custom_data.marks().len(), marked);
            prop_assert_eq!(receiver.closed_until(), sender.closed_until);
            let mut direct = Seconds::default();
            windows.iter().for_each(|window| direct.add_window(window));
            prop_assert_eq!(seconds, direct);
        }
    }

    #[test]
    fn the_last_report_repeats_what_earlier_reports_may_have_lost() {
        let mut sender = IncrementSender::new(limits());
        let all: Vec<_> = (0..20).map(|second| window("GET", "/", second, &[5.0])).collect();
        let now = Instant::now();
        for window in &all {
            sender.add_window(window.clone());
            // The master gets none of these messages. From the ninth on, windows wait.
            let _ = sender.take(now);
        }
        let (mut receiver, mut summary) = (IncrementReceiver::default(), Summary::new(limits()));
        // The last report itself may be repeated.
        for bytes in [sender.take_all(now), sender.take_all(now)].concat() {
            let accepted = receiver.accept(&bytes).expect("an increment");
            accepted.increment.iter().for_each(|new| new.add_to(&mut summary, &mut Seconds::default()));
        }
        assert_eq!(summary, summary_of(&all));
    }

    #[test]
    fn without_acknowledgements_a_sender_is_bounded_and_loses_no_request() {
        let mut sender = IncrementSender::new(limits());
        let (mut now, mut sent) = (Instant::now(), Vec::new());
        for second in 0..2000 {
            for name in ["/a", "/b", "/c"] {
                sender.add_window(window("GET", name, second, &[5.0]));
            }
            now += Duration::from_secs(1);
            sent.extend(sender.take(now));
        }
        assert_eq!((sender.windows.len(), sender.unacknowledged.len()), (MAX_WINDOWS, 8));
        // Eight once, and the first one again after 6, 12, 24 and 48 seconds, and then every minute.
        assert!((8 + 30..8 + 40).contains(&sent.len()), "{}", sent.len());
        (0..8).for_each(|sequence| sender.acknowledge(sequence));
        let last = sender.take(now).pop().expect("the rest");
        let mut summary = Summary::new(limits());
        for bytes in sent[..8].iter().chain([&last]) {
            Increment::decode(bytes).expect("an increment").add_to(&mut summary, &mut Seconds::default());
        }
        // The ninth to the second last of `sent` repeat the first one.
        assert_eq!(summary.counts(), (6000, 0));
    }

    #[test]
    fn a_worker_without_requests_reports_the_seconds_that_it_has_closed() {
        let (mut sender, mut receiver, now) =
            (IncrementSender::new(limits()), IncrementReceiver::default(), Instant::now());
        assert!(sender.take(now).is_empty() && sender.is_settled());
        sender.close_until(7);
        sender.close_until(6);
        let messages = sender.take(now);
        assert_eq!(messages.len(), 1);
        receiver.accept(&messages[0]).expect("an increment");
        assert_eq!(receiver.closed_until(), Some(7));
        assert!(sender.take(now).is_empty() && !sender.is_settled());
    }
}

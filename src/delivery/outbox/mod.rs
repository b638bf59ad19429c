//! What waits to be sent: the segments of the spool, by lane, within the room there is for them.

mod lane_queue;
mod room;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use tokio::sync::Notify;

use crate::accounting::counters::{Counters, Counts};
use crate::accounting::messages::Diagnostics;
use crate::delivery::outbox::lane_queue::LaneState;
use crate::spool::{Lane, Segment, Spool};
use crate::sync::{Mutex, MutexGuard};

/// When a lane may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendMode {
    /// Not before the test stops.
    Deferred,
    /// At every flush interval.
    Periodic,
    /// At once.
    Immediate,
}

struct State {
    lanes: [LaneState; 2],
    mode: SendMode,
    /// Segments that a dry run is done with and leaves in the spool for as long as there is room, oldest first.
    kept: VecDeque<Segment>,
    disk_bytes: u64,
    memory_bytes: u64,
    /// Those of them that wait for nothing any more, and still take their room.
    rejected_bytes: u64,
    closed: bool,
}

/// The segments that wait, and the rules by which they may go.
pub struct Outbox {
    state: Mutex<State>,
    wake: [Notify; 2],
    spool: Spool,
    counters: Arc<Counters>,
    diagnostics: Arc<Diagnostics>,
    disk_capacity: u64,
}

impl Outbox {
    /// An empty outbox over a spool that may hold `disk_capacity` bytes.
    #[must_use]
    pub fn new(
        spool: Spool,
        counters: Arc<Counters>,
        diagnostics: Arc<Diagnostics>,
        disk_capacity: u64,
        mode: SendMode,
    ) -> Self {
        let state = State {
            lanes: Default::default(),
            mode,
            kept: VecDeque::new(),
            disk_bytes: 0,
            memory_bytes: 0,
            rejected_bytes: 0,
            closed: false,
        };
        Self { state: Mutex::new(state), wake: Default::default(), spool, counters, diagnostics, disk_capacity }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The spool behind it.
    #[must_use]
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Takes the oldest segments of a lane that may go now, for as long as `fits` says so.
    pub fn take(&self, kind: Lane, full_call_bytes: usize, mut fits: impl FnMut(&Segment) -> bool) -> Vec<Segment> {
        let mut state = self.state();
        let mode = state.mode;
        let lane = &mut state.lanes[kind as usize];
        let full = mode == SendMode::Periodic
            && lane.pending.iter().map(|segment| segment.contents.wire_bytes).sum::<usize>() >= full_call_bytes;
        let due = if mode == SendMode::Immediate || full { u64::MAX } else { lane.due };
        // Datums may come in any order, so the live ones do not wait behind a backlog. Log events keep theirs.
        let fresh =
            lane.pending.iter().position(|segment| !segment.deferred && (lane.fresh..=due).contains(&segment.sequence));
        let start = fresh.filter(|_| kind == Lane::Metrics && mode == SendMode::Periodic).unwrap_or_default();
        let mut taken = Vec::new();
        for deferred in [false, true] {
            let mut at = start;
            while let Some(segment) = lane.pending.get(at).filter(|segment| segment.sequence <= due) {
                if segment.deferred != deferred {
                    at += 1;
                    continue;
                }
                let Some(segment) = Some(at).filter(|_| fits(segment)).and_then(|at| lane.pending.remove(at)) else {
                    break;
                };
                lane.mark_in_flight(&segment);
                taken.push(segment);
            }
            if !taken.is_empty() {
                break;
            }
        }
        taken
    }

    /// Puts segments that were taken back into their places.
    pub fn put_back(&self, lane: Lane, segments: Vec<Segment>) {
        let mut state = self.state();
        for segment in segments {
            state.lanes[lane as usize].complete(&segment);
            state.lanes[lane as usize].insert(segment);
        }
    }

    /// Puts the parts of a segment that was cut into its place.
    pub fn replace(&self, whole: &Segment, parts: Vec<Segment>) {
        let mut state = self.state();
        state.account_bytes(whole, false);
        state.lanes[whole.lane as usize].complete(whole);
        for mut part in parts {
            state.account_bytes(&part, true);
            part.sequence = whole.sequence;
            state.lanes[part.lane as usize].insert(part);
        }
        drop(state);
        self.spool.remove(whole);
    }

    /// Forgets segments that were taken and are done with.
    pub fn settle(&self, segments: &[Segment]) {
        let mut state = self.state();
        for segment in segments {
            state.account_bytes(segment, false);
            state.lanes[segment.lane as usize].complete(segment);
        }
        drop(state);
        segments.iter().for_each(|segment| self.spool.remove(segment));
    }

    /// Is done with a segment that was taken and put aside: on the disk it still takes its room.
    pub fn settle_rejected(&self, segment: &Segment) {
        let mut state = self.state();
        if segment.is_in_memory() {
            state.account_bytes(segment, false);
        } else {
            state.rejected_bytes += segment.disk_bytes;
        }
        state.lanes[segment.lane as usize].complete(segment);
    }

    /// Leaves a segment that was never taken in the spool.
    pub fn leave(&self, segment: &Segment) {
        self.state().lanes[segment.lane as usize].kept += segment.contents.share;
    }

    /// Is done with segments that were taken, and leaves them in the spool for as long as there is room.
    pub fn keep(&self, segments: Vec<Segment>) {
        let mut state = self.state();
        for segment in segments {
            let lane = &mut state.lanes[segment.lane as usize];
            lane.complete(&segment);
            lane.kept += segment.contents.share;
            if segment.is_in_memory() {
                // Nobody could look at it later, and so it takes no room from what is still to be counted.
                state.account_bytes(&segment, false);
            } else {
                state.kept.push_back(segment);
            }
        }
    }

    /// Lets everything of a lane that waits now go.
    pub fn flush_lane(&self, lane: Lane) {
        self.state().lanes[lane as usize].release();
    }

    /// Lets everything that waits now go.
    pub fn flush(&self) {
        for lane in Lane::ALL {
            self.flush_lane(lane);
            self.wake(lane);
        }
    }

    /// Lets everything go from now on, as soon as it is there.
    pub fn drain(&self) {
        self.set_mode(SendMode::Immediate);
    }

    /// Changes when the lanes may send.
    pub fn set_mode(&self, mode: SendMode) {
        self.state().mode = mode;
        self.wake_all();
    }

    /// Says that no segment will be pushed any more.
    pub fn close(&self) {
        self.state().closed = true;
        self.wake_all();
    }

    /// Whether no segment will be pushed any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Whether a lane is empty and stays so.
    #[must_use]
    pub fn is_done(&self, lane: Lane) -> bool {
        let state = self.state();
        let lane = &state.lanes[lane as usize];
        state.closed && lane.pending.is_empty() && lane.taken.is_empty()
    }

    /// Whether everything of a lane up to a place is done with.
    #[must_use]
    pub fn is_settled(&self, lane: Lane, last: u64) -> bool {
        let state = self.state();
        let lane = &state.lanes[lane as usize];
        let waits = lane.pending.front().is_some_and(|segment| segment.sequence <= last);
        !waits && lane.taken.iter().all(|&place| place > last)
    }

    /// When the lanes may send.
    #[must_use]
    pub fn mode(&self) -> SendMode {
        self.state().mode
    }

    /// Bytes of what waits or is under way, or was kept by a dry run.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        let state = self.state();
        (state.disk_bytes + state.memory_bytes).saturating_sub(state.rejected_bytes)
    }

    /// What waits or is under way.
    #[must_use]
    pub fn left(&self) -> Counts {
        self.sum(|lane, sum| {
            *sum += lane.in_flight;
            lane.pending.iter().for_each(|segment| *sum += segment.contents.share);
        })
    }

    /// What counts as spooled: all that is left, and what a dry run is done with.
    #[must_use]
    pub fn spooled(&self) -> Counts {
        let mut spooled = self.left();
        spooled += self.kept();
        spooled
    }

    /// What a dry run is done with.
    #[must_use]
    pub fn kept(&self) -> Counts {
        self.sum(|lane, sum| *sum += lane.kept)
    }

    fn sum(&self, add: impl Fn(&LaneState, &mut Counts)) -> Counts {
        let mut sum = Counts::default();
        self.state().lanes.iter().for_each(|lane| add(lane, &mut sum));
        sum
    }

    /// Gives up what waits in memory, which the end of the process would lose, and counts it.
    pub fn drop_memory(&self) {
        let mut state = self.state();
        for lane in &mut state.lanes {
            let lost = std::mem::take(&mut lane.in_flight_in_memory);
            self.counters.dropped.add(lost);
            lane.in_flight -= lost;
            lane.pending.retain(|segment| {
                let lost = segment.is_in_memory();
                if lost {
                    self.counters.dropped.add(segment.contents.share);
                }
                !lost
            });
        }
    }

    /// Lets both lanes look again whether there is something to do.
    pub fn wake_all(&self) {
        Lane::ALL.into_iter().for_each(|lane| self.wake(lane));
    }

    fn wake(&self, lane: Lane) {
        self.wake[lane as usize].notify_one();
    }

    /// Waits until something changed that may let a lane send.
    pub async fn woken(&self, lane: Lane) {
        self.wake[lane as usize].notified().await;
    }
}

impl State {
    fn account_bytes(&mut self, segment: &Segment, added: bool) {
        let bytes = if segment.is_in_memory() { &mut self.memory_bytes } else { &mut self.disk_bytes };
        *bytes = if added { *bytes + segment.disk_bytes } else { bytes.saturating_sub(segment.disk_bytes) };
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spool::tests::{datum, event, manifest};

    pub(crate) fn outbox(capacity: u64, mode: SendMode) -> Outbox {
        let spool = Spool::in_memory(&manifest());
        Outbox::new(spool, Arc::default(), Arc::default(), capacity, mode)
    }

    fn push_event(outbox: &Outbox, timestamp: i64) {
        outbox.push(outbox.spool().write_events(&[event(timestamp, "x")]).0);
    }

    fn taken(outbox: &Outbox, lane: Lane) -> Vec<u64> {
        outbox.take(lane, usize::MAX, |_| true).iter().map(|segment| segment.id).collect()
    }

    #[test]
    fn a_dry_run_makes_room_with_what_it_is_done_with() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let (first, _) = spool.write_events(&[event(1, "x")]);
        let counters = Arc::new(Counters::default());
        let outbox =
            Outbox::new(spool, Arc::clone(&counters), Arc::default(), first.disk_bytes * 2, SendMode::Immediate);
        outbox.push(first.clone());
        for time in 2..=5 {
            let taken = outbox.take(Lane::Logs, usize::MAX, |_| true);
            outbox.keep(taken);
            push_event(&outbox, time);
        }
        assert_eq!((outbox.kept().log_events, outbox.left().log_events), (4, 1));
        assert_eq!(counters.dropped.get(), Counts::default());
        assert!(first.read().is_err(), "the oldest is gone");
        assert_eq!(outbox.waiting_bytes(), first.disk_bytes * 2);
        let told: Vec<_> = outbox.diagnostics.take().into_iter().map(|message| message.text).collect();
        assert!(told.len() == 1 && told[0].contains("this dry run is full"), "{told:?}");
    }

    #[test]
    fn what_a_dry_run_is_done_with_or_was_rejected_lets_nothing_go_early() {
        for rejected in [false, true] {
            let root = tempfile::tempdir().expect("a folder");
            let spool = Spool::create(root.path(), &manifest()).expect("a spool");
            let bytes = spool.write_events(&[event(1, "x")]).0.disk_bytes;
            let outbox = Outbox::new(spool, Arc::default(), Arc::default(), bytes * 10, SendMode::Deferred);
            (1..=4).for_each(|time| push_event(&outbox, time));
            outbox.flush();
            let done = outbox.take(Lane::Logs, usize::MAX, |_| true);
            assert_eq!(done.len(), 4);
            if rejected {
                done.iter().for_each(|segment| outbox.settle_rejected(segment));
            } else {
                outbox.keep(done);
            }
            (5..=7).for_each(|time| push_event(&outbox, time));
            assert!(taken(&outbox, Lane::Logs).is_empty(), "3 of 6 or 10 segments wait");
            (8..=10).for_each(|time| push_event(&outbox, time));
            assert!(!taken(&outbox, Lane::Logs).is_empty(), "6 of them wait");
        }
    }

    #[test]
    fn what_was_rejected_makes_room_for_what_may_be_taken() {
        // A segment may be more than an eighth of all the room.
        for segments in [16, 2] {
            let root = tempfile::tempdir().expect("a folder");
            let spool = Spool::create(root.path(), &manifest()).expect("a spool");
            let bytes = spool.write_events(&[event(10, "x")]).0.disk_bytes;
            let counters: Arc<Counters> = Arc::default();
            let outbox =
                Outbox::new(spool, Arc::clone(&counters), Arc::default(), bytes * segments, SendMode::Immediate);
            for time in 10..=59 {
                push_event(&outbox, time);
                let [segment] = &outbox.take(Lane::Logs, usize::MAX, |_| true)[..] else { panic!("it was dropped") };
                outbox.spool().reject(segment).expect("moved");
                outbox.settle_rejected(segment);
            }
            (60..60 + segments).for_each(|time| push_event(&outbox, time.cast_signed()));
            assert_eq!((outbox.left().log_events, counters.dropped.get()), (segments, Counts::default()));
            let rejected = std::fs::read_dir(outbox.spool().rejected().expect("there")).expect("readable").count();
            assert_eq!(rejected, 0, "all has made room");
            push_event(&outbox, 99);
            assert_eq!((outbox.left().log_events, counters.dropped.get().log_events), (segments, 1));
        }
    }

    #[test]
    fn what_steps_back_holds_up_no_backlog() {
        let outbox = outbox(1 << 30, SendMode::Periodic);
        let push = |requests| outbox.push(outbox.spool().write_datums(&[datum(requests)]).0);
        push(1.0);
        outbox.flush();
        push(2.0);
        outbox.flush();
        let mut fresh = outbox.take(Lane::Metrics, usize::MAX, |_| true);
        assert_eq!(fresh.iter().map(|segment| segment.id).collect::<Vec<_>>(), [2]);
        fresh.iter_mut().for_each(|segment| segment.deferred = true);
        outbox.put_back(Lane::Metrics, fresh);
        assert_eq!(taken(&outbox, Lane::Metrics), [1]);
        assert_eq!(taken(&outbox, Lane::Metrics), [2]);
    }

    #[test]
    fn what_steps_back_goes_when_nothing_else_may() {
        let outbox = outbox(1 << 30, SendMode::Immediate);
        (1..=3).for_each(|time| push_event(&outbox, time));
        let mut first = outbox.take(Lane::Logs, usize::MAX, |segment| segment.id == 1);
        first.iter_mut().for_each(|segment| segment.deferred = true);
        outbox.put_back(Lane::Logs, first);
        assert_eq!(taken(&outbox, Lane::Logs), [2, 3]);
        assert!(!outbox.is_settled(Lane::Logs, 1));
        assert_eq!(taken(&outbox, Lane::Logs), [1]);
    }

    #[test]
    fn what_a_dry_run_is_done_with_takes_no_room_in_memory() {
        let outbox = outbox(1 << 30, SendMode::Immediate);
        push_event(&outbox, 1);
        outbox.keep(outbox.take(Lane::Logs, usize::MAX, |_| true));
        assert_eq!((outbox.kept().log_events, outbox.waiting_bytes()), (1, 0));
    }

    #[test]
    fn nothing_goes_before_it_is_due() {
        let outbox = outbox(1 << 30, SendMode::Periodic);
        push_event(&outbox, 1);
        push_event(&outbox, 2);
        assert!(taken(&outbox, Lane::Logs).is_empty());
        outbox.flush();
        push_event(&outbox, 3);
        assert_eq!(taken(&outbox, Lane::Logs), [1, 2]);
        outbox.drain();
        assert_eq!(taken(&outbox, Lane::Logs), [3]);
    }

    #[test]
    fn live_datums_do_not_wait_behind_a_backlog() {
        let outbox = outbox(1 << 30, SendMode::Periodic);
        let push = || outbox.push(outbox.spool().write_datums(&[datum(1.0)]).0);
        (0..4).for_each(|_| push());
        outbox.flush();
        push();
        outbox.flush();
        let one_call = || {
            let mut number = 0;
            let fits = |_: &Segment| {
                number += 1;
                number <= 2
            };
            outbox.take(Lane::Metrics, usize::MAX, fits).iter().map(|s| s.id).collect::<Vec<_>>()
        };
        assert_eq!([one_call(), one_call(), one_call()], [vec![5], vec![1, 2], vec![3, 4]]);
    }

    #[test]
    fn a_call_that_is_full_need_not_wait_in_live_mode() {
        for (mode, ids) in [(SendMode::Periodic, vec![1, 2]), (SendMode::Deferred, vec![])] {
            let outbox = outbox(1 << 30, mode);
            push_event(&outbox, 1);
            push_event(&outbox, 2);
            let taken = outbox.take(Lane::Logs, 2 * 27, |_| true);
            assert_eq!(taken.iter().map(|s| s.id).collect::<Vec<_>>(), ids);
        }
    }

    #[test]
    fn the_oldest_logs_are_dropped_first_and_counted() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let (metrics, _) = spool.write_datums(&[datum(7.0)]);
        let capacity = metrics.disk_bytes + spool.write_events(&[event(1, "x")]).0.disk_bytes;
        let outbox = Outbox::new(spool, Arc::default(), Arc::default(), capacity, SendMode::Immediate);
        outbox.push(metrics);
        push_event(&outbox, 1);
        push_event(&outbox, 2);
        assert_eq!(outbox.counters.dropped.get(), Counts { log_events: 1, ..Counts::default() });
        outbox.push(outbox.spool().write_datums(&[datum(8.0)]).0);
        assert_eq!(outbox.counters.dropped.get(), Counts { requests: 7, failures: 0, log_events: 2 });
        assert_eq!(outbox.left(), Counts { requests: 8, ..Counts::default() });
        assert_eq!(outbox.diagnostics.take().len(), 1);
    }

    #[test]
    fn what_comes_back_from_failed_calls_is_in_order_again() {
        let outbox = outbox(1 << 30, SendMode::Immediate);
        (1..=4).for_each(|time| push_event(&outbox, time));
        let mut calls: Vec<_> = (0..4)
            .map(|_| {
                let mut first = true;
                outbox.take(Lane::Logs, usize::MAX, |_| std::mem::take(&mut first))
            })
            .collect();
        calls.swap(0, 2);
        let whole = calls.remove(1).remove(0);
        outbox.replace(&whole, vec![outbox.spool().write_events(&[event(2, "x")]).0]);
        calls.into_iter().for_each(|call| outbox.put_back(Lane::Logs, call));
        assert_eq!(taken(&outbox, Lane::Logs), [1, 5, 3, 4]);
    }

    #[test]
    fn what_is_recorded_is_sent_early_rather_than_dropped() {
        let outbox = outbox(1 << 30, SendMode::Deferred);
        let large = "x".repeat(700_000);
        let push = || outbox.push(outbox.spool().write_events(&[event(1, &large)]).0);
        (0..40).for_each(|_| push());
        assert!(taken(&outbox, Lane::Logs).is_empty());
        (0..10).for_each(|_| push());
        assert!(taken(&outbox, Lane::Logs).len() > 40, "half of the memory is full");
        assert_eq!(outbox.counters.dropped.get(), Counts::default());
    }

    #[test]
    fn what_a_cut_off_call_held_in_memory_is_lost_and_counted() {
        let outbox = outbox(1 << 30, SendMode::Immediate);
        push_event(&outbox, 1);
        push_event(&outbox, 2);
        let mut first = true;
        drop(outbox.take(Lane::Logs, usize::MAX, |_| std::mem::take(&mut first)));
        outbox.drop_memory();
        assert_eq!(outbox.counters.dropped.get().log_events, 2);
        assert_eq!(outbox.left(), Counts::default());
    }

    #[test]
    fn what_was_taken_is_left_until_it_is_settled() {
        let outbox = outbox(1 << 30, SendMode::Immediate);
        push_event(&outbox, 1);
        outbox.close();
        let segments = outbox.take(Lane::Logs, usize::MAX, |_| true);
        assert_eq!(outbox.left().log_events, 1);
        assert!(!outbox.is_done(Lane::Logs) && !outbox.is_settled(Lane::Logs, 1));
        assert!(outbox.is_settled(Lane::Metrics, 1) && outbox.is_settled(Lane::Logs, 0));
        outbox.put_back(Lane::Logs, segments);
        assert_eq!(outbox.left().log_events, 1);
        assert!(!outbox.is_settled(Lane::Logs, 1));
        outbox.settle(&outbox.take(Lane::Logs, usize::MAX, |_| true));
        assert_eq!(outbox.left(), Counts::default());
        assert!(outbox.is_done(Lane::Logs) && outbox.is_settled(Lane::Logs, 1));
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Push(Lane, usize),
        Take(Lane, usize),
        /// What was taken at some time comes back, is taken by CloudWatch, is cut, or is not taken at all.
        PutBack(usize),
        Settle(usize),
        Cut(usize),
        Reject(usize),
        SendMode(SendMode),
        Flush,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let lane = || prop_oneof![Just(Lane::Metrics), Just(Lane::Logs)];
        let mode = prop_oneof![Just(SendMode::Deferred), Just(SendMode::Periodic), Just(SendMode::Immediate)];
        let step = prop_oneof![
            4 => (lane(), 1..9usize).prop_map(|(lane, items)| Step::Push(lane, items)),
            4 => (lane(), 1..4usize).prop_map(|(lane, segments)| Step::Take(lane, segments)),
            2 => any::<usize>().prop_map(Step::PutBack),
            2 => any::<usize>().prop_map(Step::Settle),
            1 => any::<usize>().prop_map(Step::Cut),
            1 => any::<usize>().prop_map(Step::Reject),
            1 => mode.prop_map(Step::SendMode),
            1 => Just(Step::Flush),
        ];
        prop::collection::vec(step, 0..80)
    }

    fn share_of(segments: &[Segment]) -> Counts {
        let mut sum = Counts::default();
        segments.iter().for_each(|segment| sum += segment.contents.share);
        sum
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_there_twice_whatever_becomes_of_the_calls(steps in steps(), small in any::<bool>()) {
            let root = tempfile::tempdir().expect("a folder");
            let spool = Spool::create(root.path(), &manifest()).expect("a spool");
            let capacity = if small { 2_000 } else { u64::MAX };
            let outbox = Outbox::new(spool, Arc::default(), Arc::default(), capacity, SendMode::Periodic);
            let (mut pushed, mut done) = (Counts::default(), Counts::default());
            let mut calls: Vec<Vec<Segment>> = Vec::new();
            let write = |lane, items: usize| match lane {
                Lane::Metrics => outbox.spool().write_datums(&vec![datum(1.0); items]).0,
                Lane::Logs => outbox.spool().write_events(&vec![event(1, "x"); items]).0,
            };
            for step in steps {
                let call = match step {
                    Step::PutBack(i) | Step::Settle(i) | Step::Cut(i) | Step::Reject(i) if !calls.is_empty() => {
                        calls.swap_remove(i % calls.len())
                    }
                    _ => Vec::new(),
                };
                match step {
                    Step::Push(lane, items) => {
                        let segment = write(lane, items);
                        pushed += segment.contents.share;
                        outbox.push(segment);
                    }
                    Step::Take(lane, number) => {
                        let mut room = number;
                        let taken = outbox.take(lane, usize::MAX, |_| { let fits = room > 0; room = room.saturating_sub(1); fits });
                        prop_assert!(taken.len() <= number && taken.is_sorted_by_key(|s| (s.sequence, s.id)));
                        if !taken.is_empty() {
                            calls.push(taken);
                        }
                    }
                    Step::PutBack(_) => call.into_iter().for_each(|segment| outbox.put_back(segment.lane, vec![segment])),
                    Step::Settle(_) => {
                        done += share_of(&call);
                        outbox.settle(&call);
                    }
                    Step::Cut(_) => for whole in call {
                        let items = whole.contents.items;
                        let parts = [items / 2, items - items / 2].map(|items| write(whole.lane, items));
                        outbox.replace(&whole, parts.into());
                    },
                    Step::Reject(_) => for segment in call {
                        done += segment.contents.share;
                        outbox.spool().reject(&segment).expect("moved");
                        outbox.settle_rejected(&segment);
                    },
                    Step::SendMode(mode) => outbox.set_mode(mode),
                    Step::Flush => outbox.flush(),
                }
                let mut all = outbox.left();
                all += done;
                all += outbox.counters.dropped.get();
                prop_assert_eq!(all, pushed);
            }
            calls.into_iter().flatten().for_each(|segment| outbox.put_back(segment.lane, vec![segment]));
            outbox.drain();
            outbox.close();
            for lane in Lane::ALL {
                let rest = outbox.take(lane, usize::MAX, |_| true);
                prop_assert!(rest.iter().all(|segment| segment.read().is_ok()), "what waits is on the disk");
                prop_assert_eq!(outbox.is_done(lane), rest.is_empty());
                outbox.settle(&rest);
                prop_assert!(outbox.is_done(lane) && outbox.is_settled(lane, u64::MAX));
            }
            prop_assert_eq!((outbox.left(), outbox.waiting_bytes()), (Counts::default(), 0));
        }
    }
}

//! The outbox: the segments that wait to be sent, by lane, within the capacity of the spool.

mod capacity;
mod lane_queue;
mod ledger;
mod settle;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use tokio::sync::Notify;

use crate::accounting::counters::{Counters, Counts};
use crate::delivery::outbox::lane_queue::LaneQueue;
use crate::delivery::outbox::ledger::Ledger;
use crate::messages::{Diagnostics, Level};
use crate::spool::{Lane, Packing, Segment, Spool};
use crate::sync::{Mutex, MutexGuard};

pub use settle::Retention;

/// When the lanes may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendMode {
    /// When the test stops.
    Deferred,
    /// At every flush interval.
    Periodic,
    /// At once.
    Immediate,
}

struct State {
    queues: [LaneQueue; 2],
    /// Segments that a dry run has processed, oldest first.
    retained: VecDeque<Segment>,
    ledger: Ledger,
    mode: SendMode,
    is_closed: bool,
}

impl State {
    const fn queue(&mut self, lane: Lane) -> &mut LaneQueue {
        &mut self.queues[lane as usize]
    }

    fn release(&mut self) {
        self.queues.iter_mut().for_each(LaneQueue::release);
    }
}

/// The segments that wait, and the rules by which they may be sent.
pub struct Outbox {
    state: Mutex<State>,
    wake: [Notify; 2],
    spool: Spool,
    counters: Arc<Counters>,
    diagnostics: Arc<Diagnostics>,
    capacity_bytes: u64,
    retention: Retention,
}

impl Outbox {
    /// An empty outbox over a spool that may hold `capacity_bytes` bytes.
    #[must_use]
    pub fn new(
        spool: Spool,
        counters: Arc<Counters>,
        diagnostics: Arc<Diagnostics>,
        capacity_bytes: u64,
        mode: SendMode,
    ) -> Self {
        let state = State {
            queues: Lane::ALL.map(LaneQueue::new),
            retained: VecDeque::new(),
            ledger: Ledger::default(),
            mode,
            is_closed: false,
        };
        let (state, wake) = (Mutex::new(state), Default::default());
        Self { state, wake, spool, counters, diagnostics, capacity_bytes, retention: Retention::Delete }
    }

    /// The outbox with another policy for settled segments.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The spool of the segments.
    #[must_use]
    pub const fn spool(&self) -> &Spool {
        &self.spool
    }

    /// The policy for settled segments.
    #[must_use]
    pub const fn retention(&self) -> Retention {
        self.retention
    }

    /// Adds a new segment, and makes room for it.
    pub fn push(&self, segment: Segment) {
        let lane = segment.lane;
        let mut state = self.state();
        let State { queues, ledger, .. } = &mut *state;
        queues[lane as usize].push(segment, ledger);
        let early = self.release_early(&mut state);
        self.make_room(state);
        if early {
            self.diagnostics.log_once(
                Level::Info,
                "half full",
                "The spool is half full: locust-cw publishes its data now, before the test stops.",
            );
            self.wake_all();
        }
        self.wake(lane);
    }

    /// Takes the oldest segments of a lane that may be sent now, for as long as they fit.
    pub fn take(&self, lane: Lane, full_call_bytes: usize, fits: impl FnMut(&Segment) -> bool) -> Vec<Segment> {
        let mut state = self.state();
        let State { queues, ledger, mode, .. } = &mut *state;
        queues[lane as usize].take(*mode, full_call_bytes, fits, ledger)
    }

    /// Puts segments that were in flight back into their positions.
    pub fn put_back(&self, lane: Lane, segments: Vec<Segment>) {
        let mut state = self.state();
        let State { queues, ledger, .. } = &mut *state;
        segments.into_iter().for_each(|segment| queues[lane as usize].put_back(segment, ledger));
    }

    /// Puts a segment that was in flight back into its position. All others are sent before it.
    pub fn defer(&self, segment: Segment) {
        let mut state = self.state();
        let State { queues, ledger, .. } = &mut *state;
        queues[segment.lane as usize].defer(segment, ledger);
    }

    /// Replaces a segment that was in flight by the parts that it was split into. Each is sent alone.
    pub fn replace(&self, whole: &Segment, parts: Vec<Segment>) {
        let mut state = self.state();
        let State { queues, ledger, .. } = &mut *state;
        let queue = &mut queues[whole.lane as usize];
        queue.complete(whole);
        ledger.remove(whole);
        for mut part in parts {
            (part.sequence, part.packing) = (whole.sequence, Packing::Isolated);
            queue.push(part, ledger);
        }
        drop(state);
        self.spool.remove(whole);
    }

    /// Lets everything of a lane that waits now be sent.
    pub fn flush_lane(&self, lane: Lane) {
        self.state().queue(lane).release();
    }

    /// Lets everything that waits now be sent.
    pub fn flush(&self) {
        for lane in Lane::ALL {
            self.flush_lane(lane);
            self.wake(lane);
        }
    }

    /// Lets everything be sent at once from now on.
    pub fn drain(&self) {
        self.set_mode(SendMode::Immediate);
    }

    /// Changes when the lanes may send.
    pub fn set_mode(&self, mode: SendMode) {
        self.state().mode = mode;
        self.wake_all();
    }

    /// Declares that no segment will be pushed any more.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.wake_all();
    }

    /// Whether no segment will be pushed any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Whether a lane is empty and will stay empty.
    #[must_use]
    pub fn is_done(&self, lane: Lane) -> bool {
        let mut state = self.state();
        state.is_closed && state.queue(lane).is_empty()
    }

    /// Whether all segments of a lane up to a sequence number are settled.
    #[must_use]
    pub fn is_settled(&self, lane: Lane, last: u64) -> bool {
        self.state().queue(lane).is_settled(last)
    }

    /// When the lanes may send.
    #[must_use]
    pub fn mode(&self) -> SendMode {
        self.state().mode
    }

    /// Bytes of segments that wait, are in flight, or were retained by a dry run.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        let state = self.state();
        state.ledger.useful_bytes_on_disk() + state.ledger.memory_bytes()
    }

    /// What waits or is in flight.
    #[must_use]
    pub fn left(&self) -> Counts {
        self.state().ledger.left()
    }

    /// What counts as spooled: everything that is left, and what a dry run has processed.
    #[must_use]
    pub fn spooled(&self) -> Counts {
        let state = self.state();
        let mut spooled = state.ledger.left();
        spooled += state.ledger.retained();
        spooled
    }

    /// What a dry run has processed.
    #[must_use]
    pub fn retained(&self) -> Counts {
        self.state().ledger.retained()
    }

    /// Counts what is in memory as dropped, because the end of the process loses it.
    pub fn drop_memory(&self) {
        let mut state = self.state();
        self.counters.dropped.add(state.ledger.remove_memory());
        state.queues.iter_mut().for_each(LaneQueue::remove_memory);
    }

    /// Makes both lanes check whether they can send.
    pub fn wake_all(&self) {
        Lane::ALL.into_iter().for_each(|lane| self.wake(lane));
    }

    fn wake(&self, lane: Lane) {
        self.wake[lane as usize].notify_one();
    }

    /// Waits for a change after which a lane may be able to send.
    pub async fn woken(&self, lane: Lane) {
        self.wake[lane as usize].notified().await;
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
    fn a_dry_run_deletes_its_oldest_segments_to_make_room() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let (first, _) = spool.write_events(&[event(1, "x")]);
        let counters = Arc::new(Counters::default());
        let outbox =
            Outbox::new(spool, Arc::clone(&counters), Arc::default(), first.disk_bytes * 2, SendMode::Immediate)
                .with_retention(Retention::Keep);
        outbox.push(first.clone());
        for time in 2..=5 {
            let taken = outbox.take(Lane::Logs, usize::MAX, |_| true);
            outbox.settle(taken, 0);
            push_event(&outbox, time);
        }
        assert_eq!((outbox.retained().log_events, outbox.left().log_events), (4, 1));
        assert_eq!(counters.dropped.get(), Counts::default());
        assert!(first.read().is_err(), "the oldest is gone");
        assert_eq!(outbox.waiting_bytes(), first.disk_bytes * 2);
        let texts: Vec<_> = outbox.diagnostics.take().into_iter().map(|message| message.text).collect();
        assert!(texts.len() == 1 && texts[0].contains("this dry run is full"), "{texts:?}");
    }

    #[test]
    fn retained_and_rejected_segments_release_nothing_early() {
        for rejected in [false, true] {
            let root = tempfile::tempdir().expect("a folder");
            let spool = Spool::create(root.path(), &manifest()).expect("a spool");
            let bytes = spool.write_events(&[event(1, "x")]).0.disk_bytes;
            let retention = if rejected { Retention::Delete } else { Retention::Keep };
            let outbox = Outbox::new(spool, Arc::default(), Arc::default(), bytes * 10, SendMode::Deferred)
                .with_retention(retention);
            (1..=4).for_each(|time| push_event(&outbox, time));
            outbox.flush();
            let done = outbox.take(Lane::Logs, usize::MAX, |_| true);
            assert_eq!(done.len(), 4);
            if rejected {
                done.into_iter().for_each(|segment| outbox.reject(segment));
            } else {
                outbox.settle(done, 0);
            }
            (5..=7).for_each(|time| push_event(&outbox, time));
            assert!(taken(&outbox, Lane::Logs).is_empty(), "3 of 6 or 10 segments wait");
            (8..=10).for_each(|time| push_event(&outbox, time));
            assert!(!taken(&outbox, Lane::Logs).is_empty(), "6 of them wait");
        }
    }

    #[test]
    fn rejected_segments_make_room_for_others() {
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
                let segment = outbox.take(Lane::Logs, usize::MAX, |_| true).pop().expect("it was not dropped");
                outbox.reject(segment);
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
    fn a_deferred_segment_does_not_hold_up_a_backlog() {
        let outbox = outbox(1 << 30, SendMode::Periodic);
        let push = |requests| outbox.push(outbox.spool().write_datums(&[datum(requests)]).0);
        push(1.0);
        outbox.flush();
        push(2.0);
        outbox.flush();
        let fresh = outbox.take(Lane::Metrics, usize::MAX, |_| true);
        assert_eq!(fresh.iter().map(|segment| segment.id).collect::<Vec<_>>(), [2]);
        fresh.into_iter().for_each(|segment| outbox.defer(segment));
        assert_eq!(taken(&outbox, Lane::Metrics), [1]);
        assert_eq!(taken(&outbox, Lane::Metrics), [2]);
    }

    #[test]
    fn a_deferred_segment_is_sent_if_there_are_no_others() {
        let outbox = outbox(1 << 30, SendMode::Immediate);
        (1..=3).for_each(|time| push_event(&outbox, time));
        let first = outbox.take(Lane::Logs, usize::MAX, |segment| segment.id == 1);
        first.into_iter().for_each(|segment| outbox.defer(segment));
        assert_eq!(taken(&outbox, Lane::Logs), [2, 3]);
        assert!(!outbox.is_settled(Lane::Logs, 1));
        assert_eq!(taken(&outbox, Lane::Logs), [1]);
    }

    #[test]
    fn a_retained_segment_takes_no_memory() {
        let outbox = outbox(1 << 30, SendMode::Immediate).with_retention(Retention::Keep);
        push_event(&outbox, 1);
        outbox.settle(outbox.take(Lane::Logs, usize::MAX, |_| true), 0);
        assert_eq!((outbox.retained().log_events, outbox.waiting_bytes()), (1, 0));
    }

    #[test]
    fn nothing_is_sent_before_it_is_due() {
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
    fn segments_of_failed_calls_return_to_their_positions() {
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
    fn recorded_data_is_sent_early_rather_than_dropped() {
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
    fn segments_in_memory_of_a_call_that_is_cut_off_are_dropped_and_counted() {
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
    fn segments_in_flight_are_left_until_they_are_settled() {
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
        outbox.settle(outbox.take(Lane::Logs, usize::MAX, |_| true), 0);
        assert_eq!(outbox.left(), Counts::default());
        assert!(outbox.is_done(Lane::Logs) && outbox.is_settled(Lane::Logs, 1));
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Push(Lane, usize),
        Take(Lane, usize),
        /// A call ends: it failed, was accepted, was split, or was refused.
        PutBack(usize),
        Settle(usize),
        Split(usize),
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
            1 => any::<usize>().prop_map(Step::Split),
            1 => any::<usize>().prop_map(Step::Reject),
            1 => mode.prop_map(Step::SendMode),
            1 => Just(Step::Flush),
        ];
        prop::collection::vec(step, 0..80)
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_counted_twice_however_calls_end(
            steps in steps(), small in any::<bool>(), keep in any::<bool>(),
        ) {
            let root = tempfile::tempdir().expect("a folder");
            let spool = Spool::create(root.path(), &manifest()).expect("a spool");
            let capacity = if small { 2_000 } else { u64::MAX };
            let retention = if keep { Retention::Keep } else { Retention::Delete };
            let outbox = Outbox::new(spool, Arc::default(), Arc::default(), capacity, SendMode::Periodic)
                .with_retention(retention);
            let mut pushed = Counts::default();
            let mut calls: Vec<Vec<Segment>> = Vec::new();
            let write = |lane, items: usize| match lane {
                Lane::Metrics => outbox.spool().write_datums(&vec![datum(1.0); items]).0,
                Lane::Logs => outbox.spool().write_events(&vec![event(1, "x"); items]).0,
            };
            for step in steps {
                let call = match step {
                    Step::PutBack(i) | Step::Settle(i) | Step::Split(i) | Step::Reject(i) if !calls.is_empty() => {
                        calls.swap_remove(i % calls.len())
                    }
                    _ => Vec::new(),
                };
                match step {
                    Step::Push(lane, items) => {
                        let segment = write(lane, items);
                        pushed += segment.contents.counts;
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
                    Step::Settle(_) => outbox.settle(call, 0),
                    Step::Split(_) => for whole in call {
                        let items = whole.contents.items;
                        let parts = [items / 2, items - items / 2].map(|items| write(whole.lane, items));
                        outbox.replace(&whole, parts.into());
                    },
                    Step::Reject(_) => for segment in call {
                        outbox.reject(segment);
                    },
                    Step::SendMode(mode) => outbox.set_mode(mode),
                    Step::Flush => outbox.flush(),
                }
                let mut all = outbox.spooled();
                for settled in [&outbox.counters.delivered, &outbox.counters.rejected, &outbox.counters.dropped] {
                    all += settled.get();
                }
                prop_assert_eq!(all, pushed);
            }
            calls.into_iter().flatten().for_each(|segment| outbox.put_back(segment.lane, vec![segment]));
            outbox.drain();
            outbox.close();
            for lane in Lane::ALL {
                let rest = outbox.take(lane, usize::MAX, |_| true);
                prop_assert!(rest.iter().all(|segment| segment.read().is_ok()), "what waits is on the disk");
                prop_assert_eq!(outbox.is_done(lane), rest.is_empty());
                outbox.settle(rest, 0);
                prop_assert!(outbox.is_done(lane) && outbox.is_settled(lane, u64::MAX));
            }
            let retained = outbox.state().retained.iter().map(|segment| segment.disk_bytes).sum();
            prop_assert_eq!((outbox.left(), outbox.waiting_bytes()), (Counts::default(), retained));
        }
    }
}

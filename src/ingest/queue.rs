//! The bounded queue between the request hooks and the aggregation thread.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use smol_str::SmolStr;

use crate::ingest::custom_report::CustomReport;
use crate::ingest::user_mark::UserMark;
use crate::metrics::custom::CustomValue;
use crate::sample::{Gauge, LifeCycleEvent, ReportedStats, Sample};
use crate::sync::atomic::{
    AtomicBool, AtomicI64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use crate::sync::mpsc::{Receiver, SendError, Sender, TryRecvError, channel};
use crate::sync::{receive_within, thread};
use crate::timestamp::Timestamp;

/// Maximum number of items in the queue: those of more than ten seconds at 5,000 requests/s.
const CAPACITY: usize = if cfg!(all(test, shuttle)) { 2 } else { 65_536 };
/// Maximum size of the samples in the queue.
const CAPACITY_BYTES: usize = 64 * 1024 * 1024;
/// How long a hook waits for room, with the GIL released, before it drops its sample.
pub const ENQUEUE_TIMEOUT: Duration = Duration::from_millis(50);
/// How often a waiting hook checks for room.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// The ID of the last segment that a flush sends. The aggregation thread sets it.
pub type FlushToken = Arc<OnceLock<u64>>;

/// Data that the capacity of the queue limits.
#[derive(Debug)]
pub enum Item {
    /// A finished request. It is not boxed, because memory that one thread allocates and another frees slows down both.
    Sample(Sample),
    /// The statistics of one request name that a worker reported.
    ReportedStats(Box<ReportedStats>),
    /// The value of a custom metric, of which a test can have as many as requests.
    Custom(Box<CustomValue>),
}

impl Item {
    fn weight(&self) -> usize {
        match self {
            Self::Sample(sample) => sample.weight(),
            Self::ReportedStats(_) => 0,
            Self::Custom(value) => value.weight(),
        }
    }
}

/// A message that is small and rare, and must not be lost, so that no capacity limits it.
#[derive(Debug)]
pub enum ControlMessage {
    /// The value of a gauge.
    Gauge(Box<Gauge>),
    /// A mark of a user. Their number is bounded.
    Mark(Box<UserMark>),
    /// The custom metrics and marks of a worker that this process publishes for, and the users in this process. There is one in
    /// each report of Locust.
    CustomReport {
        /// The worker.
        worker: SmolStr,
        /// What it has recorded.
        report: Box<CustomReport>,
        /// Users in this process when the report arrived.
        users: u32,
    },
    /// A life-cycle event of the test.
    LifeCycle(Box<LifeCycleEvent>),
    /// The only request names to publish from now on.
    RestrictRequests(Vec<SmolStr>),
    /// No content: it wakes the aggregation thread, because a hook waits for room.
    Wake,
    /// Sends all items before this message, including those of open windows, and sets the token.
    Flush(FlushToken),
    /// Sends all items before this message, and every later one without delay.
    Drain,
    /// Sends all items before this message, and ends the aggregation thread.
    Close,
}

/// The next element of the queue.
#[derive(Debug)]
pub enum Next {
    /// An item.
    Item(Item),
    /// A message. All items that were pushed before it have been popped.
    ControlMessage(ControlMessage),
}

/// The end of the queue that the hooks use.
pub struct QueueSender {
    /// An unbounded channel, whose blocks are allocated as needed. `load` enforces the capacity.
    items: Sender<Item>,
    /// Unbounded, so that sending a message never waits. A message wakes the aggregation thread.
    control: Sender<ControlMessage>,
    load: Arc<Load>,
    /// The last hook that waited found no room. Until there is room again, no hook waits.
    overflowing: AtomicBool,
    /// [`ControlMessage::Close`] was sent.
    closed: AtomicBool,
}

/// The end of the queue that the aggregation thread uses.
pub struct QueueReceiver {
    items: Receiver<Item>,
    control: Receiver<ControlMessage>,
    /// A message that was received while items sent before it were still in the queue.
    held_back: Cell<Option<ControlMessage>>,
    load: Arc<Load>,
}

/// The number and the size of the items in the queue.
struct Load {
    items: AtomicUsize,
    bytes: AtomicUsize,
    /// The time of the oldest request that waits to be pushed, in microseconds since the epoch; [`i64::MAX`] without any.
    pending_since: AtomicI64,
}

impl Default for Load {
    fn default() -> Self {
        let [items, bytes] = [(); 2].map(|()| AtomicUsize::new(0));
        Self { items, bytes, pending_since: AtomicI64::new(i64::MAX) }
    }
}

impl Load {
    fn has_room(&self, weight: usize) -> bool {
        self.items.load(Relaxed) < CAPACITY && self.bytes.load(Relaxed) + weight <= CAPACITY_BYTES
    }

    /// Adds an item, and returns whether it fits. If not, the caller must remove it.
    fn add(&self, weight: usize) -> bool {
        let items = self.items.fetch_add(1, Relaxed);
        let bytes = self.bytes.fetch_add(weight, Relaxed);
        items < CAPACITY && bytes + weight <= CAPACITY_BYTES
    }

    fn remove(&self, weight: usize) {
        self.items.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(weight, Relaxed);
    }
}

/// Creates a queue for [`CAPACITY`] items and [`CAPACITY_BYTES`].
#[must_use]
pub fn queue() -> (QueueSender, QueueReceiver) {
    let (items, received_items) = channel();
    let (control, received_control) = channel();
    let load = Arc::new(Load::default());
    let (overflowing, closed) = (AtomicBool::new(false), AtomicBool::new(false));
    let sender = QueueSender { items, control, load: Arc::clone(&load), overflowing, closed };
    let receiver = QueueReceiver { items: received_items, control: received_control, held_back: Cell::new(None), load };
    (sender, receiver)
}

impl QueueSender {
    /// Pushes an item without waiting.
    ///
    /// # Errors
    /// Returns the item if the queue is full, or the aggregation thread has ended.
    #[expect(clippy::result_large_err, reason = "the item itself is returned, and rarely")]
    pub fn try_push(&self, item: Item) -> Result<(), Item> {
        let weight = item.weight();
        if !self.load.has_room(weight) {
            return Err(item);
        }
        // Other hooks may have pushed items since the check.
        if !self.load.add(weight) {
            self.load.remove(weight);
            return Err(item);
        }
        if let Err(SendError(item)) = self.items.send(item) {
            self.load.remove(weight);
            return Err(item);
        }
        self.overflowing.store(false, Relaxed);
        Ok(())
    }

    /// Sets the time of the oldest request that has finished and waits to be pushed.
    pub fn set_pending_since(&self, time: Option<Timestamp>) {
        // Release: a reader that sees no pending request must also see the items that were queued before.
        self.load.pending_since.store(time.map_or(i64::MAX, Timestamp::micros), Release);
    }

    /// Whether the queue has room for a small sample.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.load.has_room(1)
    }

    /// Pushes an item, and waits for room for up to [`ENQUEUE_TIMEOUT`]. Python calls it with the GIL released.
    ///
    /// # Errors
    /// Returns the item if the queue is still full after that time, or the aggregation thread has ended.
    #[expect(clippy::result_large_err, reason = "the item itself is returned, and rarely")]
    pub fn push(&self, mut item: Item) -> Result<(), Item> {
        let deadline = Instant::now() + ENQUEUE_TIMEOUT;
        let mut has_woken = false;
        loop {
            item = match self.try_push(item) {
                Ok(()) => return Ok(()),
                Err(item) => item,
            };
            if self.overflowing.load(Relaxed) || Instant::now() >= deadline {
                self.overflowing.store(true, Relaxed);
                return Err(item);
            }
            if !std::mem::replace(&mut has_woken, true) {
                self.send_control(ControlMessage::Wake);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Sends a control message. The receiver pops all items that were pushed before it first. Never waits, even if the queue is
    /// full.
    pub fn send_control(&self, message: ControlMessage) {
        // It fails only if the aggregation thread ends, which needs no further message.
        let _ = self.try_send_control(message);
    }

    /// The same, for a message with data that must be accounted for.
    ///
    /// # Errors
    /// Returns the message if the queue is closed, or the aggregation thread has ended.
    pub fn try_send_control(&self, message: ControlMessage) -> Result<(), ControlMessage> {
        if self.closed.load(Relaxed) {
            return Err(message);
        }
        let is_last = matches!(message, ControlMessage::Close);
        self.control.send(message).map_err(|SendError(message)| message)?;
        if is_last {
            self.closed.store(true, Relaxed);
        }
        Ok(())
    }
}

impl QueueReceiver {
    /// Pops the next element without waiting. If the aggregation thread waited here, the hook would have to wake it, which costs
    /// more than the rest of the hook.
    ///
    /// # Errors
    /// If the queue is empty and all senders are dropped.
    pub fn pop(&self) -> Result<Option<Next>, Closed> {
        if let Some(item) = self.pop_item() {
            return Ok(Some(Next::Item(item)));
        }
        let message = match self.held_back.take() {
            Some(message) => message,
            None => match self.control.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Empty) => return Ok(None),
                // Items may have been pushed since the first check. They are the last ones.
                Err(TryRecvError::Disconnected) => {
                    return self.pop_item().map(|item| Some(Next::Item(item))).ok_or(Closed);
                }
            },
        };
        // Items may have been pushed since the first check, and before the message.
        match self.pop_item() {
            Some(item) => {
                self.held_back.set(Some(message));
                Ok(Some(Next::Item(item)))
            }
            None => Ok(Some(Next::ControlMessage(message))),
        }
    }

    /// Returns the backlog. Reads the pending requests before the number of items, so that it does not miss a request that is
    /// queued in between.
    pub fn backlog(&self) -> Backlog {
        let micros = self.load.pending_since.load(Acquire);
        let pending_since = (micros < i64::MAX).then(|| Timestamp::from_micros(micros));
        Backlog { pending_since, has_items: self.load.items.load(Relaxed) > 0 }
    }

    /// Waits for a control message, for at most the `timeout`, and returns whether one was received. Items do not end the wait.
    /// The caller must have found the queue empty.
    pub fn wait(&self, timeout: Duration) -> bool {
        let next = receive_within(&self.control, timeout);
        let is_woken = next.is_some();
        let before = self.held_back.replace(next);
        debug_assert!(before.is_none());
        is_woken
    }

    fn pop_item(&self) -> Option<Item> {
        self.items.try_recv().ok().inspect(|item| {
            self.load.remove(item.weight());
        })
    }
}

/// Requests and items that the aggregation thread has not received yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// The time of the oldest pending request; `None` if there is none.
    pub pending_since: Option<Timestamp>,
    /// Whether the queue has items, including one that is being pushed.
    pub has_items: bool,
}

/// The queue is empty, and all senders are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::aggregator::tests::sample;

    fn item(bytes: usize) -> Item {
        Item::Sample(sample(&"x".repeat(bytes), 0, 1.0))
    }

    #[test]
    fn a_full_queue_returns_the_sample() {
        let (sender, receiver) = queue();
        for _ in 0..CAPACITY {
            sender.try_push(item(1)).expect("room");
        }
        assert!(sender.push(item(1)).is_err() && !sender.has_room());
        receiver.pop().expect("open").expect("an item");
        assert!(sender.has_room());
        sender.push(item(1)).expect("room again");
    }

    #[test]
    fn a_waiting_hook_and_a_control_message_wake_the_receiver() {
        let (sender, receiver) = queue();
        let long = Duration::from_mins(1);
        sender.push(item(1)).expect("room");
        thread::scope(|threads| {
            threads.spawn(|| {
                while sender.try_push(item(1_000_000)).is_ok() {}
                // It finds no room, because the receiver pops nothing.
                assert!(sender.push(item(1_000_000)).is_err());
            });
            assert!(receiver.wait(long));
        });
        while receiver.load.items.load(Relaxed) > 0 {
            assert!(matches!(receiver.pop(), Ok(Some(Next::Item(_)))));
        }
        assert!(matches!(receiver.pop(), Ok(Some(Next::ControlMessage(ControlMessage::Wake)))));
        thread::scope(|threads| {
            threads.spawn(|| sender.send_control(ControlMessage::Drain));
            assert!(receiver.wait(long));
        });
        assert!(matches!(receiver.pop(), Ok(Some(Next::ControlMessage(ControlMessage::Drain)))));
        assert!(!receiver.wait(Duration::ZERO));
    }

    #[test]
    fn a_few_large_samples_fill_the_queue() {
        let (sender, receiver) = queue();
        let pushed = (0..1000).take_while(|_| sender.try_push(item(1_000_000)).is_ok()).count();
        assert!((60..70).contains(&pushed), "{pushed}");
        while receiver.pop().expect("open").is_some() {}
        assert_eq!((receiver.load.items.load(Relaxed), receiver.load.bytes.load(Relaxed)), (0, 0));
    }

    #[test]
    fn a_control_message_never_waits_and_follows_the_samples_pushed_before_it() {
        let (sender, receiver) = queue();
        for _ in 0..CAPACITY {
            sender.try_push(item(1)).expect("room");
        }
        sender.send_control(ControlMessage::Flush(FlushToken::default()));
        for _ in 0..CAPACITY {
            assert!(matches!(receiver.pop(), Ok(Some(Next::Item(_)))));
        }
        assert!(matches!(receiver.pop(), Ok(Some(Next::ControlMessage(ControlMessage::Flush(_))))));
        assert!(matches!(receiver.pop(), Ok(None)));
        drop(sender);
        assert_eq!(receiver.pop().err(), Some(Closed));
    }

    #[test]
    fn a_queue_without_a_receiver_returns_the_sample() {
        let (sender, receiver) = queue();
        drop(receiver);
        assert!(sender.push(item(1)).is_err());
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Push(usize),
        Control,
        Pop,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![(1..200usize).prop_map(Step::Push), Just(Step::Control), Just(Step::Pop)];
        prop::collection::vec(step, 0..200)
    }

    /// The length of a sample's name, or 0 for a message.
    fn size(next: &Next) -> usize {
        if let Next::Item(Item::Sample(sample)) = next { sample.name.len() } else { 0 }
    }

    proptest! {
        #[test]
        fn each_element_is_popped_once_and_in_order_and_samples_come_first(steps in steps()) {
            let (sender, receiver) = queue();
            let (mut samples, mut messages) = (std::collections::VecDeque::new(), 0);
            let pops = std::iter::repeat_n(Step::Pop, steps.len());
            for step in steps.into_iter().chain(pops) {
                match step {
                    Step::Push(bytes) => {
                        prop_assert!(sender.try_push(item(bytes)).is_ok());
                        samples.push_back(bytes);
                    }
                    Step::Control => {
                        sender.send_control(ControlMessage::Drain);
                        messages += 1;
                    }
                    Step::Pop => {
                        let expected = samples.pop_front().or_else(|| (messages > 0).then(|| { messages -= 1; 0 }));
                        prop_assert_eq!(receiver.pop().expect("open").as_ref().map(size), expected);
                    }
                }
                let bytes = item(0).weight() * samples.len() + samples.iter().sum::<usize>();
                prop_assert_eq!((receiver.load.items.load(Relaxed), receiver.load.bytes.load(Relaxed)), (samples.len(), bytes));
            }
            prop_assert_eq!((samples.len(), messages), (0, 0));
        }
    }
}

/// Runs the threads in many different orders: `make model`.
#[cfg(all(test, shuttle))]
mod model {
    use super::*;
    use crate::metrics::aggregator::tests::sample;
    use crate::sample::LifeCycleEvent;
    use crate::timestamp::Timestamp;

    const HOOKS: usize = 3;
    const ROUNDS: u32 = 2;

    /// Each hook pushes a sample and an event in each round, and a last sample. All carry the number of the hook. Returns how many
    /// samples had room.
    fn hook(sender: &QueueSender, number: usize) -> u32 {
        let push = |round| {
            let sample = Sample { users: round, ..sample(&number.to_string(), 0, 1.0) };
            u32::from(sender.try_push(Item::Sample(sample)).is_ok())
        };
        let mut pushed = 0;
        for round in 0..ROUNDS {
            pushed += push(round);
            let name = number.to_string();
            let event = LifeCycleEvent { time: Timestamp::from_seconds(0), name, fields: Vec::new(), users: pushed };
            sender.send_control(ControlMessage::LifeCycle(Box::new(event)));
        }
        pushed + push(ROUNDS)
    }

    #[test]
    fn every_sample_is_popped_before_a_control_message_that_was_sent_after_it() {
        let body = || {
            let (sender, receiver) = queue();
            let sender = Arc::new(sender);
            let hooks: Vec<_> = (0..HOOKS)
                .map(|number| {
                    let sender = Arc::clone(&sender);
                    thread::spawn(move || hook(&sender, number))
                })
                .collect();
            drop(sender);
            let mut samples = [0; HOOKS];
            let mut events = [0; HOOKS];
            loop {
                match receiver.pop() {
                    Ok(Some(Next::Item(Item::Sample(sample)))) => {
                        samples[sample.name.parse::<usize>().expect("a number")] += 1;
                    }
                    Ok(Some(Next::ControlMessage(ControlMessage::LifeCycle(event)))) => {
                        let hook = event.name.parse::<usize>().expect("a number");
                        events[hook] += 1;
                        assert!(
                            samples[hook] >= event.users,
                            "a sample that was pushed before the event is popped after it"
                        );
                    }
                    Ok(None) => thread::yield_now(),
                    Err(Closed) => break,
                    Ok(Some(next)) => panic!("{next:?}"),
                }
            }
            let pushed: Vec<_> = hooks.into_iter().map(|hook| hook.join().expect("no panic")).collect();
            assert_eq!(samples.to_vec(), pushed, "each sample is popped once, or returned to the hook");
            assert_eq!(events, [ROUNDS; HOOKS]);
            assert_eq!((receiver.load.items.load(Relaxed), receiver.load.bytes.load(Relaxed)), (0, 0));
        };
        shuttle::check_random(body, 3_000);
        shuttle::check_pct(body, 3_000, 3);
    }
}

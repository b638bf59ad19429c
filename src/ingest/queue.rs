//! The bounded queue between the hooks and the intake thread.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::ingest::sample::{Gauge, LifeCycleEvent, Report, Sample};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use crate::sync::mpsc::{Receiver, SendError, Sender, TryRecvError, channel};
use crate::sync::{receive_within, thread};

/// Most items that wait: over ten seconds of them at 5,000 requests/s.
const CAPACITY: usize = if cfg!(all(test, shuttle)) { 2 } else { 65_536 };
/// Most bytes of samples that wait.
const CAPACITY_BYTES: usize = 64 * 1024 * 1024;
/// How long a hook waits for room, with the GIL released, before it gives its sample up.
pub const ENQUEUE_TIMEOUT: Duration = Duration::from_millis(50);
/// How often it looks for room meanwhile.
const PAUSE: Duration = Duration::from_millis(1);

/// The id of the last segment of what a flush sends, once it is known.
pub type FlushToken = Arc<OnceLock<u64>>;

/// What counts, and waits within bounds.
#[derive(Debug)]
pub enum Item {
    /// A finished request. It lies in the queue itself: one that is allocated in one thread and freed in another costs both.
    Sample(Sample),
    /// What a worker reported of one request name.
    Report(Box<Report>),
}

impl Item {
    fn weight(&self) -> usize {
        match self {
            Self::Sample(sample) => sample.weight(),
            Self::Report(_) => 0,
        }
    }
}

/// What goes beside that: it is small, rare, and must not be lost.
#[derive(Debug)]
pub enum ControlMessage {
    /// A gauge's value.
    Gauge(Box<Gauge>),
    /// Something that happened to the whole test.
    LifeCycle(Box<LifeCycleEvent>),
    /// Nothing to take: somebody waits for room, and the thread is to look at once.
    Wake,
    /// Send everything before this, the window that is still open included, and tell the last segment of it.
    Flush(FlushToken),
    /// The same, and send at once whatever comes after it.
    Drain,
    /// The same, and nothing comes after it.
    Close,
}

/// What comes out of the queue.
#[derive(Debug)]
pub enum Next {
    /// An item.
    Item(Item),
    /// A message; all items pushed before it have come out.
    ControlMessage(ControlMessage),
}

/// The side of the hooks.
pub struct QueueSender {
    /// Unbounded: its blocks come and go with what waits, which `load` keeps within bounds.
    sender: Sender<Item>,
    /// Whoever pushes a message never waits. It is taken when no item waits, and wakes the thread.
    aside: Sender<ControlMessage>,
    load: Arc<Load>,
    /// Whether the last one who waited did so in vain; then nobody waits until there is room again.
    overflowing: AtomicBool,
}

/// The side of the intake thread.
pub struct QueueReceiver {
    receiver: Receiver<Item>,
    aside: Receiver<ControlMessage>,
    /// One of those, with items to be taken first.
    held_back: Cell<Option<ControlMessage>>,
    load: Arc<Load>,
}

/// How much waits.
#[derive(Default)]
struct Load {
    items: AtomicUsize,
    bytes: AtomicUsize,
}

impl Load {
    fn has_room(&self, weight: usize) -> bool {
        self.items.load(Relaxed) < CAPACITY && self.bytes.load(Relaxed) + weight <= CAPACITY_BYTES
    }

    /// Counts an item in, and says whether there is room for it. To be counted out again where there is none.
    fn add(&self, weight: usize) -> bool {
        let items = self.items.fetch_add(1, Relaxed);
        let bytes = self.bytes.fetch_add(weight, Relaxed);
        items < CAPACITY && bytes + weight <= CAPACITY_BYTES
    }

    fn take_off(&self, weight: usize) {
        self.items.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(weight, Relaxed);
    }
}

/// A queue of [`CAPACITY`] items and [`CAPACITY_BYTES`].
#[must_use]
pub fn queue() -> (QueueSender, QueueReceiver) {
    let (sender, receiver) = channel();
    let (aside, from_aside) = channel();
    let load = Arc::new(Load::default());
    let sender = QueueSender { sender, aside, load: Arc::clone(&load), overflowing: AtomicBool::new(false) };
    (sender, QueueReceiver { receiver, aside: from_aside, held_back: Cell::new(None), load })
}

impl QueueSender {
    /// Hands an item over without waiting.
    ///
    /// # Errors
    /// Gives the item back where there is no room for it, or nobody to take it.
    #[expect(clippy::result_large_err, reason = "it is what was handed over, and hardly ever comes back")]
    pub fn try_push(&self, item: Item) -> Result<(), Item> {
        let weight = item.weight();
        if !self.load.has_room(weight) {
            return Err(item);
        }
        // Others may have come between.
        if !self.load.add(weight) {
            self.load.take_off(weight);
            return Err(item);
        }
        if let Err(SendError(item)) = self.sender.send(item) {
            self.load.take_off(weight);
            return Err(item);
        }
        self.overflowing.store(false, Relaxed);
        Ok(())
    }

    /// Whether a small sample would be taken without waiting.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.load.has_room(1)
    }

    /// Hands an item over, waiting for room for a bounded moment. To be called with the GIL released.
    ///
    /// # Errors
    /// Gives the item back where no room was made in time.
    #[expect(clippy::result_large_err, reason = "it is what was handed over, and hardly ever comes back")]
    pub fn push(&self, mut item: Item) -> Result<(), Item> {
        let deadline = Instant::now() + ENQUEUE_TIMEOUT;
        let mut told = false;
        loop {
            item = match self.try_push(item) {
                Ok(()) => return Ok(()),
                Err(item) => item,
            };
            if self.overflowing.load(Relaxed) || Instant::now() >= deadline {
                self.overflowing.store(true, Relaxed);
                return Err(item);
            }
            if !std::mem::replace(&mut told, true) {
                self.send_control(ControlMessage::Wake);
            }
            thread::sleep(PAUSE);
        }
    }

    /// Hands a message over: a gauge, an event, the end. Every item pushed before it is taken before it. Never waits, however
    /// full the queue is.
    pub fn send_control(&self, message: ControlMessage) {
        // Only an intake thread that is gone refuses it, and then nothing is left to tell it.
        let _ = self.aside.send(message);
    }
}

impl QueueReceiver {
    /// What comes next, without waiting: a thread that waits here would have to be woken by the hook, which costs more
    /// than the rest of it.
    ///
    /// # Errors
    /// Where nothing can come any more.
    pub fn pop(&self) -> Result<Option<Next>, Closed> {
        if let Some(item) = self.pop_item() {
            return Ok(Some(Next::Item(item)));
        }
        let message = match self.held_back.take() {
            Some(message) => message,
            None => match self.aside.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Empty) => return Ok(None),
                // What was pushed since the first look is the last there is.
                Err(TryRecvError::Disconnected) => {
                    return self.pop_item().map(|item| Some(Next::Item(item))).ok_or(Closed);
                }
            },
        };
        // Items that were pushed before it may have come since the first look.
        match self.pop_item() {
            Some(item) => {
                self.held_back.set(Some(message));
                Ok(Some(Next::Item(item)))
            }
            None => Ok(Some(Next::ControlMessage(message))),
        }
    }

    /// Waits until a message comes, for at most a `pause`, and says whether one did: items wake nobody. To be called when there
    /// is nothing to take.
    pub fn wait(&self, pause: Duration) -> bool {
        let next = receive_within(&self.aside, pause);
        let is_woken = next.is_some();
        let before = self.held_back.replace(next);
        debug_assert!(before.is_none());
        is_woken
    }

    fn pop_item(&self) -> Option<Item> {
        self.receiver.try_recv().ok().inspect(|item| {
            self.load.take_off(item.weight());
        })
    }
}

/// Nobody is left who could hand anything over.
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
    fn a_full_queue_gives_the_sample_back() {
        let (sender, exit) = queue();
        for _ in 0..CAPACITY {
            sender.try_push(item(1)).expect("room");
        }
        assert!(sender.push(item(1)).is_err() && !sender.has_room());
        exit.pop().expect("open").expect("an item");
        assert!(sender.has_room());
        sender.push(item(1)).expect("room again");
    }

    #[test]
    fn who_waits_for_room_and_notices_wake_the_other_side() {
        let (sender, exit) = queue();
        let long = Duration::from_mins(1);
        sender.push(item(1)).expect("room");
        thread::scope(|threads| {
            threads.spawn(|| {
                while sender.try_push(item(1_000_000)).is_ok() {}
                // In vain: nobody takes any.
                assert!(sender.push(item(1_000_000)).is_err());
            });
            assert!(exit.wait(long));
        });
        while exit.load.items.load(Relaxed) > 0 {
            assert!(matches!(exit.pop(), Ok(Some(Next::Item(_)))));
        }
        assert!(matches!(exit.pop(), Ok(Some(Next::ControlMessage(ControlMessage::Wake)))));
        thread::scope(|threads| {
            threads.spawn(|| sender.send_control(ControlMessage::Drain));
            assert!(exit.wait(long));
        });
        assert!(matches!(exit.pop(), Ok(Some(Next::ControlMessage(ControlMessage::Drain)))));
        assert!(!exit.wait(Duration::ZERO));
    }

    #[test]
    fn few_large_samples_fill_it_too() {
        let (sender, exit) = queue();
        let pushed = (0..1000).take_while(|_| sender.try_push(item(1_000_000)).is_ok()).count();
        assert!((60..70).contains(&pushed), "{pushed}");
        while exit.pop().expect("open").is_some() {}
        assert_eq!((exit.load.items.load(Relaxed), exit.load.bytes.load(Relaxed)), (0, 0));
    }

    #[test]
    fn a_notice_never_waits_and_comes_after_the_samples_before_it() {
        let (sender, exit) = queue();
        for _ in 0..CAPACITY {
            sender.try_push(item(1)).expect("room");
        }
        sender.send_control(ControlMessage::Flush(FlushToken::default()));
        for _ in 0..CAPACITY {
            assert!(matches!(exit.pop(), Ok(Some(Next::Item(_)))));
        }
        assert!(matches!(exit.pop(), Ok(Some(Next::ControlMessage(ControlMessage::Flush(_))))));
        assert!(matches!(exit.pop(), Ok(None)));
        drop(sender);
        assert_eq!(exit.pop().err(), Some(Closed));
    }

    #[test]
    fn without_an_intake_the_sample_comes_back() {
        let (sender, exit) = queue();
        drop(exit);
        assert!(sender.push(item(1)).is_err());
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Push(usize),
        Aside,
        Pop,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![(1..200usize).prop_map(Step::Push), Just(Step::Aside), Just(Step::Pop)];
        prop::collection::vec(step, 0..200)
    }

    /// The bytes of a sample's name, or 0 for a message.
    fn size(next: &Next) -> usize {
        if let Next::Item(Item::Sample(sample)) = next { sample.name.len() } else { 0 }
    }

    proptest! {
        #[test]
        fn all_comes_out_once_and_in_order_samples_first(steps in steps()) {
            let (sender, exit) = queue();
            let (mut samples, mut aside) = (std::collections::VecDeque::new(), 0);
            let pops = std::iter::repeat_n(Step::Pop, steps.len());
            for step in steps.into_iter().chain(pops) {
                match step {
                    Step::Push(bytes) => {
                        prop_assert!(sender.try_push(item(bytes)).is_ok());
                        samples.push_back(bytes);
                    }
                    Step::Aside => {
                        sender.send_control(ControlMessage::Drain);
                        aside += 1;
                    }
                    Step::Pop => {
                        let expected = samples.pop_front().or_else(|| (aside > 0).then(|| { aside -= 1; 0 }));
                        prop_assert_eq!(exit.pop().expect("open").as_ref().map(size), expected);
                    }
                }
                let waits = item(0).weight() * samples.len() + samples.iter().sum::<usize>();
                prop_assert_eq!((exit.load.items.load(Relaxed), exit.load.bytes.load(Relaxed)), (samples.len(), waits));
            }
            prop_assert_eq!((samples.len(), aside), (0, 0));
        }
    }
}

/// With every order in which threads may run, as far as they are tried out: `make model`.
#[cfg(all(test, shuttle))]
mod model {
    use super::*;
    use crate::ingest::sample::LifeCycleEvent;
    use crate::metrics::aggregator::tests::sample;
    use crate::timestamp::Timestamp;

    const HOOKS: usize = 3;
    const ROUNDS: u32 = 2;

    /// Each hook pushes a sample, an event, the same again, and a last sample, each with the hook's number and the round's.
    fn hook(sender: &QueueSender, number: usize) -> u32 {
        let push = |round| {
            let sample = Sample { users: round, ..sample(&number.to_string(), 0, 1.0) };
            u32::from(sender.try_push(Item::Sample(sample)).is_ok())
        };
        let mut taken = 0;
        for round in 0..ROUNDS {
            taken += push(round);
            let name = number.to_string();
            let event = LifeCycleEvent { time: Timestamp::from_seconds(0), name, fields: Vec::new(), users: taken };
            sender.send_control(ControlMessage::LifeCycle(Box::new(event)));
        }
        taken + push(ROUNDS)
    }

    #[test]
    fn everything_pushed_before_a_notice_is_taken_before_it() {
        let body = || {
            let (sender, exit) = queue();
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
                match exit.pop() {
                    Ok(Some(Next::Item(Item::Sample(sample)))) => {
                        samples[sample.name.parse::<usize>().expect("a number")] += 1;
                    }
                    Ok(Some(Next::ControlMessage(ControlMessage::LifeCycle(event)))) => {
                        let hook = event.name.parse::<usize>().expect("a number");
                        events[hook] += 1;
                        assert!(samples[hook] >= event.users, "a sample from before it comes after it");
                    }
                    Ok(None) => thread::yield_now(),
                    Err(Closed) => break,
                    Ok(Some(next)) => panic!("{next:?}"),
                }
            }
            let taken: Vec<_> = hooks.into_iter().map(|hook| hook.join().expect("no panic")).collect();
            assert_eq!(samples.to_vec(), taken, "each sample is taken once, or given back");
            assert_eq!(events, [ROUNDS; HOOKS]);
            assert_eq!((exit.load.items.load(Relaxed), exit.load.bytes.load(Relaxed)), (0, 0));
        };
        shuttle::check_random(body, 3_000);
        shuttle::check_pct(body, 3_000, 3);
    }
}

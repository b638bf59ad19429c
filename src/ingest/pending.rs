//! Finished requests that are not in the queue yet. The aggregation thread keeps their seconds open.

use std::sync::PoisonError;

use crate::sync::{Mutex, MutexGuard};
use crate::timestamp::Timestamp;

/// The longest time between the completion of a request and the call of its listener.
const COMPLETION_MICROS: i64 = 20_000;

/// Requests that wait to be converted and queued, from any number of threads. Calls `publish` with the time of the oldest request
/// that is not in the queue, or with `None`.
pub struct Pending<T, P> {
    state: Mutex<State<T>>,
    capacity: usize,
    publish: P,
}

struct State<T> {
    requests: Vec<T>,
    /// The time of the first one.
    oldest: Option<Timestamp>,
    /// The number of conversions in progress. Their requests are no longer in the list.
    converting: usize,
}

impl<T, P: Fn(Option<Timestamp>)> Pending<T, P> {
    /// Creates an empty list with room for `capacity` requests.
    pub fn new(capacity: usize, publish: P) -> Self {
        let requests = Vec::with_capacity(capacity);
        Self { state: Mutex::new(State { requests, oldest: None, converting: 0 }), capacity, publish }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, time: Option<Timestamp>) {
        (self.publish)(time.map(|time| time.plus_micros(-COMPLETION_MICROS)));
    }

    /// Returns the time of a request that finishes now. If no other one is pending, publishes the time first, so that a thread that
    /// reads the clock afterwards sees the request.
    fn finish(&self, state: &State<T>) -> Timestamp {
        if state.requests.is_empty() && state.converting == 0 {
            self.publish(Some(Timestamp::now()));
        }
        Timestamp::now()
    }

    /// Adds a request that finishes now. Returns the number of requests in the list.
    pub fn add(&self, request: impl FnOnce(Timestamp) -> T) -> usize {
        let mut state = self.lock();
        let now = self.finish(&state);
        state.oldest.get_or_insert(now);
        state.requests.push(request(now));
        state.requests.len()
    }

    /// Takes all requests, or returns `None` if there are none. The caller must queue them before it drops the conversion.
    pub fn take(&self) -> Option<(Vec<T>, Conversion<'_, T, P>)> {
        let mut state = self.lock();
        if state.requests.is_empty() { None } else { Some(self.begin(&mut state)) }
    }

    /// Takes all requests, if any, and starts a conversion that includes another request, which finishes now.
    pub fn take_before_another(&self) -> (Vec<T>, Conversion<'_, T, P>) {
        let mut state = self.lock();
        self.finish(&state);
        self.begin(&mut state)
    }

    fn begin(&self, state: &mut State<T>) -> (Vec<T>, Conversion<'_, T, P>) {
        state.converting += 1;
        state.oldest = None;
        let next = Vec::with_capacity(if state.requests.is_empty() { 0 } else { self.capacity });
        (std::mem::replace(&mut state.requests, next), Conversion(self))
    }
}

/// A conversion in progress. Drop it when the requests are in the queue.
pub struct Conversion<'a, T, P: Fn(Option<Timestamp>)>(&'a Pending<T, P>);

impl<T, P: Fn(Option<Timestamp>)> Drop for Conversion<'_, T, P> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.converting -= 1;
        // Otherwise, keep the published time: the remaining conversion may be the oldest.
        if state.converting == 0 {
            self.0.publish(state.oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_time_of_the_oldest_request_is_published_until_all_are_converted() {
        let published = Cell::new(None);
        let pending = Pending::new(64, |time| published.set(time));
        assert!(pending.take().is_none());
        let mut first = None;
        assert_eq!(pending.add(|now| first = Some(now)), 1);
        let oldest = published.get();
        assert!(oldest < first, "a request may have completed before its listener was called");
        assert_eq!(pending.add(drop), 2);
        assert_eq!(published.get(), oldest);
        let (requests, conversion) = pending.take().expect("two requests");
        assert_eq!((requests.len(), published.get()), (2, oldest));
        let (others, second) = pending.take_before_another();
        assert!(others.is_empty());
        assert_eq!(pending.add(drop), 1);
        drop(conversion);
        assert_eq!(published.get(), oldest, "another conversion is under way");
        drop(second);
        assert!(published.get() > oldest, "a request is left");
        drop(pending.take());
        assert_eq!(published.get(), None);
    }

    #[test]
    fn a_panic_ends_a_conversion() {
        let published = Cell::new(None);
        let pending = Pending::<(), _>::new(64, |time| published.set(time));
        let convert = std::panic::AssertUnwindSafe(|| {
            let _conversion = pending.take_before_another();
            std::panic::resume_unwind(Box::new("refused"));
        });
        assert!(std::panic::catch_unwind(convert).is_err());
        assert_eq!(published.get(), None);
    }
}

#[cfg(all(test, shuttle))]
mod model {
    use std::sync::Arc;

    use super::*;
    use crate::ingest::queue::{Backlog, Item, Next, queue};
    use crate::metrics::aggregator::tests::sample;
    use crate::sync::atomic::{
        AtomicUsize,
        Ordering::{Acquire, Release},
    };
    use crate::sync::thread;

    const HOOKS: usize = 2;
    const ROUNDS: usize = 2;

    #[test]
    fn a_request_is_pending_or_an_item_until_it_is_popped() {
        let body = || {
            let (sender, receiver) = queue();
            let sender = Arc::new(sender);
            let publisher = Arc::clone(&sender);
            let pending = Arc::new(Pending::new(64, move |time| publisher.set_pending_since(time)));
            let finished = Arc::new(AtomicUsize::new(0));
            let hooks: Vec<_> = (0..HOOKS)
                .map(|_| {
                    let (sender, pending, finished) =
                        (Arc::clone(&sender), Arc::clone(&pending), Arc::clone(&finished));
                    thread::spawn(move || {
                        for _ in 0..ROUNDS {
                            pending.add(drop);
                            finished.fetch_add(1, Release);
                            let Some((requests, _conversion)) = pending.take() else { continue };
                            for () in requests {
                                while sender.try_push(Item::Sample(sample("/", 1, 1.0))).is_err() {
                                    thread::yield_now();
                                }
                            }
                        }
                    })
                })
                .collect();
            let mut popped = 0;
            while popped < HOOKS * ROUNDS {
                let known = finished.load(Acquire);
                while let Ok(Some(Next::Item(_))) = receiver.pop() {
                    popped += 1;
                }
                if receiver.backlog() == (Backlog { pending_since: None, has_items: false }) {
                    assert!(popped >= known, "{popped} of {known}");
                }
                thread::yield_now();
            }
            hooks.into_iter().for_each(|hook| hook.join().expect("no panic"));
            assert_eq!(receiver.backlog(), Backlog { pending_since: None, has_items: false });
        };
        shuttle::check_random(body, 3_000);
        shuttle::check_pct(body, 3_000, 3);
    }
}

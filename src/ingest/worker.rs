//! The thread that empties the queue: samples become windows and log events, and once a second those become segments.
//! It does no network I/O, so the queue is full only if the machine is starved, or texts are huge.

use std::sync::Arc;
use std::time::Duration;

use crate::accounting::counters::{Counters, Counts, MetricHours};
use crate::accounting::messages::{Diagnostics, Level};
use crate::config::Config;
use crate::config::identity::RunIdentity;
use crate::delivery::limits::{Limits, Packer, split};
use crate::delivery::outbox::Outbox;
use crate::ingest::queue::{Closed, ControlMessage, Item, Next, QueueReceiver};
use crate::logs::formats::LogFormatter;
use crate::logs::line::LogLine;
use crate::metrics::aggregator::Aggregator;
use crate::metrics::datum::Datum;
use crate::spool::{Lane, LogLines, Segment};
use crate::timestamp::Timestamp;

/// How long at least after the end of a second its windows are closed, in microseconds.
const GRACE_MICROS: i64 = 20_000;
const SECOND_MICROS: i64 = 1_000_000;
/// How long the thread waits when the queue is empty. Waking up costs as much as a hundred samples, among cold caches, so it
/// happens rarely, and out of step with timers that go off at full hundredths of a second.
const PAUSE: Duration = Duration::from_millis(97);

/// How many items are taken at most before a look at the clock. A second's windows are closed when no item is left, with all
/// that happened in it; where that does not come, when they are a second late.
const ITEMS_PER_LOOK: u32 = if cfg!(all(test, shuttle)) { 2 } else { 256 };

/// What turns samples into segments.
pub struct AggregationWorker {
    windows: Aggregator,
    formatter: LogFormatter,
    /// For one event after the other: its buffer is reused.
    line: LogLine,
    /// Written as they come: all at once they would take the processor from the users once a second.
    lines: LogLines,
    /// Whether the next one still fits into a call with them.
    packer: Packer,
    max_requests: usize,
    /// Metrics that had data, each with the hour.
    metric_hours: MetricHours,
    outbox: Arc<Outbox>,
    counters: Arc<Counters>,
    diagnostics: Arc<Diagnostics>,
}

impl AggregationWorker {
    /// The intake of a run, before its first sample.
    #[must_use]
    pub fn new(
        config: &Config,
        identity: &Arc<RunIdentity>,
        outbox: Arc<Outbox>,
        counters: Arc<Counters>,
        diagnostics: Arc<Diagnostics>,
    ) -> Self {
        Self {
            windows: Aggregator::new(config, Arc::clone(identity)),
            formatter: LogFormatter::new(&config.log, Arc::clone(identity)),
            line: LogLine::default(),
            lines: LogLines::default(),
            packer: Packer::new(Limits::of(Lane::Logs)),
            max_requests: config.max_requests,
            metric_hours: MetricHours::default(),
            outbox,
            counters,
            diagnostics,
        }
    }

    /// Takes items until the queue is closed. `clock` is read at the start, before each wait, and where no wait comes, after
    /// some items.
    pub fn run(mut self, exit: &QueueReceiver, clock: impl Fn() -> Timestamp) {
        let mut next = next_tick(clock());
        let mut taken = 0;
        loop {
            taken += 1;
            let mut is_empty = false;
            match exit.pop() {
                Ok(Some(Next::Item(Item::Sample(sample)))) => {
                    self.windows.add(&sample);
                    self.report_notices();
                    self.log(|formatter, line| formatter.write_sample(&sample, line));
                }
                Ok(Some(Next::Item(Item::Report(report)))) => {
                    self.windows.add_report(&report);
                    self.report_notices();
                }
                Ok(Some(Next::ControlMessage(ControlMessage::Gauge(gauge)))) => self.windows.add_gauge(*gauge),
                Ok(Some(Next::ControlMessage(ControlMessage::LifeCycle(event)))) => {
                    self.log(|formatter, line| formatter.write_life_cycle(&event, line));
                }
                Ok(Some(Next::ControlMessage(ControlMessage::Flush(mark)))) => {
                    self.flush();
                    self.outbox.flush();
                    // Only here is it ever set.
                    let _ = mark.set(self.outbox.spool().last_id());
                }
                Ok(Some(Next::ControlMessage(ControlMessage::Drain))) => {
                    self.flush();
                    self.outbox.drain();
                }
                Ok(Some(Next::ControlMessage(ControlMessage::Close))) | Err(Closed) => break,
                Ok(Some(Next::ControlMessage(ControlMessage::Wake))) => {}
                Ok(None) => is_empty = true,
            }
            if is_empty || taken >= ITEMS_PER_LOOK {
                taken = 0;
                let now = clock();
                // Of the last second more may be among the items that are left.
                let end = if is_empty { now } else { now.plus_micros(-SECOND_MICROS) };
                // It may have been set back, and would else stand still until it is where it was.
                if end.micros() >= next || next - now.micros() > SECOND_MICROS {
                    let datums = self.windows.close_until(end);
                    self.write(datums);
                    next = next_tick(end);
                }
            }
            if is_empty {
                exit.wait(PAUSE);
            }
        }
        self.flush();
        self.outbox.drain();
        self.outbox.close();
    }

    fn flush(&mut self) {
        let datums = self.windows.close_all();
        self.write(datums);
    }

    fn report_notices(&mut self) {
        for notice in self.windows.take_notices() {
            self.diagnostics.log(notice.level(), notice.topic(), notice.text(self.max_requests));
        }
    }

    /// Takes an event, if one is to be written.
    fn log(&mut self, write: impl FnOnce(&mut LogFormatter, &mut LogLine) -> bool) {
        if !write(&mut self.formatter, &mut self.line) {
            return;
        }
        self.counters.observed.add(Counts { log_events: 1, ..Counts::default() });
        let (bytes, span) = (self.line.counted_bytes(), (self.line.timestamp(), self.line.timestamp()));
        if !self.packer.try_add(1, bytes, span) {
            self.write_events();
            // Alone it always fits.
            self.packer.try_add(1, bytes, span);
        }
        self.lines.push(&self.line);
    }

    fn write(&mut self, datums: Vec<Datum>) {
        self.counters.series.add(&datums);
        self.counters.metric_hours.add(self.metric_hours.insert(&datums));
        for part in split(Lane::Metrics, datums, Datum::wire_bytes, |datum| datum.key.timestamp * 1000) {
            let written = self.outbox.spool().write_datums(&part);
            self.push(written);
        }
        self.write_events();
    }

    fn write_events(&mut self) {
        self.packer = Packer::new(Limits::of(Lane::Logs));
        if self.lines.is_empty() {
            return;
        }
        let next = LogLines::with_capacity_of(&self.lines);
        let written = self.outbox.spool().write_lines(std::mem::replace(&mut self.lines, next));
        self.push(written);
    }

    fn push(&self, (segment, error): (Segment, Option<std::io::Error>)) {
        if let Some(error) = error {
            self.diagnostics.log_once(
                Level::Warning,
                "spool",
                format!(
                    "locust-cw cannot write to the spool ({error}): it sends data from memory, and drops and counts \
                     what does not fit. Check the disk, or choose another --cw-spool-dir."
                ),
            );
        }
        self.outbox.push(segment);
    }
}

fn next_tick(now: Timestamp) -> i64 {
    let next = (now.seconds() + 1) * SECOND_MICROS + GRACE_MICROS;
    // Shortly after a full second the tick of that second is still to come.
    if next - now.micros() > SECOND_MICROS { next - SECOND_MICROS } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::identity::tests::identity;
    use crate::config::validate::tests::config;
    use crate::delivery::outbox::SendMode;
    use crate::ingest::queue::{QueueSender, queue};
    use crate::ingest::sample::Sample;
    use crate::metrics::aggregator::tests::sample;
    use crate::metrics::datum::{Body, REQUEST_COUNT};
    use crate::spool::Spool;
    use crate::spool::tests::manifest;

    #[test]
    fn ticks_come_once_a_second_just_after_its_end() {
        for (now, next) in [(10_000_000, 10_020_000), (10_019_999, 10_020_000), (10_020_000, 11_020_000)] {
            assert_eq!(next_tick(Timestamp::from_millis(0).plus_micros(now)), next, "{now}");
        }
    }

    /// The look at the clock with which the intake ends.
    const LAST_LOOK: i64 = 4;

    /// Runs the intake of a run with what `push` hands over, and gives what is in segments then.
    fn taken_in(clock: impl Fn(&QueueSender) -> Timestamp, push: impl FnOnce(&QueueSender)) -> Counts {
        let counters = Arc::new(Counters::default());
        let spool = Spool::in_memory(&manifest());
        let outbox = Arc::new(Outbox::new(spool, Arc::clone(&counters), Arc::default(), 1 << 30, SendMode::Deferred));
        let intake =
            AggregationWorker::new(&config(|_| {}), &identity(), Arc::clone(&outbox), counters, Arc::default());
        let (sender, exit) = queue();
        push(&sender);
        let (done, looks) = (Arc::clone(&outbox), std::cell::Cell::new(0));
        let left = std::cell::Cell::new(Counts::default());
        intake.run(&exit, || {
            looks.set(looks.get() + 1);
            // What is in segments before the end makes them of all that is left.
            if looks.get() == LAST_LOOK {
                left.set(done.left());
                sender.send_control(ControlMessage::Close);
            }
            clock(&sender)
        });
        left.get()
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_hold_results_up() {
        let looks = std::cell::Cell::new(0);
        let clock = |_: &QueueSender| {
            looks.set(looks.get() + 1);
            // An hour back after the first look.
            Timestamp::from_seconds(if looks.get() == 1 { 10_000 } else { 6_400 + looks.get() })
        };
        let left = taken_in(clock, |sender| {
            assert!(sender.try_push(Item::Sample(sample("/", 6_400, 1.0))).is_ok());
        });
        assert_eq!(left, Counts { requests: 1, failures: 0, log_events: 1 });
    }

    #[test]
    fn windows_are_closed_though_the_queue_is_never_empty() {
        let looks = std::cell::Cell::new(0);
        let fill = |sender: &QueueSender, second| {
            for _ in 0..=ITEMS_PER_LOOK {
                assert!(sender.try_push(Item::Sample(sample("/", second, 1.0))).is_ok());
            }
        };
        let clock = |sender: &QueueSender| {
            looks.set(looks.get() + 1);
            let now = 10 + looks.get();
            if looks.get() < LAST_LOOK {
                fill(sender, now);
            }
            Timestamp::from_seconds(now)
        };
        let left = taken_in(clock, |sender| fill(sender, 10));
        assert!(left.requests > 0, "{left:?}");
    }

    #[test]
    fn a_second_of_which_more_is_left_is_closed_once() {
        let (counters, diagnostics) = (Arc::new(Counters::default()), Arc::new(Diagnostics::default()));
        let spool = Spool::in_memory(&manifest());
        let outbox =
            Arc::new(Outbox::new(spool, Arc::clone(&counters), Arc::clone(&diagnostics), 1 << 30, SendMode::Deferred));
        let intake = AggregationWorker::new(&config(|_| {}), &identity(), Arc::clone(&outbox), counters, diagnostics);
        let (sender, exit) = queue();
        for _ in 0..=ITEMS_PER_LOOK {
            sender.try_push(Item::Sample(sample("/", 10, 1.0))).expect("room");
        }
        sender.send_control(ControlMessage::Close);
        let looks = std::cell::Cell::new(0);
        intake.run(&exit, || {
            looks.set(looks.get() + 1);
            Timestamp::from_millis(if looks.get() == 1 { 10_950 } else { 11_050 })
        });
        assert!(looks.get() > 1, "there was a look with items left");
        let segments = outbox.take(Lane::Metrics, usize::MAX, |_| true);
        let datums = segments.iter().flat_map(|segment| segment.datums().expect("readable"));
        let counts = datums.filter(|datum| &*datum.key.metric == REQUEST_COUNT).map(|datum| datum.body);
        // In its own series, and in the host's.
        assert_eq!(counts.collect::<Vec<_>>(), vec![Body::Total(f64::from(ITEMS_PER_LOOK) + 1.0); 2]);
    }

    #[test]
    fn everything_that_went_in_is_in_segments_when_it_is_closed() {
        let (counters, diagnostics) = (Arc::new(Counters::default()), Arc::new(Diagnostics::default()));
        let spool = Spool::in_memory(&manifest());
        let outbox =
            Arc::new(Outbox::new(spool, Arc::clone(&counters), Arc::clone(&diagnostics), 1 << 30, SendMode::Deferred));
        let config = config(|o| o.max_requests = 10);
        let intake = AggregationWorker::new(&config, &identity(), Arc::clone(&outbox), counters, diagnostics.clone());
        let (sender, exit) = queue();
        let names = (0..1000).map(|i| format!("/{}", i % 37));
        for (i, name) in names.enumerate() {
            let second = i64::try_from(i).expect("small") / 300;
            let item = Item::Sample(Sample { url: Some("x".repeat(i).into()), ..sample(&name, second, 1.0) });
            assert!(sender.try_push(item).is_ok());
        }
        sender.send_control(ControlMessage::Close);
        intake.run(&exit, || Timestamp::from_seconds(2));
        assert_eq!(outbox.left(), Counts { requests: 1000, failures: 0, log_events: 1000 });
        assert_eq!(diagnostics.take().len(), 1);
    }
}

/// With every order in which threads may run, as far as they are tried out: `make model`.
#[cfg(all(test, shuttle))]
mod model {
    use std::sync::OnceLock;

    use super::*;
    use crate::config::identity::tests::identity;
    use crate::config::validate::tests::config;
    use crate::delivery::outbox::SendMode;
    use crate::ingest::queue::{FlushToken, QueueSender, queue};
    use crate::metrics::aggregator::tests::sample;
    use crate::spool::Spool;
    use crate::spool::tests::manifest;
    use crate::sync::thread;

    /// Pushes samples, and says how many had room.
    fn record(sender: &QueueSender, counters: &Counters, number: u64) -> u64 {
        let mut taken = 0;
        for _ in 0..number {
            let share = Counts { requests: 1, failures: 0, log_events: 0 };
            counters.observed.add(share);
            match sender.try_push(Item::Sample(sample("/", 0, 1.0))) {
                Ok(()) => taken += 1,
                Err(_) => counters.dropped.add(share),
            }
        }
        taken
    }

    /// A CloudWatch that refuses every other call.
    fn send(outbox: &Outbox) {
        let mut refuses = false;
        while !Lane::ALL.into_iter().all(|lane| outbox.is_done(lane)) {
            for lane in Lane::ALL {
                let mut first = true;
                let segments = outbox.take(lane, usize::MAX, |_| std::mem::take(&mut first));
                if segments.is_empty() {
                    continue;
                }
                refuses = !refuses;
                if refuses {
                    outbox.put_back(lane, segments);
                } else {
                    outbox.settle(segments, 0);
                }
            }
            thread::yield_now();
        }
    }

    fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn a_flush_is_settled_only_when_all_before_it_is_and_a_close_loses_nothing() {
        let body = || {
            let (counters, diagnostics) = (Arc::new(Counters::default()), Arc::new(Diagnostics::default()));
            let spool = Spool::in_memory(&manifest());
            let outbox =
                Outbox::new(spool, Arc::clone(&counters), Arc::clone(&diagnostics), 1 << 30, SendMode::Periodic);
            let outbox = Arc::new(outbox);
            let config = config(|_| {});
            let intake =
                AggregationWorker::new(&config, &identity(), Arc::clone(&outbox), Arc::clone(&counters), diagnostics);
            let (sender, exit) = queue();
            let sender = Arc::new(sender);
            let ticks = std::cell::Cell::new(0);
            let intake = thread::spawn(move || {
                // A second goes by with every third look.
                intake.run(&exit, || {
                    ticks.set(ticks.get() + 1);
                    Timestamp::from_millis(ticks.get() * 400)
                });
            });
            let lanes = thread::spawn({
                let outbox = Arc::clone(&outbox);
                move || send(&outbox)
            });
            let other = thread::spawn({
                let (sender, counters) = (Arc::clone(&sender), Arc::clone(&counters));
                move || record(&sender, &counters, 2)
            });
            let before = record(&sender, &counters, 2);
            let mark: FlushToken = Arc::new(OnceLock::new());
            sender.send_control(ControlMessage::Flush(Arc::clone(&mark)));
            let last = *wait(|| mark.get());
            wait(|| Lane::ALL.into_iter().all(|lane| outbox.is_settled(lane, last)).then_some(()));
            let delivered = counters.delivered.get();
            assert!(delivered.requests >= before && delivered.log_events >= before, "{delivered:?} of {before}");

            let all = before + other.join().expect("no panic");
            sender.send_control(ControlMessage::Close);
            intake.join().expect("no panic");
            lanes.join().expect("no panic");
            let Counts { requests, log_events, .. } = counters.delivered.get();
            assert_eq!((requests, log_events), (all, all));
            assert_eq!(outbox.left(), Counts::default());
            assert_eq!(counters.observed.get().requests, all + counters.dropped.get().requests);
        };
        shuttle::check_random(body, 1_000);
    }
}

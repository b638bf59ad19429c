//! The aggregation thread: it adds samples to windows, formats log events, and once a second writes both as segments.
//! It does no network I/O, so the queue is full only if the machine is short of CPU time, or texts are very long.

use std::sync::Arc;
use std::time::Duration;

use crate::accounting::counters::{Counters, Counts, MetricHours};
use crate::config::identity::RunIdentity;
use crate::config::{Config, LogChoice};
use crate::delivery::limits::{BatchLimits, BatchPacker, split};
use crate::delivery::outbox::Outbox;
use crate::ingest::custom_report::CustomReport;
use crate::ingest::highlights::{HighlightSelector, SlowestThreshold};
use crate::ingest::queue::{Backlog, Closed, ControlMessage, Item, Next, QueueReceiver};
use crate::ingest::user_mark::UserMark;
use crate::logs::formats::LogFormatter;
use crate::logs::line::LogLine;
use crate::messages::{Diagnostics, Level};
use crate::metrics::aggregator::Aggregator;
use crate::metrics::custom_windows::Added;
use crate::metrics::datum::Datum;
use crate::sample::LifeCycleEvent;
use crate::spool::{Lane, LogLines, Segment};
use crate::statistics::RunStatistics;
use crate::summary::{MarkAdded, MarkLimits};
use crate::timestamp::Timestamp;

/// Minimum time between the end of a second and the closing of its windows, in microseconds. The last requests of the second are
/// recorded up to a tenth of a second later.
const GRACE_MICROS: i64 = 120_000;
const SECOND_MICROS: i64 = 1_000_000;
/// How long the thread waits if the queue is empty, unless windows are to be closed sooner. With cold caches, waking up costs as much as a hundred samples, so it
/// happens rarely, and not in step with timers of full hundredths of a second.
const WAIT: Duration = Duration::from_millis(197);
const MIN_WAIT: Duration = Duration::from_millis(1);

/// Maximum number of items between two readings of the clock. The windows of a second are closed when the queue is empty, so
/// that they are complete. If the queue is never empty, they are closed a second later.
const ITEMS_PER_CLOCK_READ: u32 = if cfg!(all(test, shuttle)) { 2 } else { 256 };

/// Turns samples into segments.
pub struct AggregationWorker {
    aggregator: Aggregator,
    statistics: Arc<RunStatistics>,
    highlights: HighlightSelector,
    /// Whether there are log events.
    has_logs: bool,
    formatter: LogFormatter,
    /// The line of the current log event. Its buffer is reused.
    line: LogLine,
    /// The lines since the last segment. They are formatted one by one: formatting all of them once a second would delay the users.
    lines: LogLines,
    /// Determines whether another line fits into one API call with them.
    packer: BatchPacker,
    max_requests: usize,
    /// The hours in which each metric had data.
    metric_hours: MetricHours,
    outbox: Arc<Outbox>,
    counters: Arc<Counters>,
    diagnostics: Arc<Diagnostics>,
}

impl AggregationWorker {
    /// The worker of a run.
    #[must_use]
    pub fn new(
        config: &Config,
        identity: &Arc<RunIdentity>,
        statistics: Arc<RunStatistics>,
        outbox: Arc<Outbox>,
        counters: Arc<Counters>,
        diagnostics: Arc<Diagnostics>,
    ) -> Self {
        Self {
            aggregator: Aggregator::new(config, Arc::clone(identity)),
            statistics,
            highlights: HighlightSelector::default(),
            has_logs: config.log.choice != LogChoice::Off,
            formatter: LogFormatter::new(&config.log, Arc::clone(identity)),
            line: LogLine::default(),
            lines: LogLines::default(),
            packer: BatchPacker::new(BatchLimits::of(Lane::Logs)),
            max_requests: config.max_requests,
            metric_hours: MetricHours::default(),
            outbox,
            counters,
            diagnostics,
        }
    }

    /// The response time from which a request may be among the slowest ones.
    #[must_use]
    pub fn slowest_threshold(&self) -> Arc<SlowestThreshold> {
        self.highlights.threshold()
    }

    /// Handles items and messages until the queue is closed. Reads the `clock` at the start, whenever the queue is empty, and
    /// otherwise after every [`ITEMS_PER_CLOCK_READ`] items.
    pub fn run(mut self, receiver: &QueueReceiver, clock: impl Fn() -> Timestamp) {
        let mut now = clock();
        let mut tick = next_tick(now);
        let mut handled = 0;
        loop {
            let mut is_empty = false;
            match receiver.pop() {
                Ok(Some(Next::Item(item))) => self.add(item),
                Ok(Some(Next::ControlMessage(ControlMessage::Close))) | Err(Closed) => break,
                Ok(Some(Next::ControlMessage(message))) => self.handle(message),
                Ok(None) => is_empty = true,
            }
            handled += 1;
            if is_empty || handled >= ITEMS_PER_CLOCK_READ {
                handled = 0;
                now = clock();
                // If this thread had to wait for a processor before it read the clock, hooks have pushed items meanwhile.
                let Backlog { pending_since, has_items } = receiver.backlog();
                is_empty &= !has_items;
                self.close_windows(now, is_empty, pending_since, &mut tick);
            }
            if is_empty {
                receiver.wait(WAIT.min(left_until(tick, now)));
            }
        }
        self.flush();
        self.statistics.update().close_until(i64::MAX);
        self.outbox.drain();
        self.outbox.close();
    }

    fn add(&mut self, item: Item) {
        match item {
            Item::Sample(sample) => {
                self.aggregator.add(&sample);
                self.highlights.add(&sample);
                self.log_notices();
                if sample.is_logged {
                    self.add_event(|formatter, line| formatter.write_sample(&sample, line));
                }
            }
            Item::ReportedStats(entry) => {
                self.aggregator.add_reported_stats(&entry);
                self.statistics.set_approximate();
                self.log_notices();
            }
            Item::Custom(value) => {
                value.as_locust_gauge().iter().for_each(|gauge| self.statistics.add_gauge(gauge));
                let added = self.aggregator.add_custom(*value);
                self.note_custom(&added, 1);
            }
        }
    }

    /// Notes what became of a `number` of values of a custom metric.
    fn note_custom(&mut self, added: &Added, number: u64) {
        match added {
            Added::Known => {}
            Added::New(metric) => self.statistics.add_metric(metric),
            Added::Ignored => self.counters.ignored.add(number),
        }
        self.log_notices();
    }

    /// Adds what a worker has recorded that this process publishes for. A mark that several processes make at once has one log
    /// event.
    fn add_custom_report(&mut self, worker: &str, report: CustomReport, users: u32) {
        for values in report.values {
            let number = values.values.count();
            let added = self.aggregator.merge_custom(values);
            self.note_custom(&added, number);
        }
        for mark in report.marks {
            match self.statistics.add_mark_of(worker, &mark) {
                MarkAdded::Own => self.add_life_cycle(&LifeCycleEvent::from(&UserMark { mark, users })),
                MarkAdded::Shared => {}
                MarkAdded::Ignored => {
                    self.counters.ignored.add(1);
                    self.diagnostics.log_once(Level::Warning, "marks", MarkLimits::exceeded());
                }
            }
        }
    }

    fn handle(&mut self, message: ControlMessage) {
        match message {
            ControlMessage::Gauge(gauge) => {
                self.statistics.add_gauge(&gauge);
                self.aggregator.add_gauge(*gauge);
            }
            ControlMessage::Mark(mark) => {
                self.statistics.add_mark(&mark.mark);
                self.add_life_cycle(&LifeCycleEvent::from(&*mark));
            }
            ControlMessage::CustomReport { worker, report, users } => self.add_custom_report(&worker, *report, users),
            ControlMessage::RestrictRequests(names) => self.aggregator.restrict_requests(names),
            ControlMessage::LifeCycle(event) => self.add_life_cycle(&event),
            ControlMessage::Flush(token) => {
                self.flush();
                self.outbox.flush();
                // It fails only if the token is set, and nothing else sets it.
                let _ = token.set(self.outbox.spool().last_id());
            }
            ControlMessage::Drain => {
                self.flush();
                self.outbox.drain();
            }
            // `run` itself ends at `Close`.
            ControlMessage::Wake | ControlMessage::Close => {}
        }
    }

    /// Closes the windows that have ended, if it is time for the `tick`, and sets the next one.
    fn close_windows(&mut self, now: Timestamp, is_empty: bool, pending_since: Option<Timestamp>, tick: &mut i64) {
        // If the queue is not empty, it may still hold items of the last second.
        let end = if is_empty { now } else { now.plus_micros(-SECOND_MICROS) };
        // If the clock was set back, the tick is too far ahead, and windows would stay open until the clock reaches it.
        if end.micros() >= *tick || *tick - now.micros() > SECOND_MICROS {
            *tick = next_tick(end);
            // If Locust's thread is busy, requests of the last second may not be recorded yet.
            let earliest = end.plus_micros(-SECOND_MICROS);
            let end = pending_since.map_or(end, |since| end.min(since.max(earliest)));
            let mut update = self.statistics.update();
            update.add_highlights(self.highlights.take());
            let datums = self.aggregator.close_until(end, |second, request, stats| update.add(second, request, stats));
            update.close_until(end.seconds());
            self.write(datums);
        }
    }

    fn flush(&mut self) {
        let mut update = self.statistics.update();
        update.add_highlights(self.highlights.take());
        let datums = self.aggregator.close_all(|second, request, stats| update.add(second, request, stats));
        update.finish();
        self.write(datums);
    }

    fn log_notices(&mut self) {
        for notice in self.aggregator.take_notices() {
            self.diagnostics.log(notice.level(), notice.topic(), notice.text(self.max_requests));
        }
    }

    fn add_life_cycle(&mut self, event: &LifeCycleEvent) {
        if self.has_logs {
            self.add_event(|formatter, line| formatter.write_life_cycle(event, line));
        }
    }

    fn add_event(&mut self, write: impl FnOnce(&mut LogFormatter, &mut LogLine)) {
        write(&mut self.formatter, &mut self.line);
        self.counters.observed.add(Counts { log_events: 1, ..Counts::default() });
        let (bytes, span) = (self.line.counted_bytes(), (self.line.timestamp(), self.line.timestamp()));
        if !self.packer.try_add(1, bytes, span) {
            self.write_events();
            // A single event always fits.
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
        self.packer = BatchPacker::new(BatchLimits::of(Lane::Logs));
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

/// The time until a tick. Without any, the thread would not wait.
fn left_until(tick: i64, now: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(tick - now.micros()).unwrap_or(0)).max(MIN_WAIT)
}

fn next_tick(now: Timestamp) -> i64 {
    let next = (now.seconds() + 1) * SECOND_MICROS + GRACE_MICROS;
    // Shortly after a full second, the tick of that second has not occurred yet.
    if next - now.micros() > SECOND_MICROS { next - SECOND_MICROS } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::identity::tests::identity;
    use crate::config::validate::tests::config;
    use crate::delivery::outbox::SendMode;
    use crate::ingest::queue::{QueueSender, queue};
    use crate::metrics::aggregator::tests::sample;
    use crate::metrics::datum::{Body, REQUEST_COUNT};
    use crate::sample::Sample;
    use crate::spool::Spool;
    use crate::spool::tests::manifest;
    use crate::statistics::Audience;

    #[test]
    fn ticks_come_once_a_second_just_after_its_end() {
        for (now, next) in [(10_000_000, 10_120_000), (10_119_999, 10_120_000), (10_120_000, 11_120_000)] {
            assert_eq!(next_tick(Timestamp::from_millis(0).plus_micros(now)), next, "{now}");
        }
    }

    pub(super) fn statistics() -> Arc<RunStatistics> {
        Arc::new(RunStatistics::new(&config(|_| {}), Timestamp::from_seconds(0), Audience::Own))
    }

    /// The reading of the clock at which the test closes the queue.
    const LAST_READ: i64 = 4;

    /// Runs a worker with the items that `push` sends, and returns the counts of the segments before the queue is closed.
    fn counts_before_close(clock: impl Fn(&QueueSender) -> Timestamp, push: impl FnOnce(&QueueSender)) -> Counts {
        let counters = Arc::new(Counters::default());
        let spool = Spool::in_memory(&manifest());
        let outbox = Arc::new(Outbox::new(spool, Arc::clone(&counters), Arc::default(), 1 << 30, SendMode::Deferred));
        let worker = AggregationWorker::new(
            &config(|_| {}),
            &identity(),
            statistics(),
            Arc::clone(&outbox),
            counters,
            Arc::default(),
        );
        let (sender, receiver) = queue();
        push(&sender);
        let reads = std::cell::Cell::new(0);
        let counts = std::cell::Cell::new(Counts::default());
        worker.run(&receiver, || {
            reads.set(reads.get() + 1);
            // Closing the queue writes the remaining data as segments, so the counts are read before it.
            if reads.get() == LAST_READ {
                counts.set(outbox.left());
                sender.send_control(ControlMessage::Close);
            }
            clock(&sender)
        });
        counts.get()
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_delay_windows() {
        let reads = std::cell::Cell::new(0);
        let clock = |_: &QueueSender| {
            reads.set(reads.get() + 1);
            // The clock is set back by an hour after the first reading.
            Timestamp::from_seconds(if reads.get() == 1 { 10_000 } else { 6_400 + reads.get() })
        };
        let counts = counts_before_close(clock, |sender| {
            assert!(sender.try_push(Item::Sample(sample("/", 6_400, 1.0))).is_ok());
        });
        assert_eq!(counts, Counts { requests: 1, failures: 0, log_events: 1 });
    }

    #[test]
    fn a_second_stays_open_for_a_second_while_requests_of_it_are_pending() {
        for (pending_since, now, closed) in
            [(None, 11_150, 1), (Some(11_050), 11_150, 1), (Some(10_900), 11_150, 0), (Some(10_900), 12_150, 1)]
        {
            let reads = std::cell::Cell::new(0);
            let clock = |_: &QueueSender| {
                reads.set(reads.get() + 1);
                Timestamp::from_millis(if reads.get() == 1 { 10_500 } else { now })
            };
            let counts = counts_before_close(clock, |sender| {
                sender.set_pending_since(pending_since.map(Timestamp::from_millis));
                assert!(sender.try_push(Item::Sample(sample("/", 10, 1.0))).is_ok());
            });
            assert_eq!(counts.requests, closed, "{pending_since:?} {now}");
        }
    }

    #[test]
    fn a_second_is_judged_with_the_items_that_arrive_before_the_clock_is_read() {
        let config = config(|o| o.check = vec!["max < 10ms".to_owned()]);
        let statistics = Arc::new(RunStatistics::new(&config, Timestamp::from_seconds(10), Audience::Own));
        let counters = Arc::new(Counters::default());
        let outbox = Outbox::new(
            Spool::in_memory(&manifest()),
            Arc::clone(&counters),
            Arc::default(),
            1 << 30,
            SendMode::Deferred,
        );
        let worker = AggregationWorker::new(
            &config,
            &identity(),
            Arc::clone(&statistics),
            Arc::new(outbox),
            counters,
            Arc::default(),
        );
        let (sender, receiver) = queue();
        let reads = std::cell::Cell::new(0);
        worker.run(&receiver, || {
            reads.set(reads.get() + 1);
            match reads.get() {
                1 => Timestamp::from_millis(10_500),
                2 => {
                    assert!(sender.try_push(Item::Sample(sample("/", 10, 20.0))).is_ok());
                    Timestamp::from_millis(11_150)
                }
                LAST_READ => {
                    sender.send_control(ControlMessage::Close);
                    Timestamp::from_millis(11_170)
                }
                _ => Timestamp::from_millis(11_160),
            }
        });
        let results = statistics.check_results(Timestamp::from_seconds(11), &crate::statistics::TargetValues::new());
        assert_eq!(results[0].first_breach, Some(Timestamp::from_seconds(10)));
    }

    #[test]
    fn windows_are_closed_even_if_the_queue_is_never_empty() {
        let reads = std::cell::Cell::new(0);
        let fill = |sender: &QueueSender, second| {
            for _ in 0..=ITEMS_PER_CLOCK_READ {
                assert!(sender.try_push(Item::Sample(sample("/", second, 1.0))).is_ok());
            }
        };
        let clock = |sender: &QueueSender| {
            reads.set(reads.get() + 1);
            let now = 10 + reads.get();
            if reads.get() < LAST_READ {
                fill(sender, now);
            }
            Timestamp::from_seconds(now)
        };
        let counts = counts_before_close(clock, |sender| fill(sender, 10));
        assert!(counts.requests > 0, "{counts:?}");
    }

    #[test]
    fn a_window_whose_samples_are_still_in_the_queue_is_closed_once() {
        let (counters, diagnostics) = (Arc::new(Counters::default()), Arc::new(Diagnostics::default()));
        let spool = Spool::in_memory(&manifest());
        let outbox =
            Arc::new(Outbox::new(spool, Arc::clone(&counters), Arc::clone(&diagnostics), 1 << 30, SendMode::Deferred));
        let worker = AggregationWorker::new(
            &config(|_| {}),
            &identity(),
            statistics(),
            Arc::clone(&outbox),
            counters,
            diagnostics,
        );
        let (sender, receiver) = queue();
        for _ in 0..=ITEMS_PER_CLOCK_READ {
            sender.try_push(Item::Sample(sample("/", 10, 1.0))).expect("room");
        }
        sender.send_control(ControlMessage::Close);
        let reads = std::cell::Cell::new(0);
        worker.run(&receiver, || {
            reads.set(reads.get() + 1);
            Timestamp::from_millis(if reads.get() == 1 { 10_950 } else { 11_150 })
        });
        assert!(reads.get() > 1, "the clock was read before the queue was empty");
        let segments = outbox.take(Lane::Metrics, usize::MAX, |_| true);
        let datums = segments.iter().flat_map(|segment| segment.datums().expect("readable"));
        let counts = datums.filter(|datum| &*datum.key.metric == REQUEST_COUNT).map(|datum| datum.body);
        // One in the series of the request, and one in that of the host.
        assert_eq!(counts.collect::<Vec<_>>(), vec![Body::Total(f64::from(ITEMS_PER_CLOCK_READ) + 1.0); 2]);
    }

    #[test]
    fn all_samples_are_in_segments_when_the_queue_is_closed() {
        let (counters, diagnostics) = (Arc::new(Counters::default()), Arc::new(Diagnostics::default()));
        let spool = Spool::in_memory(&manifest());
        let outbox =
            Arc::new(Outbox::new(spool, Arc::clone(&counters), Arc::clone(&diagnostics), 1 << 30, SendMode::Deferred));
        let config = config(|o| o.max_requests = 10);
        let worker = AggregationWorker::new(
            &config,
            &identity(),
            statistics(),
            Arc::clone(&outbox),
            counters,
            diagnostics.clone(),
        );
        let (sender, receiver) = queue();
        let names = (0..1000).map(|i| format!("/{}", i % 37));
        for (i, name) in names.enumerate() {
            let second = i64::try_from(i).expect("small") / 300;
            let item = Item::Sample(Sample { url: Some("x".repeat(i).into()), ..sample(&name, second, 1.0) });
            assert!(sender.try_push(item).is_ok());
        }
        sender.send_control(ControlMessage::Close);
        worker.run(&receiver, || Timestamp::from_seconds(2));
        assert_eq!(outbox.left(), Counts { requests: 1000, failures: 0, log_events: 1000 });
        assert_eq!(diagnostics.take().len(), 1);
    }
}

/// Runs the threads in many different orders: `make model`.
#[cfg(all(test, shuttle))]
mod model {
    use std::sync::OnceLock;

    use super::tests::statistics;
    use super::*;
    use crate::config::identity::tests::identity;
    use crate::config::validate::tests::config;
    use crate::delivery::outbox::SendMode;
    use crate::ingest::queue::{FlushToken, QueueSender, queue};
    use crate::metrics::aggregator::tests::sample;
    use crate::spool::Spool;
    use crate::spool::tests::manifest;
    use crate::sync::thread;

    /// Pushes samples, and returns how many had room.
    fn record(sender: &QueueSender, counters: &Counters, number: u64) -> u64 {
        let mut pushed = 0;
        for _ in 0..number {
            let counts = Counts { requests: 1, failures: 0, log_events: 0 };
            counters.observed.add(counts);
            match sender.try_push(Item::Sample(sample("/", 0, 1.0))) {
                Ok(()) => pushed += 1,
                Err(_) => counters.dropped.add(counts),
            }
        }
        pushed
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

    fn wait<T>(mut poll: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(value) = poll() {
                return value;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn a_flush_is_settled_only_when_all_data_before_it_is_and_a_close_loses_nothing() {
        let body = || {
            let (counters, diagnostics) = (Arc::new(Counters::default()), Arc::new(Diagnostics::default()));
            let spool = Spool::in_memory(&manifest());
            let outbox =
                Outbox::new(spool, Arc::clone(&counters), Arc::clone(&diagnostics), 1 << 30, SendMode::Periodic);
            let outbox = Arc::new(outbox);
            let config = config(|_| {});
            let worker = AggregationWorker::new(
                &config,
                &identity(),
                statistics(),
                Arc::clone(&outbox),
                Arc::clone(&counters),
                diagnostics,
            );
            let (sender, receiver) = queue();
            let sender = Arc::new(sender);
            let ticks = std::cell::Cell::new(0);
            let aggregation = thread::spawn(move || {
                // Each reading advances the clock by 0.4 seconds.
                worker.run(&receiver, || {
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
            let token: FlushToken = Arc::new(OnceLock::new());
            sender.send_control(ControlMessage::Flush(Arc::clone(&token)));
            let last = *wait(|| token.get());
            wait(|| Lane::ALL.into_iter().all(|lane| outbox.is_settled(lane, last)).then_some(()));
            let delivered = counters.delivered.get();
            assert!(delivered.requests >= before && delivered.log_events >= before, "{delivered:?} of {before}");

            let all = before + other.join().expect("no panic");
            sender.send_control(ControlMessage::Close);
            aggregation.join().expect("no panic");
            lanes.join().expect("no panic");
            let Counts { requests, log_events, .. } = counters.delivered.get();
            assert_eq!((requests, log_events), (all, all));
            assert_eq!(outbox.left(), Counts::default());
            assert_eq!(counters.observed.get().requests, all + counters.dropped.get().requests);
        };
        shuttle::check_random(body, 1_000);
    }
}

//! Sends what waits in the outbox: a task per lane, a few calls at once, repeated as the table in `retry` says.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::accounting::counters::{Counters, Counts};
use crate::accounting::messages::{Diagnostics, Level};
use crate::delivery::call::{Limits, Packer, Unread, logs_call, metrics_call};
use crate::delivery::client::CloudWatch;
use crate::delivery::error::{CallError, Cause};
use crate::delivery::outage::OutageTracker;
use crate::delivery::outbox::{Outbox, SendMode};
use crate::delivery::retry::{Backoff, RetryAction};
use crate::spool::{Destination, Lane, Segment};
use crate::timestamp::Timestamp;

/// Calls under way at once, per lane.
const MAX_CALLS_AT_ONCE: usize = 4;
/// So many refusals in a row are taken for cuts on the way to a guilty item; after that each is followed by a pause.
const REFUSALS_WITHOUT_PAUSE: u32 = 12;
/// The interval between flushes varies by this share either way, so that a fleet does not call all at once.
const JITTER: f64 = 0.1;

/// What the lanes tell the rest of the process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneStatus {
    /// Calls of this lane that succeeded.
    pub succeeded: u64,
    /// Why the last call failed, unless one has succeeded since.
    pub failed: Option<CallError>,
    /// Nothing more can be sent for now, and nobody need wait for it.
    pub stopped: bool,
    /// It was tried since the outbox is drained, or is being tried.
    pub tried_at_end: bool,
    /// Nothing is left, and nothing will come.
    pub done: bool,
}

/// What both lanes share.
pub struct Sender<C> {
    cloudwatch: Arc<C>,
    destination: Destination,
    /// Segments stay in the spool although they were "sent".
    keep: bool,
    outbox: Arc<Outbox>,
    counters: Arc<Counters>,
    diagnostics: Arc<Diagnostics>,
    trouble: Arc<std::sync::Mutex<OutageTracker>>,
    stream_exists: Mutex<bool>,
    abandoned: AtomicBool,
}

/// How a call ended.
enum Outcome {
    /// CloudWatch took it.
    Taken,
    /// CloudWatch will never take it as it is: it is rejected, or back in the outbox in pieces.
    Refused(CallError),
    /// It is back in the outbox, to be repeated, at once or after a success on the way.
    Failed { error: CallError, on_the_way: bool },
    /// There was nothing to send after all.
    Nothing,
    /// There was nothing to send that could be read.
    Unreadable,
}

/// The disk has no room for the pieces of a segment.
struct NoRoom;

/// A call under way, counted when it ends. Dropped without an answer, as when it is cut off, it counts as uncertain.
struct InFlightGuard {
    counters: Arc<Counters>,
    lane: Lane,
    number: u64,
    sent: bool,
}

impl InFlightGuard {
    fn new(counters: &Arc<Counters>, lane: Lane, segments: &[Segment]) -> Self {
        let number = segments.iter().map(|s| s.contents.share.requests + s.contents.share.log_events).sum();
        Self { counters: Arc::clone(counters), lane, number, sent: true }
    }

    /// Knows how the call ended.
    fn settle(mut self, error: Option<&CallError>) {
        // A call that comes before it, such as one to STS, says nothing of this one.
        if error.is_some_and(|error| error.operation != operation_of(self.lane)) {
            (self.number, self.sent) = (0, false);
            return;
        }
        if !error.is_some_and(CallError::is_uncertain) {
            self.number = 0;
        }
        self.sent = error.is_none_or(CallError::was_sent);
    }
}

/// The call that carries a lane's data.
const fn operation_of(lane: Lane) -> &'static str {
    match lane {
        Lane::Metrics => "PutMetricData",
        Lane::Logs => "PutLogEvents",
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.counters.uncertain.add(self.number);
        let calls = match self.lane {
            Lane::Metrics => &self.counters.put_metric_data,
            Lane::Logs => &self.counters.put_log_events,
        };
        calls.add(u64::from(self.sent));
    }
}

impl<C: CloudWatch> Sender<C> {
    /// A sender that has not begun.
    #[must_use]
    pub fn new(
        cloudwatch: Arc<C>,
        destination: Destination,
        keep: bool,
        outbox: Arc<Outbox>,
        counters: Arc<Counters>,
        diagnostics: Arc<Diagnostics>,
        trouble: Arc<std::sync::Mutex<OutageTracker>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            cloudwatch,
            destination,
            keep,
            outbox,
            counters,
            diagnostics,
            trouble,
            stream_exists: Mutex::new(false),
            abandoned: AtomicBool::new(false),
        })
    }

    /// Cuts off all calls and begins no further one: both lanes end at once.
    pub fn abandon(&self) {
        self.abandoned.store(true, SeqCst);
        self.outbox.wake_all();
    }

    /// Sends a lane's segments until the outbox is closed and empty. With a `flush_interval` everything that waits is
    /// let go at each interval.
    pub async fn run(self: Arc<Self>, lane: Lane, flush_interval: Option<Duration>, status: watch::Sender<LaneStatus>) {
        let mut calls = JoinSet::new();
        let mut failures = 0u32;
        let mut refusals = 0u32;
        let mut not_before = Instant::now();
        let mut tried_at_end = false;
        // A fleet begins within moments: its first flushes are spread over the whole interval.
        let mut next_flush = flush_interval.map(|interval| Instant::now() + interval.mul_f64(rand::random()));
        loop {
            if self.abandoned.load(SeqCst) {
                // Each call that is cut off counts itself as uncertain, before this returns.
                calls.shutdown().await;
                return;
            }
            if self.outbox.is_done(lane) {
                status.send_modify(|status| status.done = true);
                return;
            }
            // A call that is under way began before it.
            if calls.is_empty() && (self.outbox.mode() == SendMode::Immediate) != tried_at_end {
                tried_at_end = !tried_at_end;
                // Whatever was in the way may be mended, and nobody waits for the next time it is tried.
                not_before = Instant::now();
                status.send_modify(|status| {
                    status.tried_at_end = tried_at_end;
                    status.stopped = false;
                });
            }
            let at_once = if failures > 0 || refusals > REFUSALS_WITHOUT_PAUSE { 1 } else { MAX_CALLS_AT_ONCE };
            while calls.len() < at_once && Instant::now() >= not_before {
                let segments = self.take(lane);
                if segments.is_empty() {
                    break;
                }
                calls.spawn(Arc::clone(&self).send(lane, segments));
            }
            let later = Instant::now() + Duration::from_hours(1);
            let retry_at = if not_before > Instant::now() { not_before } else { later };
            tokio::select! {
                Some(ended) = calls.join_next() => match ended.unwrap_or(Outcome::Nothing) {
                    Outcome::Taken => {
                        (failures, refusals) = (0, 0);
                        not_before = Instant::now();
                        status.send_modify(|status| {
                            let succeeded = status.succeeded + 1;
                            *status = LaneStatus { succeeded, tried_at_end, ..LaneStatus::default() };
                        });
                    }
                    Outcome::Refused(error) => {
                        refusals += 1;
                        if let Some(further @ 1..) = refusals.checked_sub(REFUSALS_WITHOUT_PAUSE) {
                            let backoff = Backoff::of(RetryAction::RetrySlowly);
                            not_before = Instant::now() + backoff.pause(further, rand::random());
                        }
                        // CloudWatch has answered: whatever was in the way is gone.
                        failures = 0;
                        status.send_modify(|status| {
                            status.failed = Some(error);
                            status.stopped = false;
                        });
                    }
                    Outcome::Failed { error, on_the_way } => {
                        failures = if on_the_way { 1 } else { failures + 1 };
                        let action = error.action();
                        not_before = Instant::now() + Backoff::of(action).pause(failures, rand::random());
                        status.send_modify(|status| {
                            status.failed = Some(error);
                            status.stopped = action == RetryAction::Block;
                        });
                    }
                    Outcome::Nothing => {}
                    Outcome::Unreadable => {
                        failures += 1;
                        not_before = Instant::now() + Backoff::of(RetryAction::Retry).pause(failures, rand::random());
                    }
                },
                () = self.outbox.woken(lane) => {}
                () = sleep_until(retry_at) => {}
                () = sleep_until(next_flush.unwrap_or(later)) => {
                    if let Some(interval) = flush_interval && self.outbox.mode() == SendMode::Periodic {
                        self.outbox.flush_lane(lane);
                        next_flush = Some(Instant::now() + jittered(interval));
                    } else {
                        // Nothing to do while it drains, but a worker may come back into its test.
                        next_flush = flush_interval.map(|interval| Instant::now() + interval);
                    }
                }
            }
        }
    }

    fn take(&self, lane: Lane) -> Vec<Segment> {
        let limits = Limits::of(lane);
        let merged = lane == Lane::Metrics && self.destination.windows_in_parts;
        let mut packer = Packer::new(if merged { limits.times_merge() } else { limits });
        let (mut empty, mut complete) = (true, false);
        self.outbox.take(lane, limits.bytes(), |segment| {
            if complete || (!empty && segment.isolated) {
                return false;
            }
            let within = packer.try_add(segment.contents.items, segment.contents.wire_bytes, segment.contents.span);
            // The first one goes in any case. What a damaged time or a foreign hand made larger than a call may be would
            // else hold up all behind it; CloudWatch refuses it, and it is cut.
            let fits = within || empty;
            if fits {
                (empty, complete) = (false, segment.isolated || !within);
            }
            fits
        })
    }

    async fn send(self: Arc<Self>, lane: Lane, segments: Vec<Segment>) -> Outcome {
        if segments.iter().any(|segment| segment.repeated) {
            self.counters.retries.add(1);
        }
        match lane {
            Lane::Metrics => self.send_metrics(segments).await,
            Lane::Logs => self.send_logs(segments).await,
        }
    }

    async fn send_metrics(&self, segments: Vec<Segment>) -> Outcome {
        // Reading and merging is work for the processor, a matter of milliseconds.
        let Ok(call) = tokio::task::spawn_blocking(move || metrics_call(segments)).await else {
            return Outcome::Nothing;
        };
        self.outbox.put_back(Lane::Metrics, call.rest);
        let unreadable = self.set_aside(Lane::Metrics, call.unread);
        if call.segments.is_empty() {
            return if unreadable { Outcome::Unreadable } else { Outcome::Nothing };
        }
        let in_flight = InFlightGuard::new(&self.counters, Lane::Metrics, &call.segments);
        let (begun, number) = (Instant::now(), call.datums.len());
        let put = self.cloudwatch.put_metric_data(&self.destination.namespace, call.datums).await;
        in_flight.settle(put.as_ref().err());
        match put {
            Ok(()) => {
                self.succeeded(Lane::Metrics, number, begun);
                let newest = call.segments.iter().map(|segment| segment.contents.span.1 / 1000).max();
                self.counters.delivered_until.raise_to(newest.unwrap_or_default().try_into().unwrap_or_default());
                self.settle(call.segments, 0);
                Outcome::Taken
            }
            Err(error) => self.failed(Lane::Metrics, call.segments, error),
        }
    }

    async fn send_logs(&self, segments: Vec<Segment>) -> Outcome {
        let mut made = false;
        {
            let mut exists = self.stream_exists.lock().await;
            if !*exists {
                let Destination { group, stream, .. } = &self.destination;
                match self.cloudwatch.create_log_stream(group, stream).await {
                    Ok(None) => {}
                    Ok(Some(error)) => self.diagnostics.log(
                        Level::Warning,
                        &error.topic(),
                        format!("{error} The log group keeps its events for ever until it is given a retention."),
                    ),
                    Err(error) => return self.failed(Lane::Logs, segments, error),
                }
                self.diagnostics.log(
                    Level::Debug,
                    "CreateLogStream",
                    format!("CreateLogStream: {stream} of log group {group} is there"),
                );
                (*exists, made) = (true, true);
            }
        }
        let Ok(call) = tokio::task::spawn_blocking(move || logs_call(segments)).await else {
            return Outcome::Nothing;
        };
        let unreadable = self.set_aside(Lane::Logs, call.unread);
        if call.segments.is_empty() {
            return if unreadable { Outcome::Unreadable } else { Outcome::Nothing };
        }
        let Destination { group, stream, .. } = &self.destination;
        let bytes = call.segments.iter().map(|segment| segment.contents.wire_bytes).sum();
        let in_flight = InFlightGuard::new(&self.counters, Lane::Logs, &call.segments);
        let (begun, number) = (Instant::now(), call.batch.events);
        let put = self.cloudwatch.put_log_events(group, stream, call.batch).await;
        in_flight.settle(put.as_ref().err());
        match put {
            Ok(rejected_events) => {
                self.succeeded(Lane::Logs, number, begun);
                if rejected_events.total() > 0 {
                    self.diagnostics.log_once(
                        Level::Warning,
                        "log events left out",
                        format!(
                            "CloudWatch Logs left out events of log group {group}: {} too old, {} too new, {} past the \
                             group's retention. The receipt counts them as rejected.",
                            rejected_events.too_old, rejected_events.too_new, rejected_events.expired
                        ),
                    );
                }
                self.counters.log_bytes.add_len(bytes);
                self.settle(call.segments, rejected_events.total());
                Outcome::Taken
            }
            Err(error) => {
                if error.action() == RetryAction::Recreate {
                    *self.stream_exists.lock().await = false;
                }
                match self.failed(Lane::Logs, call.segments, error) {
                    Outcome::Failed { error, .. } => Outcome::Failed { error, on_the_way: made },
                    other => other,
                }
            }
        }
    }

    fn settle(&self, segments: Vec<Segment>, rejected_events: u64) {
        if self.keep {
            return self.outbox.keep(segments);
        }
        let mut share = Counts::default();
        segments.iter().for_each(|segment| share += segment.contents.share);
        let rejected = rejected_events.min(share.log_events);
        self.counters.rejected.add(Counts { log_events: rejected, ..Counts::default() });
        self.counters.delivered.add(Counts { log_events: share.log_events - rejected, ..share });
        self.outbox.settle(&segments);
    }

    fn succeeded(&self, lane: Lane, number: usize, begun: Instant) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).succeeded(lane);
        if self.keep {
            // A dry run: CloudWatch knows nothing of it.
            return;
        }
        let what = match lane {
            Lane::Metrics => "PutMetricData: CloudWatch took",
            Lane::Logs => "PutLogEvents: CloudWatch Logs took",
        };
        let items = if lane == Lane::Metrics { "datums" } else { "events" };
        let elapsed = begun.elapsed().as_millis();
        self.diagnostics.log(Level::Debug, "call", format!("{what} {number} {items} in {elapsed} ms"));
    }

    /// Tells the user what matters of a failure: each trouble once, each kind of refusal once.
    fn tell(&self, lane: Lane, error: &CallError) {
        let topic = error.topic();
        let in_trouble = |needs_action| {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            trouble.failed(lane, Timestamp::now(), &topic, needs_action)
        };
        if matches!(error.action(), RetryAction::Split | RetryAction::Reject) {
            // CloudWatch answers again, whatever it thinks of this call.
            self.trouble.lock().unwrap_or_else(PoisonError::into_inner).succeeded(lane);
        }
        match error.action() {
            RetryAction::Block if in_trouble(true) => {
                self.diagnostics.log(Level::Error, &topic, format!("{error} Results are kept in the spool."));
            }
            RetryAction::Retry | RetryAction::RetrySlowly if in_trouble(false) => {
                self.diagnostics.log(Level::Warning, &topic, format!("{error} It is repeated meanwhile."));
            }
            RetryAction::Block | RetryAction::Retry | RetryAction::RetrySlowly => {
                self.diagnostics.log(Level::Debug, &topic, error.to_string());
            }
            RetryAction::Split | RetryAction::Reject => self.diagnostics.log_first(
                Level::Warning,
                &topic,
                format!("{error} What CloudWatch does not take is kept in the spool as rejected."),
            ),
            RetryAction::Recreate => self.diagnostics.log_first(
                Level::Warning,
                &topic,
                format!("{error} Somebody deleted it: it is made again."),
            ),
        }
    }

    fn failed(&self, lane: Lane, mut segments: Vec<Segment>, error: CallError) -> Outcome {
        segments.iter_mut().for_each(|segment| segment.repeated = true);
        self.tell(lane, &error);
        match error.action() {
            // A gateway's limit, which is not CloudWatch's: nothing is rejected for it.
            RetryAction::Split if !error.is_from_aws() && !can_be_split(&segments) => {
                self.outbox.put_back(lane, segments);
                Outcome::Failed { error: CallError { cause: Cause::NotAws, ..error }, on_the_way: false }
            }
            RetryAction::Split => match self.split(lane, segments) {
                Ok(()) => Outcome::Refused(error),
                Err(NoRoom) => Outcome::Failed { error, on_the_way: false },
            },
            RetryAction::Reject => {
                segments.iter().for_each(|segment| self.reject(segment));
                Outcome::Refused(error)
            }
            RetryAction::Retry | RetryAction::RetrySlowly | RetryAction::Recreate | RetryAction::Block => {
                self.outbox.put_back(lane, segments);
                Outcome::Failed { error, on_the_way: false }
            }
        }
    }

    /// Puts the segments back in smaller pieces, so that the guilty item is alone at last and the others are taken.
    fn split(&self, lane: Lane, mut segments: Vec<Segment>) -> Result<(), NoRoom> {
        if segments.len() > 1 {
            // The outbox packs as much as fits, so the pieces have to say that they do not fit together.
            segments.iter_mut().for_each(|segment| segment.isolated = true);
            self.outbox.put_back(lane, segments);
            return Ok(());
        }
        for mut segment in segments {
            match self.halves(&segment) {
                Ok(Some(halves)) => self.outbox.replace(&segment, halves),
                Ok(None) => self.reject(&segment),
                Err(NoRoom) => {
                    self.diagnostics.log_once(
                        Level::Error,
                        "no room",
                        "The disk is full: what CloudWatch refuses cannot be cut into pieces to find what it is about, \
                         and waits in the spool. Make room.",
                    );
                    segment.deferred = true;
                    self.outbox.put_back(lane, vec![segment]);
                    return Err(NoRoom);
                }
            }
        }
        Ok(())
    }

    /// The two halves of a segment, `None` of one that has none.
    fn halves(&self, segment: &Segment) -> Result<Option<Vec<Segment>>, NoRoom> {
        if segment.contents.items < 2 {
            return Ok(None);
        }
        let spool = self.outbox.spool();
        let middle = segment.contents.items / 2;
        let mut halves: Vec<Segment> = match segment.lane {
            Lane::Metrics => {
                let Ok(datums) = segment.datums() else { return Ok(None) };
                let Some((first, second)) = datums.split_at_checked(middle) else { return Ok(None) };
                [first, second].into_iter().map(|half| spool.write_datums(half).0).collect()
            }
            Lane::Logs => {
                let Ok(events) = segment.events() else { return Ok(None) };
                let Some((first, second)) = events.split_at_checked(middle) else { return Ok(None) };
                [first, second].into_iter().map(|half| spool.write_events(half).0).collect()
            }
        };
        if !segment.is_in_memory() && halves.iter().any(Segment::is_in_memory) {
            // The disk is full: what is on it stays there, whole.
            halves.iter().for_each(|half| spool.remove(half));
            return Err(NoRoom);
        }
        halves.iter_mut().for_each(|half| half.isolated = true);
        Ok(Some(halves))
    }

    /// Rejects what is damaged, and puts back what cannot be read for now. Says whether there was any of the latter.
    fn set_aside(&self, lane: Lane, unread: Unread) -> bool {
        for (segment, error) in unread.damaged {
            self.diagnostics.log_once(
                Level::Error,
                "damaged",
                format!("A file of the spool cannot be read and is put aside as rejected: {error}."),
            );
            if self.keep {
                // In a dry run it stays where it is.
                self.counters.rejected.add(segment.contents.share);
                self.outbox.settle_rejected(&segment);
            } else {
                self.reject(&segment);
            }
        }
        let any = !unread.unreadable.is_empty();
        for (mut segment, error) in unread.unreadable {
            self.diagnostics.log_once(
                Level::Warning,
                "unreadable",
                format!("A file of the spool cannot be read for now ({error}). It is tried again."),
            );
            segment.deferred = true;
            self.outbox.put_back(lane, vec![segment]);
        }
        any
    }

    fn reject(&self, segment: &Segment) {
        self.counters.rejected.add(segment.contents.share);
        if let Err(error) = self.outbox.spool().reject(segment) {
            self.diagnostics.log_once(
                Level::Warning,
                "reject",
                format!("What CloudWatch rejected could not be kept in the spool: {error}."),
            );
        }
        self.outbox.settle_rejected(segment);
    }
}

/// Whether there is anything to be cut.
fn can_be_split(segments: &[Segment]) -> bool {
    segments.iter().map(|segment| segment.contents.items).sum::<usize>() > 1
}

fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(1.0 + JITTER * (2.0 * rand::random::<f64>() - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::client::DryRun;
    use crate::spool::Spool;
    use crate::spool::tests::{event, manifest};

    fn sender(spool: Spool) -> (Arc<Sender<DryRun>>, Arc<Outbox>, Arc<Counters>) {
        let counters: Arc<Counters> = Arc::default();
        let outbox = Arc::new(Outbox::new(spool, Arc::clone(&counters), Arc::default(), 1 << 30, SendMode::Immediate));
        let (cloudwatch, to) = (DryRun { counters: Arc::clone(&counters) }, manifest().destination());
        let (diagnostics, trouble) = (Arc::default(), Arc::default());
        let sender = Sender::new(
            Arc::new(cloudwatch),
            to,
            false,
            Arc::clone(&outbox),
            Arc::clone(&counters),
            diagnostics,
            trouble,
        );
        (sender, outbox, counters)
    }

    #[test]
    fn what_cannot_be_cut_for_want_of_room_waits_and_is_not_rejected() {
        let root = tempfile::tempdir().expect("a folder");
        let elsewhere = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let (segment, _) = Spool::create(elsewhere.path(), &manifest())
            .expect("a spool")
            .write_events(&[event(1, "a"), event(2, "b")]);
        std::fs::remove_dir_all(root.path().join("run")).expect("removed");
        let (sender, outbox, counters) = sender(spool);
        outbox.push(segment);
        let taken = outbox.take(Lane::Logs, usize::MAX, |_| true);
        assert!(sender.split(Lane::Logs, taken).is_err());
        assert_eq!((outbox.left().log_events, counters.rejected.get().log_events), (2, 0));
        assert!(outbox.take(Lane::Logs, usize::MAX, |_| true)[0].read().is_ok(), "it is where it was");
    }

    #[test]
    fn what_cannot_be_read_for_now_waits_and_what_never_can_is_rejected() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        // Where it would be put aside.
        let folder = spool.folder().expect("on the disk").to_owned();
        std::fs::write(folder.join("rejected"), "").expect("written");
        let segments = [1, 2].map(|time| spool.write_events(&[event(time, "a")]).0);
        let (sender, outbox, counters) = sender(spool);
        segments.into_iter().for_each(|segment| outbox.push(segment));
        let mut taken = outbox.take(Lane::Logs, usize::MAX, |_| true);
        let [unreadable, damaged] = [taken.pop(), taken.pop()].map(|segment| segment.expect("two of them"));
        let too_many_open_files = std::io::Error::from_raw_os_error(24);
        let unread = Unread {
            damaged: vec![(damaged, std::io::ErrorKind::InvalidData.into())],
            unreadable: vec![(unreadable, too_many_open_files)],
        };
        assert!(sender.set_aside(Lane::Logs, unread));
        assert_eq!((outbox.left().log_events, counters.rejected.get().log_events), (1, 1));
        let said = sender.diagnostics.take();
        let levels: Vec<_> = said.iter().map(|message| message.level).collect();
        assert_eq!(levels, [Level::Error, Level::Warning, Level::Warning], "{said:?}");
    }
}

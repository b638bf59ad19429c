//! Replay: sends the data that the spool of an ended process still holds.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use tokio::runtime::Handle;

use crate::accounting::counters::{Counters, Counts, MetricHours};
use crate::accounting::receipt::Receipt;
use crate::config::ResolvedAws;
use crate::delivery::client::CloudWatch;
use crate::delivery::outbox::SendMode;
use crate::delivery::{Delivery, DeliveryEnd, DeliveryKind, DeliveryOptions, Progress};
use crate::messages::{Level, Message};
use crate::spool::{Lane, Manifest, Segment, Spool};
use crate::sync::Mutex;
use crate::timestamp::{MAX_AGE_SECONDS, Timestamp};

/// Data is no longer sent this long before CloudWatch refuses it for its age, because sending may take some time.
const AGE_MARGIN_SECONDS: i64 = 3600;

/// A running replay.
pub struct Replay {
    manifest: Manifest,
    delivery: Delivery,
    dry_run: bool,
    /// The hours of metrics that this replay and those beside it send.
    metric_hours: Arc<Mutex<MetricHours>>,
}

impl Replay {
    /// Starts to send the data of a folder, except for data that is too old for CloudWatch.
    ///
    /// `beside` is a replay of another process of the same run, which pays for the metrics that both of them send.
    ///
    /// # Errors
    /// `WouldBlock` if the process of the spool still runs, and any other error if the folder cannot be read.
    pub fn start<C: CloudWatch>(
        folder: &Path,
        change: impl FnOnce(&mut Manifest),
        beside: Option<&Self>,
        dry_run: bool,
        now: Timestamp,
        runtime: Handle,
        cloudwatch: impl FnOnce(&Manifest, &Arc<Counters>) -> C,
    ) -> std::io::Result<Self> {
        let (spool, mut manifest, segments) = Spool::reopen(folder, !dry_run)?;
        change(&mut manifest);
        let options = DeliveryOptions {
            mode: SendMode::Immediate,
            flush_interval: None,
            capacity_bytes: u64::MAX,
            kind: DeliveryKind::of(dry_run),
            records_destination: false,
        };
        let delivery =
            Delivery::start(spool, manifest.resource_names(), options, Arc::default(), runtime, |counters| {
                cloudwatch(&manifest, counters)
            });
        let metric_hours = beside.map(|other| Arc::clone(&other.metric_hours)).unwrap_or_default();
        let replay = Self { manifest, delivery, dry_run, metric_hours };
        for segment in segments {
            let counters = &replay.delivery.counters;
            counters.observed.add(segment.contents.counts);
            // If the file is damaged, the sender detects and rejects it.
            if let (Lane::Metrics, Ok(datums)) = (segment.lane, segment.datums()) {
                let mut metric_hours = replay.metric_hours.lock().unwrap_or_else(PoisonError::into_inner);
                counters.metric_hours.add(metric_hours.insert(&datums));
            }
            replay.push(segment, now);
        }
        replay.delivery.outbox.close();
        Ok(replay)
    }

    /// Pushes a segment without its items that are too old.
    fn push(&self, segment: Segment, now: Timestamp) {
        let oldest = (now.seconds() - MAX_AGE_SECONDS + AGE_MARGIN_SECONDS) * 1000;
        let outbox = &self.delivery.outbox;
        // The sender rejects damaged files, whose contents are unknown.
        if segment.contents.span.0 >= oldest || segment.contents.items == 0 {
            outbox.push(segment);
            return;
        }
        // A dry run measures the parts in memory, and changes nothing on disk.
        let scratch = self.dry_run.then(|| Spool::in_memory(&self.manifest));
        let spool = scratch.as_ref().unwrap_or_else(|| outbox.spool());
        let Ok(SplitSegment { old, mut recent }) = split_by_age(spool, &segment, oldest) else {
            return outbox.push(segment);
        };
        if !self.dry_run && [Some(&old), recent.as_ref()].into_iter().flatten().any(Segment::is_in_memory) {
            // The disk is full: the segment stays on it as a whole, for a later replay.
            [Some(&old), recent.as_ref()].into_iter().flatten().for_each(|part| spool.remove(part));
            outbox.leave_in_spool(&segment);
            self.log_full_disk();
            return;
        }
        self.delivery.counters.rejected.add(old.contents.counts);
        if !self.dry_run {
            // Best effort: if it cannot be moved, it stays, and the next replay rejects it.
            let _ = spool.reject(&old);
            spool.remove(&segment);
        }
        if let Some(recent) = &mut recent {
            recent.sequence = segment.sequence;
        }
        recent.into_iter().for_each(|segment| outbox.push(segment));
        self.log_too_old(old.contents.counts);
    }

    fn log_full_disk(&self) {
        self.delivery.diagnostics.log_once(
            Level::Error,
            "no room",
            "The disk is full: locust-cw cannot split a file that is partly over 14 days old, and keeps it in the spool. \
             Free disk space, and replay again.",
        );
    }

    fn log_too_old(&self, counts: Counts) {
        if counts.requests.max(counts.log_events) > 0 {
            self.delivery.diagnostics.log_once(
                Level::Warning,
                "too old",
                "Some data is over 14 days old, and CloudWatch no longer accepts it. It counts as rejected, and \
                 locust-cw keeps it in the spool's folder \"rejected\".",
            );
        }
    }

    /// Takes the pending messages to the user.
    #[must_use]
    pub fn take_messages(&self) -> Vec<Message> {
        self.delivery.take_messages()
    }

    /// The destination of the data, as far as it is known.
    #[must_use]
    pub fn destination(&self) -> Option<ResolvedAws> {
        self.delivery.destination()
    }

    /// The progress so far.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.delivery.progress()
    }

    /// Ends the replay and builds the receipt of the data that was in the spool.
    pub fn finish(&self) -> (Receipt, DeliveryEnd) {
        let end = self.delivery.end();
        let spooled = self.delivery.outbox.spooled();
        let receipt = self.delivery.receipt(&self.manifest.run_id, self.manifest.log_class, spooled);
        (Receipt { dry_run: self.dry_run, ..receipt }, end)
    }
}

/// A segment as two segments. There is no recent one if all items are too old.
struct SplitSegment {
    old: Segment,
    recent: Option<Segment>,
}

/// Writes the items of a segment as two segments: those before `oldest`, in milliseconds since the epoch, and all others.
///
/// # Errors
/// If the segment is damaged.
fn split_by_age(spool: &Spool, segment: &Segment, oldest: i64) -> std::io::Result<SplitSegment> {
    Ok(match segment.lane {
        Lane::Metrics => {
            let datums = segment.datums()?;
            let (old, recent): (Vec<_>, Vec<_>) =
                datums.into_iter().partition(|datum| datum.key.timestamp.saturating_mul(1000) < oldest);
            let recent = (!recent.is_empty()).then(|| spool.write_datums(&recent).0);
            SplitSegment { old: spool.write_datums(&old).0, recent }
        }
        Lane::Logs => {
            let events = segment.events()?;
            let (old, recent): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event.timestamp < oldest);
            let recent = (!recent.is_empty()).then(|| spool.write_events(&recent).0);
            SplitSegment { old: spool.write_events(&old).0, recent }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;
    use crate::delivery::outbox::Outbox;
    use crate::spool::pending::pending_spools;
    use crate::spool::tests::{event, manifest};

    const NOW: Timestamp = Timestamp::from_seconds(1_795_348_981);

    /// What happens to a spool.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        /// A segment with this many events is written.
        Write(usize),
        /// CloudWatch accepts a call with this many segments.
        Send(usize),
        /// A call with this many segments fails.
        Fail(usize),
        /// CloudWatch refuses a call with one segment, and it is split.
        Split,
        /// The process dies during a call with this many segments, and another one continues.
        Crash(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (1..5usize).prop_map(Step::Write),
            2 => (1..4usize).prop_map(Step::Send),
            1 => (1..4usize).prop_map(Step::Fail),
            1 => Just(Step::Split),
            1 => (0..4usize).prop_map(Step::Crash),
        ];
        prop::collection::vec(step, 1..40)
    }

    fn outbox(spool: Spool, segments: Vec<Segment>) -> Outbox {
        let outbox = Outbox::new(spool, Arc::default(), Arc::default(), u64::MAX, SendMode::Immediate);
        segments.into_iter().for_each(|segment| outbox.push(segment));
        outbox
    }

    fn take(outbox: &Outbox, number: usize) -> Vec<Segment> {
        let mut taken = 0;
        outbox.take(Lane::Logs, usize::MAX, |_| {
            taken += 1;
            taken <= number
        })
    }

    fn texts(segments: &[Segment]) -> Vec<String> {
        segments.iter().flat_map(|s| s.events().expect("whole")).map(|event| event.message).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_written_data_is_lost_whatever_happens(steps in steps()) {
            let root = tempfile::tempdir().expect("a folder");
            let spool = Spool::create(root.path(), &manifest()).expect("a spool");
            let folder = spool.folder().expect("a folder").to_owned();
            let mut current = outbox(spool, Vec::new());
            let (mut written, mut sent) = (BTreeSet::new(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Write(number) => {
                        let events: Vec<_> = (0..number).map(|i| event(1, &format!("{}", written.len() + i))).collect();
                        written.extend(events.iter().map(|event| event.message.clone()));
                        let (segment, error) = current.spool().write_events(&events);
                        prop_assert!(error.is_none());
                        current.push(segment);
                    }
                    Step::Send(number) => {
                        let segments = take(&current, number);
                        sent.extend(texts(&segments));
                        current.settle(segments, 0);
                    }
                    Step::Fail(number) => current.put_back(Lane::Logs, take(&current, number)),
                    Step::Split => {
                        for segment in take(&current, 1) {
                            let events = segment.events().expect("whole");
                            if events.len() == 1 {
                                current.put_back(Lane::Logs, vec![segment]);
                                continue;
                            }
                            let halves = events.split_at(events.len() / 2);
                            let halves = [halves.0, halves.1].map(|half| current.spool().write_events(half).0);
                            current.replace(&segment, halves.into());
                        }
                    }
                    Step::Crash(number) => {
                        // The process loses the segments in flight, but not their files.
                        drop(take(&current, number));
                        drop(current);
                        let (spool, _, segments) = Spool::reopen(&folder, true).expect("left behind");
                        current = outbox(spool, segments);
                    }
                }
                let waiting = take(&current, usize::MAX);
                let held: BTreeSet<_> = texts(&waiting).into_iter().collect();
                current.put_back(Lane::Logs, waiting);
                prop_assert!(held.is_disjoint(&sent), "accepted data is not sent again");
                let all: BTreeSet<_> = held.union(&sent).cloned().collect();
                prop_assert_eq!(&all, &written);
            }
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("one")
    }

    fn start(folder: &Path, runtime: &tokio::runtime::Runtime) -> Replay {
        let cloudwatch = |_: &Manifest, counters: &Arc<Counters>| crate::delivery::dry_run::DryRun {
            counters: Arc::clone(counters),
        };
        Replay::start(folder, |_| {}, None, false, NOW, runtime.handle().clone(), cloudwatch).expect("readable")
    }

    #[test]
    fn data_that_is_too_old_is_rejected_and_counted() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let old = NOW.millis() - 15 * 24 * 3600 * 1000;
        let _ = spool.write_events(&[event(old, "a"), event(NOW.millis(), "b"), event(old, "c")]);
        let folder = spool.folder().expect("a folder").to_owned();
        drop(spool);
        let runtime = runtime();
        let replay = start(&folder, &runtime);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !replay.progress().over {
            assert!(Instant::now() < deadline, "{:?}", replay.progress());
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(replay.take_messages().iter().any(|message| message.text.contains("over 14 days old")));
        let (receipt, _) = replay.finish();
        let events = receipt.log_events;
        assert_eq!((events.observed, events.delivered, events.rejected), (3, 1, 2));
        assert!(pending_spools(root.path()).is_empty());
    }

    #[test]
    fn a_file_that_is_too_large_for_a_call_does_not_hold_up_the_replay() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let _ = spool.write_events(&[
            event(NOW.millis(), "a"),
            event(i64::MAX, "a damaged time"),
            event(NOW.millis(), "b"),
        ]);
        let _ = spool.write_events(&[event(NOW.millis(), "c")]);
        let folder = spool.folder().expect("a folder").to_owned();
        drop(spool);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("one");
        let cloudwatch = |_: &Manifest, counters: &Arc<Counters>| crate::delivery::dry_run::DryRun {
            counters: Arc::clone(counters),
        };
        let replay =
            Replay::start(&folder, |_| {}, None, false, NOW, runtime.handle().clone(), cloudwatch).expect("readable");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !replay.progress().over {
            assert!(std::time::Instant::now() < deadline, "{:?}", replay.progress());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(replay.finish().0.log_events.delivered, 4);
    }

    #[test]
    fn a_file_that_cannot_be_split_on_a_full_disk_stays_whole() {
        let (root, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let old = NOW.millis() - 15 * 24 * 3600 * 1000;
        let (segment, _) = spool.write_events(&[event(old, "a"), event(NOW.millis(), "b")]);
        let empty = Spool::create(elsewhere.path(), &manifest()).expect("a spool");
        let folder = empty.folder().expect("a folder").to_owned();
        drop(empty);
        let runtime = runtime();
        let replay = start(&folder, &runtime);
        // As on a full disk, nothing can be written into a folder that does not exist.
        fs::remove_dir_all(&folder).expect("removed");
        replay.delivery.counters.observed.add(segment.contents.counts);
        replay.push(segment, NOW);
        assert!(replay.take_messages().iter().any(|message| message.text.contains("The disk is full")));
        let (receipt, _) = replay.finish();
        let events = receipt.log_events;
        assert_eq!((events.observed, events.spooled, events.rejected), (2, 2, 0));
        assert_eq!(pending_spools(root.path())[0].files, 1);
    }
}

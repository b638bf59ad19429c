//! Splits data that CloudWatch refuses until the invalid item is alone and rejected. Handles files that cannot be read.

use crate::delivery::assemble::Unread;
use crate::delivery::client::CloudWatch;
use crate::delivery::send::Sender;
use crate::messages::Level;
use crate::spool::{Lane, Packing, Segment};

/// The disk has no room for the parts of a segment.
pub(super) struct NoRoom;

impl<C: CloudWatch> Sender<C> {
    /// Puts the segments back as smaller parts, so that CloudWatch accepts all but the invalid item in the end.
    pub(super) fn split(&self, lane: Lane, mut segments: Vec<Segment>) -> Result<(), NoRoom> {
        if segments.len() > 1 {
            // Otherwise the next call would combine them again.
            segments.iter_mut().for_each(|segment| segment.packing = Packing::Isolated);
            self.outbox.put_back(lane, segments);
            return Ok(());
        }
        for segment in segments {
            match self.halves(&segment) {
                Ok(Some(halves)) => self.outbox.replace(&segment, halves),
                Ok(None) => self.outbox.reject(segment),
                Err(NoRoom) => {
                    self.diagnostics.log_once(
                        Level::Error,
                        "no room",
                        "The disk is full: locust-cw cannot split a rejected call to find the invalid item, and \
                         keeps its data in the spool. Free disk space.",
                    );
                    self.outbox.defer(segment);
                    return Err(NoRoom);
                }
            }
        }
        Ok(())
    }

    /// The two halves of a segment; `None` if it has a single item, or its file is damaged.
    fn halves(&self, segment: &Segment) -> Result<Option<Vec<Segment>>, NoRoom> {
        if segment.contents.items < 2 {
            return Ok(None);
        }
        let spool = self.outbox.spool();
        let middle = segment.contents.items / 2;
        let halves: Vec<Segment> = match segment.lane {
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
            // The disk is full: the segment stays on it as a whole.
            halves.iter().for_each(|half| spool.remove(half));
            return Err(NoRoom);
        }
        Ok(Some(halves))
    }

    /// Rejects damaged segments, and defers those that cannot be read at present. Returns whether there are any of the latter.
    pub(super) fn handle_unread(&self, unread: Unread) -> bool {
        for (segment, error) in unread.damaged {
            self.diagnostics.log_once(
                Level::Error,
                "damaged",
                format!("A spool file is damaged, and its data counts as rejected: {error}."),
            );
            self.outbox.reject(segment);
        }
        let any = !unread.unreadable.is_empty();
        for (segment, error) in unread.unreadable {
            self.diagnostics.log_once(
                Level::Warning,
                "unreadable",
                format!("locust-cw cannot read a spool file ({error}) and keeps retrying."),
            );
            self.outbox.defer(segment);
        }
        any
    }
}

/// Whether there is more than one item.
pub(super) fn can_be_split(segments: &[Segment]) -> bool {
    segments.iter().map(|segment| segment.contents.items).sum::<usize>() > 1
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::accounting::counters::Counters;
    use crate::delivery::dry_run::DryRun;
    use crate::delivery::outage::OutageMonitor;
    use crate::delivery::outbox::{Outbox, SendMode};
    use crate::messages::Diagnostics;
    use crate::spool::Spool;
    use crate::spool::tests::{event, manifest};

    fn sender(spool: Spool) -> (Arc<Sender<DryRun>>, Arc<Outbox>, Arc<Counters>) {
        let counters: Arc<Counters> = Arc::default();
        let diagnostics: Arc<Diagnostics> = Arc::default();
        let outbox = Outbox::new(spool, Arc::clone(&counters), Arc::clone(&diagnostics), 1 << 30, SendMode::Immediate);
        let outbox = Arc::new(outbox);
        let (cloudwatch, to) = (DryRun { counters: Arc::clone(&counters) }, manifest().resource_names());
        let outage = Arc::new(OutageMonitor::new(Arc::clone(&diagnostics)));
        let sender =
            Sender::new(Arc::new(cloudwatch), to, Arc::clone(&outbox), Arc::clone(&counters), diagnostics, outage);
        (sender, outbox, counters)
    }

    #[test]
    fn a_segment_that_cannot_be_split_on_a_full_disk_waits_and_is_not_rejected() {
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
    fn an_unreadable_segment_waits_and_a_damaged_one_is_rejected() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        // A file in place of the folder for rejected segments.
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
        assert!(sender.handle_unread(unread));
        assert_eq!((outbox.left().log_events, counters.rejected.get().log_events), (1, 1));
        let said = sender.diagnostics.take();
        let levels: Vec<_> = said.iter().map(|message| message.level).collect();
        assert_eq!(levels, [Level::Error, Level::Warning, Level::Warning], "{said:?}");
    }
}

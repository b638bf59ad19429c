//! The folder of one run and process: it writes, finds and removes segments.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::accounting::counters::Counts;
use crate::config::ResolvedAws;
use crate::logs::event::LogEvent;
use crate::logs::line::LogLine;
use crate::metrics::datum::{Datum, FAILURE_COUNT, REQUEST_COUNT};
use crate::spool::copies::Copies;
use crate::spool::files::{
    LOCK, MANIFEST, PARTIAL, REJECTED, SegmentName, holds_data, last_id, lock, make_folder, write_whole,
};
use crate::spool::segment::{Contents, LogLines, Segment, Storage};
use crate::spool::{Lane, Manifest};

/// The folder of one run and process. Without a usable disk, segments stay in memory.
pub struct Spool {
    folder: Option<PathBuf>,
    series: Vec<String>,
    next_id: AtomicU64,
    /// Held while the run may change the folder, so that other processes can see that it does.
    lock: Mutex<Option<File>>,
    /// Copies of log events, if they will be sent soon.
    copies: Option<Copies>,
}

impl Spool {
    /// Creates the folder `root/run/worker`, which only its owner can read.
    ///
    /// # Errors
    /// `WouldBlock` if a running process uses it, `AlreadyExists` if an earlier process left data in it, and any other error if
    /// it cannot be created; the caller can use [`Spool::in_memory`] then.
    pub fn create(root: &Path, manifest: &Manifest) -> io::Result<Self> {
        let folder = root.join(&manifest.run_id).join(&manifest.worker);
        make_folder(&folder)?;
        let lock = lock(&folder)?;
        if holds_data(&folder) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        manifest.write(&folder)?;
        let next_id = AtomicU64::new(1);
        Ok(Self {
            folder: Some(folder),
            series: manifest.series.clone(),
            next_id,
            lock: Mutex::new(Some(lock)),
            copies: None,
        })
    }

    /// Opens the folder of a process that has ended, with its segments, oldest first. If `clean`, removes files that were not
    /// written completely.
    ///
    /// # Errors
    /// `WouldBlock` if the process still runs, and any other error if the folder cannot be read.
    pub fn reopen(folder: &Path, clean: bool) -> io::Result<(Self, Manifest, Vec<Segment>)> {
        let lock = lock(folder)?;
        let manifest = Manifest::read(folder)?;
        let next_id = AtomicU64::new(last_id(folder)? + 1);
        let series = manifest.series.clone();
        let spool =
            Self { folder: Some(folder.to_owned()), series, next_id, lock: Mutex::new(Some(lock)), copies: None };
        let mut segments = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == PARTIAL) {
                if clean {
                    fs::remove_file(path)?;
                }
            } else if let Some(name) = SegmentName::of(&path) {
                segments.push(spool.segment(&name, path)?);
            }
        }
        segments.sort_by_key(|segment| segment.id);
        Ok((spool, manifest, segments))
    }

    /// The spool, with copies of recent log events in memory.
    #[must_use]
    pub fn with_copies(self) -> Self {
        Self { copies: Some(Copies::default()), ..self }
    }

    /// Reads a file of the spool. A damaged one counts as empty here; the sender rejects it later.
    fn segment(&self, &SegmentName { id, checksum, lane }: &SegmentName, path: PathBuf) -> io::Result<Segment> {
        let disk_bytes = fs::metadata(&path)?.len();
        let contents = Contents::default();
        let mut segment = Segment::new(id, lane, contents, disk_bytes, Storage::Disk { path, checksum });
        segment.contents = match lane {
            Lane::Metrics => segment.datums().map_or(contents, |datums| self.contents_of_datums(&datums)),
            Lane::Logs => segment.events().map_or(contents, |events| Contents::of_events(&events)),
        };
        Ok(segment)
    }

    /// Records the resolved destination of the data, for a process that sends it later.
    ///
    /// # Errors
    /// If the manifest cannot be read or written.
    pub fn record_resolved(&self, resolved: &ResolvedAws) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let manifest = Manifest { resolved: Some(resolved.clone()), ..Manifest::read(folder)? };
        manifest.write(folder)
    }

    /// Lets other processes send or delete what is left. The run changes the folder no more, although the process may go on.
    pub fn release(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The ID of the last segment written.
    #[must_use]
    pub fn last_id(&self) -> u64 {
        self.next_id.load(Relaxed) - 1
    }

    /// A spool without a disk.
    #[must_use]
    pub fn in_memory(manifest: &Manifest) -> Self {
        Self {
            folder: None,
            series: manifest.series.clone(),
            next_id: AtomicU64::new(1),
            lock: Mutex::default(),
            copies: None,
        }
    }

    /// The folder, if there is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The folder of rejected segments, if there are any.
    #[must_use]
    pub fn rejected(&self) -> Option<PathBuf> {
        self.folder().map(|folder| folder.join(REJECTED)).filter(|folder| folder.is_dir())
    }

    /// Writes datums that fit into one call. If the disk cannot be written, they stay in memory, and the error says why.
    #[must_use]
    pub fn write_datums(&self, datums: &[Datum]) -> (Segment, Option<io::Error>) {
        // A datum is plain data, so it can always be written as JSON.
        let lines = datums.iter().map(|datum| datum.to_json().unwrap_or_default() + "\n");
        self.write(Lane::Metrics, self.contents_of_datums(datums), lines.collect())
    }

    /// Writes log events that fit into one call, as [`Self::write_datums`] does.
    #[must_use]
    pub fn write_events(&self, events: &[LogEvent]) -> (Segment, Option<io::Error>) {
        let mut lines = LogLines::default();
        events.iter().for_each(|event| lines.push(&LogLine::of(event)));
        self.write_lines(lines)
    }

    /// Writes log events that are already lines, as [`Self::write_datums`] does.
    #[must_use]
    pub fn write_lines(&self, lines: LogLines) -> (Segment, Option<io::Error>) {
        self.write(Lane::Logs, lines.contents, String::from_utf8(lines.text).unwrap_or_default())
    }

    fn contents_of_datums(&self, datums: &[Datum]) -> Contents {
        let total =
            |metric| datums.iter().map(|datum| datum.total_of(metric, &self.series)).fold(0, u64::saturating_add);
        Contents {
            items: datums.len(),
            wire_bytes: datums.iter().map(Datum::wire_bytes).sum(),
            span: span(datums.iter().map(|datum| datum.key.timestamp.saturating_mul(1000))),
            counts: Counts { requests: total(REQUEST_COUNT), failures: total(FAILURE_COUNT), log_events: 0 },
        }
    }

    fn write(&self, lane: Lane, contents: Contents, mut text: String) -> (Segment, Option<io::Error>) {
        let id = self.next_id.fetch_add(1, Relaxed);
        let disk_bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let checksum = crc32fast::hash(text.as_bytes());
        let name = SegmentName { id, checksum, lane };
        let written = self.folder.as_ref().map(|folder| write_whole(folder, &name.to_string(), &text));
        let mut copy = None;
        let (storage, error) = match written {
            Some(Ok(path)) => {
                // Datums of several segments are merged, and are few.
                copy = self.copies.as_ref().filter(|_| lane == Lane::Logs).and_then(|copies| copies.keep(text));
                (Storage::Disk { path, checksum }, None)
            }
            failed => {
                // The room that it takes is counted by its length.
                text.shrink_to_fit();
                (Storage::Memory(Arc::new(text)), failed.and_then(Result::err))
            }
        };
        (Segment { copy, ..Segment::new(id, lane, contents, disk_bytes, storage) }, error)
    }

    /// Removes the file of a segment that was accepted or dropped.
    pub fn remove(&self, segment: &Segment) {
        if let Storage::Disk { path, .. } = &segment.storage {
            // Best effort: the file may be gone already.
            let _ = fs::remove_file(path);
        }
    }

    /// Moves a segment that CloudWatch refuses to the rejected ones, for inspection.
    ///
    /// # Errors
    /// If the file cannot be moved.
    pub fn reject(&self, segment: &Segment) -> io::Result<()> {
        if let (Storage::Disk { path, .. }, Some(folder)) = (&segment.storage, &self.folder)
            && let Some(name) = path.file_name()
        {
            let rejected = folder.join(REJECTED);
            // The folder of the spool is not recreated: without lock and manifest, no process would find its data.
            if folder.is_dir() {
                make_folder(&rejected)?;
            }
            fs::rename(path, rejected.join(name))?;
        }
        Ok(())
    }

    /// Deletes the oldest rejected segments, at least `bytes` if there are as many. Returns the bytes deleted; `None` if nothing
    /// is left.
    pub fn delete_rejected(&self, bytes: u64) -> Option<u64> {
        let entries = fs::read_dir(self.rejected()?).ok()?;
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        // The names start with the IDs.
        paths.sort_unstable();
        let mut freed = 0;
        for path in paths {
            let size = fs::metadata(&path).map_or(0, |file| file.len());
            if fs::remove_file(&path).is_ok() {
                freed += size;
            }
            if freed >= bytes {
                return Some(freed);
            }
        }
        None
    }

    /// Removes the folder of a process that was killed, if it holds no data. A folder that is being created, or that contains
    /// files of other programs, stays.
    pub(crate) fn remove_empty(folder: &Path) {
        // A process that creates a folder locks it before it writes `run.json`.
        if folder.join(MANIFEST).exists()
            && let Ok((spool, ..)) = Self::reopen(folder, true)
        {
            spool.remove_if_empty();
        }
    }

    /// Removes the folder if it holds no data to send or inspect.
    pub fn remove_if_empty(&self) {
        let Some(folder) = &self.folder else { return };
        if !holds_data(folder) {
            for name in [MANIFEST, LOCK] {
                let _ = fs::remove_file(folder.join(name));
            }
            let _ = fs::remove_dir(folder);
            // The last process of a run removes the folder of the run.
            let _ = folder.parent().map(fs::remove_dir);
        }
    }
}

fn span(times: impl Iterator<Item = i64> + Clone) -> (i64, i64) {
    (times.clone().min().unwrap_or_default(), times.max().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::io::{Seek as _, SeekFrom, Write as _};

    use super::*;
    use crate::metrics::datum::tests::key;
    use crate::metrics::datum::{Body, RESPONSE_TIME};
    use crate::sample::Point;
    use crate::spool::files::is_live;
    use crate::spool::tests::{datum, event, manifest, path_of};

    #[test]
    fn what_was_written_is_read_again_and_counted() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let (segment, error) = spool.write_datums(&[datum(3.0), datum(4.0)]);
        assert!(error.is_none() && !segment.is_in_memory());
        assert_eq!((segment.contents.counts.requests, segment.contents.items), (7, 2));
        assert_eq!(segment.datums().expect("readable"), [datum(3.0), datum(4.0)]);
        let events = [event(2, "b\n\"c\""), event(1, "한")];
        let (segment, _) = spool.write_events(&events);
        assert_eq!((segment.contents.counts.log_events, segment.contents.span), (2, (1, 2)));
        assert_eq!(segment.contents.wire_bytes, 26 * 2 + 5 + 3);
        assert_eq!(segment.events().expect("readable"), events);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let _ = spool.write_datums(&[datum(1.0)]);
        let folder = spool.folder().expect("a folder").to_owned();
        assert_eq!(fs::metadata(&folder).expect("there").permissions().mode() & 0o777, 0o700);
        for entry in fs::read_dir(&folder).expect("readable") {
            assert_eq!(entry.expect("an entry").metadata().expect("there").permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn the_folder_goes_when_nothing_is_left_in_it() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let (segment, _) = spool.write_datums(&[datum(1.0)]);
        spool.remove_if_empty();
        assert!(segment.read().is_ok());
        spool.remove(&segment);
        spool.remove_if_empty();
        assert_eq!(fs::read_dir(root.path()).expect("readable").count(), 0);
    }

    #[test]
    fn what_was_rejected_stays_to_be_looked_at() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let (segment, _) = spool.write_datums(&[datum(1.0)]);
        spool.reject(&segment).expect("moved");
        spool.remove_if_empty();
        let kept = path_of(&segment).file_name().expect("a name");
        assert!(root.path().join("run/w1/rejected").join(kept).exists());
    }

    #[test]
    fn a_folder_that_is_gone_is_not_made_again_for_what_is_rejected() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let (segment, _) = spool.write_datums(&[datum(1.0)]);
        fs::remove_dir_all(root.path().join("run")).expect("removed");
        assert!(spool.reject(&segment).is_err());
        assert!(!root.path().join("run").exists());
    }

    #[test]
    fn a_disk_that_cannot_be_written_leaves_it_in_memory() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        fs::remove_dir_all(root.path().join("run")).expect("removed");
        let (segment, error) = spool.write_datums(&[datum(5.0)]);
        assert!(error.is_some() && segment.is_in_memory());
        assert_eq!(segment.datums().expect("readable"), [datum(5.0)]);
    }

    #[test]
    fn a_run_of_the_same_id_leaves_what_an_earlier_one_left() {
        let root = tempfile::tempdir().expect("a folder");
        let (old, _) = Spool::create(root.path(), &manifest()).expect("a spool").write_datums(&[datum(1.0)]);
        let other = Manifest { namespace: "Other".into(), ..manifest() };
        let refused = Spool::create(root.path(), &other).err().expect("the folder is taken");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(old.datums().expect("still there"), [datum(1.0)]);
        assert_eq!(Manifest::read(&root.path().join("run/w1")).expect("still there"), manifest());
    }

    #[test]
    fn what_a_dead_process_left_is_found_again() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let folder = spool.folder().expect("a folder").to_owned();
        let written = [spool.write_datums(&[datum(3.0)]).0, spool.write_events(&[event(5, "x")]).0];
        assert!(is_live(&folder) && Spool::reopen(&folder, true).is_err());
        drop(spool);
        fs::write(folder.join("000000009-00000000-logs.jsonl.part"), "{\"timest").expect("written");
        assert!(!is_live(&folder));
        let (again, read, segments) = Spool::reopen(&folder, true).expect("a spool");
        assert_eq!(read, manifest());
        assert_eq!(segments.iter().map(|s| s.contents).collect::<Vec<_>>(), written.map(|s| s.contents));
        assert_eq!(again.write_events(&[event(6, "y")]).0.id, 3);
        segments.iter().for_each(|segment| again.remove(segment));
    }

    #[test]
    fn two_processes_cannot_have_the_same_folder() {
        let root = tempfile::tempdir().expect("a folder");
        let _spool = Spool::create(root.path(), &manifest()).expect("a spool");
        assert!(Spool::create(root.path(), &manifest()).is_err());
    }

    fn written(root: &Path) -> (Spool, Segment, Segment) {
        let spool = Spool::create(root, &manifest()).expect("a spool");
        let points = (1..=3).map(|i| Point { value: f64::from(i) * 1.7, count: 2 }).collect();
        let times = Datum { key: key(RESPONSE_TIME, "/한"), resolution: 1, body: Body::Points(points) };
        let metrics = spool.write_datums(&[datum(3.0), times, datum(4.0)]).0;
        let logs = spool.write_events(&[event(2, "b\n\"c\""), event(1, "한"), event(3, "")]).0;
        (spool, metrics, logs)
    }

    #[test]
    fn a_file_that_ends_early_or_has_a_bit_flipped_is_damaged() {
        let root = tempfile::tempdir().expect("a folder");
        let (_spool, metrics, logs) = written(root.path());
        for segment in [&metrics, &logs] {
            let path = path_of(segment);
            let whole = fs::read(path).expect("there");
            // A file system may flush a file that is truncated and written again.
            let mut file = fs::File::options().write(true).open(path).expect("there");
            let is_damaged = || segment.read().is_err_and(|error| error.kind() == io::ErrorKind::InvalidData);
            for bit in 0..whole.len() * 8 {
                let mut write = |byte| {
                    file.seek(SeekFrom::Start(u64::try_from(bit / 8).expect("small"))).expect("there");
                    file.write_all(&[byte]).expect("written");
                };
                write(whole[bit / 8] ^ (1 << (bit % 8)));
                assert!(is_damaged(), "bit {bit}");
                write(whole[bit / 8]);
            }
            assert!(!is_damaged());
            for end in (0..whole.len()).rev() {
                file.set_len(u64::try_from(end).expect("small")).expect("shortened");
                assert!(is_damaged(), "{end}");
            }
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_read_without_harm() {
        let root = tempfile::tempdir().expect("a folder");
        let (spool, metrics, _) = written(root.path());
        let folder = spool.folder().expect("a folder").to_owned();
        let text = fs::read_to_string(path_of(&metrics)).expect("there");
        let far = text.replace("1795348981", &i64::MAX.to_string()).replace("3.0", "1e300").replace("4.0", "1e300");
        spool.remove(&metrics);
        let name = SegmentName { id: 1, checksum: crc32fast::hash(far.as_bytes()), lane: Lane::Metrics };
        fs::write(folder.join(name.to_string()), far).expect("written");
        for stranger in ["18446744073709551615-00000000-logs", "+5-00000000-logs", "5-00000000-logs", "000000005-logs"]
        {
            fs::write(folder.join(format!("{stranger}.jsonl")), "").expect("written");
        }
        drop(spool);
        let (_again, _, segments) = Spool::reopen(&folder, true).expect("readable");
        assert_eq!(segments.iter().map(|segment| segment.id).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((segments[0].contents.counts.requests, segments[0].contents.span), (u64::MAX, (i64::MAX, i64::MAX)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_is_written_is_found_again(
            totals in prop::collection::vec(0..1_000_000u32, 1..20),
            texts in prop::collection::vec((any::<u32>(), any::<String>()), 1..20),
        ) {
            let root = tempfile::tempdir().expect("a folder");
            let spool = Spool::create(root.path(), &manifest()).expect("a spool");
            let datums: Vec<_> = totals.iter().map(|&total| datum(total.into())).collect();
            let events: Vec<_> = texts.iter().map(|(time, text)| event((*time).into(), text)).collect();
            let written = [spool.write_datums(&datums).0, spool.write_events(&events).0];
            let folder = spool.folder().expect("a folder").to_owned();
            drop(spool);
            let (_again, read, segments) = Spool::reopen(&folder, true).expect("a spool");
            prop_assert_eq!(read, manifest());
            prop_assert_eq!(segments[0].datums().expect("whole"), datums);
            prop_assert_eq!(segments[1].events().expect("whole"), events);
            for (found, written) in segments.iter().zip(&written) {
                prop_assert_eq!((found.contents, found.disk_bytes), (written.contents, written.disk_bytes));
            }
            let requests: u64 = totals.iter().map(|&total| u64::from(total)).sum();
            prop_assert_eq!(segments[0].contents.counts.requests, requests);
        }
    }
}

//! The spool: what is to be sent, on disk, until CloudWatch has taken it.
//!
//! One folder per run and process, of JSON Lines files; a line is what the AWS command line takes for a datum or an event.
//! A file appears whole, by renaming, and is removed when its content was taken.

pub mod pending;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use crate::accounting::counters::Counts;
use crate::config::identity::RunIdentity;
use crate::config::{AwsConfig, Config, LogClass, ResolvedAws};
use crate::logs::event::LogEvent;
use crate::logs::line::LogLine;
use crate::metrics::datum::{Datum, FAILURE_COUNT, REQUEST_COUNT};

/// The two kinds of data, which do not wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Datums, for `PutMetricData`.
    Metrics,
    /// Log events, for `PutLogEvents`.
    Logs,
}

impl Lane {
    /// Both. Where there is no room for all, what stands last is given up first.
    pub const ALL: [Self; 2] = [Self::Metrics, Self::Logs];

    const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// What a spool's folder says of itself, in `run.json`: all that is needed to send its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The run.
    pub run_id: String,
    /// The process's name within the run.
    pub worker: String,
    /// Metrics namespace.
    pub namespace: String,
    /// Seconds per window.
    pub resolution: u32,
    /// Names of the dimensions of the finest series, in order.
    pub series: Vec<String>,
    /// Name of the log group.
    pub log_group: String,
    /// Name of the log stream.
    pub log_stream: String,
    /// Class of a log group that is created.
    pub log_class: LogClass,
    /// Retention of a log group that is created, in days.
    pub log_retention_days: Option<i32>,
    /// The AWS account, as far as it was given.
    pub aws: AwsConfig,
    /// Where its data goes by the environment of the process that recorded it, once that is known.
    #[serde(default)]
    pub resolved: Option<ResolvedAws>,
    /// It was never meant to be sent, unless somebody asks for this very run.
    #[serde(default)]
    pub dry_run: bool,
}

impl Manifest {
    /// What the spool of a run says of itself.
    #[must_use]
    pub fn of(config: &Config, identity: &RunIdentity) -> Self {
        let series = config.series.iter().map(|key| key.name().to_owned());
        let constant = config.constant_dimensions.iter().map(|dimension| dimension.name.to_string());
        Self {
            run_id: identity.run_id.clone(),
            worker: identity.worker.clone(),
            namespace: config.namespace.clone(),
            resolution: config.resolution,
            series: series.chain(constant).collect(),
            log_group: config.log.group.clone(),
            log_stream: format!("{}/{}/{}", config.log.stream_prefix, identity.run_id, identity.worker),
            log_class: config.log.class,
            log_retention_days: config.log.retention_days,
            aws: config.aws.clone(),
            resolved: None,
            dry_run: config.dry_run,
        }
    }

    /// Whether a later process can send it: not what a dry run wrote, and not what was for a local CloudWatch, which ended with
    /// its test.
    #[must_use]
    pub const fn is_replayable(&self) -> bool {
        !self.dry_run && !self.aws.local
    }

    /// Where its data goes.
    #[must_use]
    pub fn destination(&self) -> Destination {
        Destination {
            namespace: self.namespace.clone(),
            group: self.log_group.clone(),
            stream: self.log_stream.clone(),
            windows_in_parts: self.resolution > 1,
        }
    }

    /// Reads a folder's `run.json`.
    ///
    /// # Errors
    /// Where there is none, or it is damaged.
    pub fn read(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(folder.join(MANIFEST))?)?)
    }

    fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        write_whole(folder, MANIFEST, &text)?;
        Ok(())
    }
}

/// Where a run's data goes.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Metrics namespace.
    pub namespace: String,
    /// Log group.
    pub group: String,
    /// Log stream.
    pub stream: String,
    /// Parts of a window come one after the other, and are merged when they are sent.
    pub windows_in_parts: bool,
}

/// Where a segment's lines are.
#[derive(Debug, Clone)]
enum Storage {
    Disk {
        path: PathBuf,
        /// CRC-32 of the file, as its name tells.
        checksum: u32,
    },
    /// Where the disk cannot be written.
    Memory(Arc<String>),
}

/// What a segment holds, as far as its sender needs to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    /// How many datums or log events.
    pub items: usize,
    /// What they count for against the limit of a call, in bytes.
    pub wire_bytes: usize,
    /// Milliseconds since the epoch of the first and the last.
    pub span: (i64, i64),
    /// What they stand for in the receipt.
    pub share: Counts,
}

impl Contents {
    fn of_events(events: &[LogEvent]) -> Self {
        let mut contents = Self::default();
        events.iter().for_each(|event| contents.add(event.timestamp, event.counted_bytes()));
        contents
    }

    /// Adds a log event.
    fn add(&mut self, time: i64, counted_bytes: usize) {
        let (first, last) = if self.items == 0 { (time, time) } else { self.span };
        self.span = (first.min(time), last.max(time));
        self.items += 1;
        self.wire_bytes += counted_bytes;
        self.share.log_events += 1;
    }
}

/// The log events of a segment that is still to be written, as its lines.
#[derive(Default)]
pub struct LogLines {
    contents: Contents,
    text: Vec<u8>,
}

impl LogLines {
    /// None, with room for as many as others were: they come at much the same rate.
    #[must_use]
    pub fn as_many_as(others: &Self) -> Self {
        Self { contents: Contents::default(), text: Vec::with_capacity(others.text.len()) }
    }

    /// Adds one.
    pub fn push(&mut self, line: &LogLine) {
        self.contents.add(line.timestamp(), line.counted_bytes());
        self.text.extend_from_slice(line.as_bytes());
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.contents.items == 0
    }
}

/// A number of lines that are written, sent and removed together. It always fits into one call.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Rising in the order of writing.
    pub id: u64,
    /// Its place among the others: the id, or that of the segment it was cut from.
    pub sequence: u64,
    /// Datums or log events.
    pub lane: Lane,
    /// How much it holds.
    pub contents: Contents,
    /// Size of the lines, on the disk or in memory.
    pub disk_bytes: u64,
    /// Whether a call with it failed before.
    pub repeated: bool,
    /// Whether it must have a call to itself: something in its last call was at fault.
    pub isolated: bool,
    /// Whether others go first: it could not be read, or cut, for now.
    pub deferred: bool,
    storage: Storage,
}

impl Segment {
    const fn new(id: u64, lane: Lane, contents: Contents, disk_bytes: u64, storage: Storage) -> Self {
        let (repeated, isolated, deferred) = (false, false, false);
        Self { id, sequence: id, lane, contents, disk_bytes, repeated, isolated, deferred, storage }
    }

    /// Whether it is lost when the process ends.
    #[must_use]
    pub const fn is_in_memory(&self) -> bool {
        matches!(self.storage, Storage::Memory(_))
    }

    /// The lines.
    ///
    /// # Errors
    /// `InvalidData` where the file is not as it was written: the machine died before it was on the disk, or the disk has
    /// changed it. Else where it cannot be read.
    pub fn read(&self) -> io::Result<Arc<String>> {
        match &self.storage {
            Storage::Disk { path, checksum } => {
                let text = fs::read_to_string(path)?;
                if crc32fast::hash(text.as_bytes()) != *checksum {
                    let name = path.display();
                    let changed = format!("{name} is not as it was written: its CRC-32 differs from that in its name");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, changed));
                }
                Ok(Arc::new(text))
            }
            Storage::Memory(text) => Ok(text.clone()),
        }
    }

    /// The datums of a metrics segment.
    ///
    /// # Errors
    /// Where the file cannot be read or is damaged.
    pub fn datums(&self) -> io::Result<Vec<Datum>> {
        self.items(Datum::from_json)
    }

    /// The events of a logs segment.
    ///
    /// # Errors
    /// Where the file cannot be read or is damaged.
    pub fn events(&self) -> io::Result<Vec<LogEvent>> {
        self.items(|line| serde_json::from_str(line))
    }

    fn items<T>(&self, parse: impl Fn(&str) -> serde_json::Result<T>) -> io::Result<Vec<T>> {
        self.read()?.lines().map(|line| parse(line).map_err(io::Error::from)).collect()
    }
}

/// The folder of one run and process, or the memory that stands in for it.
pub struct Spool {
    folder: Option<PathBuf>,
    series: Vec<String>,
    next_id: AtomicU64,
    /// Held for as long as the process lives, so that another can tell that it does.
    _lock: Option<File>,
}

/// Folder for what CloudWatch will not take.
const REJECTED: &str = "rejected";
/// What a folder says of itself.
const MANIFEST: &str = "run.json";
/// Locked by the process whose spool it is.
const LOCK: &str = "lock";
/// Ending of a file that is not written to its end.
const HALF: &str = "part";

impl Spool {
    /// Makes the folder `root/run/worker`, for its owner alone.
    ///
    /// # Errors
    /// `WouldBlock` where it belongs to a process that lives, `AlreadyExists` where one that has ended left something in
    /// it, else where it cannot be made; [`Spool::in_memory`] is what is left then.
    pub fn create(root: &Path, manifest: &Manifest) -> io::Result<Self> {
        let folder = root.join(&manifest.run_id).join(&manifest.worker);
        make_folder(&folder)?;
        let lock = lock(&folder)?;
        if has_more_than_its_manifest(&folder) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        manifest.write(&folder)?;
        let next_id = AtomicU64::new(1);
        Ok(Self { folder: Some(folder), series: manifest.series.clone(), next_id, _lock: Some(lock) })
    }

    /// Opens the folder that a process which has ended left behind, with the segments in it, oldest first, and removes
    /// what was not written to its end if `clean`.
    ///
    /// # Errors
    /// `WouldBlock` where the process still lives; else where the folder cannot be read.
    pub fn reopen(folder: &Path, clean: bool) -> io::Result<(Self, Manifest, Vec<Segment>)> {
        let lock = lock(folder)?;
        let manifest = Manifest::read(folder)?;
        let next_id = AtomicU64::new(last_id(folder)? + 1);
        let series = manifest.series.clone();
        let spool = Self { folder: Some(folder.to_owned()), series, next_id, _lock: Some(lock) };
        let mut segments = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == HALF) {
                if clean {
                    fs::remove_file(path)?;
                }
            } else if let Some(name) = Name::of(&path) {
                segments.push(spool.segment(&name, path)?);
            }
        }
        segments.sort_by_key(|segment| segment.id);
        Ok((spool, manifest, segments))
    }

    /// Looks at a file of the spool. One that is damaged stands for nothing; sending it will find out.
    fn segment(&self, &Name { id, checksum, lane }: &Name, path: PathBuf) -> io::Result<Segment> {
        let disk_bytes = fs::metadata(&path)?.len();
        let contents = Contents::default();
        let mut segment = Segment::new(id, lane, contents, disk_bytes, Storage::Disk { path, checksum });
        segment.contents = match lane {
            Lane::Metrics => segment.datums().map_or(contents, |datums| self.contents_of_datums(&datums)),
            Lane::Logs => segment.events().map_or(contents, |events| Contents::of_events(&events)),
        };
        Ok(segment)
    }

    /// Records where the data of this spool goes, for a process that sends it later.
    ///
    /// # Errors
    /// Where the manifest cannot be read or written.
    pub fn record_resolved(&self, resolved: &ResolvedAws) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let manifest = Manifest { resolved: Some(resolved.clone()), ..Manifest::read(folder)? };
        manifest.write(folder)
    }

    /// The id of the last segment written.
    #[must_use]
    pub fn last_id(&self) -> u64 {
        self.next_id.load(Relaxed) - 1
    }

    /// A spool without a disk.
    #[must_use]
    pub fn in_memory(manifest: &Manifest) -> Self {
        Self { folder: None, series: manifest.series.clone(), next_id: AtomicU64::new(1), _lock: None }
    }

    /// The folder, where there is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The folder of what CloudWatch will not take, where there is any.
    #[must_use]
    pub fn rejected(&self) -> Option<PathBuf> {
        self.folder().map(|folder| folder.join(REJECTED)).filter(|folder| folder.is_dir())
    }

    /// Writes datums that fit into one call. Where the disk refuses them they stay in memory, and the error tells why.
    #[must_use]
    pub fn write_datums(&self, datums: &[Datum]) -> (Segment, Option<io::Error>) {
        // A datum is plain data: it always has a JSON form.
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

    /// Writes log events that are lines already, as [`Self::write_datums`] does.
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
            share: Counts { requests: total(REQUEST_COUNT), failures: total(FAILURE_COUNT), log_events: 0 },
        }
    }

    fn write(&self, lane: Lane, contents: Contents, mut text: String) -> (Segment, Option<io::Error>) {
        let id = self.next_id.fetch_add(1, Relaxed);
        let disk_bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let checksum = crc32fast::hash(text.as_bytes());
        let name = Name { id, checksum, lane };
        let written = self.folder.as_ref().map(|folder| write_whole(folder, &name.to_string(), &text));
        let (storage, error) = match written {
            Some(Ok(path)) => (Storage::Disk { path, checksum }, None),
            failed => {
                // It is counted by its length.
                text.shrink_to_fit();
                (Storage::Memory(Arc::new(text)), failed.and_then(Result::err))
            }
        };
        (Segment::new(id, lane, contents, disk_bytes, storage), error)
    }

    /// Forgets a segment that was taken or given up.
    pub fn remove(&self, segment: &Segment) {
        if let Storage::Disk { path, .. } = &segment.storage {
            // One that is gone already is as good as removed.
            let _ = fs::remove_file(path);
        }
    }

    /// Puts a segment that CloudWatch will not take aside, where it can be looked at.
    ///
    /// # Errors
    /// Where the file cannot be moved.
    pub fn reject(&self, segment: &Segment) -> io::Result<()> {
        if let (Storage::Disk { path, .. }, Some(folder)) = (&segment.storage, &self.folder)
            && let Some(name) = path.file_name()
        {
            let rejected = folder.join(REJECTED);
            // The spool's own folder is not made again: without its lock and manifest nobody would find what is in it.
            if folder.is_dir() {
                make_folder(&rejected)?;
            }
            fs::rename(path, rejected.join(name))?;
        }
        Ok(())
    }

    /// Deletes the oldest of what was put aside, so many bytes of it or all there is. Gives how many bytes that were, `None`
    /// if all there is.
    pub fn forget_rejected(&self, bytes: u64) -> Option<u64> {
        let entries = fs::read_dir(self.rejected()?).ok()?;
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        // Their names begin with their numbers.
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

    /// Removes the folder of a process that was killed if nothing is left in it. One that is not finished, or has
    /// something in it that is not ours, is let be.
    pub(crate) fn remove_empty(folder: &Path) {
        // A folder that is just being made has no `run.json` before it is locked.
        if folder.join(MANIFEST).exists()
            && let Ok((spool, ..)) = Self::reopen(folder, true)
        {
            spool.tidy_up();
        }
    }

    /// Removes the folder if nothing is left in it to be sent or looked at.
    pub fn tidy_up(&self) {
        let Some(folder) = &self.folder else { return };
        if !has_more_than_its_manifest(folder) {
            for name in [MANIFEST, LOCK] {
                let _ = fs::remove_file(folder.join(name));
            }
            let _ = fs::remove_dir(folder);
            // The run's folder goes with the last of its processes.
            let _ = folder.parent().map(fs::remove_dir);
        }
    }
}

/// Whether something is in a spool's folder beside what is in all of them. One that cannot be read is taken to have.
fn has_more_than_its_manifest(folder: &Path) -> bool {
    let more = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| !matches!(entry.file_name().to_str(), Some(LOCK | MANIFEST)))
    };
    fs::read_dir(folder).map_or(true, |mut entries| entries.any(more))
}

/// What a segment's file is called, such as `000000012-5d41402a-logs.jsonl`.
struct Name {
    id: u64,
    /// CRC-32 of the file.
    checksum: u32,
    lane: Lane,
}

impl Name {
    /// The name of a segment's file; `None` for any other file.
    fn of(path: &Path) -> Option<Self> {
        let text = path.file_name()?.to_str()?;
        let [id, checksum, lane] = text.strip_suffix(".jsonl")?.split('-').collect::<Vec<_>>().try_into().ok()?;
        let id = id.parse().ok().filter(|&id| id < u64::MAX)?;
        let checksum = u32::from_str_radix(checksum, 16).ok()?;
        let lane = Lane::ALL.into_iter().find(|known| known.name() == lane)?;
        Some(Self { id, checksum, lane }).filter(|name| name.to_string() == text)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:09}-{:08x}-{}.jsonl", self.id, self.checksum, self.lane.name())
    }
}

/// Whether a file is a segment's.
pub(crate) fn is_segment(path: &Path) -> bool {
    Name::of(path).is_some()
}

/// The highest id in a folder and in what was rejected from it, else 0.
fn last_id(folder: &Path) -> io::Result<u64> {
    let mut last = 0;
    for folder in [folder.to_owned(), folder.join(REJECTED)] {
        if folder.is_dir() {
            for entry in fs::read_dir(folder)? {
                last = last.max(Name::of(&entry?.path()).map_or(0, |name| name.id));
            }
        }
    }
    Ok(last)
}

/// Locks a folder for as long as the file is open.
fn lock(folder: &Path) -> io::Result<File> {
    let file = new_file(&folder.join(LOCK))?;
    file.try_lock().map_err(io::Error::from)?;
    Ok(file)
}

/// Whether the process whose spool this is still lives.
pub(crate) fn is_live(folder: &Path) -> bool {
    matches!(lock(folder), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn span(times: impl Iterator<Item = i64> + Clone) -> (i64, i64) {
    (times.clone().min().unwrap_or_default(), times.max().unwrap_or_default())
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes a file so that nobody ever sees half of it.
fn write_whole(folder: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let (half, whole) = (folder.join(format!("{name}.{HALF}")), folder.join(name));
    let written =
        new_file(&half).and_then(|mut file| file.write_all(text.as_bytes())).and_then(|()| fs::rename(&half, &whole));
    if let Err(error) = written {
        let _ = fs::remove_file(&half);
        return Err(error);
    }
    Ok(whole)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use crate::metrics::datum::RESPONSE_TIME;

    use crate::metrics::histogram::Point;

    use super::*;
    use crate::metrics::datum::Body;
    use crate::metrics::datum::tests::key;

    pub(crate) fn manifest() -> Manifest {
        Manifest {
            run_id: "run".into(),
            worker: "w1".into(),
            namespace: "Locust".into(),
            resolution: 1,
            series: vec!["Host".into(), "Request".into()],
            log_group: "LocustTests".into(),
            log_stream: "load-generator/run/w1".into(),
            log_class: LogClass::Standard,
            log_retention_days: None,
            aws: AwsConfig::default(),
            resolved: None,
            dry_run: false,
        }
    }

    pub(crate) fn datum(requests: f64) -> Datum {
        Datum { key: key(REQUEST_COUNT, "/"), resolution: 1, body: Body::Total(requests) }
    }

    pub(crate) fn event(timestamp: i64, message: &str) -> LogEvent {
        LogEvent { timestamp, message: message.into() }
    }

    #[test]
    fn what_was_written_is_read_again_and_counted() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let (segment, error) = spool.write_datums(&[datum(3.0), datum(4.0)]);
        assert!(error.is_none() && !segment.is_in_memory());
        assert_eq!((segment.contents.share.requests, segment.contents.items), (7, 2));
        assert_eq!(segment.datums().expect("readable"), [datum(3.0), datum(4.0)]);
        let events = [event(2, "b\n\"c\""), event(1, "한")];
        let (segment, _) = spool.write_events(&events);
        assert_eq!((segment.contents.share.log_events, segment.contents.span), (2, (1, 2)));
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
        spool.tidy_up();
        assert!(segment.read().is_ok());
        spool.remove(&segment);
        spool.tidy_up();
        assert_eq!(fs::read_dir(root.path()).expect("readable").count(), 0);
    }

    #[test]
    fn what_was_rejected_stays_to_be_looked_at() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let (segment, _) = spool.write_datums(&[datum(1.0)]);
        spool.reject(&segment).expect("moved");
        spool.tidy_up();
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

    pub(crate) fn path_of(segment: &Segment) -> &Path {
        match &segment.storage {
            Storage::Disk { path, .. } => path,
            Storage::Memory(_) => panic!("on the disk"),
        }
    }

    #[test]
    fn a_file_that_ends_early_or_has_a_bit_flipped_is_damaged() {
        let root = tempfile::tempdir().expect("a folder");
        let (_spool, metrics, logs) = written(root.path());
        for segment in [&metrics, &logs] {
            let whole = fs::read(path_of(segment)).expect("there");
            let is_damaged = |bytes: &[u8]| {
                fs::write(path_of(segment), bytes).expect("written");
                segment.read().is_err_and(|error| error.kind() == io::ErrorKind::InvalidData)
            };
            for end in 0..whole.len() {
                assert!(is_damaged(&whole[..end]), "{end}");
            }
            for bit in 0..whole.len() * 8 {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(is_damaged(&bytes), "bit {bit}");
            }
            assert!(!is_damaged(&whole));
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
        let name = Name { id: 1, checksum: crc32fast::hash(far.as_bytes()), lane: Lane::Metrics };
        fs::write(folder.join(name.to_string()), far).expect("written");
        for stranger in ["18446744073709551615-00000000-logs", "+5-00000000-logs", "5-00000000-logs", "000000005-logs"]
        {
            fs::write(folder.join(format!("{stranger}.jsonl")), "").expect("written");
        }
        drop(spool);
        let (_again, _, segments) = Spool::reopen(&folder, true).expect("readable");
        assert_eq!(segments.iter().map(|segment| segment.id).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((segments[0].contents.share.requests, segments[0].contents.span), (u64::MAX, (i64::MAX, i64::MAX)));
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
            prop_assert_eq!(segments[0].contents.share.requests, requests);
        }
    }
}

//! A segment: its contents, its state, and how it is read.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::accounting::counters::Counts;
use crate::logs::event::LogEvent;
use crate::logs::line::LogLine;
use crate::metrics::datum::Datum;
use crate::spool::Lane;
use crate::spool::copies::TextCopy;

/// Where the lines of a segment are stored.
#[derive(Debug, Clone)]
pub(super) enum Storage {
    Disk {
        path: PathBuf,
        /// CRC-32 of the file, from its name.
        checksum: u32,
    },
    /// If the disk cannot be written.
    Memory(Arc<String>),
}

/// What the sender needs to know of the contents of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    /// Number of datums or log events.
    pub items: usize,
    /// Bytes that count towards the limit of a call.
    pub wire_bytes: usize,
    /// Times of the first and the last one, in milliseconds since the epoch.
    pub span: (i64, i64),
    /// The requests, failures and log events that they add to the receipt.
    pub counts: Counts,
}

impl Contents {
    pub(super) fn of_events(events: &[LogEvent]) -> Self {
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
        self.counts.log_events += 1;
    }
}

/// Log events for the next segment, as lines.
#[derive(Default)]
pub struct LogLines {
    pub(super) contents: Contents,
    pub(super) text: Vec<u8>,
}

impl LogLines {
    /// No events, with the capacity of earlier ones: the rate of events hardly changes.
    #[must_use]
    pub fn with_capacity_of(others: &Self) -> Self {
        Self { contents: Contents::default(), text: Vec::with_capacity(others.text.len()) }
    }

    /// Adds an event.
    pub fn push(&mut self, line: &LogLine) {
        self.contents.add(line.timestamp(), line.counted_bytes());
        self.text.extend_from_slice(line.as_bytes());
    }

    /// Whether there are no events.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.contents.items == 0
    }
}

/// The state of a segment on its way to CloudWatch. The outbox changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentState {
    /// It waits to be sent.
    Waiting(Turn),
    /// A call that contains it is in flight.
    InFlight,
    /// A dry run has processed it. It stays in the spool.
    Retained,
    /// CloudWatch refused it, or its file is damaged.
    Rejected,
}

/// The turn of a segment that waits to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The last flush released it, or the next one will. In live mode, fresh metrics are sent before a backlog.
    Fresh,
    /// An earlier flush released it.
    Backlog,
    /// It could not be read or split at present. All other segments are sent first.
    Deferred,
}

/// Whether a segment may share a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// It is sent with as many other segments as fit.
    Shared,
    /// It is sent alone, because CloudWatch refused a call that contained it.
    Isolated,
}

/// A number of lines that are written, sent and removed together. It always fits into one call.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Segments are numbered in the order in which they are written.
    pub id: u64,
    /// Its position among the others: its own id, or that of the segment that it was split from.
    pub sequence: u64,
    /// Datums or log events.
    pub lane: Lane,
    /// How much it holds.
    pub contents: Contents,
    /// Size of the lines, on the disk or in memory.
    pub disk_bytes: u64,
    /// Its state.
    pub state: SegmentState,
    /// Whether it may share a call.
    pub packing: Packing,
    /// Failed calls that contained it.
    pub failed_calls: u32,
    pub(super) storage: Storage,
    /// A copy of the lines on the disk, until they are first sent.
    pub(super) copy: Option<TextCopy>,
}

impl Segment {
    pub(super) const fn new(id: u64, lane: Lane, contents: Contents, disk_bytes: u64, storage: Storage) -> Self {
        Self {
            id,
            sequence: id,
            lane,
            contents,
            disk_bytes,
            state: SegmentState::Waiting(Turn::Fresh),
            packing: Packing::Shared,
            failed_calls: 0,
            storage,
            copy: None,
        }
    }

    /// Whether the end of the process loses it.
    #[must_use]
    pub const fn is_in_memory(&self) -> bool {
        matches!(self.storage, Storage::Memory(_))
    }

    /// The lines.
    ///
    /// # Errors
    /// `InvalidData` if the file was changed after it was written, for example by a power failure or a failing disk, and any other
    /// error if it cannot be read.
    pub fn read(&self) -> io::Result<Arc<String>> {
        match &self.storage {
            Storage::Disk { path, checksum } => {
                let text = fs::read_to_string(path)?;
                if crc32fast::hash(text.as_bytes()) != *checksum {
                    let name = path.display();
                    let changed =
                        format!("{name} changed after it was written: its CRC-32 differs from the one in its name");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, changed));
                }
                Ok(Arc::new(text))
            }
            Storage::Memory(text) => Ok(text.clone()),
        }
    }

    /// The lines, from the copy in memory if there is one. Later reads get them from the disk.
    ///
    /// # Errors
    /// As of [`Segment::read`].
    pub fn take_text(&mut self) -> io::Result<Arc<String>> {
        self.copy.take().map_or_else(|| self.read(), |copy| Ok(copy.into_text()))
    }

    /// The datums of a metrics segment.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub fn datums(&self) -> io::Result<Vec<Datum>> {
        self.items(Datum::from_json)
    }

    /// The events of a logs segment.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub fn events(&self) -> io::Result<Vec<LogEvent>> {
        self.items(|line| serde_json::from_str(line))
    }

    fn items<T>(&self, parse: impl Fn(&str) -> serde_json::Result<T>) -> io::Result<Vec<T>> {
        self.read()?.lines().map(|line| parse(line).map_err(io::Error::from)).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;

    pub(crate) fn path_of(segment: &Segment) -> &Path {
        match &segment.storage {
            Storage::Disk { path, .. } => path,
            Storage::Memory(_) => panic!("on the disk"),
        }
    }
}

//! A segment: what it holds, and how it is read again.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::accounting::counters::Counts;
use crate::logs::event::LogEvent;
use crate::logs::line::LogLine;
use crate::metrics::datum::Datum;
use crate::spool::Lane;

/// Where a segment's lines are.
#[derive(Debug, Clone)]
pub(super) enum Storage {
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
        self.share.log_events += 1;
    }
}

/// The log events of a segment that is still to be written, as its lines.
#[derive(Default)]
pub struct LogLines {
    pub(super) contents: Contents,
    pub(super) text: Vec<u8>,
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
    pub(super) storage: Storage,
}

impl Segment {
    pub(super) const fn new(id: u64, lane: Lane, contents: Contents, disk_bytes: u64, storage: Storage) -> Self {
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

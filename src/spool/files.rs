//! The files in the folder of a spool: their names, locks and permissions, and how they are written.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::spool::Lane;

/// Folder of the segments that CloudWatch refuses permanently.
pub(super) const REJECTED: &str = "rejected";
/// File of the manifest.
pub(super) const MANIFEST: &str = "run.json";
/// File that the process of the spool locks while it runs.
pub(super) const LOCK: &str = "lock";
/// How long a lock may be held by others who find out whether the process of a spool runs.
const INSPECTION_TIMEOUT: Duration = Duration::from_millis(100);
const INSPECTION_POLL: Duration = Duration::from_millis(2);
/// Extension of a file that is being written.
pub(super) const PARTIAL: &str = "part";

/// Whether a folder contains more than its manifest and lock. A folder that cannot be read may contain data.
pub(super) fn holds_data(folder: &Path) -> bool {
    let more = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| !matches!(entry.file_name().to_str(), Some(LOCK | MANIFEST)))
    };
    fs::read_dir(folder).map_or(true, |mut entries| entries.any(more))
}

/// The name of a segment's file, such as `000000012-5d41402a-logs.jsonl`.
pub(super) struct SegmentName {
    pub(super) id: u64,
    /// CRC-32 of the file.
    pub(super) checksum: u32,
    pub(super) lane: Lane,
}

impl SegmentName {
    /// The name of a segment's file; `None` for any other file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let text = path.file_name()?.to_str()?;
        let [id, checksum, lane] = text.strip_suffix(".jsonl")?.split('-').collect::<Vec<_>>().try_into().ok()?;
        let id = id.parse().ok().filter(|&id| id < u64::MAX)?;
        let checksum = u32::from_str_radix(checksum, 16).ok()?;
        let lane = Lane::ALL.into_iter().find(|known| known.name() == lane)?;
        Some(Self { id, checksum, lane }).filter(|name| name.to_string() == text)
    }
}

impl std::fmt::Display for SegmentName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:09}-{:08x}-{}.jsonl", self.id, self.checksum, self.lane.name())
    }
}

/// Whether a file is a segment.
pub(super) fn is_segment(path: &Path) -> bool {
    SegmentName::of(path).is_some()
}

/// The highest ID in a folder and among its rejected segments; 0 without any.
pub(super) fn last_id(folder: &Path) -> io::Result<u64> {
    let mut last = 0;
    for folder in [folder.to_owned(), folder.join(REJECTED)] {
        if folder.is_dir() {
            for entry in fs::read_dir(folder)? {
                last = last.max(SegmentName::of(&entry?.path()).map_or(0, |name| name.id));
            }
        }
    }
    Ok(last)
}

/// Locks a folder while the returned file is open.
///
/// # Errors
/// `WouldBlock` if another process has locked it, and any other error if that cannot be found out.
pub(super) fn lock(folder: &Path) -> io::Result<File> {
    let file = new_file(&folder.join(LOCK))?;
    let deadline = Instant::now() + INSPECTION_TIMEOUT;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(INSPECTION_POLL),
            locked => return locked.map(|()| file).map_err(io::Error::from),
        }
    }
}

/// Whether the process of a spool still runs.
pub(super) fn is_live(folder: &Path) -> bool {
    // Others may look at the same time, so the lock is a shared one.
    let looked = new_file(&folder.join(LOCK)).and_then(|file| file.try_lock_shared().map_err(io::Error::from));
    matches!(looked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
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

/// Writes a file that readers see as a whole or not at all.
pub(super) fn write_whole(folder: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let (partial, whole) = (folder.join(format!("{name}.{PARTIAL}")), folder.join(name));
    let written = new_file(&partial)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&partial, &whole));
    if let Err(error) = written {
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn looking_at_a_folder_neither_hinders_others_nor_makes_it_look_live() {
        let root = tempfile::tempdir().expect("a folder");
        let (folder, ended) = (root.path(), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !ended.load(Ordering::Relaxed) {
                        is_live(folder);
                        thread::sleep(Duration::from_micros(200));
                    }
                });
            }
            let seen_live = (0..300).filter(|_| is_live(folder)).count();
            let locked = (0..300).filter(|_| lock(folder).is_ok()).count();
            ended.store(true, Ordering::Relaxed);
            assert_eq!((seen_live, locked), (0, 300));
        });
    }

    #[test]
    fn a_locked_folder_is_live_and_cannot_be_locked() {
        let root = tempfile::tempdir().expect("a folder");
        let held = lock(root.path()).expect("locked");
        assert!(is_live(root.path()));
        assert_eq!(lock(root.path()).expect_err("locked").kind(), io::ErrorKind::WouldBlock);
        drop(held);
        assert!(!is_live(root.path()) && lock(root.path()).is_ok());
    }
}

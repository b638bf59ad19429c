//! The files of a spool's folder: their names, and how they are written.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::spool::Lane;

/// Folder for what CloudWatch will not take.
pub(super) const REJECTED: &str = "rejected";
/// What a folder says of itself.
pub(super) const MANIFEST: &str = "run.json";
/// Locked by the process whose spool it is.
pub(super) const LOCK: &str = "lock";
/// Ending of a file that is not written to its end.
pub(super) const HALF: &str = "part";

/// Whether something is in a spool's folder beside what is in all of them. One that cannot be read is taken to have.
pub(super) fn has_more_than_its_manifest(folder: &Path) -> bool {
    let more = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| !matches!(entry.file_name().to_str(), Some(LOCK | MANIFEST)))
    };
    fs::read_dir(folder).map_or(true, |mut entries| entries.any(more))
}

/// What a segment's file is called, such as `000000012-5d41402a-logs.jsonl`.
pub(super) struct Name {
    pub(super) id: u64,
    /// CRC-32 of the file.
    pub(super) checksum: u32,
    pub(super) lane: Lane,
}

impl Name {
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

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:09}-{:08x}-{}.jsonl", self.id, self.checksum, self.lane.name())
    }
}

/// Whether a file is a segment's.
pub(super) fn is_segment(path: &Path) -> bool {
    Name::of(path).is_some()
}

/// The highest id in a folder and in what was rejected from it, else 0.
pub(super) fn last_id(folder: &Path) -> io::Result<u64> {
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
pub(super) fn lock(folder: &Path) -> io::Result<File> {
    let file = new_file(&folder.join(LOCK))?;
    file.try_lock().map_err(io::Error::from)?;
    Ok(file)
}

/// Whether the process whose spool this is still lives.
pub(super) fn is_live(folder: &Path) -> bool {
    matches!(lock(folder), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
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

/// Writes a file so that nobody ever sees half of it.
pub(super) fn write_whole(folder: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let (half, whole) = (folder.join(format!("{name}.{HALF}")), folder.join(name));
    let written =
        new_file(&half).and_then(|mut file| file.write_all(text.as_bytes())).and_then(|()| fs::rename(&half, &whole));
    if let Err(error) = written {
        let _ = fs::remove_file(&half);
        return Err(error);
    }
    Ok(whole)
}

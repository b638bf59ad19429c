//! Spools of earlier runs that still hold data to send.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use crate::spool::files::{is_live, is_segment};
use crate::spool::{Manifest, Spool};

/// A spool that holds data to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSpool {
    /// The folder.
    pub folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// Whether its process still runs, and sends the data itself.
    pub is_running: bool,
    /// Files to send.
    pub files: usize,
    /// Their size.
    pub bytes: u64,
}

/// All spools below a folder that hold data to send, oldest run first. Folders that cannot be read are skipped.
#[must_use]
pub fn pending_spools(root: &Path) -> Vec<PendingSpool> {
    let mut found: Vec<_> = spools(root).filter_map(|folder| pending_spool(&folder)).collect();
    found.sort_by(|a, b| (&a.manifest.run_id, &a.folder).cmp(&(&b.manifest.run_id, &b.folder)));
    found
}

/// Removes folders without data that killed processes left below a spool folder.
pub fn remove_empty(root: &Path) {
    spools(root)
        .filter(|folder| files_to_send(folder).next().is_none())
        .for_each(|folder| Spool::remove_empty(&folder));
}

/// The folders of all runs and processes.
fn spools(root: &Path) -> impl Iterator<Item = PathBuf> {
    let folders = |path: &Path| entries(path).map(|entry| entry.path()).filter(|path| path.is_dir());
    folders(root).flat_map(move |run| folders(&run))
}

fn files_to_send(folder: &Path) -> impl Iterator<Item = DirEntry> {
    entries(folder).filter(|entry| is_segment(&entry.path()))
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

fn pending_spool(folder: &Path) -> Option<PendingSpool> {
    let manifest = Manifest::read(folder).ok()?;
    let sizes: Vec<u64> = files_to_send(folder).filter_map(|entry| Some(entry.metadata().ok()?.len())).collect();
    (!sizes.is_empty()).then(|| PendingSpool {
        folder: folder.to_owned(),
        manifest,
        is_running: is_live(folder),
        files: sizes.len(),
        bytes: sizes.iter().sum(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::spool::tests::{event, manifest};

    #[test]
    fn only_spools_with_something_to_send_are_left_over() {
        let root = tempfile::tempdir().expect("a folder");
        assert!(pending_spools(root.path()).is_empty() && pending_spools(&root.path().join("none")).is_empty());
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        assert!(pending_spools(root.path()).is_empty());
        let (segment, _) = spool.write_events(&[event(1, "x")]);
        let found = pending_spools(root.path());
        assert_eq!(
            (found.len(), found[0].is_running, found[0].files, found[0].bytes),
            (1, true, 1, segment.disk_bytes)
        );
        drop(spool);
        assert!(!pending_spools(root.path())[0].is_running);
    }

    #[test]
    fn the_empty_folder_of_a_process_that_was_killed_is_swept_away() {
        let root = tempfile::tempdir().expect("a folder");
        let of = |worker: &str| Manifest { worker: worker.into(), ..manifest() };
        let _live = Spool::create(root.path(), &of("live")).expect("a spool");
        let left = Spool::create(root.path(), &of("left")).expect("a spool").write_events(&[event(1, "x")]).0;
        drop(Spool::create(root.path(), &of("empty")).expect("a spool"));
        fs::write(root.path().join("run/empty/000000001-logs.jsonl.part"), "{").expect("written");
        fs::create_dir(root.path().join("run/being-made")).expect("made");
        remove_empty(root.path());
        let names: BTreeSet<_> = spools(root.path()).filter_map(|path| Some(path.file_name()?.to_owned())).collect();
        assert_eq!(names, ["being-made", "left", "live"].map(Into::into).into());
        assert!(left.read().is_ok());
    }
}

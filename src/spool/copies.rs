//! Copies of recent segments in memory, so that a live run need not read what it has just written.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Maximum size of all copies of a spool: four full batches of log events. A live run sends each batch as soon as it is full. Without
/// a copy, a segment is read from the disk.
const MAX_COPIES_BYTES: usize = 4 * 1024 * 1024;

/// The copies of a spool.
#[derive(Debug, Default)]
pub(super) struct Copies(Arc<AtomicUsize>);

impl Copies {
    /// Keeps a text if there is room for it.
    pub(super) fn keep(&self, text: String) -> Option<TextCopy> {
        let bytes = text.capacity();
        let before = self.0.fetch_add(bytes, Relaxed);
        let copy = TextCopy { text: Arc::new(text), _room: Arc::new(Room { bytes, total: Arc::clone(&self.0) }) };
        // Dropping the copy gives the room back.
        (before + bytes <= MAX_COPIES_BYTES).then_some(copy)
    }
}

/// The text of a segment.
#[derive(Debug, Clone)]
pub(super) struct TextCopy {
    text: Arc<String>,
    _room: Arc<Room>,
}

impl TextCopy {
    /// The text, which no longer counts as a copy.
    pub(super) fn into_text(self) -> Arc<String> {
        self.text
    }
}

/// The room that a copy takes.
#[derive(Debug)]
struct Room {
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_kept_while_there_is_room() {
        let copies = Copies::default();
        let half = || "x".repeat(MAX_COPIES_BYTES / 2);
        let (first, second) = (copies.keep(half()).expect("room"), copies.keep(half()).expect("room"));
        assert!(copies.keep("x".to_owned()).is_none());
        let clone = first.clone();
        drop(first);
        assert!(copies.keep(half()).is_none(), "the clone takes the same room");
        assert_eq!(clone.into_text().len(), MAX_COPIES_BYTES / 2);
        assert!(copies.keep(half()).is_some());
        drop(second);
        assert_eq!(copies.0.load(Relaxed), 0);
    }
}

//! Messages to the user, left here by Rust threads until Python's side of the process has time to log them.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Most messages that wait; beyond it the oldest is forgotten.
const CAPACITY: usize = 200;

/// How serious a message is, in the words of Python's `logging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are logging's own names")]
pub enum Level {
    Info,
    Warning,
    Error,
}

impl Level {
    /// The number that Python's `logging` gives this level.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Info => 20,
            Self::Warning => 30,
            Self::Error => 40,
        }
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Level, String)>,
    said: HashSet<String>,
}

/// A bounded queue of messages, each said once.
#[derive(Default)]
pub struct Diagnostics {
    state: Mutex<State>,
}

impl Diagnostics {
    /// Leaves a message, unless one on the same `subject` was left before.
    pub fn say_once(&self, subject: &str, level: Level, message: impl Into<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.said.insert(subject.to_owned()) {
            return;
        }
        if state.waiting.len() == CAPACITY {
            state.waiting.pop_front();
        }
        state.waiting.push_back((level, message.into()));
    }

    /// Lets the subject be spoken of again.
    pub fn forget(&self, subject: &str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).said.remove(subject);
    }

    /// Takes what waits, oldest first.
    pub fn take(&self) -> Vec<(Level, String)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).waiting.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_spoken_of_once_until_it_is_forgotten() {
        let diagnostics = Diagnostics::default();
        for _ in 0..1000 {
            diagnostics.say_once("outage", Level::Warning, "no answer");
        }
        assert_eq!(diagnostics.take(), [(Level::Warning, "no answer".to_owned())]);
        diagnostics.forget("outage");
        diagnostics.say_once("outage", Level::Error, "again");
        assert_eq!(diagnostics.take().len(), 1);
        assert!(diagnostics.take().is_empty());
    }
}

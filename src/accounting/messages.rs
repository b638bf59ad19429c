//! Messages to the user, left here by Rust threads until Python's side of the process has time to log them.

use std::collections::{HashSet, VecDeque};
use std::sync::PoisonError;

use crate::sync::Mutex;

/// Most messages that wait; beyond it the oldest is forgotten, first of those for debugging.
const CAPACITY: usize = 200;

/// How serious a message is, in the words of Python's `logging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are logging's own names")]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

impl Level {
    /// The number that Python's `logging` gives this level.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Debug => 10,
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

impl State {
    fn add(&mut self, level: Level, message: String) {
        if self.waiting.len() == CAPACITY {
            let least = self.waiting.iter().position(|(level, _)| *level == Level::Debug).unwrap_or_default();
            self.waiting.remove(least);
        }
        self.waiting.push_back((level, message));
    }
}

/// A bounded queue of messages.
#[derive(Default)]
pub struct Diagnostics {
    state: Mutex<State>,
}

impl Diagnostics {
    /// Leaves a message, unless one on the same `subject` was left before.
    pub fn say_once(&self, subject: &str, level: Level, message: impl Into<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.said.insert(subject.to_owned()) {
            state.add(level, message.into());
        }
    }

    /// The same, and those that follow for debugging.
    pub fn say_first(&self, subject: &str, level: Level, message: impl Into<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let level = if state.said.insert(subject.to_owned()) { level } else { Level::Debug };
        state.add(level, message.into());
    }

    /// Leaves a message.
    pub fn say(&self, level: Level, message: impl Into<String>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).add(level, message.into());
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
    fn a_subject_is_spoken_of_once() {
        let diagnostics = Diagnostics::default();
        for _ in 0..1000 {
            diagnostics.say_once("outage", Level::Warning, "no answer");
        }
        assert_eq!(diagnostics.take(), [(Level::Warning, "no answer".to_owned())]);
        assert!(diagnostics.take().is_empty());
    }

    #[test]
    fn what_is_for_debugging_gives_way() {
        let diagnostics = Diagnostics::default();
        diagnostics.say(Level::Warning, "no answer");
        (0..CAPACITY * 2).for_each(|call| diagnostics.say(Level::Debug, format!("call {call}")));
        diagnostics.say(Level::Info, "again");
        let kept = diagnostics.take();
        assert_eq!(kept.len(), CAPACITY);
        assert_eq!((&*kept[0].1, &*kept[1].1), ("no answer", "call 202"));
    }
}

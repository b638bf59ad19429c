//! Messages for the log. Rust threads store them here, and Python takes them: no Rust thread may call Python.

use std::collections::{HashSet, VecDeque};
use std::sync::PoisonError;

use crate::sync::{Mutex, MutexGuard};

/// Most messages that wait. Beyond that, the oldest one is deleted, debug messages first.
const CAPACITY: usize = 200;

/// The level of a message, as in Python's `logging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the names of logging")]
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

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its level.
    pub level: Level,
    /// What it is about. Some topics are logged once per run, or once per outage.
    pub topic: String,
    /// The text.
    pub text: String,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Message>,
    reported: HashSet<String>,
}

impl State {
    fn add(&mut self, message: Message) {
        if self.waiting.len() == CAPACITY {
            let least = self.waiting.iter().position(|message| message.level == Level::Debug).unwrap_or_default();
            self.waiting.remove(least);
        }
        self.waiting.push_back(message);
    }
}

/// A bounded queue of messages.
#[derive(Default)]
pub struct Diagnostics {
    state: Mutex<State>,
}

impl Diagnostics {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message.
    pub fn log(&self, level: Level, topic: &str, text: impl Into<String>) {
        self.state().add(Message { level, topic: topic.to_owned(), text: text.into() });
    }

    /// Adds a message, unless there was one on the same topic before.
    pub fn log_once(&self, level: Level, topic: &str, text: impl Into<String>) {
        let mut state = self.state();
        if state.reported.insert(topic.to_owned()) {
            state.add(Message { level, topic: topic.to_owned(), text: text.into() });
        }
    }

    /// Adds a message; after the first on a topic, further ones are debug messages.
    pub fn log_first(&self, level: Level, topic: &str, text: impl Into<String>) {
        let mut state = self.state();
        let level = if state.reported.insert(topic.to_owned()) { level } else { Level::Debug };
        state.add(Message { level, topic: topic.to_owned(), text: text.into() });
    }

    /// Takes the messages that wait, oldest first.
    pub fn take(&self) -> Vec<Message> {
        self.state().waiting.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_reported_once() {
        let diagnostics = Diagnostics::default();
        for _ in 0..1000 {
            diagnostics.log_once(Level::Warning, "outage", "no answer");
        }
        let taken = diagnostics.take();
        assert_eq!((taken.len(), &*taken[0].topic, &*taken[0].text), (1, "outage", "no answer"));
        assert!(diagnostics.take().is_empty());
    }

    #[test]
    fn after_the_first_message_on_a_topic_the_level_is_debug() {
        let diagnostics = Diagnostics::default();
        (0..3).for_each(|_| diagnostics.log_first(Level::Warning, "refused", "why"));
        let levels: Vec<_> = diagnostics.take().into_iter().map(|message| message.level).collect();
        assert_eq!(levels, [Level::Warning, Level::Debug, Level::Debug]);
    }

    #[test]
    fn a_full_queue_deletes_debug_messages_first() {
        let diagnostics = Diagnostics::default();
        diagnostics.log(Level::Warning, "outage", "no answer");
        (0..CAPACITY * 2).for_each(|call| diagnostics.log(Level::Debug, "call", format!("call {call}")));
        diagnostics.log(Level::Info, "outage", "over");
        let taken = diagnostics.take();
        assert_eq!(taken.len(), CAPACITY);
        assert_eq!((&*taken[0].text, &*taken[1].text), ("no answer", "call 202"));
    }
}

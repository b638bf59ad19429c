//! The text format: the lines of the original script.

use std::fmt::Write as _;

use super::cut;
use crate::timestamp::Timestamp;

/// `[key=value] [key=value]`, on one line.
#[derive(Default)]
pub(super) struct TextLine(pub(super) String);

impl TextLine {
    pub(super) fn new(time: Timestamp) -> Self {
        Self(format!("[timestamp={}]", time.slashed()))
    }

    pub(super) fn text(&mut self, key: &str, value: &str, limit: usize) {
        self.begin();
        self.escaped(&cut(key, limit));
        self.0.push('=');
        self.escaped(&cut(value, limit));
        self.0.push(']');
    }

    pub(super) fn number(&mut self, key: &str, value: Option<f64>) {
        self.begin();
        // Writing to a String cannot fail.
        let _ = match value {
            Some(value) => write!(self.0, "{key}={value}]"),
            None => write!(self.0, "{key}=None]"),
        };
    }

    fn begin(&mut self) {
        self.0.push_str(if self.0.is_empty() { "[" } else { " [" });
    }

    /// A line break inside a value would make two lines of one.
    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_control() {
                self.0.extend(c.escape_default());
            } else {
                self.0.push(c);
            }
        }
    }
}

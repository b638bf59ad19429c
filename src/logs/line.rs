//! A log event as a line of JSON, as the spool stores it and PutLogEvents takes it.

use serde::Serialize;

use super::escaped_json::Quoted;
use super::event::{EVENT_OVERHEAD_BYTES, LogEvent, MAX_EVENT_BYTES};

/// How much room is kept from one event to the next: one with megabytes of error text gives it back.
const USUAL_LINE_BYTES: usize = 64 * 1024;

/// How each line of an event begins: what comes next is its time.
pub(super) const LINE_START: &str = r#"{"timestamp":"#;

/// A log event as a line of JSON, in the shape that PutLogEvents takes, overwritten by the next.
#[derive(Debug, Default)]
pub struct LogLine {
    timestamp: i64,
    message_bytes: usize,
    text: Vec<u8>,
}

impl LogLine {
    /// The line of an event.
    #[must_use]
    pub fn of(event: &LogEvent) -> Self {
        let mut line = Self::default();
        line.write_text(event.timestamp, &event.message);
        line
    }

    /// The event's time, in milliseconds since the epoch.
    #[must_use]
    pub const fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// What CloudWatch counts for the event.
    #[must_use]
    pub const fn counted_bytes(&self) -> usize {
        self.message_bytes + EVENT_OVERHEAD_BYTES
    }

    /// The line, its end included.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Whether CloudWatch takes an event of this size.
    pub(super) const fn fits(&self) -> bool {
        self.counted_bytes() <= MAX_EVENT_BYTES
    }

    /// Writes an event whose message is a text.
    pub(super) fn write_text(&mut self, timestamp: i64, message: &str) {
        self.begin(timestamp);
        // Neither a text nor memory can refuse.
        let _ = serde_json::to_writer(&mut self.text, message);
        self.end(message.len());
    }

    /// Writes an event whose message is the JSON of a value.
    pub(super) fn write_json(&mut self, timestamp: i64, message: &impl Serialize) {
        self.begin(timestamp);
        self.text.push(b'"');
        let start = self.text.len();
        let mut added = 0;
        let mut json = serde_json::Serializer::with_formatter(&mut self.text, Quoted { added: &mut added });
        // Only a map whose keys are not strings, or a failing writer, could make this fail.
        let _ = message.serialize(&mut json);
        let message_bytes = self.text.len() - start - added;
        self.text.push(b'"');
        self.end(message_bytes);
    }

    fn begin(&mut self, timestamp: i64) {
        self.timestamp = timestamp;
        self.text.clear();
        self.text.shrink_to(USUAL_LINE_BYTES);
        self.text.extend_from_slice(LINE_START.as_bytes());
        // Neither a number nor memory can refuse.
        let _ = serde_json::to_writer(&mut self.text, &timestamp);
        self.text.extend_from_slice(br#","message":"#);
    }

    fn end(&mut self, message_bytes: usize) {
        self.text.extend_from_slice(b"}\n");
        self.message_bytes = message_bytes;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn json_within_json_is_what_escaping_it_afterwards_gives(
            entries in prop::collection::btree_map("(?s).*", ("(?s).*", any::<f64>()), 0..20),
        ) {
            let (mut within, mut escaped) = (LogLine::default(), LogLine::default());
            within.write_json(7, &entries);
            escaped.write_text(7, &serde_json::to_string(&entries).expect("JSON"));
            prop_assert_eq!(str::from_utf8(&within.text), str::from_utf8(&escaped.text));
            prop_assert_eq!(within.message_bytes, escaped.message_bytes);
        }
    }
}

//! A log event, and the batch of events that one call carries.

use serde::{Deserialize, Serialize};

use super::line::LINE_START;

/// Bytes that CloudWatch Logs adds to the text of an event (PutLogEvents).
pub const EVENT_OVERHEAD_BYTES: usize = 26;
/// Largest event (PutLogEvents): 1 MB with its overhead.
pub const MAX_EVENT_BYTES: usize = 1_048_576;

/// Capacity in a batch for the rest of the request: the names of group and stream, each of at most 512 characters of up to four
/// bytes.
const ROOM_FOR_REQUEST: usize = 4608;

/// One event of a log stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEvent {
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// The text: UTF-8, not empty.
    pub message: String,
}

impl LogEvent {
    /// The size of this event, as CloudWatch Logs counts it.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        self.message.len() + EVENT_OVERHEAD_BYTES
    }

    /// The time of an event in a line, which another program may have written.
    fn time_of(line: &str) -> Option<i64> {
        let ours = line.strip_prefix(LINE_START).and_then(|rest| rest.split_once(',')?.0.parse().ok());
        ours.or_else(|| Some(serde_json::from_str::<Self>(line).ok()?.timestamp))
    }
}

/// A batch: the events of one call, as PutLogEvents takes them.
///
/// They stay in the form in which they were written to the spool, as lines: parsing and serializing them again would cost as
/// much CPU time as everything else behind the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBatch {
    /// A JSON array of the events, in chronological order.
    pub json: String,
    /// The number of events.
    pub events: usize,
}

impl LogBatch {
    /// Creates a batch of lines, and sorts them by time.
    #[must_use]
    pub fn of_lines(mut lines: Vec<(i64, &str)>) -> Self {
        // A stable sort: events of the same millisecond stay in the order of their numbers.
        lines.sort_by_key(|&(time, _)| time);
        let length: usize = lines.iter().map(|(_, line)| line.len() + ",".len()).sum();
        let mut json = String::with_capacity(length + ROOM_FOR_REQUEST);
        json.push('[');
        for (number, (_, line)) in lines.iter().enumerate() {
            if number > 0 {
                json.push(',');
            }
            json.push_str(line);
        }
        json.push(']');
        Self { json, events: lines.len() }
    }

    /// The request body of `PutLogEvents` (AWS JSON 1.1). It is built in the buffer of the batch, which has the capacity for it.
    #[must_use]
    pub fn into_request(self, group: &str, stream: &str) -> String {
        // Each text can be written as JSON.
        let [group, stream] = [group, stream].map(|name| serde_json::to_string(name).unwrap_or_default());
        let mut request = self.json;
        request.insert_str(0, &format!(r#"{{"logGroupName":{group},"logStreamName":{stream},"logEvents":"#));
        request.push('}');
        request
    }

    /// The lines of a text, each with its time; `None` if one is not an event.
    #[must_use]
    pub fn lines_of(text: &str) -> Option<Vec<(i64, &str)>> {
        text.lines().map(|line| Some((LogEvent::time_of(line)?, line))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::logs::line::LogLine;

    proptest! {
        #[test]
        fn a_batch_contains_the_unchanged_events_in_chronological_order(
            texts in prop::collection::vec((-5..5i64, any::<String>()), 0..20),
        ) {
            let mut events: Vec<_> =
                texts.into_iter().map(|(timestamp, message)| LogEvent { timestamp, message }).collect();
            let lines: Vec<_> = events.iter().flat_map(|event| LogLine::of(event).as_bytes().to_owned()).collect();
            let text = String::from_utf8(lines).expect("JSON");
            let batch = LogBatch::of_lines(LogBatch::lines_of(&text).expect("lines"));
            events.sort_by_key(|event| event.timestamp);
            prop_assert_eq!(batch.events, events.len());
            prop_assert_eq!(serde_json::from_str::<Vec<LogEvent>>(&batch.json).expect("JSON"), events);
        }
    }

    #[test]
    fn a_batch_has_the_capacity_for_its_request_with_the_longest_names() {
        let line = LogLine::of(&LogEvent { timestamp: 1, message: "a".into() });
        let text = str::from_utf8(line.as_bytes()).expect("UTF-8");
        let batch = LogBatch::of_lines(LogBatch::lines_of(text).expect("an event"));
        let (room, name) = (batch.json.capacity(), "\u{1f980}".repeat(512));
        let request = batch.into_request(&name, &name);
        assert_eq!(request.capacity(), room, "it is not copied");
        let got: Value = serde_json::from_str(&request).expect("JSON");
        let events = [json!({"timestamp": 1, "message": "a"})];
        assert_eq!(got, json!({"logGroupName": name, "logStreamName": name, "logEvents": events}));
    }
}

//! Log events: one line per request or life-cycle event, in both formats, within CloudWatch's size.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::clock::Timestamp;
use crate::config::{LogChoice, LogConfig, LogFormat};
use crate::identity::RunIdentity;
use crate::sample::{Failure, LifeCycleEvent, Sample, Scalar};

/// What CloudWatch counts for an event besides its text (PutLogEvents).
pub const EVENT_OVERHEAD_BYTES: usize = 26;
/// Largest event (PutLogEvents): 1 MB with its overhead.
pub const MAX_EVENT_BYTES: usize = 1_048_576;
/// Longest text of an event.
const MAX_MESSAGE_BYTES: usize = MAX_EVENT_BYTES - EVENT_OVERHEAD_BYTES;
/// Room for the JSON of most requests.
const USUAL_JSON_BYTES: usize = 384;
/// To how many bytes each text of an event is cut, one try after the other, until the event fits.
///
/// With the last of them 100 entries of a `context` fit even where each character becomes six.
const TEXT_LIMITS: [usize; 5] = [usize::MAX, 128 * 1024, 16 * 1024, 1024, 128];

/// How each line of an event begins: what comes next is its time.
const LINE_START: &str = r#"{"timestamp":"#;

/// One event of a log stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEvent {
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// The text: UTF-8, not empty.
    pub message: String,
}

impl LogEvent {
    /// What CloudWatch counts for this event.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        self.message.len() + EVENT_OVERHEAD_BYTES
    }

    /// Writes the event as a line of JSON, in the shape that PutLogEvents takes.
    pub fn write_line(&self, lines: &mut Vec<u8>) {
        lines.extend_from_slice(LINE_START.as_bytes());
        // Neither a number nor a text nor memory can refuse.
        let _ = serde_json::to_writer(&mut *lines, &self.timestamp);
        lines.extend_from_slice(br#","message":"#);
        write_text(lines, &self.message);
        lines.extend_from_slice(b"}\n");
    }

    /// The time of an event that was written as a line, by us or in another way.
    fn time_of(line: &str) -> Option<i64> {
        let ours = line.strip_prefix(LINE_START).and_then(|rest| rest.split_once(',')?.0.parse().ok());
        ours.or_else(|| Some(serde_json::from_str::<Self>(line).ok()?.timestamp))
    }
}

/// A batch: the events of one call, as PutLogEvents takes them.
///
/// They are as they were written once, as lines: to take them apart and write them again would cost as much as all else
/// that is done about them behind the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBatch {
    /// An array of JSON, its events in chronological order.
    pub json: String,
    /// How many there are.
    pub events: usize,
}

impl LogBatch {
    /// Puts events that were written as lines in order.
    #[must_use]
    pub fn of_lines(mut lines: Vec<(i64, &str)>) -> Self {
        // Stable: events of the same millisecond keep the order of their numbers.
        lines.sort_by_key(|&(time, _)| time);
        let mut json = String::with_capacity(lines.iter().map(|(_, line)| line.len() + ",".len()).sum::<usize>() + 1);
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

    /// The lines of a text, each with its time; `None` if one is no event.
    #[must_use]
    pub fn lines_of(text: &str) -> Option<Vec<(i64, &str)>> {
        text.lines().map(|line| Some((LogEvent::time_of(line)?, line))).collect()
    }
}

/// Turns samples and life-cycle events into log events, and numbers them.
pub struct LogFormatter {
    identity: Arc<RunIdentity>,
    choice: LogChoice,
    share: f64,
    format: LogFormat,
    /// Number of the last event; (`run_id`, `worker`, `seq`) is unique.
    seq: u64,
    /// What is left of the share of successful requests that are due.
    due: f64,
}

impl LogFormatter {
    /// Numbers begin at 1.
    #[must_use]
    pub fn new(config: &LogConfig, identity: Arc<RunIdentity>) -> Self {
        // The first of every 1/share successful requests is logged, beginning with the very first.
        let due = 1.0 - config.sample;
        Self { identity, choice: config.choice, share: config.sample, format: config.format, seq: 0, due }
    }

    /// The event of a sample, where it is to be logged.
    pub fn of_sample(&mut self, sample: &Sample) -> Option<LogEvent> {
        if !self.is_logged(sample) {
            return None;
        }
        self.seq += 1;
        let message = match self.format {
            LogFormat::Json => fitting(|limit| self.json(sample, limit)),
            LogFormat::Text => fitting(|limit| self.text(sample, limit)),
        };
        Some(LogEvent { timestamp: sample.time.millis(), message })
    }

    /// The event of something that happened to the whole test, unless logs are off.
    pub fn of_life_cycle(&mut self, event: &LifeCycleEvent) -> Option<LogEvent> {
        if self.choice == LogChoice::Off {
            return None;
        }
        self.seq += 1;
        let message = match self.format {
            LogFormat::Json => fitting(|limit| self.life_cycle_json(event, limit)),
            LogFormat::Text => fitting(|limit| self.life_cycle_text(event, limit)),
        };
        Some(LogEvent { timestamp: event.time.millis(), message })
    }

    fn is_logged(&mut self, sample: &Sample) -> bool {
        match self.choice {
            LogChoice::Off => false,
            _ if sample.failure.is_some() => true,
            LogChoice::Failures => false,
            LogChoice::All => {
                self.due += self.share;
                let logged = self.due >= 1.0;
                if logged {
                    self.due -= 1.0;
                }
                logged
            }
        }
    }

    fn json(&self, sample: &Sample, limit: usize) -> String {
        let failure = sample.failure.as_ref();
        let host = self.identity.host_of(sample);
        to_json(&RequestJson {
            time: sample.time.iso8601(),
            run_id: &self.identity.run_id,
            worker: &self.identity.worker,
            seq: self.seq,
            host: cut(&host, limit),
            method: cut(&sample.method, limit),
            name: cut(&sample.name, limit),
            outcome: if failure.is_some() { "failure" } else { "success" },
            response_time_ms: sample.response_time_ms,
            response_bytes: sample.response_bytes,
            status: sample.status,
            error_type: failure.map(|f| cut(&f.kind, limit)),
            error: failure.map(|f| cut(&f.message, limit)),
            users: sample.users,
            context: fields(&sample.context, limit),
        })
    }

    fn life_cycle_json(&self, event: &LifeCycleEvent, limit: usize) -> String {
        to_json(&LifeCycleJson {
            time: event.time.iso8601(),
            run_id: &self.identity.run_id,
            worker: &self.identity.worker,
            seq: self.seq,
            event: cut(&event.name, limit),
            host: self.identity.host.as_deref().map(|host| cut(host, limit)),
            users: event.users,
            fields: fields(&event.fields, limit),
        })
    }

    fn text(&self, sample: &Sample, limit: usize) -> String {
        let mut line = TextLine::new(sample.time);
        line.text("host", &self.identity.host_of(sample), limit);
        line.text("request_type", &sample.method, limit);
        line.text("name", &sample.name, limit);
        line.number("response_time", sample.response_time_ms);
        match &sample.failure {
            None => line.number("response_length", sample.response_bytes),
            Some(Failure { kind, message }) => {
                // An exception without a text still tells what it is.
                line.text("exception", if message.is_empty() { kind } else { message }, limit);
            }
        }
        line.text("user", &sample.users.to_string(), limit);
        line.0
    }

    fn life_cycle_text(&self, event: &LifeCycleEvent, limit: usize) -> String {
        let mut line = TextLine::new(event.time);
        line.text("event", &event.name, limit);
        line.text("run_id", &self.identity.run_id, limit);
        line.text("worker", &self.identity.worker, limit);
        if let Some(host) = &self.identity.host {
            line.text("host", host, limit);
        }
        for (key, value) in fields(&event.fields, limit) {
            line.text(&key, &value.as_str().map_or_else(|| value.to_string(), str::to_owned), limit);
        }
        line.text("user", &event.users.to_string(), limit);
        line.0
    }
}

/// The first of the ever shorter texts that fits into an event.
fn fitting(write: impl Fn(usize) -> String) -> String {
    let mut message = String::new();
    for limit in TEXT_LIMITS {
        message = write(limit);
        if message.len() <= MAX_MESSAGE_BYTES {
            break;
        }
    }
    message
}

/// At most `limit` bytes of a text, ending in how much is missing.
fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(limit);
    Cow::Owned(format!("{}... ({} bytes more)", &text[..end], text.len() - end))
}

/// Writes a text as a string of JSON.
///
/// Most texts are JSON, and have a quotation mark every few bytes: a general writer, which copies what stands between
/// them, takes twice as long for one.
fn write_text(lines: &mut Vec<u8>, text: &str) {
    // All of it is looked at, as that is done for many bytes at once.
    if text.bytes().fold(false, |any, byte| any | byte.is_ascii_control()) {
        let _ = serde_json::to_writer(lines, text);
        return;
    }
    let start = lines.len();
    lines.resize(start + 2 * text.len() + 2, b'"');
    let mut at = start + 1;
    for byte in text.bytes() {
        let is_escaped = matches!(byte, b'"' | b'\\');
        // The second of one that is not escaped is written over by the next.
        if let Some(pair) = lines.get_mut(at..at + 2) {
            pair.copy_from_slice(&[if is_escaped { b'\\' } else { byte }, byte]);
        }
        at += 1 + usize::from(is_escaped);
    }
    lines.truncate(at);
    lines.push(b'"');
}

fn to_json(value: &impl Serialize) -> String {
    let mut json = Vec::with_capacity(USUAL_JSON_BYTES);
    // Only a map whose keys are no strings, or a failing writer, could make this fail.
    let _ = serde_json::to_writer(&mut json, value);
    String::from_utf8(json).unwrap_or_default()
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
/// Times and sizes as a reader expects them: `12` rather than `12.0`.
fn number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        Some(value) if value.fract() == 0.0 && value.abs() < 9e15 => serializer.serialize_i64(*value as i64),
        other => other.serialize(serializer),
    }
}

#[derive(Serialize)]
struct RequestJson<'a> {
    time: String,
    run_id: &'a str,
    worker: &'a str,
    seq: u64,
    host: Cow<'a, str>,
    method: Cow<'a, str>,
    name: Cow<'a, str>,
    outcome: &'a str,
    #[serde(serialize_with = "number")]
    response_time_ms: Option<f64>,
    #[serde(serialize_with = "number")]
    response_bytes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
    users: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    context: BTreeMap<String, serde_json::Value>,
}

#[derive(Serialize)]
struct LifeCycleJson<'a> {
    time: String,
    run_id: &'a str,
    worker: &'a str,
    seq: u64,
    event: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Cow<'a, str>>,
    users: u64,
    #[serde(flatten)]
    fields: BTreeMap<String, serde_json::Value>,
}

fn fields(entries: &[(String, Scalar)], limit: usize) -> BTreeMap<String, serde_json::Value> {
    use serde_json::Value;
    let json = |value: &Scalar| match value {
        Scalar::Null => Value::Null,
        Scalar::Bool(truth) => Value::from(*truth),
        Scalar::Int(number) => Value::from(*number),
        // JSON has no NaN and no infinity: their names stand for them.
        Scalar::Float(number) if !number.is_finite() => Value::from(number.to_string()),
        Scalar::Float(number) => Value::from(*number),
        Scalar::Text(text) => Value::from(cut(text, limit)),
    };
    entries.iter().map(|(key, value)| (cut(key, limit).into_owned(), json(value))).collect()
}

/// `[key=value] [key=value]`, on one line.
struct TextLine(String);

impl TextLine {
    fn new(time: Timestamp) -> Self {
        Self(format!("[timestamp={}]", time.slashed()))
    }

    fn text(&mut self, key: &str, value: &str, limit: usize) {
        self.0.push_str(" [");
        self.escaped(&cut(key, limit));
        self.0.push('=');
        self.escaped(&cut(value, limit));
        self.0.push(']');
    }

    fn number(&mut self, key: &str, value: Option<f64>) {
        // Writing to a String cannot fail.
        let _ = match value {
            Some(value) => write!(self.0, " [{key}={value}]"),
            None => write!(self.0, " [{key}=None]"),
        };
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::tests::config;
    use crate::identity::tests::identity;
    use crate::window::tests::sample;

    fn formatter(change: impl FnOnce(&mut crate::config::Options)) -> LogFormatter {
        LogFormatter::new(&config(change).log, identity())
    }

    fn failed() -> Sample {
        let failure = Failure { kind: "HTTPError".into(), message: "500 for\nurl".into() };
        Sample { failure: Some(failure), status: Some(500), ..sample("/a", 1_795_348_981, 12.5) }
    }

    #[test]
    fn a_request_becomes_the_json_object_of_the_contract() {
        let mut formatter = formatter(|_| {});
        let context = vec![("user".to_owned(), Scalar::Int(7)), ("x".to_owned(), Scalar::Float(f64::NAN))];
        let event = formatter.of_sample(&Sample { context, ..failed() }).expect("logged");
        let got: Value = serde_json::from_str(&event.message).expect("JSON");
        assert_eq!(
            got,
            json!({
                "time": "2026-11-22T12:03:01.000000Z", "run_id": "20261122T110301Z-7f3a", "worker": "w1", "seq": 1,
                "host": "http://shop", "method": "GET", "name": "/a", "outcome": "failure", "response_time_ms": 12.5,
                "response_bytes": 10, "status": 500, "error_type": "HTTPError", "error": "500 for\nurl", "users": 1,
                "context": {"user": 7, "x": "NaN"},
            })
        );
        assert_eq!(event.timestamp, 1_795_348_981_000);
    }

    #[test]
    fn the_text_format_is_the_old_line() {
        let mut formatter = formatter(|o| o.log_format = "text".into());
        let good = formatter.of_sample(&sample("/a", 1_795_348_981, 12.5)).expect("logged");
        assert_eq!(
            good.message,
            "[timestamp=2026/11/22 12:03:01.000000 UTC] [host=http://shop] [request_type=GET] [name=/a] \
             [response_time=12.5] [response_length=10] [user=1]"
        );
        let bad = formatter.of_sample(&failed()).expect("logged");
        assert!(bad.message.ends_with("[response_time=12.5] [exception=500 for\\nurl] [user=1]"));
    }

    #[test]
    fn failures_are_always_logged_and_successes_as_often_as_asked() {
        for (logs, share, successes, failures) in [
            ("all", 1.0, 1000, 10),
            ("all", 0.1, 100, 10),
            ("all", 0.0, 0, 10),
            ("failures", 1.0, 0, 10),
            ("off", 1.0, 0, 0),
        ] {
            let mut formatter = formatter(|o| {
                o.logs = logs.into();
                o.log_sample = share;
            });
            let good = (0..1000).filter(|_| formatter.of_sample(&sample("/a", 1, 1.0)).is_some()).count();
            let bad = (0..10).filter(|_| formatter.of_sample(&failed()).is_some()).count();
            assert_eq!((good.abs_diff(successes) <= 1, bad), (true, failures), "{logs} {share}: {good}");
        }
    }

    #[test]
    fn a_life_cycle_event_is_numbered_with_the_others() {
        let mut formatter = formatter(|_| {});
        formatter.of_sample(&failed());
        let event = LifeCycleEvent {
            time: Timestamp::from_seconds(1_795_348_981),
            name: "test_stop".into(),
            fields: vec![("requests".into(), Scalar::Int(3))],
            users: 0,
        };
        let got: Value = serde_json::from_str(&formatter.of_life_cycle(&event).expect("logged").message).expect("JSON");
        assert_eq!((&got["event"], &got["seq"], &got["requests"]), (&json!("test_stop"), &json!(2), &json!(3)));
    }

    proptest! {
        #[test]
        fn a_batch_holds_the_events_as_they_were_in_the_order_of_their_times(
            texts in prop::collection::vec((-5..5i64, any::<String>()), 0..20),
        ) {
            let mut events: Vec<_> =
                texts.into_iter().map(|(timestamp, message)| LogEvent { timestamp, message }).collect();
            let mut lines = Vec::new();
            events.iter().for_each(|event| event.write_line(&mut lines));
            let text = String::from_utf8(lines).expect("JSON");
            let batch = LogBatch::of_lines(LogBatch::lines_of(&text).expect("lines"));
            events.sort_by_key(|event| event.timestamp);
            prop_assert_eq!(batch.events, events.len());
            prop_assert_eq!(serde_json::from_str::<Vec<LogEvent>>(&batch.json).expect("JSON"), events);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_event_fits_whatever_it_holds(
            c in prop_oneof![Just('x'), Just('\u{1}'), Just('"'), Just('한')],
            name in 0..6000usize, error in 0..1_048_576usize, context in 0..200_000usize, text in any::<bool>(),
        ) {
            let mut formatter = formatter(|o| o.log_format = if text { "text" } else { "json" }.into());
            let repeated = |n: usize| c.to_string().repeat(n);
            let failure = Failure { kind: "E".into(), message: repeated(error) };
            let context = (0..100).map(|i| (i.to_string(), Scalar::Text(repeated(context / 100)))).collect();
            let sample = Sample { name: repeated(name).into(), failure: Some(failure), context, ..sample("", 1, 1.0) };
            let event = formatter.of_sample(&sample).expect("failures are logged");
            prop_assert!(event.counted_bytes() <= MAX_EVENT_BYTES);
            prop_assert!(text || serde_json::from_str::<Value>(&event.message).is_ok());
        }
    }

    #[test]
    fn what_is_longest_of_all_fits_too() {
        let escaped = "\u{1}".repeat(1024);
        let entries = || (0..100).map(|i| (format!("{i:03}{escaped}"), Scalar::Text(escaped.clone()))).collect();
        let long = "\u{1}".repeat(1 << 20);
        let identity = Arc::new(RunIdentity { host: Some(long.clone()), ..(*identity()).clone() });
        for format in ["json", "text"] {
            let mut formatter = LogFormatter::new(&config(|o| o.log_format = format.into()).log, Arc::clone(&identity));
            let event = formatter.of_sample(&Sample { context: entries(), ..failed() }).expect("logged");
            assert!(event.counted_bytes() <= MAX_EVENT_BYTES, "{format}: {}", event.counted_bytes());
            let (time, name) = (Timestamp::from_seconds(0), long.clone());
            let event = LifeCycleEvent { time, name, fields: entries(), users: 0 };
            let event = formatter.of_life_cycle(&event).expect("logged");
            assert!(event.counted_bytes() <= MAX_EVENT_BYTES, "{format}: {}", event.counted_bytes());
        }
    }
}

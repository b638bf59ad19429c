//! Log events: one line per request or life-cycle event, in both formats, within CloudWatch's size.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

use crate::config::identity::RunIdentity;
use crate::config::{LogChoice, LogConfig, LogFormat, LogUrls};
use crate::ingest::sample::{Failure, LifeCycleEvent, Sample, Scalar};
use crate::redact::redact_urls;
use crate::timestamp::Timestamp;

/// What CloudWatch counts for an event besides its text (PutLogEvents).
pub const EVENT_OVERHEAD_BYTES: usize = 26;
/// Largest event (PutLogEvents): 1 MB with its overhead.
pub const MAX_EVENT_BYTES: usize = 1_048_576;
/// To how many bytes each text of an event is cut, one try after the other, until the event fits.
///
/// With the last of them 100 entries of a `context` fit even where each character becomes six.
const TEXT_LIMITS: [usize; 5] = [usize::MAX, 128 * 1024, 16 * 1024, 1024, 128];

/// Room in a batch for what stands around it in the request: the names of group and stream, each of at most 512 characters
/// of up to four bytes.
const ROOM_FOR_REQUEST: usize = 4608;

/// How much room is kept from one event to the next: one with megabytes of error text gives it back.
const USUAL_LINE_BYTES: usize = 64 * 1024;

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

    /// The time of an event that was written as a line, by us or in another way.
    fn time_of(line: &str) -> Option<i64> {
        let ours = line.strip_prefix(LINE_START).and_then(|rest| rest.split_once(',')?.0.parse().ok());
        ours.or_else(|| Some(serde_json::from_str::<Self>(line).ok()?.timestamp))
    }
}

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
    const fn fits(&self) -> bool {
        self.counted_bytes() <= MAX_EVENT_BYTES
    }

    /// Writes an event whose message is a text.
    fn write_text(&mut self, timestamp: i64, message: &str) {
        self.begin(timestamp);
        // Neither a text nor memory can refuse.
        let _ = serde_json::to_writer(&mut self.text, message);
        self.end(message.len());
    }

    /// Writes an event whose message is the JSON of a value.
    fn write_json(&mut self, timestamp: i64, message: &impl Serialize) {
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

/// Writes JSON as it stands within a string of JSON.
///
/// So it need not be escaped afterwards, which took as long as writing it: a JSON text has a quotation mark every few bytes.
struct Quoted<'a> {
    /// How many bytes the escaping has added.
    added: &'a mut usize,
}

impl Quoted<'_> {
    fn quotation_mark<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        *self.added += 1;
        writer.write_all(br#"\""#)
    }
}

impl Formatter for Quoted<'_> {
    fn begin_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.quotation_mark(writer)
    }

    fn end_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.quotation_mark(writer)
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        // The longest is a control character's: \u0000.
        let mut once = io::Cursor::new([0; 6]);
        CompactFormatter.write_char_escape(&mut once, escape)?;
        let (mut twice, mut length) = ([0; 12], 0);
        for &byte in once.get_ref().iter().take_while(|&&byte| byte != 0) {
            if matches!(byte, b'"' | b'\\') {
                *self.added += 1;
                twice[length] = b'\\';
                length += 1;
            }
            twice[length] = byte;
            length += 1;
        }
        writer.write_all(&twice[..length])
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

    /// The request of a call of `PutLogEvents`, in the protocol's form (AWS JSON 1.1), built in the batch's own buffer, which
    /// has room for it.
    #[must_use]
    pub fn into_request(self, group: &str, stream: &str) -> String {
        // Of a text there always is a JSON form.
        let [group, stream] = [group, stream].map(|name| serde_json::to_string(name).unwrap_or_default());
        let mut request = self.json;
        request.insert_str(0, &format!(r#"{{"logGroupName":{group},"logStreamName":{stream},"logEvents":"#));
        request.push('}');
        request
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
    urls: LogUrls,
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
        let (choice, share, format, urls) = (config.choice, config.sample, config.format, config.urls);
        Self { identity, choice, share, format, urls, seq: 0, due }
    }

    /// Writes the event of a sample. Says whether there is one: not every sample is to be logged.
    #[must_use]
    pub fn write_sample(&mut self, sample: &Sample, line: &mut LogLine) -> bool {
        if !self.is_logged(sample) {
            return false;
        }
        self.seq += 1;
        let time = sample.time.millis();
        fit(line, |line, limit| match self.format {
            LogFormat::Json => line.write_json(time, &self.json(sample, limit)),
            LogFormat::Text => line.write_text(time, &self.text(sample, limit)),
        });
        true
    }

    /// Writes the event of something that happened to the whole test. Says whether there is one: logs may be off.
    #[must_use]
    pub fn write_life_cycle(&mut self, event: &LifeCycleEvent, line: &mut LogLine) -> bool {
        if self.choice == LogChoice::Off {
            return false;
        }
        self.seq += 1;
        let time = event.time.millis();
        fit(line, |line, limit| match self.format {
            LogFormat::Json => line.write_json(time, &self.life_cycle_json(event, limit)),
            LogFormat::Text => line.write_text(time, &self.life_cycle_text(event, limit)),
        });
        true
    }

    fn is_logged(&mut self, sample: &Sample) -> bool {
        match self.choice {
            LogChoice::Off => false,
            _ if sample.failure.is_some() => true,
            LogChoice::Failures => false,
            // The very first would be due.
            LogChoice::All if self.share == 0.0 => false,
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

    fn json<'a>(&'a self, sample: &'a Sample, limit: usize) -> RequestJson<'a> {
        let failure = sample.failure.as_deref();
        RequestJson {
            time: sample.time.iso8601(),
            run_id: &self.identity.run_id,
            worker: &self.identity.worker,
            seq: self.seq,
            host: cut(self.identity.host_of(sample), limit),
            method: cut(sample.method.as_str(), limit),
            name: cut(sample.name.as_str(), limit),
            outcome: if failure.is_some() { "failure" } else { "success" },
            response_time_ms: sample.response_time_ms,
            response_bytes: sample.response_bytes,
            status: sample.status,
            error_type: failure.map(|f| cut(&f.kind, limit)),
            error: failure.map(|f| cut(self.shown(&f.message), limit)),
            users: sample.users,
            context: self.fields(&sample.context, limit),
        }
    }

    fn life_cycle_json<'a>(&'a self, event: &'a LifeCycleEvent, limit: usize) -> LifeCycleJson<'a> {
        LifeCycleJson {
            time: event.time.iso8601(),
            run_id: &self.identity.run_id,
            worker: &self.identity.worker,
            seq: self.seq,
            event: cut(&event.name, limit),
            host: self.identity.host.as_deref().map(|host| cut(host, limit)),
            users: event.users,
            fields: beside(&LIFE_CYCLE_JSON, self.fields(&event.fields, limit)),
        }
    }

    fn text(&self, sample: &Sample, limit: usize) -> String {
        let mut line = TextLine::new(sample.time);
        line.text("host", &self.identity.host_of(sample), limit);
        line.text("request_type", &sample.method, limit);
        line.text("name", &sample.name, limit);
        line.number("response_time", sample.response_time_ms);
        match sample.failure.as_deref() {
            None => line.number("response_length", sample.response_bytes),
            Some(Failure { kind, message }) => {
                // An exception without a text still tells what it is.
                line.text("exception", &self.shown(if message.is_empty() { kind } else { message }), limit);
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
        for (key, value) in beside(&LIFE_CYCLE_TEXT, self.fields(&event.fields, limit)) {
            line.text(&key, &value.as_str().map_or_else(|| value.to_string(), str::to_owned), limit);
        }
        line.text("user", &event.users.to_string(), limit);
        line.0
    }

    /// A text as events show it. To be cut only then: a URL that was cut could not be told any more.
    fn shown<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.urls {
            LogUrls::Redacted => redact_urls(text),
            LogUrls::Full => Cow::Borrowed(text),
        }
    }

    fn fields(&self, entries: &[(String, Scalar)], limit: usize) -> BTreeMap<String, Value> {
        let json = |value: &Scalar| match value {
            Scalar::Null => Value::Null,
            Scalar::Bool(truth) => Value::from(*truth),
            Scalar::Int(number) => Value::from(*number),
            // JSON has no NaN and no infinity: their names stand for them.
            Scalar::Float(number) if !number.is_finite() => Value::from(number.to_string()),
            Scalar::Float(number) => Value::from(*number),
            Scalar::Text(text) => Value::from(cut(self.shown(text), limit)),
        };
        entries.iter().map(|(key, value)| (cut(key, limit).into_owned(), json(value))).collect()
    }
}

/// Has an event written with ever shorter texts until CloudWatch takes it.
fn fit(line: &mut LogLine, write: impl Fn(&mut LogLine, usize)) {
    for limit in TEXT_LIMITS {
        write(line, limit);
        if line.fits() {
            break;
        }
    }
}

/// At most `limit` bytes of a text, ending in how much is missing.
fn cut<'a>(text: impl Into<Cow<'a, str>>, limit: usize) -> Cow<'a, str> {
    let text = text.into();
    if text.len() <= limit {
        return text;
    }
    let end = text.floor_char_boundary(limit);
    Cow::Owned(format!("{}... ({} bytes more)", &text[..end], text.len() - end))
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
    users: u32,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    context: BTreeMap<String, Value>,
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
    users: u32,
    #[serde(flatten)]
    fields: BTreeMap<String, Value>,
}

/// Our own names in an event of the run's life as JSON.
const LIFE_CYCLE_JSON: [&str; 7] = ["time", "run_id", "worker", "seq", "event", "host", "users"];
/// The same as text.
const LIFE_CYCLE_TEXT: [&str; 6] = ["timestamp", "event", "run_id", "worker", "host", "user"];

/// Fields with names unlike ours: each name stands there once, or readers take whichever they like.
fn beside(ours: &[&str], mut fields: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    for &ours in ours {
        if let Some(value) = fields.remove(ours) {
            let mut name = format!("{ours}_");
            while fields.contains_key(&name) {
                name.push('_');
            }
            fields.insert(name, value);
        }
    }
    fields
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
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::identity::tests::identity;
    use crate::config::validate::tests::config;
    use crate::metrics::aggregator::tests::sample;

    fn formatter(change: impl FnOnce(&mut crate::config::Options)) -> LogFormatter {
        LogFormatter::new(&config(change).log, identity())
    }

    /// The event that a line holds: what counts for it has to be true.
    fn event_of(line: &LogLine) -> LogEvent {
        let event: LogEvent = serde_json::from_slice(line.as_bytes()).expect("a line of JSON");
        assert_eq!((line.timestamp(), line.counted_bytes()), (event.timestamp, event.counted_bytes()));
        assert_eq!(line.as_bytes().iter().position(|&byte| byte == b'\n'), Some(line.as_bytes().len() - 1));
        event
    }

    impl LogFormatter {
        fn of_sample(&mut self, sample: &Sample) -> Option<LogEvent> {
            let mut line = LogLine::default();
            self.write_sample(sample, &mut line).then(|| event_of(&line))
        }

        fn of_life_cycle(&mut self, event: &LifeCycleEvent) -> Option<LogEvent> {
            let mut line = LogLine::default();
            self.write_life_cycle(event, &mut line).then(|| event_of(&line))
        }
    }

    fn failed() -> Sample {
        let failure = Failure { kind: "HTTPError".into(), message: "500 for\nurl".into() };
        Sample { failure: Some(failure.into()), status: Some(500), ..sample("/a", 1_795_348_981, 12.5) }
    }

    #[test]
    fn a_request_becomes_the_json_object_of_the_contract() {
        let mut formatter = formatter(|_| {});
        let context = [("user".to_owned(), Scalar::Int(7)), ("x".to_owned(), Scalar::Float(f64::NAN))].into();
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
        let mut formatter = formatter(|o| o.log_format = LogFormat::Text);
        let good = formatter.of_sample(&sample("/a", 1_795_348_981, 12.5)).expect("logged");
        assert_eq!(
            good.message,
            "[timestamp=2026/11/22 12:03:01.000000 UTC] [host=http://shop] [request_type=GET] [name=/a] \
             [response_time=12.5] [response_length=10] [user=1]"
        );
        let bad = formatter.of_sample(&failed()).expect("logged");
        assert!(bad.message.ends_with("[response_time=12.5] [exception=500 for\\nurl] [user=1]"));
    }

    /// An event of each kind whose texts have `url` in them.
    fn events_with(url: &str, change: impl FnOnce(&mut crate::config::Options)) -> Vec<String> {
        let mut formatter = formatter(change);
        let failure = |message: &str| Some(Failure { kind: "E".into(), message: message.into() }.into());
        let entry = || ("from".to_owned(), Scalar::Text(format!("for url: {url}")));
        let samples = [
            Sample { failure: failure(&format!("404 for url: {url}")), ..sample("/a", 1, 1.0) },
            // What cannot be in one event is cut, within the URL too.
            Sample { failure: failure(&url.repeat(MAX_EVENT_BYTES / url.len())), ..sample("/a", 1, 1.0) },
            Sample { context: [entry()].into(), ..sample("/a", 1, 1.0) },
        ];
        let event =
            LifeCycleEvent { time: Timestamp::from_seconds(1), name: "x".into(), fields: vec![entry()], users: 0 };
        let mut events: Vec<_> = samples.iter().filter_map(|sample| formatter.of_sample(sample)).collect();
        events.extend(formatter.of_life_cycle(&event));
        events.into_iter().map(|event| event.message).collect()
    }

    #[test]
    fn no_event_shows_the_values_of_a_url_unless_asked_to() {
        let url = "http://user:SECRET@h/x;id=SECRET?access_token=SECRET&page=SECRET#SECRET ";
        for format in [LogFormat::Json, LogFormat::Text] {
            let redacted = events_with(url, |options| options.log_format = format);
            let full = events_with(url, |options| {
                options.log_format = format;
                options.log_urls = LogUrls::Full;
            });
            assert_eq!((redacted.len(), full.len()), (4, 4));
            for (redacted, full) in redacted.iter().zip(&full) {
                assert!(!redacted.contains("SEC"), "{format:?}: {}", &redacted[..redacted.len().min(400)]);
                // The text format knows no context.
                let shows = full.contains("SECRET");
                assert_eq!(shows, redacted.contains("http://...@h/x;id=...?access_token=...&page=...#..."));
                assert!(shows || format == LogFormat::Text && full.contains("[response_length="));
            }
        }
    }

    #[test]
    fn the_name_of_a_request_stays_as_it_is() {
        let event = formatter(|_| {}).of_sample(&sample("/x?page=2", 1, 1.0)).expect("logged");
        assert!(event.message.contains(r#""name":"/x?page=2""#), "{}", event.message);
    }

    #[test]
    fn failures_are_always_logged_and_successes_as_often_as_asked() {
        for (logs, share, successes, failures) in [
            (LogChoice::All, 1.0, 1000, 10),
            (LogChoice::All, 0.1, 100, 10),
            (LogChoice::All, 0.0, 0, 10),
            (LogChoice::Failures, 1.0, 0, 10),
            (LogChoice::Off, 1.0, 0, 0),
        ] {
            let mut formatter = formatter(|o| {
                o.logs = logs;
                o.log_sample = share;
            });
            let good = (0..1000).filter(|_| formatter.of_sample(&sample("/a", 1, 1.0)).is_some()).count();
            let bad = (0..10).filter(|_| formatter.of_sample(&failed()).is_some()).count();
            assert_eq!((good, bad), (successes, failures), "{logs:?} {share}");
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

    #[test]
    fn a_field_with_a_name_of_ours_stands_beside_ours() {
        let event = |fields: &BTreeSet<String>| LifeCycleEvent {
            time: Timestamp::from_seconds(1_795_348_981),
            name: "deploy".into(),
            fields: fields.iter().map(|name| (name.clone(), Scalar::Int(3))).collect(),
            users: 0,
        };
        // Of each field, which ends or begins so: `"name":` in JSON, `[name=` in text.
        let names_of = |format: LogFormat, message: &str| -> Vec<String> {
            let name = |part: &str| match format {
                LogFormat::Json => Some(part.rsplit_once('"')?.1.to_owned()),
                LogFormat::Text => Some(part.split_once('=')?.0.to_owned()),
            };
            message.split(if format == LogFormat::Json { "\":" } else { "[" }).filter_map(name).collect()
        };
        for format in [LogFormat::Json, LogFormat::Text] {
            let mut formatter = formatter(|options| options.log_format = format);
            let mut names = |fields: &BTreeSet<String>| {
                names_of(format, &formatter.of_life_cycle(&event(fields)).expect("logged").message)
            };
            let ours: BTreeSet<_> = names(&BTreeSet::new()).into_iter().collect();
            assert!(ours.contains("event") && ours.len() >= 6, "{ours:?}");
            let fields: BTreeSet<_> = ours.iter().cloned().chain(["event_".to_owned()]).collect();
            let all = names(&fields);
            let wanted: BTreeSet<_> =
                ours.iter().flat_map(|name| [name.clone(), format!("{name}_")]).chain(["event__".to_owned()]).collect();
            assert_eq!((all.len(), all.into_iter().collect::<BTreeSet<_>>()), (wanted.len(), wanted));
        }
    }

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

        #[test]
        fn a_batch_holds_the_events_as_they_were_in_the_order_of_their_times(
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_event_fits_whatever_it_holds(
            c in prop_oneof![Just('x'), Just('\u{1}'), Just('"'), Just('한')],
            name in 0..6000usize, error in 0..1_048_576usize, context in 0..200_000usize, text in any::<bool>(),
        ) {
            let mut formatter = formatter(|o| o.log_format = if text { LogFormat::Text } else { LogFormat::Json });
            let repeated = |n: usize| c.to_string().repeat(n);
            let failure = Failure { kind: "E".into(), message: repeated(error) };
            let context = (0..100).map(|i| (i.to_string(), Scalar::Text(repeated(context / 100)))).collect();
            let sample = Sample { name: repeated(name).into(), failure: Some(failure.into()), context, ..sample("", 1, 1.0) };
            let event = formatter.of_sample(&sample).expect("failures are logged");
            prop_assert!(event.counted_bytes() <= MAX_EVENT_BYTES);
            prop_assert!(text || serde_json::from_str::<Value>(&event.message).is_ok());
        }
    }

    #[test]
    fn a_batch_has_room_for_its_request_whatever_group_and_stream_are_called() {
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

    #[test]
    fn what_is_longest_of_all_fits_too() {
        let escaped = "\u{1}".repeat(1024);
        let entries =
            || (0..100).map(|i| (format!("{i:03}{escaped}"), Scalar::Text(escaped.clone()))).collect::<Vec<_>>();
        let long = "\u{1}".repeat(1 << 20);
        let identity = Arc::new(RunIdentity { host: Some(long.clone()), ..(*identity()).clone() });
        for format in [LogFormat::Json, LogFormat::Text] {
            let mut formatter = LogFormatter::new(&config(|o| o.log_format = format).log, Arc::clone(&identity));
            let event = formatter.of_sample(&Sample { context: entries().into(), ..failed() }).expect("logged");
            assert!(event.counted_bytes() <= MAX_EVENT_BYTES, "{format:?}: {}", event.counted_bytes());
            let (time, name) = (Timestamp::from_seconds(0), long.clone());
            let event = LifeCycleEvent { time, name, fields: entries(), users: 0 };
            let event = formatter.of_life_cycle(&event).expect("logged");
            assert!(event.counted_bytes() <= MAX_EVENT_BYTES, "{format:?}: {}", event.counted_bytes());
        }
    }
}

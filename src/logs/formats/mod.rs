//! The two formats of log events, and how an event fits into CloudWatch's size.

mod json;
mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use self::json::{LifeCycleJson, RequestJson};
use self::text::TextLine;
use super::error_text::separate_url;
use super::line::LogLine;
use crate::config::identity::RunIdentity;
use crate::config::{LogConfig, LogFields, LogFormat, LogUrls};
use crate::redact::redact_urls;
use crate::sample::{Failure, LifeCycleEvent, Sample, Scalar};

/// To how many bytes each text of an event is cut, one try after the other, until the event fits.
///
/// With the last of them 100 entries of a `context` fit even where each character becomes six.
const TEXT_LIMITS: [usize; 5] = [usize::MAX, 128 * 1024, 16 * 1024, 1024, 128];

/// Turns samples and life-cycle events into log events, and numbers them.
pub struct LogFormatter {
    identity: Arc<RunIdentity>,
    format: LogFormat,
    log_fields: LogFields,
    urls: LogUrls,
    /// Whether a life-cycle event of this stream has the host of the run, so that events of requests need not repeat it.
    has_logged_host: bool,
    /// Number of the last event; (`run_id`, `worker`, `seq`) is unique.
    seq: u64,
}

impl LogFormatter {
    /// Numbers begin at 1.
    #[must_use]
    pub fn new(config: &LogConfig, identity: Arc<RunIdentity>) -> Self {
        let &LogConfig { format, fields: log_fields, urls, .. } = config;
        Self { identity, format, log_fields, urls, has_logged_host: false, seq: 0 }
    }

    /// Writes the event of a sample.
    pub fn write_sample(&mut self, sample: &Sample, line: &mut LogLine) {
        self.seq += 1;
        let time = sample.time.millis();
        fit(line, |line, limit| match self.format {
            LogFormat::Json => line.write_json(time, &self.json(sample, limit)),
            LogFormat::Text => line.write_text(time, &self.text(sample, limit)),
        });
    }

    /// Writes the event of something that happened to the whole test.
    pub fn write_life_cycle(&mut self, event: &LifeCycleEvent, line: &mut LogLine) {
        self.seq += 1;
        let time = event.time.millis();
        fit(line, |line, limit| match self.format {
            LogFormat::Json => line.write_json(time, &self.life_cycle_json(event, limit)),
            LogFormat::Text => line.write_text(time, &self.life_cycle_text(event, limit)),
        });
        self.has_logged_host |= self.identity.host.is_some();
    }

    fn json<'a>(&'a self, sample: &'a Sample, limit: usize) -> RequestJson<'a> {
        let failure = sample.failure.as_deref();
        let error = failure.map(|failure| separate_url(self.shown(&failure.message)));
        let (error, url) = error.map_or((None, None), |(error, url)| (Some(error), url));
        let is_full = self.log_fields == LogFields::Full;
        RequestJson {
            time: is_full.then(|| sample.time.iso8601()),
            time_us: self.time_us(sample),
            run_id: is_full.then_some(&self.identity.run_id),
            worker: is_full.then_some(&self.identity.worker),
            seq: self.seq,
            host: self.host(sample).map(|host| cut(host, limit)),
            method: cut(sample.method.as_str(), limit),
            name: cut(sample.name.as_str(), limit),
            outcome: if failure.is_some() { "failure" } else { "success" },
            response_time_ms: sample.response_time_ms.map(to_microseconds),
            response_bytes: sample.response_bytes,
            status: sample.status,
            error_type: failure.map(|f| cut(&f.kind, limit)),
            error: error.map(|error| cut(error, limit)),
            // Locust's clients may have replaced the URL by the request's name.
            url: url.filter(|url| *url != sample.name.as_str()).map(|url| cut(url, limit)),
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
        let mut line = match self.log_fields {
            LogFields::Full => TextLine::new(sample.time),
            LogFields::Compact => TextLine::default(),
        };
        if let Some(micros) = self.time_us(sample) {
            line.text("time_us", &micros.to_string(), limit);
        }
        if let Some(host) = self.host(sample) {
            line.text("host", &host, limit);
        }
        line.text("request_type", &sample.method, limit);
        line.text("name", &sample.name, limit);
        line.number("response_time", sample.response_time_ms.map(to_microseconds));
        match sample.failure.as_deref() {
            None => line.number("response_length", sample.response_bytes),
            Some(Failure { kind, message }) => {
                // An exception without a text still has a type.
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

    /// What the timestamp of a request's event does not say of its time, unless the event has the whole time.
    fn time_us(&self, sample: &Sample) -> Option<i64> {
        (self.log_fields == LogFields::Compact).then(|| sample.time.micros_of_milli()).filter(|&micros| micros != 0)
    }

    /// The host in the event of a request; `None` if it is left out.
    fn host<'a>(&'a self, sample: &'a Sample) -> Option<Cow<'a, str>> {
        let host = self.identity.logged_host_of(sample);
        let is_known = self.has_logged_host && self.identity.host.as_deref() == Some(&*host);
        (self.log_fields == LogFields::Full || !is_known).then_some(host)
    }

    /// A text as events contain it. Cut a text only after this: a URL that has been cut cannot be recognized.
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

/// Milliseconds with at most three decimals: a clock's further digits say nothing, and are paid for as log data.
fn to_microseconds(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::identity::tests::identity;
    use crate::config::validate::tests::config;
    use crate::logs::event::{LogEvent, MAX_EVENT_BYTES};
    use crate::metrics::aggregator::tests::sample;
    use crate::timestamp::Timestamp;

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
        fn of_sample(&mut self, sample: &Sample) -> LogEvent {
            let mut line = LogLine::default();
            self.write_sample(sample, &mut line);
            event_of(&line)
        }

        fn of_life_cycle(&mut self, event: &LifeCycleEvent) -> LogEvent {
            let mut line = LogLine::default();
            self.write_life_cycle(event, &mut line);
            event_of(&line)
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
        let event = formatter.of_sample(&Sample { context, ..failed() });
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

    /// A formatter of compact events that has logged the start of the test.
    fn compact(format: LogFormat) -> LogFormatter {
        let mut formatter = formatter(|o| (o.log_format, o.log_fields) = (format, LogFields::Compact));
        formatter.of_life_cycle(&test_start());
        formatter
    }

    fn test_start() -> LifeCycleEvent {
        LifeCycleEvent { time: Timestamp::from_seconds(1), name: "test_start".into(), fields: vec![], users: 0 }
    }

    #[test]
    fn a_compact_event_leaves_out_what_stream_timestamp_and_test_start_say() {
        let sample = Sample { time: Timestamp::from_micros(1_795_348_981_123_456), ..failed() };
        let event = compact(LogFormat::Json).of_sample(&sample);
        assert_eq!(
            event.message,
            r#"{"time_us":456,"seq":2,"method":"GET","name":"/a","outcome":"failure","response_time_ms":12.5,"#
                .to_owned()
                + r#""response_bytes":10,"status":500,"error_type":"HTTPError","error":"500 for\nurl","users":1}"#
        );
        assert_eq!(event.timestamp, 1_795_348_981_123);
        let start = compact(LogFormat::Json).of_life_cycle(&test_start()).message;
        for field in
            [r#""time":"#, r#""run_id":"20261122T110301Z-7f3a""#, r#""worker":"w1""#, r#""host":"http://shop""#]
        {
            assert!(start.contains(field), "{start}");
        }
    }

    #[test]
    fn the_documented_event_is_charged_at_most_180_bytes_if_it_is_compact() {
        let host = Some("https://service.example".into());
        let identity = Arc::new(RunIdentity { worker: "loadgen-4711-c0de".into(), host, ..(*identity()).clone() });
        let (name, time) = ("/path/17", Timestamp::from_micros(1_795_345_381_123_456));
        let sample = Sample { time, response_bytes: Some(6000.0), users: 40, ..sample(name, 1, 81.412) };
        let event_with = |fields| {
            let mut formatter = LogFormatter::new(&config(|o| o.log_fields = fields).log, Arc::clone(&identity));
            formatter.of_life_cycle(&test_start());
            formatter.seq = 16;
            formatter.of_sample(&sample)
        };
        let common = r#""method":"GET","name":"/path/17","outcome":"success","response_time_ms":81.412,"#.to_owned()
            + r#""response_bytes":6000,"status":200,"users":40}"#;
        let repeated = r#"{"time":"2026-11-22T11:03:01.123456Z","run_id":"20261122T110301Z-7f3a","#.to_owned()
            + r#""worker":"loadgen-4711-c0de","seq":17,"host":"https://service.example","#;
        for (fields, begin, charged) in
            [(LogFields::Full, repeated.as_str(), 293), (LogFields::Compact, r#"{"time_us":456,"seq":17,"#, 175)]
        {
            let event = event_with(fields);
            assert_eq!((event.message.strip_prefix(begin), event.counted_bytes()), (Some(common.as_str()), charged));
        }
    }

    #[test]
    fn a_compact_event_names_a_host_that_no_event_of_its_stream_has_named() {
        let host = r#""host":"http://shop","#;
        let mut formatter = formatter(|o| o.log_fields = LogFields::Compact);
        assert!(formatter.of_sample(&failed()).message.contains(host), "as of a Publisher");
        formatter.of_life_cycle(&test_start());
        assert!(!formatter.of_sample(&failed()).message.contains(host));
        let url = Some("https://pay.example/card?x=1".into());
        let elsewhere = formatter.of_sample(&Sample { url, ..failed() }).message;
        assert!(elsewhere.contains(r#""host":"https://pay.example","#), "{elsewhere}");
    }

    #[test]
    fn a_compact_line_of_text_has_the_same_fields_left_out() {
        let sample = Sample { time: Timestamp::from_micros(1_795_348_981_123_456), ..sample("/a", 1, 12.5) };
        let line = "[time_us=456] [request_type=GET] [name=/a] [response_time=12.5] [response_length=10] [user=1]";
        assert_eq!(compact(LogFormat::Text).of_sample(&sample).message, line);
        let whole = Sample { time: Timestamp::from_seconds(1_795_348_981), ..failed() };
        let event = compact(LogFormat::Text).of_sample(&whole).message;
        assert_eq!(event, r"[request_type=GET] [name=/a] [response_time=12.5] [exception=500 for\nurl] [user=1]");
    }

    proptest! {
        #[test]
        fn a_full_event_can_be_restored_from_a_compact_one(
            micros in 0..4_000_000_000_000_000i64, name in ".*", elsewhere in any::<bool>(), failed in any::<bool>(),
            ms in prop::option::of(0.0..1e6f64), status in prop::option::of(100..600u16), has_host in any::<bool>(),
        ) {
            let host = has_host.then(|| "http://shop".to_owned());
            let identity = Arc::new(RunIdentity { host, ..(*identity()).clone() });
            let url = elsewhere.then(|| "https://pay.example/card".into());
            let failure = failed.then(|| Failure { kind: "E".into(), message: "no".into() }.into());
            let time = Timestamp::from_micros(micros);
            let sample = Sample { time, response_time_ms: ms, url, failure, status, ..sample(&name, 1, 1.0) };
            let [(_, full), (start, compact)] = [LogFields::Full, LogFields::Compact].map(|fields| {
                let mut formatter = LogFormatter::new(&config(|o| o.log_fields = fields).log, Arc::clone(&identity));
                let start = formatter.of_life_cycle(&test_start());
                (start, formatter.of_sample(&sample))
            });
            let json = |event: &LogEvent| -> serde_json::Map<_, _> { serde_json::from_str(&event.message).expect("JSON") };
            let (start, mut restored) = (json(&start), json(&compact));
            let beyond = restored.remove("time_us").map_or(0, |micros| micros.as_i64().expect("a number"));
            let time = Timestamp::from_micros(compact.timestamp * 1000 + beyond).iso8601();
            restored.insert("time".into(), time.into());
            // The last two parts of the stream's name.
            restored.insert("run_id".into(), identity.run_id.as_str().into());
            restored.insert("worker".into(), identity.worker.as_str().into());
            if !restored.contains_key("host") {
                restored.insert("host".into(), start["host"].clone());
            }
            prop_assert_eq!(restored, json(&full));
        }
    }

    #[test]
    fn response_times_are_logged_in_microseconds() {
        for (ms, logged) in [(0.1 + 0.2, "0.3"), (81.4 + 1e-9, "81.4"), (12.0, "12"), (0.000_4, "0")] {
            let sample = Sample { response_time_ms: Some(ms), ..failed() };
            let json = formatter(|_| {}).of_sample(&sample).message;
            assert!(json.contains(&format!(r#""response_time_ms":{logged},"#)), "{json}");
            let text = formatter(|o| o.log_format = LogFormat::Text).of_sample(&sample).message;
            assert!(text.contains(&format!("[response_time={logged}]")), "{text}");
        }
    }

    #[test]
    fn the_event_of_a_request_to_another_origin_names_it() {
        let url = Some("https://pay.example/card?x=1".into());
        let event = formatter(|_| {}).of_sample(&Sample { url, ..sample("/a", 1, 1.0) });
        assert!(event.message.contains(r#""host":"https://pay.example","#), "{}", event.message);
    }

    #[test]
    fn the_url_of_an_error_has_a_field_of_its_own_unless_it_is_the_name() {
        let failure = |message: &str| Some(Failure { kind: "E".into(), message: message.into() }.into());
        for (message, url) in
            [("404 for url: http://h/x?id=7", r#""url":"http://h/x?id=...""#), ("404 for url: /a", "")]
        {
            let sample = Sample { failure: failure(message), ..sample("/a", 1, 1.0) };
            let event = formatter(|_| {}).of_sample(&sample).message;
            assert!(event.contains(r#""error":"404""#) && event.contains(url), "{event}");
            assert_eq!(event.contains(r#""url""#), !url.is_empty());
        }
    }

    #[test]
    fn the_text_format_is_the_old_line() {
        let mut formatter = formatter(|o| o.log_format = LogFormat::Text);
        let good = formatter.of_sample(&sample("/a", 1_795_348_981, 12.5));
        assert_eq!(
            good.message,
            "[timestamp=2026/11/22 12:03:01.000000 UTC] [host=http://shop] [request_type=GET] [name=/a] \
             [response_time=12.5] [response_length=10] [user=1]"
        );
        let bad = formatter.of_sample(&failed());
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
        let mut events: Vec<_> = samples.iter().map(|sample| formatter.of_sample(sample)).collect();
        events.push(formatter.of_life_cycle(&event));
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
        let event = formatter(|_| {}).of_sample(&sample("/x?page=2", 1, 1.0));
        assert!(event.message.contains(r#""name":"/x?page=2""#), "{}", event.message);
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
        let got: Value = serde_json::from_str(&formatter.of_life_cycle(&event).message).expect("JSON");
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
            let mut names =
                |fields: &BTreeSet<String>| names_of(format, &formatter.of_life_cycle(&event(fields)).message);
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
        // Most cases have a megabyte to cut.
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn every_event_fits_whatever_it_holds(
            c in prop_oneof![Just('x'), Just('\u{1}'), Just('"'), Just('한')],
            name in 0..6000usize, error in 0..1_048_576usize, context in 0..200_000usize, text in any::<bool>(),
            compact in any::<bool>(),
        ) {
            let mut formatter = formatter(|o| {
                o.log_format = if text { LogFormat::Text } else { LogFormat::Json };
                o.log_fields = if compact { LogFields::Compact } else { LogFields::Full };
            });
            let repeated = |n: usize| c.to_string().repeat(n);
            let failure = Failure { kind: "E".into(), message: repeated(error) };
            let context = (0..100).map(|i| (i.to_string(), Scalar::Text(repeated(context / 100)))).collect();
            let sample = Sample { name: repeated(name).into(), failure: Some(failure.into()), context, ..sample("", 1, 1.0) };
            let event = formatter.of_sample(&sample);
            prop_assert!(event.counted_bytes() <= MAX_EVENT_BYTES);
            prop_assert!(text || serde_json::from_str::<Value>(&event.message).is_ok());
        }
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
            let event = formatter.of_sample(&Sample { context: entries().into(), ..failed() });
            assert!(event.counted_bytes() <= MAX_EVENT_BYTES, "{format:?}: {}", event.counted_bytes());
            let (time, name) = (Timestamp::from_seconds(0), long.clone());
            let event = LifeCycleEvent { time, name, fields: entries(), users: 0 };
            let event = formatter.of_life_cycle(&event);
            assert!(event.counted_bytes() <= MAX_EVENT_BYTES, "{format:?}: {}", event.counted_bytes());
        }
    }
}

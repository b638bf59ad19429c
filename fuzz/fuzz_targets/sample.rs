//! Records requests, events and gauges with any names and values: CloudWatch accepts the datums and log events.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use locust_cw::config::identity::RunIdentity;
use locust_cw::config::{LogFields, LogFormat, LogUrls, Options};
use locust_cw::logs::event::{LogEvent, MAX_EVENT_BYTES};
use locust_cw::logs::formats::LogFormatter;
use locust_cw::logs::line::LogLine;
use locust_cw::metrics::aggregator::Aggregator;
use locust_cw::metrics::datum::REQUEST_COUNT;
use locust_cw::sample::{Failure, Gauge, LifeCycleEvent, MAX_ENTRY_BYTES, MAX_ENTRY_NAME_BYTES, Sample, Scalar, Unit};
use locust_cw::timestamp::Timestamp;

mod limits;

#[derive(Debug, Arbitrary)]
enum Entry {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
}

/// A text, and how often it is repeated, so that the fuzzer finds texts that are too long sooner.
#[derive(Debug, Arbitrary)]
struct Text(String, u16);

impl Text {
    fn up_to(self, max_bytes: usize) -> String {
        let times = if self.0.is_empty() { 0 } else { usize::from(self.1 % 1024).min(max_bytes / self.0.len()).max(1) };
        let text = self.0.repeat(times);
        text[..text.floor_char_boundary(max_bytes)].to_owned()
    }
}

#[derive(Debug, Arbitrary)]
struct Request {
    micros: u32,
    method: Text,
    name: Text,
    url: Option<Text>,
    response_time_ms: Option<f64>,
    response_bytes: Option<f64>,
    failure: Option<(Text, Text)>,
    status: Option<u16>,
    users: u32,
    context: Vec<(Text, Entry)>,
    context_times: u8,
}

#[derive(Debug, Arbitrary)]
struct Test {
    text: bool,
    compact: bool,
    urls: bool,
    minutes: bool,
    host: Option<Text>,
    dimensions: u8,
    dimension: Vec<(String, String)>,
    requests: Vec<Request>,
    event: (Text, Vec<(Text, Entry)>),
    gauge: (Text, f64, Option<(Text, Text)>),
}

fn measure(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite() && *number >= 0.0)
}

/// Cuts the entries as the Python boundary does.
fn scalars(entries: Vec<(Text, Entry)>, times: u8) -> Vec<(String, Scalar)> {
    let scalar = |entry| match entry {
        Entry::Null => Scalar::Null,
        Entry::Bool(truth) => Scalar::Bool(truth),
        Entry::Int(number) => Scalar::Int(number),
        Entry::Float(number) => Scalar::Float(number),
        Entry::Text(text) => Scalar::Text(text.up_to(MAX_ENTRY_BYTES)),
    };
    let entries: Vec<_> =
        entries.into_iter().take(100).map(|(key, entry)| (key.up_to(MAX_ENTRY_NAME_BYTES), scalar(entry))).collect();
    let numbered = |(i, (key, value)): (usize, &(String, Scalar))| {
        let key = format!("{i}{key}");
        (key[..key.floor_char_boundary(MAX_ENTRY_NAME_BYTES)].to_owned(), value.clone())
    };
    entries.iter().cycle().take(entries.len() * (usize::from(times) + 1)).take(100).enumerate().map(numbered).collect()
}

impl Request {
    fn sample(self) -> Sample {
        Sample {
            time: Timestamp::from_seconds(1_795_348_981).plus_micros(self.micros.into()),
            method: self.method.up_to(1 << 20).into(),
            name: self.name.up_to(1 << 20).into(),
            url: self.url.map(|url| url.up_to(1 << 20).into()),
            response_time_ms: measure(self.response_time_ms),
            response_bytes: measure(self.response_bytes),
            failure: self
                .failure
                .map(|(kind, message)| Failure { kind: kind.up_to(1 << 20), message: message.up_to(1 << 20) }.into()),
            status: self.status,
            users: self.users,
            context: scalars(self.context, self.context_times).into(),
            is_logged: true,
        }
    }
}

fn check_event(line: &LogLine, text: bool) {
    let event: LogEvent = serde_json::from_slice(line.as_bytes()).expect("a line of JSON");
    let (message, counted) = (event.message.as_str(), event.counted_bytes());
    assert_eq!(counted, line.counted_bytes());
    assert!(!message.is_empty() && counted <= MAX_EVENT_BYTES, "{counted}");
    assert!(!message.contains(['\n', '\r']));
    assert!(text || serde_json::from_str::<serde_json::Value>(message).is_ok_and(|json| json.is_object()));
}

fuzz_target!(|test: Test| {
    let keys = ["Host,Request", "Host", "Method,RunId", "Host,Request,Method,RunId", "Request"];
    let options = Options {
        log_format: if test.text { LogFormat::Text } else { LogFormat::Json },
        log_fields: if test.compact { LogFields::Compact } else { LogFields::Full },
        log_urls: if test.urls { LogUrls::Full } else { LogUrls::Redacted },
        resolution: if test.minutes { 60 } else { 1 },
        dimensions: keys[usize::from(test.dimensions) % keys.len()].into(),
        dimension: test.dimension.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        max_requests: 3,
        ..Options::default()
    };
    let Ok(config) = options.validate() else { return };
    let identity = Arc::new(RunIdentity {
        run_id: "20261122T110301Z-7f3a".into(),
        worker: "w1".into(),
        host: test.host.map(|host| host.up_to(1 << 20)),
        fallback_host: None,
    });
    let mut aggregator = Aggregator::new(&config, Arc::clone(&identity));
    let (mut formatter, mut line) = (LogFormatter::new(&config.log, identity), LogLine::default());
    let number = test.requests.len();
    for request in test.requests {
        let sample = request.sample();
        aggregator.add(&sample);
        formatter.write_sample(&sample, &mut line);
        check_event(&line, test.text);
    }
    let time = Timestamp::from_seconds(1_795_348_981);
    let (name, fields) = test.event;
    let event = LifeCycleEvent { time, name: name.up_to(1 << 20), fields: scalars(fields, 0), users: 1 };
    formatter.write_life_cycle(&event, &mut line);
    check_event(&line, test.text);
    let (metric, value, dimension) = test.gauge;
    if let Some(value) = measure(Some(value)) {
        let dimension = dimension.map(|(name, value)| (name.up_to(4096), value.up_to(4096)));
        aggregator.add_gauge(Gauge { time, metric: metric.up_to(4096), value, unit: Unit::Count, dimension });
    }
    let datums = aggregator.close_all(|_, _, _| {});
    datums.iter().for_each(limits::check_datum);
    let names: Vec<_> = config
        .series
        .iter()
        .map(|key| key.name().to_owned())
        .chain(config.constant_dimensions.iter().map(|dimension| dimension.name.to_string()))
        .collect();
    let counted: u64 = datums.iter().map(|datum| datum.total_of(REQUEST_COUNT, &names)).sum();
    assert_eq!(usize::try_from(counted), Ok(number));
});

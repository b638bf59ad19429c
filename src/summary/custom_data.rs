//! What users add to a run: marks, and the names of custom metrics.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::config::LogUrls;
use crate::metrics::custom::CustomMetric;
use crate::redact::redact_urls;
use crate::timestamp::{DATES_END, Timestamp};

/// Maximum number of marks of a run. Further ones are ignored.
pub const MAX_MARKS: usize = 1_000;
/// Maximum number of marks of a process in one minute.
pub const MAX_MARKS_PER_MINUTE: usize = 100;
/// Maximum length of the text of a mark, in characters. The rest is cut.
pub const MAX_MARK_CHARS: usize = 256;
/// Maximum number of custom metrics of a run, counted with the names of their dimensions. Further ones are published, but not
/// listed.
const MAX_METRICS: usize = 400;
/// Marks of different processes with the same text are one mark if their times differ by no more than this: a hook of a locustfile
/// runs in every process, a moment later on a busy or distant one.
const SAME_MARK_MICROS: u64 = 5_000_000;

const MICROS: i64 = 1_000_000;

/// A moment of a run that a user has named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Microseconds since the epoch.
    micros: i64,
    text: SmolStr,
}

impl Mark {
    /// A mark; `None` if the text is blank. White space becomes single spaces, and a text that is too long is cut.
    #[must_use]
    pub fn new(time: Timestamp, text: &str) -> Option<Self> {
        let mut shown = String::new();
        for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
            if !shown.is_empty() {
                shown.push(' ');
            }
            shown.push_str(word);
        }
        if let Some((end, _)) = shown.char_indices().nth(MAX_MARK_CHARS) {
            shown.truncate(end);
        }
        (!shown.is_empty()).then(|| Self { micros: time.micros(), text: shown.into() })
    }

    /// A mark whose text a user has chosen: without the values in URLs, unless they are wanted.
    #[must_use]
    pub fn of_user(time: Timestamp, text: &str, urls: LogUrls) -> Option<Self> {
        Self::new(time, &if urls == LogUrls::Redacted { redact_urls(text) } else { Cow::Borrowed(text) })
    }

    /// The time.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.micros)
    }

    /// Moves it from the clock of a worker to that of its master.
    pub const fn shift(&mut self, seconds: i64) {
        self.micros = self.micros.saturating_add(seconds.saturating_mul(MICROS));
    }

    /// Whether its time is a date: another process could send any time.
    #[must_use]
    pub fn has_date(&self) -> bool {
        (0.0..DATES_END).contains(&self.time().seconds_f64())
    }

    /// The text: not blank, at most [`MAX_MARK_CHARS`].
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// How many marks a process has recorded.
#[derive(Debug, Default)]
pub struct MarkLimits {
    minute: i64,
    in_minute: usize,
    total: usize,
}

impl MarkLimits {
    /// What the log says of a mark that does not count.
    #[must_use]
    pub fn exceeded() -> String {
        format!(
            "More than {MAX_MARKS_PER_MINUTE} marks in one minute, or {MAX_MARKS} in all: locust-cw ignores further ones."
        )
    }

    /// Counts a mark, unless there were [`MAX_MARKS_PER_MINUTE`] in its minute or [`MAX_MARKS`] in all. Returns whether it counts.
    pub fn allow(&mut self, time: Timestamp) -> bool {
        let minute = time.seconds().div_euclid(60);
        if minute != self.minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
        let is_allowed = self.in_minute < MAX_MARKS_PER_MINUTE && self.total < MAX_MARKS;
        if is_allowed {
            self.in_minute += 1;
            self.total += 1;
        }
        is_allowed
    }
}

/// What the users of a process have added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomData {
    /// Marks.
    pub marks: Vec<Mark>,
    /// Custom metrics.
    pub metrics: Vec<CustomMetric>,
}

impl CustomData {
    /// Moves the marks from the clock of a worker to that of its master.
    pub fn shift(&mut self, seconds: i64) {
        self.marks.iter_mut().for_each(|mark| mark.shift(seconds));
    }
}

/// A mark of one or several processes.
#[derive(Debug, Clone)]
struct SharedMark {
    mark: Mark,
    processes: Vec<SmolStr>,
}

/// What became of a mark of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkAdded {
    /// It is a mark of its own.
    Own,
    /// Another process has made it, too.
    Shared,
    /// It was ignored, because the run has [`MAX_MARKS`] marks.
    Ignored,
}

/// What the users of all processes have added to a run.
#[derive(Debug, Clone, Default)]
pub struct RunCustomData {
    marks: Vec<SharedMark>,
    metrics: BTreeSet<CustomMetric>,
}

impl RunCustomData {
    /// Adds what a process has sent.
    pub fn add(&mut self, process: &str, custom_data: &CustomData) {
        // Another process could send a mark of any length and time.
        let shown = custom_data.marks.iter().filter(|mark| mark.has_date());
        let marks = shown.filter_map(|mark| Mark::new(mark.time(), &mark.text));
        for mark in marks {
            self.add_mark(process, mark);
        }
        custom_data.metrics.iter().for_each(|metric| self.add_metric(metric.clone()));
    }

    /// Adds a mark of a process.
    pub fn add_mark(&mut self, process: &str, mark: Mark) -> MarkAdded {
        let is_same = |other: &&mut SharedMark| {
            other.mark.text == mark.text
                && other.mark.micros.abs_diff(mark.micros) <= SAME_MARK_MICROS
                && other.processes.iter().all(|name| name != process)
        };
        if let Some(other) = self.marks.iter_mut().find(is_same) {
            other.mark.micros = other.mark.micros.min(mark.micros);
            other.processes.push(process.into());
            return MarkAdded::Shared;
        }
        if self.marks.len() >= MAX_MARKS {
            return MarkAdded::Ignored;
        }
        self.marks.push(SharedMark { mark, processes: vec![process.into()] });
        MarkAdded::Own
    }

    /// Adds a custom metric.
    pub fn add_metric(&mut self, metric: CustomMetric) {
        if self.metrics.len() < MAX_METRICS {
            self.metrics.insert(metric);
        }
    }

    /// The marks, oldest first.
    #[must_use]
    pub fn marks(&self) -> Vec<Mark> {
        let mut marks: Vec<_> = self.marks.iter().map(|shared| shared.mark.clone()).collect();
        marks.sort_by_key(|mark| mark.micros);
        marks
    }

    /// The custom metrics, by name.
    #[must_use]
    pub fn metrics(&self) -> Vec<CustomMetric> {
        self.metrics.iter().cloned().collect()
    }
}

/// The marks of two parts of a run, oldest first.
#[must_use]
pub fn merge_marks(one: impl IntoIterator<Item = Mark>, other: impl IntoIterator<Item = Mark>) -> Vec<Mark> {
    let mut sum = RunCustomData::default();
    for mark in one {
        sum.add_mark("one", mark);
    }
    for mark in other {
        sum.add_mark("other", mark);
    }
    sum.marks()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::custom::Kind;
    use crate::sample::Unit;

    fn mark(second: i64, text: &str) -> Mark {
        Mark::new(Timestamp::from_seconds(second), text).expect("a text")
    }

    fn shown(custom_data: &RunCustomData) -> Vec<(i64, String)> {
        custom_data.marks().iter().map(|mark| (mark.time().seconds(), mark.text().to_owned())).collect()
    }

    #[test]
    fn the_text_of_a_mark_is_one_line_of_bounded_length() {
        assert_eq!(mark(1, " deploy\n\tbegan \u{7}").text(), "deploy began");
        assert_eq!(mark(1, &"가".repeat(300)).text(), "가".repeat(MAX_MARK_CHARS));
        assert!(["", " \n", "\u{0}"].iter().all(|text| Mark::new(Timestamp::from_seconds(1), text).is_none()));
    }

    #[test]
    fn the_same_mark_of_several_processes_is_one() {
        let mut run = RunCustomData::default();
        for (process, second, text) in [
            ("w1", 12, "begin"),
            ("w2", 10, "begin"),
            ("w3", 14, "begin"),
            ("w1", 11, "other"),
            // Another round.
            ("w2", 30, "begin"),
            ("w1", 31, "begin"),
            // One process that repeats a mark has several.
            ("w1", 50, "tick"),
            ("w1", 51, "tick"),
        ] {
            run.add_mark(process, mark(second, text));
        }
        let expected = [(10, "begin"), (11, "other"), (30, "begin"), (50, "tick"), (51, "tick")];
        assert_eq!(shown(&run), expected.map(|(second, text)| (second, text.to_owned())));
    }

    #[test]
    fn the_marks_of_two_parts_of_a_run_are_merged() {
        let merged = merge_marks([mark(1, "a"), mark(2, "a"), mark(9, "b")], [mark(2, "a"), mark(5, "c")]);
        let found: Vec<_> = merged.iter().map(|mark| (mark.time().seconds(), mark.text())).collect();
        assert_eq!(found, [(1, "a"), (2, "a"), (5, "c"), (9, "b")]);
    }

    #[test]
    fn the_marks_of_a_worker_with_a_wrong_clock_are_moved() {
        let mut custom_data = CustomData { marks: vec![mark(10, "begin")], metrics: vec![] };
        custom_data.shift(300);
        let mut run = RunCustomData::default();
        run.add_mark("w1", mark(308, "begin"));
        run.add("w2", &custom_data);
        assert_eq!(shown(&run), [(308, "begin".to_owned())]);
        custom_data.shift(i64::MAX);
        run.add("w2", &custom_data);
        assert_eq!(run.marks().len(), 1, "no date");
    }

    #[test]
    fn marks_are_limited_by_the_minute_and_in_all() {
        let mut limits = MarkLimits::default();
        let allowed = |limits: &mut MarkLimits, second| {
            (0..1_200).filter(|_| limits.allow(Timestamp::from_seconds(second))).count()
        };
        assert_eq!([allowed(&mut limits, 0), allowed(&mut limits, 59), allowed(&mut limits, 60)], [100, 0, 100]);
        assert_eq!((2..20).map(|minute| allowed(&mut limits, minute * 60)).sum::<usize>(), MAX_MARKS - 200);
    }

    #[test]
    fn marks_and_metrics_are_bounded() {
        let mut run = RunCustomData::default();
        let metric = |number| CustomMetric {
            metric: format!("m{number}").into(),
            kind: Kind::Gauge,
            unit: Unit::None,
            dimensions: vec![],
        };
        let custom_data = CustomData {
            marks: (0..2000).map(|second| Mark { micros: second, text: "x".repeat(1000).into() }).collect(),
            metrics: (0..2000).map(metric).collect(),
        };
        run.add("w1", &custom_data);
        run.add("w1", &custom_data);
        assert_eq!((run.marks().len(), run.metrics().len()), (MAX_MARKS, MAX_METRICS));
        let shared = run.marks()[0].clone();
        assert_eq!(run.add_mark("w2", shared), MarkAdded::Shared);
        assert_eq!(run.add_mark("w2", mark(9_999, "x")), MarkAdded::Ignored);
        assert!(run.marks().iter().all(|mark| mark.text().len() == MAX_MARK_CHARS));
    }

    proptest! {
        #[test]
        fn each_mark_of_one_process_is_kept_and_in_order(seconds in prop::collection::vec(0..100i64, 0..50)) {
            let mut run = RunCustomData::default();
            assert!(seconds.iter().all(|&second| run.add_mark("w1", mark(second, "x")) == MarkAdded::Own));
            let mut expected: Vec<_> = seconds.iter().map(|&second| (second, "x".to_owned())).collect();
            expected.sort_unstable();
            prop_assert_eq!(shown(&run), expected);
        }

        #[test]
        fn a_mark_of_all_processes_in_one_moment_is_one_in_any_order(times in prop::collection::vec(0..5_000_000i64, 1..20)) {
            let mut run = RunCustomData::default();
            for (number, &micros) in times.iter().enumerate() {
                run.add_mark(&number.to_string(), Mark { micros, text: "x".into() });
            }
            prop_assert_eq!(run.marks().len(), 1);
            prop_assert_eq!(run.marks()[0].micros, *times.iter().min().expect("a time"));
        }
    }
}

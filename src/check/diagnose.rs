//! The problem with words that are not a measure. The probable intention of the user determines the text and the position.

use super::error::{ParseError, shown};
use super::expression::{GENERATOR, Measure, Quoted};
use super::measure::{generator_problem, is_measure, measure_of};
use super::name::{Name, no_name};
use super::parse::{EXAMPLE, OPERATORS};
use super::scanner::Scanner;
use super::statistic::{is_statistic, statistic_problem};
use super::subject::Word;

/// The error of a measure of the generator with another scope, or of another measure with the scope of the generator.
pub(super) fn wrong_scope(scanner: &Scanner<'_>, at: usize, measure: &Measure) -> ParseError {
    scanner.error(at, scope_problem(measure))
}

fn scope_problem(measure: &Measure) -> String {
    if measure.is_of_generator() {
        return format!("only the generator has the measure {measure}: write {GENERATOR}: {measure}");
    }
    format!("the generator has no measure {measure}: for a request with this name, write \"{GENERATOR}\": {measure}")
}

/// The error of words that are not a measure. They begin at `start`.
pub(super) fn problem_of(scanner: &Scanner<'_>, start: usize, words: &[Word], name: Option<&Name>) -> ParseError {
    let (at, problem) = match name {
        _ if words.is_empty() => (start, format!("the measure is missing: write a check such as {EXAMPLE}")),
        None => without_name(scanner, words),
        Some(name) => misplaced_colon(scanner, words, name).unwrap_or_else(|| match words {
            [word] if word.is_quoted || !name.is_generator() => one_word_of_name(word),
            _ if name.is_generator() => (start, generator_problem(text_of(scanner, words))),
            _ => words_of_name(scanner, words),
        }),
    };
    scanner.error(at, problem)
}

const NO_METRIC: &str = "there is no metric in the quotation marks: write one, such as CPUUtilization";

/// A problem, and its position in bytes.
type Problem = (usize, String);

fn without_name(scanner: &Scanner<'_>, words: &[Word]) -> Problem {
    if let Some(problem) = missing_operator(words) {
        return problem;
    }
    if let Some((at, name, subject)) = missing_colon(scanner, words) {
        let problem = match measure_of(subject) {
            _ if name.is_empty() => no_name(),
            Ok(measure) if measure.is_of_generator() != (name == GENERATOR) => scope_problem(&measure),
            _ => format!("a name must be followed by a colon and a space: write {name}: {subject}"),
        };
        return (at, problem);
    }
    match words {
        [metric, statistic] if is_statistic(&statistic.text) => (
            metric.at,
            format!("expected a target before the metric: write TARGET: {} {}", metric.text, statistic.text),
        ),
        _ => no_measure(scanner, words),
    }
}

/// The end of the name, the name and the rest of words such as `POST /:p95`, `generator cpu` or `rds:db CPUUtilization Average`.
fn missing_colon<'a>(scanner: &Scanner<'a>, words: &[Word]) -> Option<(usize, &'a str, &'a str)> {
    let [first, .., last] = words else { return missing_space(scanner, words.first()?) };
    let before_last = &words[words.len() - 2];
    // A percentile is both a measure and a statistic. It is more likely to follow the name of a request than a metric.
    let is_metric = is_statistic(&last.text) && !is_measure(&last.text);
    let subject = if is_metric { before_last } else { last };
    let end = match subject.colon() {
        Some(end) if is_metric || is_measure(&last.text[end + 1..]) => subject.at + end,
        None if words.len() > 2 && is_metric || is_measure(&last.text) => subject.at,
        _ => return None,
    };
    Some(split(scanner, first.at, end))
}

/// The same, for one word such as `generator:cpu`.
fn missing_space<'a>(scanner: &Scanner<'a>, word: &Word) -> Option<(usize, &'a str, &'a str)> {
    let end = word.colon().filter(|end| is_measure(&word.text[end + 1..]))?;
    Some(split(scanner, word.at, word.at + end))
}

fn split<'a>(scanner: &Scanner<'a>, start: usize, end: usize) -> (usize, &'a str, &'a str) {
    let (name, subject) = scanner.since(start).split_at(end - start);
    (end, name.trim_end(), subject.trim_start_matches(':').trim())
}

/// The problem of a colon that does not end the name, or follows a measure.
fn misplaced_colon(scanner: &Scanner<'_>, words: &[Word], name: &Name) -> Option<Problem> {
    let ends_with_colon = |word: &&Word| !word.is_quoted && word.text.ends_with(':');
    if let (Some(first), Some(last)) = (words.iter().find(ends_with_colon), words.iter().rfind(ends_with_colon)) {
        let start = words[0].at;
        let further = &scanner.since(start)[..last.at - start + last.text.len() - 1];
        let full = format!("{}: {further}", name.text);
        return Some((
            first.at,
            format!("a name that contains a colon and a space needs quotation marks: write {}", Quoted(&full)),
        ));
    }
    let has_measure = matches!(words, [word] if is_measure(&word.text));
    if name.is_quoted || !is_measure(&name.text) || has_measure {
        return None;
    }
    let colon = scanner.since(0)[..words[0].at].rfind(':').unwrap_or_default();
    Some((colon, format!("expected an operator after {}, not a colon: {OPERATORS}", name.text)))
}

fn one_word_of_name(word: &Word) -> Problem {
    let (text, is_capitalized) = (&word.text, word.text.starts_with(|c: char| c.is_ascii_uppercase()));
    let problem = match measure_of(text) {
        _ if text.trim().is_empty() => NO_METRIC.to_owned(),
        Ok(measure) => format!("a measure must not be in quotation marks: write {measure}"),
        Err(_) if is_statistic(text) => format!("expected a metric before the statistic: write CPUUtilization {text}"),
        Err(_) if word.is_quoted => format!("expected a statistic after the metric: write {} Average", Quoted(text)),
        // Names of AWS metrics are capitalized. `Mean` is a measure in the wrong case.
        Err(_) if is_capitalized && !is_measure(&text.to_lowercase()) => {
            format!("expected a statistic after the metric: write {text} Average")
        }
        Err(problem) => problem,
    };
    (word.at, problem)
}

fn words_of_name(scanner: &Scanner<'_>, words: &[Word]) -> Problem {
    if let Some(problem) = missing_operator(words) {
        return problem;
    }
    match words {
        [metric, ..] if metric.text.trim().is_empty() => (metric.at, NO_METRIC.to_owned()),
        [_, statistic] if is_statistic(&statistic.text) => {
            (statistic.at, format!("a statistic must not be in quotation marks: write {}", statistic.text))
        }
        [statistic, metric] if is_statistic(&statistic.text) => {
            (statistic.at, format!("the metric comes before the statistic: write {} {}", metric.text, statistic.text))
        }
        [_, statistic] => (statistic.at, statistic_problem(&statistic.text)),
        [first, .., last] if is_statistic(&last.text) && words.iter().all(|word| !word.is_quoted) => {
            let metric = scanner.since(first.at)[..last.at - first.at].trim_end();
            let written = format!("{} {}", Quoted(metric), last.text);
            (first.at, format!("a metric name that contains a space needs quotation marks: write {written}"))
        }
        _ => no_measure(scanner, words),
    }
}

/// The problem of a measure, or a metric with a statistic, and further words.
fn missing_operator(words: &[Word]) -> Option<Problem> {
    let (subject, next) = match words {
        [first, second, ..] if !first.is_quoted && is_measure(&first.text) => (first.text.clone(), second),
        [first, second] if is_measure(&format!("{}{}", first.text, second.text)) => {
            return Some((second.at, format!("a measure is one word: write {}{}", first.text, second.text)));
        }
        [metric, statistic, next, ..]
            if is_statistic(&statistic.text) && !is_statistic(&words[words.len() - 1].text) =>
        {
            (format!("{} {}", metric.text, statistic.text), next)
        }
        _ => return None,
    };
    Some((next.at, format!("expected an operator after {subject}, not {}: {OPERATORS}", shown(&next.text))))
}

fn no_measure(scanner: &Scanner<'_>, words: &[Word]) -> Problem {
    let text = text_of(scanner, words);
    let problem = match words {
        [_] => measure_of(text).err(),
        _ => None,
    };
    (
        words[0].at,
        problem.unwrap_or_else(|| format!("unknown measure {}: write a check such as {EXAMPLE}", shown(text))),
    )
}

/// The words as written. There is at least one.
fn text_of<'a>(scanner: &Scanner<'a>, words: &[Word]) -> &'a str {
    scanner.since(words[0].at).trim_end()
}

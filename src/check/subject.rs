//! Reads the subject of a check: the scope and the measure.

use super::diagnose;
use super::error::ParseError;
use super::expression::{Measure, Scope, is_operator_char};
use super::measure::{is_measure, measure_of};
use super::name::Name;
use super::scanner::Scanner;
use super::statistic::is_statistic;

/// A word between the colon and the operator.
pub(super) struct Word {
    /// Its position, in bytes.
    pub(super) at: usize,
    pub(super) text: String,
    pub(super) is_quoted: bool,
}

impl Word {
    /// The position of its last colon, in bytes from its beginning.
    pub(super) fn colon(&self) -> Option<usize> {
        // The text of a quoted word is shorter than the word.
        if self.is_quoted { None } else { self.text.rfind(':') }
    }
}

/// Reads the measure. It decides whether the name is that of a request or of a target.
pub(super) fn subject(scanner: &mut Scanner<'_>, name: Option<Name>) -> Result<(Scope, Measure), ParseError> {
    let start = scanner.skip_whitespace();
    let words = words(scanner)?;
    let is_target = name.as_ref().is_some_and(|name| !name.is_generator());
    if let [metric, statistic] = words.as_slice()
        && is_target
        && is_metric(metric)
        && !statistic.is_quoted
        && is_statistic(&statistic.text)
    {
        let (metric, statistic) = (metric.text.clone(), statistic.text.clone());
        let target = name.map(|name| name.text).unwrap_or_default();
        return Ok((Scope::Target(target), Measure::Target { metric, statistic }));
    }
    if let [word] = words.as_slice()
        && !word.is_quoted
        && let Ok(measure) = measure_of(&word.text)
    {
        let scope = match name {
            None => Scope::All,
            Some(name) if name.is_generator() => Scope::Generator,
            Some(name) => Scope::Request(name.text),
        };
        if measure.is_of_generator() != (scope == Scope::Generator) {
            return Err(diagnose::wrong_scope(scanner, word.at, &measure));
        }
        return Ok((scope, measure));
    }
    Err(diagnose::problem_of(scanner, start, &words, name.as_ref()))
}

/// Whether a word is a metric. A metric with the name of a measure must be quoted, because otherwise it is the measure.
fn is_metric(word: &Word) -> bool {
    if word.is_quoted { !word.text.trim().is_empty() } else { !word.text.ends_with(':') && !is_measure(&word.text) }
}

/// Reads words, some of them in quotation marks, up to the operator or the end.
fn words(scanner: &mut Scanner<'_>) -> Result<Vec<Word>, ParseError> {
    let mut words = Vec::new();
    loop {
        let at = scanner.skip_whitespace();
        match scanner.peek() {
            None => return Ok(words),
            Some(c) if is_operator_char(c) => return Ok(words),
            Some('"') => words.push(Word { at, text: scanner.quoted()?, is_quoted: true }),
            Some(_) => {
                let text = scanner.take_while(|c| !c.is_whitespace() && !is_operator_char(c)).to_owned();
                words.push(Word { at, text, is_quoted: false });
            }
        }
    }
}

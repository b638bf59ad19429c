//! Reads the name before the colon: that of a request, of a target, or `generator`.

use super::error::ParseError;
use super::expression::{GENERATOR, Quoted, end_of_scope, is_operator_char};
use super::measure::is_measure;
use super::parse::EXAMPLE;
use super::scanner::Scanner;
use super::several::{ONE_CONDITION, is_separator, refuse_condition};

/// A name before the colon.
pub(super) struct Name {
    pub(super) text: String,
    pub(super) is_quoted: bool,
}

impl Name {
    pub(super) fn is_generator(&self) -> bool {
        !self.is_quoted && self.text == GENERATOR
    }
}

/// Reads a name and its colon. None for a check on all requests, which has no name.
pub(super) fn name(scanner: &mut Scanner<'_>) -> Result<Option<Name>, ParseError> {
    let start = scanner.at();
    match scanner.peek() {
        Some('"') => return quoted_name(scanner).map(Some),
        Some('\'') => single_quotes(scanner)?,
        _ => {}
    }
    let Some(end) = end_of_scope(scanner.rest()) else { return Ok(None) };
    let text = scanner.take(end).trim_end().to_owned();
    refuse_condition(scanner, start, &text)?;
    scanner.take(1);
    if text.is_empty() {
        return Err(scanner.error(start, no_name()));
    }
    Ok(Some(Name { text, is_quoted: false }))
}

/// The problem of a colon without a name before it.
pub(super) fn no_name() -> String {
    format!("there is no name before the colon: write one, such as GET /: {EXAMPLE}")
}

fn quoted_name(scanner: &mut Scanner<'_>) -> Result<Name, ParseError> {
    let start = scanner.at();
    let text = scanner.quoted()?;
    let end = scanner.skip_whitespace();
    if text.trim().is_empty() {
        return Err(scanner.error(start, "there is no name in the quotation marks: write one, or remove them"));
    }
    if scanner.peek() == Some(':') {
        scanner.take(1);
        return Ok(Name { text, is_quoted: true });
    }
    if scanner.peek().is_some_and(is_separator) && text.contains(is_operator_char) {
        return Err(scanner.error(end, ONE_CONDITION));
    }
    if scanner.is_at_end() && text.contains(is_operator_char) {
        return Err(scanner.error(start, "the check is in quotation marks: remove them"));
    }
    if is_measure(&text) {
        return Err(scanner.error(start, format!("a measure must not be in quotation marks: write {text}")));
    }
    Err(scanner.error(end, format!("expected a colon after the name: write {}: {EXAMPLE}", Quoted(&text))))
}

/// Refuses single quotation marks around the check or the name.
fn single_quotes(scanner: &Scanner<'_>) -> Result<(), ParseError> {
    let inner = &scanner.rest()[1..];
    if let Some(name) = inner.find("':").map(|end| &inner[..end]) {
        let problem = format!("a name takes double quotation marks, not single ones: write {}", Quoted(name));
        return Err(scanner.error(scanner.at(), problem));
    }
    if inner.is_empty() || inner.trim_end().ends_with('\'') {
        return Err(scanner.error(scanner.at(), "the check is in quotation marks: remove them"));
    }
    Ok(())
}

//! Texts that contain several checks. Without an error, the first of them would be the name of a request.

use super::error::ParseError;
use super::expression::{Check, Quoted, is_operator_char};
use super::measure::{is_measure, means_measure};
use super::scanner::Scanner;

/// What to write instead of a text with several conditions.
pub(super) const ONE_CONDITION: &str = "a check has only one condition: write a separate check for each; a file or a variable \
                                        takes a list in brackets such as [p95 < 300ms, failures < 1%]";
const NO_LIST: &str = "a check is not a list: write each check separately and without brackets; a list in a file or a variable \
                       must begin with [ and end with ] on the same line";

/// What separates two conditions, apart from words.
pub(super) const fn is_separator(c: char) -> bool {
    matches!(c, ',' | ';' | '&' | '|')
}

/// Refuses a list in brackets, and the beginning of one. A name may begin with a bracket, too.
pub(super) fn refuse_list(scanner: &Scanner<'_>) -> Result<(), ParseError> {
    let text = scanner.rest().trim_end();
    let Some(first) = text.strip_prefix('[') else { return Ok(()) };
    let first = first.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    if first.is_empty() || text.ends_with(']') || begins_with_condition(first) {
        return Err(scanner.error(scanner.at(), NO_LIST));
    }
    Ok(())
}

/// Refuses a name that begins with a condition, as in `p95 < 300ms, GET /: p99 < 1s`. The name begins at `start`, in bytes.
pub(super) fn refuse_condition(scanner: &Scanner<'_>, start: usize, name: &str) -> Result<(), ParseError> {
    if !begins_with_condition(name) {
        return Ok(());
    }
    Err(if let Some(separator) = name.find(is_separator) {
        scanner.error(start + separator, ONE_CONDITION)
    } else if name.parse::<Check>().is_ok() {
        scanner.error(start + name.len(), "expected the end of the check after the limit, not a colon: remove it")
    } else {
        let problem = format!("a name that begins with a condition needs quotation marks: write {}", Quoted(name));
        scanner.error(start, problem)
    })
}

/// Whether a text begins with a measure and an operator.
pub(super) fn begins_with_condition(text: &str) -> bool {
    let Some(operator) = text.find(is_operator_char) else { return false };
    let word = text[..operator].trim();
    // The name of a request can be `count=5`. It is not `latency < 5`.
    is_measure(word) || text[operator..].starts_with(['<', '>', '≤', '≥']) && means_measure(word)
}

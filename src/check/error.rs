//! The error of a malformed expression: the problem, the expression, and a caret below the position.

use std::fmt;

use unicode_width::UnicodeWidthChar;

/// Maximum length of an expression that is shown in full. A longer line would wrap in a terminal.
const MAX_SHOWN_CHARS: usize = 100;
/// Characters of a longer expression that are shown before and after the position.
const CONTEXT_CHARS: usize = 45;
/// Maximum length of a part of the expression in the text of a problem.
const MAX_QUOTED_CHARS: usize = 40;

/// Why a text is not a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The text.
    pub expression: String,
    /// Where the problem is, as a number of characters from the beginning: at most the length of the text.
    pub position: usize,
    /// The problem, and what to write, in one line.
    pub problem: String,
}

impl std::error::Error for ParseError {}

/// Writes three lines: the problem, the expression, and a caret.
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chars: Vec<char> = self.expression.chars().map(printable).collect();
        let (start, end) = if chars.len() <= MAX_SHOWN_CHARS {
            (0, chars.len())
        } else {
            (self.position.saturating_sub(CONTEXT_CHARS), chars.len().min(self.position + CONTEXT_CHARS))
        };
        let cut = |is_cut: bool| if is_cut { "…" } else { "" };
        let before: String = chars[start..self.position].iter().collect();
        let after: String = chars[self.position..end].iter().collect();
        let before = format!("{}{before}", cut(start > 0));
        let indent: usize = before.chars().filter_map(UnicodeWidthChar::width).sum();
        writeln!(f, "{}", self.problem)?;
        writeln!(f, "{before}{after}{}", cut(end < chars.len()))?;
        write!(f, "{:indent$}^", "")
    }
}

/// Replaces characters that change the layout of a line.
fn printable(c: char) -> char {
    match c {
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// A part of the expression in quotation marks, for the text of a problem.
pub(super) fn shown(part: &str) -> String {
    let mut chars = part.chars().map(printable);
    let start: String = chars.by_ref().take(MAX_QUOTED_CHARS).collect();
    let end = if chars.next().is_some() { "…" } else { "" };
    if start.starts_with('"') { format!("{start}{end}") } else { format!("\"{start}{end}\"") }
}

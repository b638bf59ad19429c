//! Reads an expression from left to right, and makes errors with the position in it.

use super::error::{ParseError, shown};

/// Maximum length of an expression, in characters.
pub const MAX_CHARS: usize = 1024;

/// A text, and how far it is read.
pub(super) struct Scanner<'a> {
    text: &'a str,
    /// The current position, in bytes.
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Refuses texts that are too long, or contain control characters.
    pub(super) fn new(text: &'a str) -> Result<Self, ParseError> {
        let scanner = Self { text, at: 0 };
        if let Some((at, _)) = text.char_indices().nth(MAX_CHARS) {
            return Err(scanner.error(at, format!("the check is longer than {MAX_CHARS} characters: shorten it")));
        }
        if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control()) {
            let problem =
                format!("the check contains the control character {c:?}: remove it, or write a space instead");
            return Err(scanner.error(at, problem));
        }
        Ok(scanner)
    }

    /// An error at a position in bytes.
    pub(super) fn error(&self, at: usize, problem: impl Into<String>) -> ParseError {
        let position = self.text[..at].chars().count();
        ParseError { expression: self.text.to_owned(), position, problem: problem.into() }
    }

    /// The current position, in bytes.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Continues at an earlier position.
    pub(super) const fn return_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The text from an earlier position to the current one.
    pub(super) fn since(&self, at: usize) -> &'a str {
        &self.text[at..self.at]
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Skips whitespace. Returns the new position.
    pub(super) fn skip_whitespace(&mut self) -> usize {
        self.take_while(char::is_whitespace);
        self.at
    }

    /// Reads the characters that satisfy a predicate.
    pub(super) fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        self.take(rest.find(|c| !belongs(c)).unwrap_or(rest.len()))
    }

    /// Reads a number of bytes, which must end at the boundary of a character.
    pub(super) fn take(&mut self, bytes: usize) -> &'a str {
        let taken = &self.rest()[..bytes];
        self.at += bytes;
        taken
    }

    /// Reads up to the next whitespace.
    pub(super) fn word(&mut self) -> &'a str {
        self.take_while(|c| !c.is_whitespace())
    }

    /// Reads a name in double quotes, in which a backslash precedes a quotation mark and a backslash.
    pub(super) fn quoted(&mut self) -> Result<String, ParseError> {
        let start = self.at;
        let mut chars = self.rest().char_indices().skip(1);
        let mut name = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + at + 1;
                    return Ok(name);
                }
                '\\' => {
                    let Some((_, escaped @ ('"' | '\\'))) = chars.next() else {
                        let problem = "in a quoted name, write a backslash before each quotation mark and backslash";
                        return Err(self.error(start + at, problem));
                    };
                    name.push(escaped);
                }
                c => name.push(c),
            }
        }
        let problem = format!("the name {} has no closing quotation mark: add one at its end", shown(&name));
        Err(self.error(start, problem))
    }
}

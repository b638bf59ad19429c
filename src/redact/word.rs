//! A word of a text, parsed as a URL: finds the values, user names and passwords in it.

use std::ops::Range;

use super::{REPLACEMENT, Redaction, is_separator};

/// Maximum number of punctuation characters that are regarded as the end of a sentence.
const MAX_TRAILING: usize = 3;

/// Whether a byte may follow a URL without being a part of it.
const fn is_trailing(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`' | b')' | b']' | b'}' | b',' | b'.' | b':' | b';' | b'!' | b'?' | b'\\')
}

/// The number of brackets that are open within values. It starts anew with each parameter, so that redacting the result again
/// changes nothing.
#[derive(Default)]
struct OpenBrackets(usize);

/// What a closing bracket closes.
#[derive(PartialEq, Eq)]
enum Closing {
    /// A bracket of the same value.
    Own,
    /// One before the value, if there is one.
    Other,
}

impl OpenBrackets {
    /// Counts a byte. If it is a closing bracket, the result is what it closes.
    fn read(&mut self, byte: u8) -> Option<Closing> {
        match byte {
            b'=' | b'&' => self.0 = 0,
            b'(' | b'[' | b'{' => self.0 += 1,
            b')' | b']' | b'}' if self.0 == 0 => return Some(Closing::Other),
            b')' | b']' | b'}' => {
                self.0 -= 1;
                return Some(Closing::Own);
            }
            _ => {}
        }
        None
    }
}

/// A word, and the state of its parser. All ranges begin and end next to ASCII characters, so they can slice the text.
pub(super) struct Word<'a> {
    bytes: &'a [u8],
    /// The current position.
    at: usize,
    end: usize,
    /// The whole word is a URL, with any characters.
    is_raw: bool,
    last_at_sign: Option<usize>,
    /// The open quotation mark, and whether a backslash precedes it.
    quote: Option<(u8, bool)>,
    /// The open quotation mark around that one.
    outer_quote: Option<(u8, bool)>,
    /// The number of open brackets.
    depth: usize,
    /// The word is a URL, because it has a `/` or a value.
    is_url: bool,
    /// Where a user name may begin, and the first colon after it.
    segment: usize,
    colon: Option<usize>,
}

impl<'a> Word<'a> {
    pub(super) fn new(text: &'a str, Range { start, end }: Range<usize>, is_raw: bool) -> Self {
        let bytes = text.as_bytes();
        let last_at_sign = bytes[start..end].iter().rposition(|&byte| byte == b'@').map(|length| start + length);
        Self {
            bytes,
            at: start,
            end,
            is_raw,
            last_at_sign,
            quote: None,
            outer_quote: None,
            depth: 0,
            is_url: false,
            segment: start,
            colon: None,
        }
    }

    /// Adds the secrets of the word to the redaction. It reads each byte at most a few times, so it takes linear time.
    pub(super) fn redact(mut self, redaction: &mut Redaction<'_>) {
        while self.at < self.end {
            match self.bytes[self.at] {
                b'/' => self.slash(redaction),
                b'@' if self.colon.is_some() => self.user_without_scheme(redaction),
                b';' if self.is_url => self.parameter(redaction),
                b'#' if self.is_route() => self.begin_segment(self.at + 1),
                b'?' => self.query(redaction, b"#"),
                b'#' => self.query(redaction, b""),
                b':' => {
                    self.colon.get_or_insert(self.at);
                    self.at += 1;
                }
                // After a colon, it may be a part of a password.
                b',' | b'=' | b'&' | b'|' if self.colon.is_none() => self.begin_segment(self.at + 1),
                b'"' | b'\'' if !self.is_raw => self.quotation_mark(),
                b'(' | b'[' | b'{' if !self.is_raw => {
                    self.depth += 1;
                    self.begin_segment(self.at + 1);
                }
                b')' | b']' | b'}' if !self.is_raw => {
                    self.depth = self.depth.saturating_sub(1);
                    self.begin_segment(self.at + 1);
                }
                _ => self.at += 1,
            }
        }
    }

    /// Continues at `at`, where a user name may begin.
    fn begin_segment(&mut self, at: usize) {
        self.at = at;
        self.segment = at;
        self.colon = None;
    }

    /// Continues after a value. A quotation mark that ends the value does not open a quotation.
    fn leave_value(&mut self, end: usize) {
        let closes = end < self.end && self.bytes[end] == b'"' && self.quote.is_none();
        self.begin_segment(if closes { end + 1 } else { end });
    }

    fn quotation_mark(&mut self) {
        let mark = self.mark(self.at);
        if self.quote == Some(mark) {
            self.quote = self.outer_quote.take();
        } else if self.outer_quote == Some(mark) {
            (self.quote, self.outer_quote) = (None, None);
        } else if !self.before(self.at).is_some_and(|before| before.is_ascii_alphanumeric()) {
            // After a letter or digit, it is an apostrophe.
            self.outer_quote = self.quote.replace(mark);
        }
        self.begin_segment(self.at + 1);
    }

    /// The quotation mark at a position.
    fn mark(&self, at: usize) -> (u8, bool) {
        (self.bytes[at], at > 0 && self.bytes[at - 1] == b'\\')
    }

    /// The byte before a position, except for backslashes.
    fn before(&self, at: usize) -> Option<u8> {
        self.bytes[..at].iter().rev().copied().find(|&byte| byte != b'\\')
    }

    /// Whether the fragment that begins here is a route within a page, which may have a query of its own: `#/cart?a=b`.
    fn is_route(&self) -> bool {
        let rest = &self.bytes[self.at + 1..self.end];
        let rest = rest.strip_prefix(b"!").unwrap_or(rest);
        rest.starts_with(b"/") || rest.starts_with(br"\/")
    }

    /// The end of a value that begins at `start`. One of the `stops` ends it at the latest.
    fn end_of_value(&self, start: usize, stops: &[u8]) -> usize {
        let mut brackets = OpenBrackets::default();
        for at in start..self.end {
            let byte = self.bytes[at];
            let ends = match (byte, self.quote) {
                _ if stops.contains(&byte) => true,
                _ if self.is_raw => false,
                // Only the same mark closes a quotation, because a value may contain an apostrophe.
                (b'"' | b'\'', Some(open)) => open == self.mark(at),
                // A mark that was not opened within the word may belong to the value: `?q="a"&token=b`.
                (b'"', None) => brackets.0 == 0 && self.closes(at),
                (_, None) => brackets.read(byte) == Some(Closing::Other) && self.depth > 0,
                (_, Some(_)) => false,
            };
            if ends {
                return at;
            }
        }
        self.end
    }

    /// Whether a quotation mark may end a URL: it is at the end of the word, before closing punctuation, or before a user name
    /// that was redacted together with the colon that followed the mark.
    fn closes(&self, at: usize) -> bool {
        let rest = &self.bytes[at + 1..self.end];
        rest.first().is_none_or(|next| b",}]):".contains(next))
            || rest.strip_prefix(REPLACEMENT.as_bytes()).is_some_and(|rest| rest.starts_with(b"@"))
            || (rest.len() <= MAX_TRAILING && rest.iter().all(|&byte| is_trailing(byte)))
    }

    /// The range of values without the punctuation after the URL. A `...` of an earlier redaction is a part of the values, and
    /// so is a bracket that was opened within them. Left alone, it would seem to close a bracket before the URL.
    fn without_trailing(&self, Range { start, mut end }: Range<usize>) -> Range<usize> {
        let first = start.max(self.end_of_brackets(start..end));
        let is_left_out = |end: usize| {
            let rest = self.bytes[start..end].strip_suffix(REPLACEMENT.as_bytes());
            rest.is_some_and(|rest| matches!(rest.last(), None | Some(b'=' | b'&')))
        };
        while end > first && is_trailing(self.bytes[end - 1]) && !is_left_out(end) {
            end -= 1;
        }
        start..end
    }

    /// The end of the last pair of brackets within values; 0 without one.
    fn end_of_brackets(&self, values: Range<usize>) -> usize {
        let mut brackets = OpenBrackets::default();
        let own = values.filter(|&at| brackets.read(self.bytes[at]) == Some(Closing::Own));
        own.last().map_or(0, |at| at + 1)
    }

    /// Handles a `/`, which is a part of a path, or the first of the two before a host.
    fn slash(&mut self, redaction: &mut Redaction<'_>) {
        self.is_url = true;
        let rest = &self.bytes[self.at + 1..self.end];
        // In JSON, a backslash may precede it.
        let second = rest.strip_prefix(br"\").unwrap_or(rest);
        // A host follows only after a scheme, or where a URL without a scheme may begin; not after `//` within a path.
        let begins = |before: u8| is_separator(before) || b":=,&|([{\"'".contains(&before);
        let begins = self.before(self.at).is_none_or(begins);
        if begins && second.starts_with(b"/") {
            self.authority(self.end - second.len() + 1, redaction);
        } else {
            self.begin_segment(self.at + 1);
        }
    }

    /// Handles the text between `//` and the path: host and port, and possibly user name and password before them.
    fn authority(&mut self, start: usize, redaction: &mut Redaction<'_>) {
        let end = self.end_of_value(start, b"/?#");
        let authority = &self.bytes[start..end];
        let at_sign = authority.iter().rposition(|&byte| byte == b'@').map(|length| start + length).or_else(|| {
            // If the text after the colon is not a port, and an `@` follows, it is the start of a password with a `/`.
            let authority = authority.strip_suffix(br"\").unwrap_or(authority);
            let port = authority.rsplit(|&byte| byte == b':').next().filter(|port| port.len() < authority.len())?;
            let is_port = authority.starts_with(b"[") || port.iter().all(u8::is_ascii_digit);
            self.last_at_sign.filter(|&last| !is_port && last >= end)
        });
        if let Some(at_sign) = at_sign {
            redaction.omit(start..at_sign);
        }
        self.begin_segment(at_sign.map_or(start, |at_sign| at_sign + 1));
    }

    /// Handles an `@` after a colon, without `//`: `user:password@host`.
    fn user_without_scheme(&mut self, redaction: &mut Redaction<'_>) {
        let end = self.end_of_value(self.at, b"/?#");
        let more = self.bytes[self.at..end].iter().rposition(|&byte| byte == b'@').unwrap_or_default();
        redaction.omit(self.segment..self.at + more);
        self.begin_segment(self.at + more + 1);
    }

    /// Handles a `;` in a path: `;jsessionid=value`.
    fn parameter(&mut self, redaction: &mut Redaction<'_>) {
        let mut end = self.end_of_value(self.at + 1, b"=/?#;&");
        if end < self.end && self.bytes[end] == b'=' {
            let start = end + 1;
            end = self.end_of_value(start, b"/?#;");
            redaction.omit(self.without_trailing(start..end));
        }
        self.leave_value(end);
    }

    /// Handles a `?` or `#` and the parameters after it.
    fn query(&mut self, redaction: &mut Redaction<'_>, stops: &[u8]) {
        let start = self.at + 1;
        let end = self.end_of_value(start, stops);
        let values = self.without_trailing(start..end);
        if self.is_url || self.parameters(values.clone()).any(|parameter| self.value_of(parameter).is_some()) {
            for parameter in self.parameters(values.clone()) {
                redaction.omit(self.named_value(parameter.clone()).unwrap_or(parameter));
            }
        }
        // A parameter that is replaced as a whole does not show that this is a URL: afterwards, nothing is left to show it.
        self.is_url = self.is_url || self.parameters(values).any(|parameter| self.named_value(parameter).is_some());
        self.leave_value(end);
    }

    /// The ranges between `&`.
    fn parameters(&self, values: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let mut start = values.start;
        self.bytes[values].split(|&byte| byte == b'&').map(move |parameter| {
            let range = start..start + parameter.len();
            start = range.end + 1;
            range
        })
    }

    /// The range after the first `=`; `None` if it contains only `=`, which may end a secret in Base64.
    fn value_of(&self, parameter: Range<usize>) -> Option<Range<usize>> {
        let start = parameter.start + self.bytes[parameter.clone()].iter().position(|&byte| byte == b'=')? + 1;
        self.bytes[start..parameter.end].iter().any(|&byte| byte != b'=').then_some(start..parameter.end)
    }

    /// The value of a parameter; `None` if the parameter is to be replaced as a whole.
    fn named_value(&self, parameter: Range<usize>) -> Option<Range<usize>> {
        self.value_of(parameter.clone()).filter(|value| self.is_key(parameter.start..value.start - 1))
    }

    /// Whether it is the name of a value, and not a URL: `?https://user:password@host/x?a=b`.
    fn is_key(&self, key: Range<usize>) -> bool {
        !self.bytes[key].iter().any(|byte| matches!(byte, b'/' | b'?' | b'@'))
    }
}

//! URLs in texts without what may be secret in them: the values of queries, fragments and path parameters, user and password.
//!
//! A text does not say where a URL in it begins and ends. Where that is in doubt, the rules leave out too much rather than
//! half of a value.

use std::borrow::Cow;
use std::ops::Range;

/// Stands for what was left out.
const LEFT_OUT: &str = "...";

/// How many bytes more at most a text is cut by, so that no URL is cut in its user and password.
const MOST_CUT_BACK: usize = 4096;

/// The same text, but for what may be secret in its URLs, for which `...` stands.
///
/// - `?key=value&key=value`, also behind a `#`: each value. A piece without a value goes as a whole, where what stands
///   before it has a `/`, or another piece has a value: `/x?secret` is a URL, and `really?no` is none.
/// - `/path;key=value`: the value.
/// - `//user:password@host`, `//token@host` and `user:password@host`: what stands before the `@`.
///
/// A value ends with its word: at white space, angle brackets, a quotation mark, or the bracket that was opened before the
/// URL. What may end a sentence, such as a full stop or a bracket, stays at its end.
#[must_use]
pub fn redact_urls(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    // Most texts, and most words of the others, have nothing of all that.
    let may_be_url = |text: &[u8]| text.iter().any(|byte| matches!(byte, b'?' | b'#' | b';' | b'@'));
    if !may_be_url(bytes) {
        return Cow::Borrowed(text);
    }
    let mut redaction = Redaction { text, shown: String::new(), done: 0 };
    let mut end = 0;
    if let Some(raw) = raw_url(text) {
        end = raw.end;
        Word::new(text, raw, true).redact(&mut redaction);
    }
    while let Some(length) = bytes[end..].iter().position(|&byte| !separates(byte)) {
        let start = end + length;
        end = bytes[start..].iter().position(|&byte| separates(byte)).map_or(bytes.len(), |length| start + length);
        if may_be_url(&bytes[start..end]) {
            Word::new(text, start..end, false).redact(&mut redaction);
        }
    }
    redaction.finish()
}

/// At most `limit` bytes of a text, cut where no URL is cut in its user and password: without the `@` behind them they could
/// not be told from a host.
#[must_use]
pub fn head(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let head = &text[..text.floor_char_boundary(limit)];
    let looked_at = head.len().saturating_sub(MOST_CUT_BACK);
    let ends_authority = |&byte: &u8| separates(byte) || matches!(byte, b'/' | b'"');
    match head.as_bytes()[looked_at..].iter().rposition(ends_authority) {
        Some(last) => &head[..=looked_at + last],
        None => head,
    }
}

/// How much punctuation at most is taken for the end of a sentence.
const MOST_TRAILING: usize = 3;

/// Between two words.
const fn separates(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_control() || matches!(byte, b'<' | b'>')
}

/// What may stand behind a URL without being a part of it.
const fn trails(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`' | b')' | b']' | b'}' | b',' | b'.' | b':' | b';' | b'!' | b'?' | b'\\')
}

/// Where the URL is in an error of geventhttpclient's, as `FastHttpUser` reports them: `URL http://h/x?a=b c: code=404`.
///
/// It stands there as it was given, with the white space and the quotation marks in it.
pub(crate) fn raw_url(text: &str) -> Option<Range<usize>> {
    let url = text.strip_prefix("URL ").filter(|url| url.starts_with("http://") || url.starts_with("https://"))?;
    let start = text.len() - url.len();
    // Without an end it was cut.
    let length = url.rfind(": code=").or_else(|| url.find(": ")).unwrap_or(url.len());
    Some(start..start + length)
}

/// A text on its way out.
struct Redaction<'a> {
    text: &'a str,
    /// What it has become, up to `done`.
    shown: String,
    done: usize,
}

impl<'a> Redaction<'a> {
    fn leave_out(&mut self, range: Range<usize>) {
        if range.is_empty() || &self.text[range.clone()] == LEFT_OUT {
            return;
        }
        self.shown.push_str(&self.text[self.done..range.start]);
        self.shown.push_str(LEFT_OUT);
        self.done = range.end;
    }

    fn finish(mut self) -> Cow<'a, str> {
        if self.done == 0 {
            return Cow::Borrowed(self.text);
        }
        self.shown.push_str(&self.text[self.done..]);
        Cow::Owned(self.shown)
    }
}

/// A word, and what was found in it so far. All ends of ranges are beside characters of ASCII.
struct Word<'a> {
    bytes: &'a [u8],
    /// Where it begins, then what was not looked at yet.
    at: usize,
    end: usize,
    /// It is one URL, whatever stands in it.
    is_raw: bool,
    last_at_sign: Option<usize>,
    /// The quotation mark that was opened, and whether a backslash stands before it.
    quote: Option<(u8, bool)>,
    /// The one in which it was opened.
    outer_quote: Option<(u8, bool)>,
    /// How many brackets were opened.
    depth: usize,
    /// It has a `/`, or a value: it is a URL.
    is_url: bool,
    /// Where what may be a user begins, and the first colon in it.
    segment: usize,
    colon: Option<usize>,
}

impl<'a> Word<'a> {
    fn new(text: &'a str, Range { start, end }: Range<usize>, is_raw: bool) -> Self {
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

    /// Each byte is looked at a few times at most, however the word is made.
    fn redact(mut self, redaction: &mut Redaction<'_>) {
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
                // Of a password it is a part.
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

    /// Goes on at `at`, where a user may begin.
    fn begin_segment(&mut self, at: usize) {
        self.at = at;
        self.segment = at;
        self.colon = None;
    }

    /// The same behind a value: the quotation mark that ends it opens nothing.
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
            // Within a word it is an apostrophe.
            self.outer_quote = self.quote.replace(mark);
        }
        self.begin_segment(self.at + 1);
    }

    /// The quotation mark at a place.
    fn mark(&self, at: usize) -> (u8, bool) {
        (self.bytes[at], at > 0 && self.bytes[at - 1] == b'\\')
    }

    /// What stands before a place, but for a backslash.
    fn before(&self, at: usize) -> Option<u8> {
        self.bytes[..at].iter().rev().copied().find(|&byte| byte != b'\\')
    }

    /// Whether the fragment that begins here is a path within a page, which may have a query of its own: `#/cart?a=b`.
    fn is_route(&self) -> bool {
        let rest = &self.bytes[self.at + 1..self.end];
        let rest = rest.strip_prefix(b"!").unwrap_or(rest);
        rest.starts_with(b"/") || rest.starts_with(br"\/")
    }

    /// Where a value ends that begins at `start`, at one of the `stops` at the latest.
    fn end_of_value(&self, start: usize, stops: &[u8]) -> usize {
        let mut opened = 0_usize;
        for at in start..self.end {
            let byte = self.bytes[at];
            let ends = match (byte, self.quote) {
                _ if stops.contains(&byte) => true,
                _ if self.is_raw => false,
                // Only what has opened it closes it: a value may have an apostrophe.
                (b'"' | b'\'', Some(open)) => open == self.mark(at),
                // Where it was not opened within the word, it may belong to the value: `?q="a"&token=b`.
                (b'"', None) => opened == 0 && self.closes(at),
                // Brackets are counted anew where something may be left out, or the second time would find others.
                (b'=' | b'&', None) => {
                    opened = 0;
                    false
                }
                (b'(' | b'[' | b'{', None) => {
                    opened += 1;
                    false
                }
                (b')' | b']' | b'}', None) if opened > 0 => {
                    opened -= 1;
                    false
                }
                (b')' | b']' | b'}', None) => self.depth > 0,
                _ => false,
            };
            if ends {
                return at;
            }
        }
        self.end
    }

    /// Whether a quotation mark may be the one behind a URL: at the end of its word, or before what closes more.
    fn closes(&self, at: usize) -> bool {
        let rest = &self.bytes[at + 1..self.end];
        rest.first().is_none_or(|next| b",}]):".contains(next))
            || (rest.len() <= MOST_TRAILING && rest.iter().all(|&byte| trails(byte)))
    }

    /// The same values without what stands behind a URL, but with a `...` of an earlier redaction.
    fn without_trail(&self, Range { start, mut end }: Range<usize>) -> Range<usize> {
        let is_left_out = |end: usize| {
            let rest = self.bytes[start..end].strip_suffix(LEFT_OUT.as_bytes());
            rest.is_some_and(|rest| matches!(rest.last(), None | Some(b'=' | b'&')))
        };
        while end > start && trails(self.bytes[end - 1]) && !is_left_out(end) {
            end -= 1;
        }
        start..end
    }

    /// A `/`: of a path, or the first of the two before a host.
    fn slash(&mut self, redaction: &mut Redaction<'_>) {
        self.is_url = true;
        let rest = &self.bytes[self.at + 1..self.end];
        // In JSON it may have a backslash.
        let second = rest.strip_prefix(br"\").unwrap_or(rest);
        // Behind a scheme, or where a URL may begin without one. Two within a path are only that.
        let begins = |before: u8| separates(before) || b":=,&|([{\"'".contains(&before);
        let begins = self.before(self.at).is_none_or(begins);
        if begins && second.starts_with(b"/") {
            self.authority(self.end - second.len() + 1, redaction);
        } else {
            self.begin_segment(self.at + 1);
        }
    }

    /// What stands between `//` and the path: host and port, and before them perhaps user and password.
    fn authority(&mut self, start: usize, redaction: &mut Redaction<'_>) {
        let end = self.end_of_value(start, b"/?#");
        let authority = &self.bytes[start..end];
        let at_sign = authority.iter().rposition(|&byte| byte == b'@').map(|length| start + length).or_else(|| {
            // What is no port is the beginning of a password with a `/` in it, where an `@` follows.
            let authority = authority.strip_suffix(br"\").unwrap_or(authority);
            let port = authority.rsplit(|&byte| byte == b':').next().filter(|port| port.len() < authority.len())?;
            let is_port = authority.starts_with(b"[") || port.iter().all(u8::is_ascii_digit);
            self.last_at_sign.filter(|&last| !is_port && last >= end)
        });
        if let Some(at_sign) = at_sign {
            redaction.leave_out(start..at_sign);
        }
        self.begin_segment(at_sign.map_or(start, |at_sign| at_sign + 1));
    }

    /// An `@` behind a colon, but no `//`: `user:password@host`.
    fn user_without_scheme(&mut self, redaction: &mut Redaction<'_>) {
        let end = self.end_of_value(self.at, b"/?#");
        let more = self.bytes[self.at..end].iter().rposition(|&byte| byte == b'@').unwrap_or_default();
        redaction.leave_out(self.segment..self.at + more);
        self.begin_segment(self.at + more + 1);
    }

    /// A `;` in a path: `;jsessionid=value`.
    fn parameter(&mut self, redaction: &mut Redaction<'_>) {
        let mut end = self.end_of_value(self.at + 1, b"=/?#;&");
        if end < self.end && self.bytes[end] == b'=' {
            let start = end + 1;
            end = self.end_of_value(start, b"/?#;");
            redaction.leave_out(self.without_trail(start..end));
        }
        self.leave_value(end);
    }

    /// A `?` or `#` with what follows it.
    fn query(&mut self, redaction: &mut Redaction<'_>, stops: &[u8]) {
        let start = self.at + 1;
        let end = self.end_of_value(start, stops);
        let values = self.without_trail(start..end);
        self.is_url = self.is_url || self.pieces(values.clone()).any(|piece| self.value_of(piece).is_some());
        if self.is_url {
            for piece in self.pieces(values) {
                let value = self.value_of(piece.clone()).filter(|value| self.is_key(piece.start..value.start - 1));
                redaction.leave_out(value.unwrap_or(piece));
            }
        }
        self.leave_value(end);
    }

    /// What stands between `&`.
    fn pieces(&self, values: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let mut start = values.start;
        self.bytes[values].split(|&byte| byte == b'&').map(move |piece| {
            let range = start..start + piece.len();
            start = range.end + 1;
            range
        })
    }

    /// What stands behind the first `=`. Alone, one or two of them may end a secret in Base64.
    fn value_of(&self, piece: Range<usize>) -> Option<Range<usize>> {
        let start = piece.start + self.bytes[piece.clone()].iter().position(|&byte| byte == b'=')? + 1;
        self.bytes[start..piece.end].iter().any(|&byte| byte != b'=').then_some(start..piece.end)
    }

    /// Whether it names a value, and is not itself a URL: `?https://user:password@host/x?a=b`.
    fn is_key(&self, key: Range<usize>) -> bool {
        !self.bytes[key].iter().any(|byte| matches!(byte, b'/' | b'?' | b'@'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_urls_in_texts_the_values_are_left_out() {
        for (text, shown) in [
            // requests and urllib3.
            (
                "HTTPConnectionPool(host='h', port=80): Max retries exceeded with url: /x?access_token=abc (Caused by \
                 NewConnectionError(\"HTTPConnection(host='h', port=80): Failed: [Errno 111] Connection refused\"))",
                "HTTPConnectionPool(host='h', port=80): Max retries exceeded with url: /x?access_token=... (Caused by \
                 NewConnectionError(\"HTTPConnection(host='h', port=80): Failed: [Errno 111] Connection refused\"))",
            ),
            (
                "404 Client Error: Not Found for url: http://h/x?a=b",
                "404 Client Error: Not Found for url: http://h/x?a=...",
            ),
            ("Invalid URL '/x?token=abc': No scheme supplied.", "Invalid URL '/x?token=...': No scheme supplied."),
            ("Perhaps you meant https:///x?token=abc?", "Perhaps you meant https:///x?token=...?"),
            ("No connection adapters were found for 'u:p@h/x'", "No connection adapters were found for '...@h/x'"),
            (r#"were found for "http://h/x?a=O'B'C&d=e""#, r#"were found for "http://h/x?a=...&d=...""#),
            (r#"were found for 'http://h/x?a=O\'B"C'"#, "were found for 'http://h/x?a=...'"),
            ("with url: /x?q=O'Brien&ids[]=5&f(a)=g(b)c) (Caused", "with url: /x?q=...&ids[]=...&f(a)=...) (Caused"),
            (r#"for url: https://h/s?q="x"&token=abc"#, "for url: https://h/s?q=...&token=..."),
            (r#"for url: https://h/s?filter={"a":"abc"}"#, r#"for url: https://h/s?filter=..."}"#),
            // FastHttpUser.
            ("URL http://h/x?access_token=abc: code=404", "URL http://h/x?access_token=...: code=404"),
            ("URL http://h/x?a=b c \"d': <e>: code=404", "URL http://h/x?a=...: code=404"),
            (
                "URL http://h/x?a=b c: Redirection limit reached (30)",
                "URL http://h/x?a=...: Redirection limit reached (30)",
            ),
            ("URL http://h/x?a=b and", "URL http://h/x?a=..."),
            // aiohttp, httpx, logs, JSON, XML, HTML.
            ("404, message='Not Found', url='http://h/x?a=b'", "404, message='Not Found', url='http://h/x?a=...'"),
            ("url=URL('http://h/x?a=b'),c", "url=URL('http://h/x?a=...'),c"),
            (
                "error '404 Not Found' for url 'http://h/x?a=b'\nFor more",
                "error '404 Not Found' for url 'http://h/x?a=...'\nFor more",
            ),
            ("\"GET /x?a=b HTTP/1.1\" 404", "\"GET /x?a=... HTTP/1.1\" 404"),
            (r#"{"url":"/x?a=b","status":404}"#, r#"{"url":"/x?a=...","status":404}"#),
            (r#""{\"url\":\"/x?a=b\",\"status\":404}""#, r#""{\"url\":\"/x?a=...\",\"status\":404}""#),
            (r#"{"url":"https:\/\/u:p@h\/x?a=b"}"#, r#"{"url":"https:\/\/...@h\/x?a=..."}"#),
            ("<Resource>/b/k?Signature=a</Resource><Id>4</Id>", "<Resource>/b/k?Signature=...</Resource><Id>4</Id>"),
            ("see (http://h/x?a=b), [/y?c=d]; `/z?e=f`.", "see (http://h/x?a=...), [/y?c=...]; `/z?e=...`."),
            ("f(/x?a=b(c)d),g", "f(/x?a=...),g"),
            ("http://h//x;a=b//y@z [//u@h]", "http://h//x;a=...//y@z [//...@h]"),
            // Pieces.
            ("?access_token=a&page=2", "?access_token=...&page=..."),
            ("index.php?page=2&secret", "index.php?page=...&..."),
            ("/x?secret", "/x?..."),
            ("/x?c2VjcmV0==&a=", "/x?...&..."),
            ("/x?a=b=c&=d&&e", "/x?a=...&=...&&..."),
            ("/proxy?https://u:p@h/x?a=b", "/proxy?..."),
            ("/proxy?to=https://u:p@h/x?a=b", "/proxy?to=..."),
            ("/x?a=b;c=d", "/x?a=..."),
            ("/x?a=é\u{3000}b", "/x?a=..."),
            // Fragments.
            ("http://h/x#access_token=a&state=b", "http://h/x#access_token=...&state=..."),
            ("http://h/x?a=b#secret", "http://h/x?a=...#..."),
            ("index.php?a=b#secret", "index.php?a=...#..."),
            ("http://h/#/cart?a=b", "http://h/#/cart?a=..."),
            ("http://h/#!/cart/5", "http://h/#!/cart/5"),
            // Path parameters.
            ("/x;jsessionid=a?b=c", "/x;jsessionid=...?b=..."),
            ("/map;lat=50;long=20/x;y", "/map;lat=...;long=.../x;y"),
            ("'http://h/x;jsessionid=a', b", "'http://h/x;jsessionid=...', b"),
            // User and password.
            ("http://user:password@h:80/x", "http://...@h:80/x"),
            ("https://token@h", "https://...@h"),
            ("at //user:p@ss@h/x/@y", "at //...@h/x/@y"),
            ("Failed to parse: http://user:pa/ss?w@h/x", "Failed to parse: http://...@h/x"),
            ("http://[::1]:80/@x http://h:80/@x", "http://[::1]:80/@x http://h:80/@x"),
            ("proxy=user:p@ss,w=d@h:80", "proxy=...@h:80"),
            ("amqp://a:b@h//,amqp://c:d@i", "amqp://...@h//,amqp://...@i"),
            // Prose.
            ("really?no", "really?no"),
            ("a ? b : c", "a ? b : c"),
            ("is it so? who knows; #5, team@shop.example", "is it so? who knows; #5, team@shop.example"),
            ("text/html; charset=utf-8", "text/html; charset=utf-8"),
            ("x;y=z", "x;y=z"),
            ("at 12:30 <team@shop.example>", "at 12:30 <team@shop.example>"),
            ("GET /x?", "GET /x?"),
            ("URL not found: why?", "URL not found: why?"),
        ] {
            assert_eq!(redact_urls(text), shown, "{text}");
            assert_eq!(redact_urls(shown), shown);
        }
    }

    #[test]
    fn a_text_with_nothing_to_leave_out_is_not_copied() {
        for text in ["", "500 for url: /x", "really? #5; team@shop.example", "/x?a=...#..."] {
            assert!(matches!(redact_urls(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn a_text_is_cut_where_no_password_is_cut() {
        for (text, kept) in [
            ("for http://user:password@h/x", "for http://"),
            ("for 'user:password@h/x'", "for "),
            ("for http://h/x?access_token=abcdefgh", "for http://h/"),
            ("é for someone else", "é for someone "),
        ] {
            assert_eq!(head(text, 18), kept);
            assert_eq!(head(text, text.len()), text);
        }
        assert_eq!(head(&format!(" {}", "é".repeat(5000)), 6000).len(), 5999);
    }

    #[test]
    fn however_a_text_is_made_it_takes_no_longer() {
        for part in ["a://b:c/", "//", "\\\"", "u:p@", "/;=", "/?a=b#", "?&", "('", "[\"", ")?", ".", "?...", "/@:"] {
            let text = part.repeat(1_000_000 / part.len());
            let begun = std::time::Instant::now();
            let once = redact_urls(&text).into_owned();
            assert_eq!(redact_urls(&once), once);
            assert!(begun.elapsed().as_secs() < 5, "{part}");
        }
    }

    /// What a URL may be made of, and what texts put around it.
    fn like_urls() -> impl Strategy<Value = String> {
        let parts = [
            "http://",
            "//",
            "/",
            "\\/",
            "?",
            "#",
            "#/",
            ";",
            "@",
            ":",
            "=",
            "&",
            "a",
            "b",
            "80",
            "...",
            ".",
            ",",
            "'",
            "\"",
            "\\",
            "(",
            ")",
            "[",
            "]",
            "<",
            ">",
            " ",
            "\n",
            "URL ",
            ": code=404",
            "é",
            "!",
            "|",
            "`",
        ];
        prop::collection::vec(prop::sample::select(parts.to_vec()), 0..40).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]
        #[test]
        fn the_second_time_changes_nothing(text in prop_oneof![4 => like_urls(), 1 => any::<String>()]) {
            let once = redact_urls(&text);
            prop_assert_eq!(redact_urls(&once), once.clone());
            prop_assert_eq!(matches!(once, Cow::Borrowed(_)), once == text);
        }

        #[test]
        fn what_has_nothing_of_a_url_stays(text in "[^?#;@]*") {
            prop_assert!(matches!(redact_urls(&text), Cow::Borrowed(_)));
        }

        #[test]
        fn a_cut_text_is_its_beginning(text in prop_oneof![like_urls(), any::<String>()], limit in 0..60usize) {
            let kept = head(&text, limit);
            prop_assert!(text.starts_with(kept) && (kept.len() <= limit || kept == text));
        }

        #[test]
        fn no_secret_of_a_url_is_shown(
            // What requests leaves as it is, between what is looked for.
            inner in prop::collection::vec("[A-Za-z0-9%._~!$*+,:@|^-]{0,4}|[(][a-z][)]|'|\\[\\]|/|;|=|[?]", 0..4),
            host in "[a-z]{1,9}(:[0-9]{2,5})?", path in "(/[a-z0-9._()-]{0,9}){0,3}",
            key in "[a-z_]{1,9}(\\[\\])?", place in 0..9usize, around in 0..TEXTS.len(), cut in any::<prop::sample::Index>(),
        ) {
            let secret = format!("QQ{}WW", inner.concat());
            // What would end the path parameter, or the authority.
            let tame: String = secret.chars().filter(|c| !"/?;@".contains(*c)).collect();
            let url = match place {
                0 => format!("http://{host}{path}/?{key}={secret}"),
                1 => format!("{path}/x?a=b&{key}={secret}&c=d"),
                2 => format!("http://{host}{path}/?{}", secret.replace('=', "")),
                3 => format!("http://{host}{path}/#{key}={secret}"),
                4 => format!("http://{host}/x?a=b#{}", tame.replace('=', "")),
                5 => format!("http://{host}{path}/x;{key}={}?a=b", tame.replace('#', "")),
                6 => format!("http://user:{tame}@{host}{path}?a=b"),
                7 => format!("{path}/x?{key}={}=", "QQ".repeat(inner.len() + 1)),
                _ => format!("https://{tame}@{host}{path}"),
            };
            let quoted = url.replace('\'', r"\'");
            let text = TEXTS[around].replace("{url}", if TEXTS[around].contains("'{url}'") { &quoted } else { &url });
            for text in [&text, head(&text, cut.index(text.len() + 1))] {
                let shown = redact_urls(text);
                prop_assert!(!shown.contains("QQ") && !shown.contains("WW"), "{} from {}", shown, text);
            }
        }
    }

    const TEXTS: [&str; 11] = [
        "{url}",
        "URL {url}: code=404",
        "HTTPConnectionPool(host='h', port=80): Max retries exceeded with url: {url} (Caused by X('no'))",
        "404 Client Error: Not Found for url: {url}",
        "404, message='Not Found', url='{url}'",
        "ClientError(URL('{url}'))",
        "{\"url\":\"{url}\",\"status\":404}",
        "<a href=\"{url}\">x</a>",
        "see `{url}`, and then",
        "GET {url}.",
        "status = UNAVAILABLE details = \"failed to connect to {url}\" debug_error_string = \"{}\"",
    ];
}

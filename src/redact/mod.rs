//! Redacts URLs in texts: removes the values of queries, fragments and path parameters, user names and passwords.
//!
//! A text does not mark where a URL begins and ends. In case of doubt, the rules remove too much rather than a part of a value.

mod word;

use std::borrow::Cow;
use std::ops::Range;

use self::word::Word;

/// Replaces removed parts.
const REPLACEMENT: &str = "...";

/// How many bytes before the limit a text may be cut, so that no user name or password is cut.
const MAX_BACKTRACK: usize = 4096;

/// Replaces possible secrets in the URLs of a text by `...`:
///
/// - `?key=value&key=value`, also after a `#`: each value. A parameter without a value is replaced as a whole if the text before
///   the `?` contains a `/`, or another parameter has a value: `/x?secret` is a URL, but `really?no` is not.
/// - `/path;key=value`: the value.
/// - `//user:password@host`, `//token@host` and `user:password@host`: the text before the `@`.
///
/// A value ends at white space, an angle bracket, a quotation mark, or the closing bracket of a bracket that was opened before
/// the URL. Punctuation that may end a sentence, such as a full stop or a bracket, is kept at the end of a value, except
/// for a bracket that was opened within the value.
#[must_use]
pub fn redact_urls(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    // Most texts, and most words of other texts, contain none of these characters.
    let may_be_url = |text: &[u8]| text.iter().any(|byte| matches!(byte, b'?' | b'#' | b';' | b'@'));
    if !may_be_url(bytes) {
        return Cow::Borrowed(text);
    }
    let mut redaction = Redaction { text, output: String::new(), done: 0 };
    let mut end = 0;
    if let Some(raw) = raw_url(text) {
        end = raw.end;
        Word::new(text, raw, true).redact(&mut redaction);
    }
    while let Some(length) = bytes[end..].iter().position(|&byte| !is_separator(byte)) {
        let start = end + length;
        end = bytes[start..].iter().position(|&byte| is_separator(byte)).map_or(bytes.len(), |length| start + length);
        if may_be_url(&bytes[start..end]) {
            Word::new(text, start..end, false).redact(&mut redaction);
        }
    }
    redaction.finish()
}

/// The first `limit` bytes of a text at most, cut at a position that is not within the user name and password of a URL. Without
/// the `@` after them, they would look like a host.
#[must_use]
pub fn head(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let head = &text[..text.floor_char_boundary(limit)];
    let first = head.len().saturating_sub(MAX_BACKTRACK);
    let ends_authority = |&byte: &u8| is_separator(byte) || matches!(byte, b'/' | b'"');
    match head.as_bytes()[first..].iter().rposition(ends_authority) {
        Some(last) => &head[..=first + last],
        None => head,
    }
}

/// Whether a byte separates two words.
const fn is_separator(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_control() || matches!(byte, b'<' | b'>')
}

/// The range of the URL in an error of geventhttpclient, which `FastHttpUser` reports: `URL http://h/x?a=b c: code=404`.
///
/// Such an error contains the URL unchanged, including white space and quotation marks.
pub(crate) fn raw_url(text: &str) -> Option<Range<usize>> {
    let url = text.strip_prefix("URL ").filter(|url| url.starts_with("http://") || url.starts_with("https://"))?;
    let start = text.len() - url.len();
    // If the end is missing, the text was cut.
    let length = url.rfind(": code=").or_else(|| url.find(": ")).unwrap_or(url.len());
    Some(start..start + length)
}

/// The redaction of a text.
struct Redaction<'a> {
    text: &'a str,
    /// The redacted text up to `done`.
    output: String,
    done: usize,
}

impl<'a> Redaction<'a> {
    fn omit(&mut self, range: Range<usize>) {
        if range.is_empty() || &self.text[range.clone()] == REPLACEMENT {
            return;
        }
        self.output.push_str(&self.text[self.done..range.start]);
        self.output.push_str(REPLACEMENT);
        self.done = range.end;
    }

    fn finish(mut self) -> Cow<'a, str> {
        if self.done == 0 {
            return Cow::Borrowed(self.text);
        }
        self.output.push_str(&self.text[self.done..]);
        Cow::Owned(self.output)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_values_of_urls_in_texts_are_replaced() {
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
            (r#"for url: https://h/s?filter={"a":"abc"}"#, "for url: https://h/s?filter=..."),
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
            // Parameters.
            ("?access_token=a&page=2", "?access_token=...&page=..."),
            ("index.php?page=2&secret", "index.php?page=...&..."),
            ("/x?secret", "/x?..."),
            ("/x?c2VjcmV0==&a=", "/x?...&..."),
            ("/x?a=b=c&=d&&e", "/x?a=...&=...&&..."),
            ("/proxy?https://u:p@h/x?a=b", "/proxy?..."),
            ("/proxy?to=https://u:p@h/x?a=b", "/proxy?to=..."),
            ("[x??a=b];u:p;w@h", "[x?...]...@h"),
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
            (r#"http://?":u:p@h"#, r#"http://?"...@h"#),
            ("[http://?(]?]http://", "[http://?...?]http://"),
            ("for url: https://h/s?f=g(x).", "for url: https://h/s?f=...."),
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
    fn a_text_without_possible_secrets_is_not_copied() {
        for text in ["", "500 for url: /x", "really? #5; team@shop.example", "/x?a=...#..."] {
            assert!(matches!(redact_urls(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn a_text_is_not_cut_within_a_password() {
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

    /// With a search that starts again at each position, this test would take hours.
    #[test]
    fn redaction_takes_linear_time_for_any_text() {
        for part in ["a://b:c/", "//", "\\\"", "u:p@", "/;=", "/?a=b#", "?&", "('", "[\"", ")?", ".", "?...", "/@:"] {
            let text = part.repeat(1_000_000 / part.len());
            let once = redact_urls(&text).into_owned();
            assert_eq!(redact_urls(&once), once);
        }
    }

    /// Parts of URLs, and characters around URLs in texts.
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
        fn redacting_twice_equals_redacting_once(text in prop_oneof![4 => like_urls(), 1 => any::<String>()]) {
            let once = redact_urls(&text);
            prop_assert_eq!(redact_urls(&once), once.clone());
            prop_assert_eq!(matches!(once, Cow::Borrowed(_)), once == text);
        }

        #[test]
        fn a_text_without_characters_of_urls_is_unchanged(text in "[^?#;@]*") {
            prop_assert!(matches!(redact_urls(&text), Cow::Borrowed(_)));
        }

        #[test]
        fn a_cut_text_is_the_start_of_the_text(text in prop_oneof![like_urls(), any::<String>()], limit in 0..60usize) {
            let kept = head(&text, limit);
            prop_assert!(text.starts_with(kept) && (kept.len() <= limit || kept == text));
        }

        #[test]
        fn no_secret_of_a_url_remains(
            // Characters that `requests` does not encode, between the two halves of the secret.
            inner in prop::collection::vec("[A-Za-z0-9%._~!$*+,:@|^-]{0,4}|[(][a-z][)]|'|\\[\\]|/|;|=|[?]", 0..4),
            host in "[a-z]{1,9}(:[0-9]{2,5})?", path in "(/[a-z0-9._()-]{0,9}){0,3}",
            key in "[a-z_]{1,9}(\\[\\])?", position in 0..9usize, around in 0..TEXTS.len(), cut in any::<prop::sample::Index>(),
        ) {
            let secret = format!("QQ{}WW", inner.concat());
            // Without the characters that end a path parameter or the authority.
            let tame: String = secret.chars().filter(|c| !"/?;@".contains(*c)).collect();
            let url = match position {
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

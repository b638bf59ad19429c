//! Error texts without what differs from request to request, so that log events of one kind of failure have one `error`.

use std::borrow::Cow;

use crate::redact::raw_url;

/// What `requests` puts between its description of an error and the URL, which ends the text.
const FOR_URL: &str = " for url: ";
/// What urllib3 puts before the URL, in the middle of its description.
const WITH_URL: &str = " with url: ";
/// Python's default text of an object ends in its address.
const ADDRESS: &str = " at 0x";

/// An error text without the URL of the request and without addresses of objects, and the URL if there was one.
#[must_use]
pub fn separate_url(text: Cow<'_, str>) -> (Cow<'_, str>, Option<String>) {
    let (text, url) = match find_url(&text) {
        Some((kept, url)) => (Cow::Owned(kept), Some(url)),
        None => (text, None),
    };
    (without_addresses(text), url)
}

fn find_url(text: &str) -> Option<(String, String)> {
    if let Some(range) = raw_url(text) {
        let rest = text[range.end..].trim_start_matches([':', ' ']);
        return (!rest.is_empty()).then(|| (rest.to_owned(), text[range].to_owned()));
    }
    if let Some((kept, url)) = text.split_once(FOR_URL) {
        return Some((kept.to_owned(), url.to_owned()));
    }
    let (before, rest) = text.split_once(WITH_URL)?;
    let (url, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
    Some((format!("{before}{after}"), url.to_owned()))
}

fn without_addresses(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains(ADDRESS) {
        return text;
    }
    let mut parts = text.split(ADDRESS);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(ADDRESS);
        shown.push_str("...");
        shown.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_differ_in_their_url_have_one_text() {
        for (text, error, url) in [
            ("URL http://h/a?x=... y: code=404", "code=404", Some("http://h/a?x=... y")),
            ("URL https://h/a: timed out", "timed out", Some("https://h/a")),
            ("URL http://h/a", "URL http://h/a", None),
            ("500 Server Error: Oops for url: http://h/a", "500 Server Error: Oops", Some("http://h/a")),
            ("404 Client Error: Not Found for url: my request", "404 Client Error: Not Found", Some("my request")),
            (
                "HTTPConnectionPool(host='h', port=80): Max retries exceeded with url: /a?x=... (Caused by \
                 NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f00a1>: refused'))",
                "HTTPConnectionPool(host='h', port=80): Max retries exceeded (Caused by \
                 NewConnectionError('<urllib3.connection.HTTPConnection object at 0x...>: refused'))",
                Some("/a?x=..."),
            ),
            ("broken", "broken", None),
            ("", "", None),
        ] {
            assert_eq!(separate_url(text.into()), (error.into(), url.map(Into::into)), "{text}");
        }
    }
}

//! The identity of a run's samples: the run ID, the process, and the host.

use std::borrow::Cow;

use url::Url;

use crate::redact::redact_urls;
use crate::sample::Sample;
use crate::timestamp::Timestamp;

/// The host of requests without a URL in a run without a host.
pub const NO_HOST: &str = "(none)";
/// Maximum length of a run ID, which is part of the names of log streams and folders.
pub const MAX_RUN_ID_CHARS: usize = 64;
/// Maximum length of the name of a process within its run.
pub const MAX_WORKER_CHARS: usize = 128;
/// Maximum number of characters that locust-cw adds to the name of a process: one before it, and a number after it.
const WORKER_ADDITION_CHARS: usize = 5;

/// An ID for a run that starts now, such as `20261122T110301Z-7f3a`.
#[must_use]
pub fn new_run_id() -> String {
    format!("{}-{:04x}", Timestamp::now().compact(), rand::random::<u16>())
}

/// The run, process and host that samples belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// The run ID.
    pub run_id: String,
    /// The name of the process within the run.
    pub worker: String,
    /// The host of Locust's environment, as published. If it is `None`, the URL of each request determines the host.
    pub host: Option<String>,
    /// The host of gauges and of reports of workers, which have no URL, if `host` is `None`.
    pub fallback_host: Option<String>,
}

impl RunIdentity {
    /// The host of a sample.
    #[must_use]
    pub fn host_of<'a>(&'a self, sample: &'a Sample) -> Cow<'a, str> {
        if let Some(host) = &self.host {
            return Cow::Borrowed(host);
        }
        match sample.url.as_deref().and_then(origin_of) {
            Some(origin) => Cow::Owned(origin),
            None => Cow::Borrowed(self.own_host()),
        }
    }

    /// The origin of a request that was sent to another host than the run's; [`Self::host_of`] for any other request.
    #[must_use]
    pub fn logged_host_of<'a>(&'a self, sample: &'a Sample) -> Cow<'a, str> {
        // Most samples have no URL, and parsing the host would take longer than most fields of a log event.
        let Some(url) = sample.url.as_deref() else { return self.host_of(sample) };
        let own = self.host.as_deref().and_then(origin_of);
        match origin_of(url).filter(|origin| own.as_ref() != Some(origin)) {
            Some(origin) => Cow::Owned(origin),
            None => self.host_of(sample),
        }
    }

    /// Whether a URL is below the host of the run. Most are, and then a sample does not store it.
    #[must_use]
    pub fn is_own_url(&self, url: &str) -> bool {
        let below = self.host.as_deref().and_then(|host| url.strip_prefix(host));
        below.is_some_and(|below| below.is_empty() || below.starts_with(['/', '?', '#']))
    }

    /// The host of data that does not belong to a single request.
    #[must_use]
    pub fn own_host(&self) -> &str {
        self.host.as_deref().or(self.fallback_host.as_deref()).unwrap_or(NO_HOST)
    }
}

/// Scheme, host and port of a URL, without credentials; `None` if the text is not a URL with a host.
#[must_use]
pub fn origin_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let (scheme, host) = (url.scheme(), url.host_str().filter(|host| !host.is_empty())?);
    Some(url.port().map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")))
}

/// A host as it is published: without credentials and without the values of a query. All spellings of an origin become the
/// same text, such as `HTTP://Shop.test:80/` and `http://shop.test`.
#[must_use]
pub fn public_host(host: &str) -> String {
    let host = redact_urls(host);
    let (scheme, rest) = host.split_at(host.find("://").map_or(0, |scheme| scheme + "://".len()));
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let after_user = rest[..authority].rfind('@').map_or(0, |at_sign| at_sign + 1);
    let public = format!("{scheme}{}", &rest[after_user..authority]);
    let path = &rest[authority..];
    match origin_of(&public) {
        Some(origin) => origin + path.trim_end_matches('/'),
        None => public + path,
    }
}

/// Makes a worker's name valid as a part of the names of a log stream and a folder.
#[must_use]
pub fn path_safe(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let mut safe: String = name.chars().map(safe).take(MAX_WORKER_CHARS - WORKER_ADDITION_CHARS).collect();
    if safe.is_empty() || safe.starts_with('.') {
        safe.insert(0, '_');
    }
    safe
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::metrics::aggregator::tests::sample;

    pub(crate) fn identity() -> Arc<RunIdentity> {
        Arc::new(RunIdentity {
            run_id: "20261122T110301Z-7f3a".into(),
            worker: "w1".into(),
            host: Some("http://shop".into()),
            fallback_host: None,
        })
    }

    #[test]
    fn a_long_name_has_room_for_an_addition() {
        for name in ["w".repeat(200), format!(".{}", "w".repeat(200)), "\u{1f980}".repeat(200), String::new()] {
            let safe = path_safe(&name);
            assert!((1..=MAX_WORKER_CHARS - "-100".len()).contains(&safe.len()) && !safe.starts_with('.'), "{safe}");
        }
    }

    #[test]
    fn a_host_is_published_without_possible_secrets() {
        for (host, public) in [
            ("http://shop", "http://shop"),
            ("https://user:p@ss@shop.example:8443/v1/@x", "https://shop.example:8443/v1/@x"),
            ("user:password@shop", "shop"),
            ("http://user:pa/ss@shop", "http://shop"),
            ("https://shop?access_token=abc", "https://shop?access_token=..."),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://shop.test/", "http://shop.test"),
            ("HTTP://Shop.Test:80//", "http://shop.test"),
            ("https://shop.test:443/api/", "https://shop.test/api"),
            ("shop.test", "shop.test"),
            ("", ""),
        ] {
            assert_eq!(public_host(host), public);
            assert_eq!(public_host(public), public);
        }
    }

    #[test]
    fn a_request_to_another_origin_is_recognized() {
        let identity = RunIdentity { host: Some("http://shop.test/api".into()), ..(*identity()).clone() };
        let target = |url: Option<&str>| {
            identity.logged_host_of(&Sample { url: url.map(Into::into), ..sample("/a", 100, 5.0) }).into_owned()
        };
        assert_eq!(target(None), "http://shop.test/api");
        assert_eq!(target(Some("http://shop.test:80/login")), "http://shop.test/api");
        assert_eq!(target(Some("https://pay.test/card")), "https://pay.test");
        assert_eq!(target(Some("/relative")), "http://shop.test/api");
        for (url, is_own) in [
            ("http://shop.test/api", true),
            ("http://shop.test/api/a", true),
            ("http://shop.test/api?x", true),
            ("http://shop.test/apis", false),
            ("http://shop.test.evil/api", false),
        ] {
            assert_eq!(identity.is_own_url(url), is_own, "{url}");
        }
    }

    #[test]
    fn without_a_host_the_url_of_the_request_determines_it() {
        let identity = RunIdentity { host: None, fallback_host: Some("http://gauge".into()), ..(*identity()).clone() };
        let host = |url: Option<&str>| {
            identity.host_of(&Sample { url: url.map(Into::into), ..sample("/a", 100, 5.0) }).into_owned()
        };
        assert_eq!(host(Some("https://a.example/x?y=1")), "https://a.example");
        assert_eq!(host(Some("http://a.example:8080/x")), "http://a.example:8080");
        assert_eq!(host(Some("http://user:secret@a.example/x")), "http://a.example");
        assert_eq!(host(Some("grpc://user:secret@b.example:50051/x")), "grpc://b.example:50051");
        assert_eq!(host(Some("http://[2001:DB8::1]:80/")), "http://[2001:db8::1]");
        assert_eq!(host(Some("HTTPS://B\u{fc}cher.example:443/v1#top")), "https://xn--bcher-kva.example");
        assert_eq!(host(Some("http://shop.example:port/")), "http://gauge");
        assert_eq!(host(Some("mailto:team@shop.example")), "http://gauge");
        assert_eq!(host(Some("/x")), "http://gauge");
        assert_eq!(host(None), "http://gauge");
    }
}

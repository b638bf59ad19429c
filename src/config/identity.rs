//! The identity of a run's samples: the run ID, the process, and the host.

use std::borrow::Cow;

use url::Url;

use crate::ingest::sample::Sample;
use crate::redact::redact_urls;

/// The host of a request without a URL, in a run without a host.
pub const NO_HOST: &str = "(none)";
/// Longest run ID: it is part of the names of log streams and folders.
pub const MAX_RUN_ID_CHARS: usize = 64;
/// Longest name of a process within its run.
pub const MAX_WORKER_CHARS: usize = 128;
/// Most characters that are added to the name of a process: one before it, and a number after it.
const WORKER_ADDITION_CHARS: usize = 5;

/// The run, process and host that samples belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// The run ID.
    pub run_id: String,
    /// The process's name within the run.
    pub worker: String,
    /// The environment's host as it is published; where it is `None`, the URL of each request determines the host.
    pub host: Option<String>,
    /// The host of gauges and of workers' reports where `host` is `None`: they have no URL.
    pub fallback_host: Option<String>,
}

impl RunIdentity {
    /// The host a sample was sent to.
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

    /// The host of everything but single requests.
    #[must_use]
    pub fn own_host(&self) -> &str {
        self.host.as_deref().or(self.fallback_host.as_deref()).unwrap_or(NO_HOST)
    }
}

/// Scheme, host and port of a URL, without credentials; `None` for any text but a URL with a host.
#[must_use]
pub fn origin_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let (scheme, host) = (url.scheme(), url.host_str().filter(|host| !host.is_empty())?);
    Some(url.port().map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")))
}

/// A host as it is published: without the user and password before it, with which Locust logs in, and without the values of a
/// query after it.
#[must_use]
pub fn public_host(host: &str) -> String {
    let host = redact_urls(host);
    let (scheme, rest) = host.split_at(host.find("://").map_or(0, |scheme| scheme + "://".len()));
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let after_user = rest[..authority].rfind('@').map_or(0, |at_sign| at_sign + 1);
    format!("{scheme}{}", &rest[after_user..])
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
    fn a_long_name_has_room_for_what_is_added() {
        for name in ["w".repeat(200), format!(".{}", "w".repeat(200)), "\u{1f980}".repeat(200), String::new()] {
            let safe = path_safe(&name);
            assert!((1..=MAX_WORKER_CHARS - "-100".len()).contains(&safe.len()) && !safe.starts_with('.'), "{safe}");
        }
    }

    #[test]
    fn a_host_is_published_without_what_may_be_secret() {
        for (host, public) in [
            ("http://shop", "http://shop"),
            ("https://user:p@ss@shop.example:8443/v1/@x", "https://shop.example:8443/v1/@x"),
            ("user:password@shop", "shop"),
            ("http://user:pa/ss@shop", "http://shop"),
            ("https://shop?access_token=abc", "https://shop?access_token=..."),
            ("http://[::1]:80", "http://[::1]:80"),
            ("", ""),
        ] {
            assert_eq!(public_host(host), public);
            assert_eq!(public_host(public), public);
        }
    }

    #[test]
    fn without_a_host_the_requests_url_tells_it() {
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

//! The registry of series: finds the series of a sample by host, request name and method, and limits their number.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use fnv::{FnvHashMap, FnvHashSet, FnvHasher};
use smol_str::SmolStr;

use crate::check::{Check, Scope};
use crate::config::dimension::{Dimension, fit_value};
use crate::config::identity::RunIdentity;
use crate::config::{Config, SeriesKey};
use crate::metrics::notice::{MAX_HOSTS, MAX_METHODS, MAX_SERIES_PER_REQUEST, Notices, SeriesNotice};
use crate::redact::redact_urls;
use crate::sample::RequestKey;

/// Replaces the request name, host or method of samples beyond the maximum number of series.
pub const OTHER: &str = "(other)";

/// The dimensions of a series. They are hashed once, and not for every sample.
#[derive(Debug, Clone)]
pub struct Series {
    /// The dimensions, in the order in which they are published.
    pub dimensions: Arc<[Dimension]>,
    hash: u64,
}

impl FromIterator<Dimension> for Series {
    fn from_iter<T: IntoIterator<Item = Dimension>>(dimensions: T) -> Self {
        let dimensions: Arc<[Dimension]> = dimensions.into_iter().collect();
        let mut hasher = FnvHasher::default();
        dimensions.hash(&mut hasher);
        Self { dimensions, hash: hasher.finish() }
    }
}

impl Hash for Series {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.dimensions, &other.dimensions) || self.dimensions == other.dimensions
    }
}

impl Eq for Series {}

/// What the samples of one host, request name and method count in: the request in the run's summary, the series in CloudWatch,
/// and the roll-up of the host, which is computed when the window is closed. Several of them can share a series.
#[derive(Debug, Clone)]
pub struct SampleHandle {
    /// A number that identifies the handle within the run.
    pub number: u64,
    /// The request in the summary.
    pub request: Arc<RequestKey>,
    /// The series of the request.
    pub own: Series,
    /// The series of its host.
    pub roll_up: Series,
}

/// How many names the summary of a process may see for each that it keeps: it keeps the same ones in every process of a run.
const NAMES_PER_SERIES: usize = 10;

/// The maximum numbers of a process. Each series costs about five metrics, and a test may have any number of hosts or names,
/// such as the origins of redirects.
struct SeriesLimits {
    /// Request names with series of their own.
    requests: usize,
    hosts: usize,
    methods: usize,
    series: usize,
}

impl SeriesLimits {
    /// Request names that are kept apart for the summary.
    const fn names(&self) -> usize {
        self.requests.saturating_mul(NAMES_PER_SERIES)
    }

    const fn handles(&self) -> usize {
        self.series.saturating_mul(NAMES_PER_SERIES)
    }
}

/// The parts of dimensions that are the same for all samples of a run.
struct Naming {
    keys: Vec<SeriesKey>,
    constant: Vec<Dimension>,
    run_id: Arc<str>,
}

impl Naming {
    fn roll_up(&self, host: &str) -> Series {
        let own = Dimension { name: SeriesKey::Host.name().into(), value: fit_value(host).into() };
        std::iter::once(own).chain(self.constant.iter().cloned()).collect()
    }

    fn series(&self, host: &str, request: &str, method: &str) -> Series {
        let own = self.keys.iter().map(|&key| {
            let value = match key {
                SeriesKey::Host => fit_value(host).into(),
                SeriesKey::Request => fit_value(request).into(),
                SeriesKey::Method => fit_value(method).into(),
                SeriesKey::RunId => self.run_id.clone(),
            };
            Dimension { name: key.name().into(), value }
        });
        own.chain(self.constant.iter().cloned()).collect()
    }
}

/// The requests and series of a run. A lookup of a known request hashes each text of a sample once, and no series.
pub struct SeriesRegistry {
    naming: Naming,
    own_host: String,
    own_roll_up: Series,
    limits: SeriesLimits,
    requests: Interner,
    /// Names in checks, which are kept apart beyond the limit.
    pinned: FnvHashSet<SmolStr>,
    /// The only request names with series of their own, if the run has as many as it may have.
    allowed: Option<FnvHashSet<SmolStr>>,
    hosts: Interner,
    methods: Interner,
    handles: Vec<SampleHandle>,
    /// The index of each handle, by the numbers of host, request name and method.
    known: FnvHashMap<Numbers, usize>,
    /// By the numbers that determine the series.
    published: FnvHashMap<Numbers, Published>,
    notices: Notices,
}

/// Host, request name and method, as numbers.
type Numbers = (u32, u32, u32);

/// The series of requests, and the method of the first of them.
struct Published {
    own: Series,
    roll_up: Series,
    first_method: SmolStr,
}

impl SeriesRegistry {
    /// Creates a registry without series.
    #[must_use]
    pub fn new(config: &Config, identity: &RunIdentity) -> Self {
        let naming = Naming {
            keys: config.series.clone(),
            constant: config.constant_dimensions.clone(),
            run_id: fit_value(&identity.run_id).into(),
        };
        let limits = SeriesLimits {
            requests: config.max_requests,
            hosts: MAX_HOSTS,
            methods: MAX_METHODS,
            series: config.max_requests.saturating_mul(MAX_SERIES_PER_REQUEST),
        };
        Self {
            own_host: identity.own_host().to_owned(),
            own_roll_up: naming.roll_up(identity.own_host()),
            limits,
            requests: Interner::default(),
            pinned: config.checks.iter().flat_map(names_in).collect(),
            allowed: None,
            hosts: Interner::default(),
            methods: Interner::default(),
            handles: Vec::new(),
            known: FnvHashMap::default(),
            published: FnvHashMap::default(),
            notices: Notices::default(),
            naming,
        }
    }

    /// The roll-up of the run's own host.
    #[must_use]
    pub fn own_roll_up(&self) -> &Series {
        &self.own_roll_up
    }

    /// The notices, for those about custom metrics.
    pub fn notices(&mut self) -> &mut Notices {
        &mut self.notices
    }

    /// Takes the notices since the last call.
    pub fn take_notices(&mut self) -> Vec<SeriesNotice> {
        self.notices.take()
    }

    /// Publishes no other request names than these from now on: together, the processes of the run have as many as it may have.
    pub fn restrict(&mut self, names: impl IntoIterator<Item = SmolStr>) {
        self.allowed = Some(names.into_iter().collect());
        self.known.clear();
    }

    /// Returns what a sample counts in, and creates it for the first sample of a host, request name and method.
    pub fn find(&mut self, host: &str, name: &str, method: &str) -> &SampleHandle {
        let mut numbers = (self.host_number(host), self.request_number(name), self.method_number(method));
        if let Some(&index) = self.known.get(&numbers) {
            return &self.handles[index];
        }
        if self.handles.len() >= self.limits.handles() {
            numbers = (numbers.0, OTHERS, OTHERS);
            if let Some(&index) = self.known.get(&numbers) {
                return &self.handles[index];
            }
        }
        let text = |number: u32, text: &str| SmolStr::new(if number == OTHERS { OTHER } else { text });
        let request = Arc::new(RequestKey::new(text(numbers.2, method), text(numbers.1, name)));
        let Published { own, roll_up, .. } = self.published(numbers, host, name, method);
        let (own, roll_up) = (own.clone(), roll_up.clone());
        let index = self.handles.len();
        self.known.insert(numbers, index);
        self.handles.push(SampleHandle { number: index as u64, request, own, roll_up });
        &self.handles[index]
    }

    /// The series of a request, within the limits.
    fn published(
        &mut self,
        (host_number, request, method_number): Numbers,
        host: &str,
        name: &str,
        method: &str,
    ) -> &Published {
        let is_dimension = self.naming.keys.contains(&SeriesKey::Method);
        let has_series = match &self.allowed {
            // The names of the summary are shortened.
            Some(allowed) => allowed.contains(RequestKey::new(method, name).name()),
            None => (request as usize) <= self.limits.requests,
        };
        if !has_series {
            self.notices.note(SeriesNotice::TooManyRequests, name);
        }
        if is_dimension && method_number == OTHERS {
            self.notices.note(SeriesNotice::TooManyMethods, method);
        }
        let mut numbers =
            (host_number, if has_series { request } else { OTHERS }, if is_dimension { method_number } else { OTHERS });
        // Each host has this series beyond the maximum, so that its roll-up stays exact.
        let others = (host_number, OTHERS, OTHERS);
        if numbers != others && self.published.len() >= self.limits.series && !self.published.contains_key(&numbers) {
            self.notices.note(SeriesNotice::TooManySeries, name);
            numbers = others;
        }
        let published = self.published.entry(numbers).or_insert_with(|| {
            let host = if numbers.0 == OTHERS { OTHER } else { host };
            let request = if numbers.1 == OTHERS { OTHER } else { name };
            let shown_method = if numbers.2 == OTHERS { OTHER } else { method };
            let (own, roll_up) = (self.naming.series(host, request, shown_method), self.naming.roll_up(host));
            Published { own, roll_up, first_method: method.into() }
        });
        if !is_dimension && numbers.1 != OTHERS && published.first_method != method {
            self.notices.note(SeriesNotice::MethodsShareSeries, name);
        }
        published
    }

    fn host_number(&mut self, host: &str) -> u32 {
        if host == self.own_host {
            return OWN_HOST;
        }
        self.hosts.get_or_add(host, self.limits.hosts).map_or_else(
            || {
                self.notices.note(SeriesNotice::TooManyHosts, host);
                OTHERS
            },
            |number| OWN_HOST + number,
        )
    }

    fn request_number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.requests.get(name) {
            return number;
        }
        if !self.notices.has_noted(SeriesNotice::ValuesInName) && matches!(redact_urls(name), Cow::Owned(_)) {
            self.notices.note(SeriesNotice::ValuesInName, name);
        }
        let limit = if self.pinned.contains(name) { usize::MAX } else { self.limits.names() };
        self.requests.get_or_add(name, limit).unwrap_or_else(|| {
            self.notices.note(SeriesNotice::TooManyRequests, name);
            OTHERS
        })
    }

    fn method_number(&mut self, method: &str) -> u32 {
        self.methods.get_or_add(method, self.limits.methods).unwrap_or(OTHERS)
    }
}

/// The names that the scope of a check can mean: it may begin with a method.
fn names_in(check: &Check) -> impl Iterator<Item = SmolStr> + use<> {
    let text = if let Scope::Request(text) = &check.scope { Some(text) } else { None };
    let without_method = text.and_then(|text| text.split_once(' ')).map(|(_, name)| SmolStr::new(name));
    text.map(SmolStr::new).into_iter().chain(without_method)
}

/// The number of all hosts, request names or methods beyond the maximum.
const OTHERS: u32 = 0;
/// The number of the run's own host.
const OWN_HOST: u32 = 1;

/// Assigns a number to each text, from 1 on, so that lookups compare and hash small numbers.
#[derive(Default)]
struct Interner(FnvHashMap<SmolStr, u32>);

impl Interner {
    fn get(&self, text: &str) -> Option<u32> {
        self.0.get(text).copied()
    }

    /// The number of a text; `None` if it is new, and `limit` texts have numbers already.
    fn get_or_add(&mut self, text: &str, limit: usize) -> Option<u32> {
        self.get(text).or_else(|| {
            let number = (self.0.len() < limit).then(|| u32::try_from(self.0.len() + 1).ok()).flatten()?;
            self.0.insert(text.into(), number);
            Some(number)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};
    use std::mem::discriminant;

    use proptest::prelude::*;

    use super::*;
    use crate::config::identity::tests::identity;
    use crate::config::validate::tests::config;

    fn values(series: &Series) -> Vec<&str> {
        series.dimensions.iter().map(|dimension| &*dimension.value).collect()
    }

    proptest! {
        #[test]
        fn a_number_always_identifies_the_same_series_and_the_limits_hold(
            requests in prop::collection::vec((0..4usize, 0..5usize, 0..4usize), 0..300), by_method in any::<bool>(),
        ) {
            let config = config(|o| {
                o.dimensions = if by_method { "Host,Request,Method" } else { "Host,Request" }.into();
                o.max_requests = 3;
            });
            let mut registry = SeriesRegistry::new(&config, &identity());
            registry.limits = SeriesLimits { requests: 3, hosts: 2, methods: 2, series: 12 };
            let (mut found, mut published, mut notices) = (HashMap::new(), HashSet::new(), Vec::new());
            let (mut hosts, mut names, mut methods) = (vec![0], Vec::new(), Vec::new());
            let mut overflowed = false;
            for (host, name, method) in requests {
                // The first host is the one of the run.
                for (known, new, limit) in [(&mut hosts, host, 3), (&mut names, name, 3), (&mut methods, method, 2)] {
                    if !known.contains(&new) && known.len() < limit {
                        known.push(new);
                    }
                }
                let shown = |known: &[usize], number: usize, text: String| {
                    if known.contains(&number) { text } else { OTHER.to_owned() }
                };
                let host_text = ["http://shop", "http://h1", "http://h2", "http://h3"][host];
                let (name_text, method_text) = (format!("/{name}"), ["GET", "PUT", "POST", "HEAD"][method]);
                let handle = registry.find(host_text, &name_text, method_text).clone();
                notices.extend(registry.take_notices());
                let host = shown(&hosts, host, host_text.to_owned());
                let expected = [host.clone(), shown(&names, name, name_text), shown(&methods, method, method_text.to_owned())];
                let keys = if by_method { 3 } else { 2 };
                if values(&handle.own) != expected[..keys] {
                    prop_assert_eq!(&values(&handle.own)[1..], vec![OTHER; keys - 1]);
                    prop_assert!(published.len() >= 12);
                    overflowed = true;
                }
                // Roll-ups are exact even beyond the maximum number of series.
                prop_assert_eq!(values(&handle.roll_up), [&host]);
                let before = found.entry(handle.number).or_insert_with(|| handle.own.clone());
                prop_assert_eq!(&*before, &handle.own);
                published.insert(handle.own);
                prop_assert!(published.len() <= 12 + 4);
            }
            let kinds: HashSet<_> = notices.iter().map(discriminant).collect();
            prop_assert_eq!(kinds.len(), notices.len(), "each kind is reported once");
            let too_many = notices.iter().any(|notice| matches!(notice, SeriesNotice::TooManySeries(_)));
            prop_assert_eq!(too_many, overflowed);
        }
    }

    fn notices(max_requests: i64, requests: &[(&str, &str, &str)]) -> Vec<SeriesNotice> {
        let mut registry = SeriesRegistry::new(&config(|o| o.max_requests = max_requests), &identity());
        requests.iter().for_each(|(host, name, method)| drop(registry.find(host, name, method).clone()));
        registry.take_notices()
    }

    #[test]
    fn requests_that_share_a_series_are_kept_apart() {
        let mut registry = SeriesRegistry::new(&config(|o| o.max_requests = 1), &identity());
        let mut find = |name: &str, method: &str| registry.find("http://shop", name, method).clone();
        let handles = [find("/a", "GET"), find("/a", "POST"), find("/b", "GET"), find("/c", "GET")];
        let requests = handles.each_ref().map(|handle| handle.request.to_string());
        assert_eq!(requests, ["GET /a", "POST /a", "GET /b", "GET /c"]);
        assert_eq!(handles[0].own, handles[1].own);
        assert_eq!(handles[2].own, handles[3].own);
        assert_eq!(values(&handles[2].own), ["http://shop", OTHER]);
    }

    #[test]
    fn a_name_in_a_check_is_kept_apart_beyond_the_limit() {
        let config = config(|o| (o.max_requests, o.check) = (1, vec!["GET /rare: requests > 0".into()]));
        let mut registry = SeriesRegistry::new(&config, &identity());
        let mut name_of = |name: &str| registry.find("http://shop", name, "GET").request.name().to_owned();
        for number in 0..10 {
            assert_eq!(name_of(&format!("/{number}")), format!("/{number}"));
        }
        assert_eq!([name_of("/10"), name_of("/rare")], [OTHER, "/rare"]);
    }

    #[test]
    fn only_allowed_names_are_published_from_then_on() {
        let mut registry = SeriesRegistry::new(&config(|o| o.max_requests = 2), &identity());
        let published = |registry: &mut SeriesRegistry, name: &str| {
            values(&registry.find("http://shop", name, "GET").own)[1].to_owned()
        };
        assert_eq!(["/a", "/b", "/c"].map(|name| published(&mut registry, name)), ["/a", "/b", OTHER]);
        registry.restrict(["/b".into(), "/d".into()]);
        assert_eq!(["/a", "/b", "/c", "/d"].map(|name| published(&mut registry, name)), [OTHER, "/b", OTHER, "/d"]);
    }

    #[test]
    fn a_request_beyond_the_other_limits_is_not_reported_for_the_number_of_series() {
        let config = config(|o| o.dimensions = "Host,Request,Method".into());
        let mut registry = SeriesRegistry::new(&config, &identity());
        registry.limits = SeriesLimits { requests: 1, hosts: 1, methods: 1, series: 1 };
        for (name, method) in [("/a", "GET"), ("/b", "PUT")] {
            registry.find("http://shop", name, method);
        }
        assert!(!registry.take_notices().iter().any(|notice| matches!(notice, SeriesNotice::TooManySeries(_))));
    }

    #[test]
    fn the_first_name_with_values_of_a_url_is_reported_with_and_without_a_series() {
        let names = ["/a", "/a", "Is it so?", "/x?page=2", "/x?page=2", "/x?page=3"];
        for max_requests in [1, 100] {
            let requests = names.map(|name| ("http://shop", name, "GET"));
            let mut expected = vec![SeriesNotice::ValuesInName("/x?page=2".into())];
            if max_requests == 1 {
                expected.insert(0, SeriesNotice::TooManyRequests("Is it so?".into()));
            }
            assert_eq!(notices(max_requests, &requests), expected);
        }
    }

    #[test]
    fn methods_that_share_a_series_are_reported_once() {
        let requests = [
            ("http://shop", "/a", "GET"),
            ("http://pay", "/a", "POST"),
            ("http://shop", "/b", "POST"),
            ("http://shop", "/a", "POST"),
            ("http://shop", "/b", "GET"),
        ];
        assert_eq!(notices(9, &requests), [SeriesNotice::MethodsShareSeries("/a".into())]);
    }

    #[test]
    fn the_number_of_hosts_is_limited() {
        let config = config(|_| {});
        let mut registry = SeriesRegistry::new(&config, &identity());
        let series: HashSet<_> = (0..900)
            .map(|number| registry.find(&format!("http://h{number}"), "/a", "GET").own.dimensions.clone())
            .collect();
        assert_eq!(series.len(), MAX_HOSTS + 1);
        assert_eq!(registry.take_notices(), [SeriesNotice::TooManyHosts(format!("http://h{MAX_HOSTS}").into())]);
    }
}

//! Where a sample counts: the series that it belongs to, by its host, name and method.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use fnv::{FnvHashMap, FnvHasher};
use smol_str::SmolStr;

use crate::config::identity::RunIdentity;
use crate::config::{Config, SeriesKey};
use crate::metrics::dimension::{Dimension, fit_value};
use crate::redact::redact_urls;

/// Takes the requests whose name is one too many.
pub const OTHER: &str = "(other)";

/// The dimensions of a series, which are hashed once and not for every sample.
#[derive(Debug, Clone)]
pub struct Series {
    /// In the order in which they are published.
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

/// Where a sample counts: its own series, and its host's roll-up, which is made from the others when the window is closed.
#[derive(Debug, Clone)]
pub struct SeriesHandle {
    /// No other place ever has it.
    pub number: u64,
    /// The request's series.
    pub own: Series,
    /// Its host's.
    pub roll_up: Series,
}

/// What a request's name is the first to be, of all that were met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct First {
    /// One more than become series.
    pub too_many: bool,
    /// One with what log events leave out of URLs. Of a name nothing is left out.
    pub with_values: bool,
}

/// What the series of a run are made of, beside what tells them apart.
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

/// The places that samples met. Each text of a sample is hashed once, and no series is.
pub struct SeriesRegistry {
    naming: Naming,
    own_host: String,
    own_roll_up: Series,
    max_requests: usize,
    /// Whether a request name was one too many.
    overflowed: bool,
    /// Whether a request name had what is left out of URLs.
    had_values: bool,
    /// Request names, each with its number; 0 is that of all that are too many.
    requests: Numbers,
    /// Hosts, but for the own one, which is 0.
    hosts: Numbers,
    /// Methods, if they tell series apart; else each is 0.
    methods: Option<Numbers>,
    /// By the numbers of host, request and method.
    known: FnvHashMap<(u32, u32, u32), SeriesHandle>,
    last: u64,
}

/// Once more places than these are known, all are forgotten: a test that meets more still publishes them all.
const MAX_KNOWN: usize = if cfg!(test) { 5 } else { 10_000 };

impl SeriesRegistry {
    /// None is known yet.
    #[must_use]
    pub fn new(config: &Config, identity: &RunIdentity) -> Self {
        let naming = Naming {
            keys: config.series.clone(),
            constant: config.constant_dimensions.clone(),
            run_id: fit_value(&identity.run_id).into(),
        };
        Self {
            own_host: identity.own_host().to_owned(),
            own_roll_up: naming.roll_up(identity.own_host()),
            max_requests: config.max_requests,
            overflowed: false,
            had_values: false,
            requests: Numbers::default(),
            hosts: Numbers::default(),
            methods: naming.keys.contains(&SeriesKey::Method).then(Numbers::default),
            known: FnvHashMap::default(),
            last: 0,
            naming,
        }
    }

    /// The roll-up of the run's own host.
    #[must_use]
    pub fn own_roll_up(&self) -> &Series {
        &self.own_roll_up
    }

    /// The place of a request, and what its name is the first to be.
    pub fn find(&mut self, host: &str, name: &str, method: &str) -> (&SeriesHandle, First) {
        if self.known.len() > MAX_KNOWN {
            self.known.clear();
            self.hosts = Numbers::default();
            self.methods = self.methods.as_ref().map(|_| Numbers::default());
        }
        let (mut request, mut first) = (self.requests.get(name), First::default());
        if request.is_none() {
            // Looked for in new names only, and until there is one: one warning is enough.
            first.with_values = !self.had_values && matches!(redact_urls(name), Cow::Owned(_));
            self.had_values |= first.with_values;
            request = self.has_room().then(|| self.requests.of(name));
            first.too_many = request.is_none() && !std::mem::replace(&mut self.overflowed, true);
        }
        let numbers = (
            if host == self.own_host { 0 } else { self.hosts.of(host) },
            request.unwrap_or(0),
            self.methods.as_mut().map_or(0, |methods| methods.of(method)),
        );
        let place = self.known.entry(numbers).or_insert_with(|| {
            self.last += 1;
            let request = if request.is_some() { name } else { OTHER };
            SeriesHandle {
                number: self.last,
                own: self.naming.series(host, request, method),
                roll_up: self.naming.roll_up(host),
            }
        });
        (place, first)
    }

    fn has_room(&self) -> bool {
        self.requests.0.len() < self.max_requests
    }
}

/// Texts that were met, each with its number, from 1 on. What is compared and hashed for every sample is small then.
#[derive(Default)]
struct Numbers(FnvHashMap<SmolStr, u32>);

impl Numbers {
    fn get(&self, text: &str) -> Option<u32> {
        self.0.get(text).copied()
    }

    fn of(&mut self, text: &str) -> u32 {
        self.get(text).unwrap_or_else(|| {
            // There are never that many.
            let number = u32::try_from(self.0.len() + 1).unwrap_or(u32::MAX);
            self.0.insert(text.into(), number);
            number
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;
    use crate::config::identity::tests::identity;
    use crate::config::validate::tests::config;

    fn values(series: &Series) -> Vec<&str> {
        series.dimensions.iter().map(|dimension| &*dimension.value).collect()
    }

    proptest! {
        #[test]
        fn a_number_always_means_the_same_series_though_places_are_forgotten(
            requests in prop::collection::vec((0..3usize, 0..4usize, 0..3usize), 0..200), by_method in any::<bool>(),
        ) {
            let config = config(|o| {
                o.dimensions = if by_method { "Host,Request,Method" } else { "Host,Request" }.into();
                o.max_requests = 3;
            });
            let mut places = SeriesRegistry::new(&config, &identity());
            let (mut met, mut distinct, mut names) = (HashMap::new(), HashSet::new(), Vec::new());
            let (mut announced, mut others) = (0, false);
            for (host, name, method) in requests {
                // The first one is the run's own.
                let (host, name) = (["http://shop", "http://h1", "http://h2"][host], format!("/{name}"));
                let method = ["GET", "PUT", "POST"][method];
                if !names.contains(&name) && names.len() < 3 {
                    names.push(name.clone());
                }
                let (place, first) = places.find(host, &name, method);
                announced += u32::from(first.too_many);
                let request = if names.contains(&name) { &name } else { OTHER };
                let expected = if by_method { vec![host, request, method] } else { vec![host, request] };
                prop_assert_eq!(values(&place.own), expected);
                prop_assert_eq!(values(&place.roll_up), [host]);
                let before = met.entry(place.number).or_insert_with(|| place.own.clone());
                prop_assert_eq!(&*before, &place.own);
                others |= request == OTHER;
                prop_assert_eq!(announced, u32::from(others));
                distinct.insert((host, request.to_owned(), method));
                if by_method && distinct.len() <= MAX_KNOWN {
                    prop_assert_eq!(met.len(), distinct.len());
                }
            }
        }
    }

    #[test]
    fn the_first_name_with_values_of_a_url_is_told_whether_it_becomes_a_series_or_not() {
        for max_requests in [1, 100] {
            let mut places = SeriesRegistry::new(&config(|o| o.max_requests = max_requests), &identity());
            let names = ["/a", "/a", "Is it so?", "/x?page=2", "/x?page=2", "/x?page=3"];
            let told = names.map(|name| places.find("http://shop", name, "GET").1.with_values);
            assert_eq!(told, [false, false, false, true, false, false]);
        }
    }
}

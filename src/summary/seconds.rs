//! The values of single seconds: of all requests, and of the requests that checks name.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::check::Values;
use crate::summary::GeneratorLoad;
use crate::summary::log_histogram::LogHistogram;
use crate::summary::totals::Totals;
use crate::summary::window::Window;

/// Number of seconds, for checks that stop a test.
const MAX_SECONDS: i64 = 300;
/// Number of seconds of all requests while the live view needs them: the last hour, and late windows.
const MAX_LIVE_SECONDS: i64 = 3_700;
/// Maximum number of seconds of the load generator.
const MAX_LOADS: usize = 300;
/// How far ahead a second may be. The clocks of workers differ.
const MAX_AHEAD_SECONDS: i64 = 60;

/// What is known of one second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SecondStats {
    /// Finished requests, failed ones included.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
    /// Response times of successful requests, of those that have one.
    pub successful: LogHistogram,
}

impl SecondStats {
    /// Adds other requests of the same second.
    pub fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failures = self.failures.saturating_add(other.failures);
        self.successful.merge(&other.successful);
    }

    fn add(&mut self, totals: &Totals) {
        self.requests = self.requests.saturating_add(totals.requests);
        self.failures = self.failures.saturating_add(totals.failures);
        self.successful.merge(&totals.successful);
    }
}

impl Values for SecondStats {
    fn requests(&self) -> u64 {
        self.requests
    }

    fn failures(&self) -> u64 {
        self.failures
    }

    fn timed(&self) -> u64 {
        self.successful.count()
    }

    fn mean_ms(&self) -> Option<f64> {
        self.successful.mean_ms()
    }

    fn max_ms(&self) -> Option<f64> {
        self.successful.max_ms()
    }

    fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        self.successful.quantile_ms(quantile)
    }
}

/// Statistics by second since the epoch.
type BySecond = BTreeMap<i64, SecondStats>;

/// The last seconds of a run, warm-up included.
#[derive(Debug, Clone, PartialEq)]
pub struct Seconds {
    all: BySecond,
    /// How many of them are kept.
    keep: i64,
    /// Requests of earlier seconds are no longer among them.
    kept_from: i64,
    generator: BTreeMap<i64, GeneratorLoad>,
    watched: Vec<(SmolStr, BySecond)>,
}

impl Default for Seconds {
    fn default() -> Self {
        Self::new([])
    }
}

impl Seconds {
    /// Without requests. `watched` are the requests that checks name, as [`super::RequestKey::matches`] reads them.
    pub fn new(watched: impl IntoIterator<Item = SmolStr>) -> Self {
        let watched = watched.into_iter().map(|text| (text, BySecond::new())).collect();
        let (all, generator) = (BySecond::new(), BTreeMap::new());
        Self { all, keep: MAX_SECONDS, kept_from: i64::MIN, generator, watched }
    }

    /// Keeps the last hour of all requests for the live view, or no longer.
    pub fn keep_hour(&mut self, is_kept: bool) {
        self.keep = if is_kept { MAX_LIVE_SECONDS } else { MAX_SECONDS };
        self.limit();
    }

    /// The first second whose requests are all among those that are kept.
    #[must_use]
    pub const fn kept_from(&self) -> i64 {
        self.kept_from
    }

    fn limit(&mut self) {
        if let Some(removed) = limit(&mut self.all, self.keep) {
            self.kept_from = self.kept_from.max(removed + 1);
        }
    }

    /// Adds a window. Windows of the same second add up.
    pub fn add_window(&mut self, window: &Window) {
        self.all.entry(window.second).or_default().add(&window.totals);
        self.limit();
        for (text, seconds) in &mut self.watched {
            if window.key.matches(text) {
                seconds.entry(window.second).or_default().add(&window.totals);
                limit(seconds, MAX_SECONDS);
            }
        }
    }

    /// Adds the load of a process in one second.
    pub fn add_generator(&mut self, second: i64, load: &GeneratorLoad) {
        self.generator.entry(second).or_default().merge(load);
        if self.generator.len() > MAX_LOADS {
            self.generator.pop_first();
        }
    }

    /// The highest load of the processes in one second.
    #[must_use]
    pub fn generator(&self, second: i64) -> Option<&GeneratorLoad> {
        self.generator.get(&second)
    }

    /// Removes seconds that are no longer needed, and those too far ahead of the current time, which is in seconds since the epoch.
    /// Without a call once a second, a process whose clock is ahead replaces the seconds of the others.
    pub fn prune(&mut self, now: i64) {
        let latest = now.saturating_add(MAX_AHEAD_SECONDS);
        self.generator.retain(|&second, _| (now.saturating_sub(MAX_SECONDS)..=latest).contains(&second));
        let prune = |seconds: &mut BySecond, keep| {
            seconds.retain(|&second, _| (now.saturating_sub(keep)..=latest).contains(&second));
        };
        prune(&mut self.all, self.keep);
        self.kept_from = self.kept_from.max(now.saturating_sub(self.keep));
        self.watched.iter_mut().for_each(|(_, seconds)| prune(seconds, MAX_SECONDS));
    }

    /// The seconds with requests.
    #[must_use]
    pub const fn all(&self) -> &BTreeMap<i64, SecondStats> {
        &self.all
    }

    /// The seconds with requests that match a watched text.
    #[must_use]
    pub fn watched(&self, text: &str) -> Option<&BTreeMap<i64, SecondStats>> {
        self.watched.iter().find(|(watched, _)| watched == text).map(|(_, seconds)| seconds)
    }

    /// Adds other seconds with the same watched texts.
    pub(super) fn merge(&mut self, other: &Self) {
        other.generator.iter().for_each(|(&second, load)| self.add_generator(second, load));
        merge(&mut self.all, &other.all);
        self.limit();
        for (text, seconds) in &mut self.watched {
            other.watched(text).iter().for_each(|others| merge(seconds, others));
            limit(seconds, MAX_SECONDS);
        }
    }

    /// The same watched texts, without requests.
    pub(super) fn empty(&self) -> Self {
        let watched = self.watched.iter().map(|(text, _)| text.clone());
        Self { keep: self.keep, ..Self::new(watched) }
    }
}

fn merge(seconds: &mut BySecond, others: &BySecond) {
    for (&second, stats) in others {
        seconds.entry(second).or_default().merge(stats);
    }
}

/// Removes the oldest seconds beyond a number. Returns the last one that was removed.
fn limit(seconds: &mut BySecond, number: i64) -> Option<i64> {
    let mut removed = None;
    while i64::try_from(seconds.len()).is_ok_and(|length| length > number) {
        removed = seconds.pop_first().map(|(second, _)| second);
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::window;

    #[test]
    fn seconds_hold_all_requests_and_each_watched_one() {
        let mut seconds = Seconds::new(["POST /pay".into(), "/a".into()]);
        for (method, name, second) in [("POST", "/pay", 10), ("GET", "/pay", 10), ("GET", "/a", 11), ("PUT", "/a", 11)]
        {
            seconds.add_window(&window(method, name, second, &[5.0]));
        }
        let counts = |seconds: Option<&BySecond>| {
            seconds.map(|seconds| seconds.iter().map(|(&second, stats)| (second, stats.requests)).collect::<Vec<_>>())
        };
        assert_eq!(counts(Some(seconds.all())), Some(vec![(10, 2), (11, 2)]));
        assert_eq!(counts(seconds.watched("POST /pay")), Some(vec![(10, 1)]));
        assert_eq!(counts(seconds.watched("/a")), Some(vec![(11, 2)]));
        assert_eq!(counts(seconds.watched("/b")), None);
        assert_eq!(seconds.all()[&10].successful.max_ms(), Some(5.0));
    }

    #[test]
    fn the_number_of_seconds_is_bounded_and_a_clock_that_is_ahead_replaces_no_seconds() {
        let mut seconds = Seconds::new(["/a".into()]);
        seconds.keep_hour(true);
        for second in 0..5000 {
            seconds.add_window(&window("GET", "/a", second, &[5.0]));
            seconds.add_window(&window("GET", "/a", second + 1_000_000, &[5.0]));
            if second % 50 == 0 || second > 4900 {
                seconds.prune(second);
            }
        }
        assert!((4999 - 3600..5000).all(|second| seconds.all().contains_key(&second)));
        assert!(seconds.all().len() <= 3701 && seconds.all().keys().all(|&second| second < 5000));
        assert!(seconds.watched("/a").is_some_and(|seconds| (298..=301).contains(&seconds.len())));
        for second in 0..5000 {
            seconds.add_window(&window("GET", "/a", second * 9, &[5.0]));
        }
        assert_eq!((seconds.all().len(), seconds.watched("/a").map(BTreeMap::len)), (3700, Some(300)));
        assert_eq!(seconds.empty().keep, 3700, "an increment of an hour adds all of it");
        seconds.keep_hour(false);
        assert_eq!(
            seconds.all().keys().copied().collect::<Vec<_>>(),
            (4700..5000).map(|second| second * 9).collect::<Vec<_>>()
        );
    }
}

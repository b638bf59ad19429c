//! What the live view shows: the values of seconds, and which of them a browser lacks. It exists only while a browser watches.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use super::{RunStatistics, State, first_whole_second};
use crate::summary::{SecondStats, Seconds, TimeBlocks};

/// The time that the live view shows.
const WINDOW_SECONDS: i64 = 3_600;
const PERCENTILES: [f64; 3] = [0.5, 0.95, 0.99];

/// The values of one second, or of the middle of a time block.
#[derive(Debug, Clone, Copy, PartialEq)]
struct LivePoint {
    requests: f64,
    failures: f64,
    percentiles_ms: [Option<f64>; 3],
}

/// The values of seconds, by column. Of a time block there is one value, at its middle.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LiveSeconds {
    /// What to request the next changes since.
    pub revision: u64,
    /// Whether they replace all earlier values.
    pub is_whole: bool,
    /// Seconds since the epoch.
    pub seconds: Vec<i64>,
    /// Requests per second, failed ones included.
    pub requests: Vec<f64>,
    /// Failed requests per second.
    pub failures: Vec<f64>,
    /// Percentiles of the response times of successful requests, in milliseconds.
    pub p50: Vec<Option<f64>>,
    /// See `p50`.
    pub p95: Vec<Option<f64>>,
    /// See `p50`.
    pub p99: Vec<Option<f64>>,
    /// Users of the whole test.
    pub users: Vec<Option<u64>>,
}

/// Which seconds a browser lacks.
///
/// A second is shown when it is complete: all workers have reported it, or are late. Each completed second, and each later change
/// of one, gets a number. A browser requests the seconds whose number is higher than the last one that it has.
#[derive(Debug)]
pub(super) struct LiveView {
    /// A browser with an earlier revision has values of another view.
    first_revision: u64,
    revision: u64,
    /// The numbers of the completed seconds.
    changed: BTreeMap<i64, u64>,
    /// The first second that is not complete.
    next: i64,
    users: BTreeMap<i64, u64>,
    /// The values of time blocks, before the first second.
    history: BTreeMap<i64, LivePoint>,
}

impl RunStatistics {
    /// Keeps the values of seconds from now on, if they are not kept already. Before that, there are those of the summary's time
    /// blocks.
    pub fn watch(&self) {
        let summary = {
            let state = self.lock();
            if state.live.is_some() {
                return;
            }
            state.summary.clone()
        };
        // To add up all blocks takes milliseconds.
        let blocks = summary.all_requests().blocks;
        let users = summary.load().iter().filter_map(|(second, load)| Some((second, load.users?)));
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.live.is_none() {
            let first = state.started.max(state.seconds.kept_from());
            let history = history(state.started, first, self.live_end(state), &blocks);
            state.live = Some(Box::new(LiveView::new(state.next_revision, first, history, users)));
            state.seconds.keep_hour(true);
        }
    }

    /// Forgets the values that only the live view needs.
    pub fn unwatch(&self) {
        let mut state = self.lock();
        if let Some(live) = state.live.take() {
            state.next_revision = live.revision() + 1;
            state.seconds.keep_hour(false);
        }
    }

    /// The values of the complete seconds that have changed since a revision, or of the last hour if the live view does not know
    /// this revision; `None` if they are not kept.
    #[must_use]
    pub fn live(&self, since: Option<u64>) -> Option<LiveSeconds> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let end = self.live_end(state);
        let live = state.live.as_mut()?;
        live.complete_until(end);
        Some(live.changes(since, &state.seconds))
    }

    /// How often a second was changed for a live view.
    #[must_use]
    pub fn live_changes(&self) -> u64 {
        self.live_changes.load(Relaxed)
    }

    /// The first second that is not complete, or the end of the test.
    fn live_end(&self, state: &State) -> i64 {
        let end = state.complete_until(self.open_second());
        let stopped = state.measured_until.map(first_whole_second);
        // After the end of the process, no second is open.
        if stopped.is_some() || self.open_second() == i64::MAX {
            let last = state.seconds.all().keys().next_back().map(|last| last + 1);
            end.min(last.max(stopped).unwrap_or(state.started))
        } else {
            end
        }
    }

    /// Notes the seconds that have more requests than before.
    pub(super) fn change(&self, state: &mut State, seconds: impl IntoIterator<Item = i64>) {
        if let Some(live) = &mut state.live {
            for second in seconds {
                live.change(second);
                self.live_changes.fetch_add(1, Relaxed);
            }
        }
    }
}

impl LiveView {
    /// A view whose seconds start with `first`, and whose users before now are from other seconds.
    fn new(
        revision: u64,
        first: i64,
        history: BTreeMap<i64, LivePoint>,
        users: impl IntoIterator<Item = (i64, u64)>,
    ) -> Self {
        Self {
            first_revision: revision,
            revision,
            changed: BTreeMap::new(),
            next: first,
            users: users.into_iter().collect(),
            history,
        }
    }

    const fn revision(&self) -> u64 {
        self.revision
    }

    /// A second has more requests than before.
    fn change(&mut self, second: i64) {
        if second < self.next && second >= self.next.saturating_sub(WINDOW_SECONDS) {
            self.revision += 1;
            self.changed.insert(second, self.revision);
        }
    }

    pub(super) fn set_users(&mut self, second: i64, users: u64) {
        self.users.insert(second, users);
        self.change(second);
    }

    /// All seconds before this one are complete.
    fn complete_until(&mut self, end: i64) {
        // A clock that was set ahead completes no more than there is to show.
        let oldest = end.saturating_sub(WINDOW_SECONDS);
        for second in self.next.max(oldest)..end {
            self.revision += 1;
            self.changed.insert(second, self.revision);
        }
        self.next = self.next.max(end);
        self.changed.retain(|&second, _| second >= oldest);
        self.history.retain(|&second, _| second >= oldest);
        self.users.retain(|&second, _| second >= oldest);
    }

    /// The seconds that have changed since a revision; all of them if this view has not had that revision.
    fn changes(&self, since: Option<u64>, seconds: &Seconds) -> LiveSeconds {
        let since = since.filter(|since| (self.first_revision..=self.revision).contains(since));
        let mut found = LiveSeconds { revision: self.revision, is_whole: since.is_none(), ..LiveSeconds::default() };
        if since.is_none() {
            self.history.iter().for_each(|(&second, values)| found.push(second, values, self.users_near(second)));
        }
        for (&second, _) in self.changed.iter().filter(|&(_, &revision)| since.is_none_or(|since| revision > since)) {
            let values = seconds.all().get(&second).map_or(LivePoint::NONE, LivePoint::of);
            found.push(second, &values, self.users_near(second));
        }
        found
    }

    /// The users of a second, or of the last one before it: the time blocks from before the view have a value for some seconds.
    fn users_near(&self, second: i64) -> Option<u64> {
        self.users.range(..=second).next_back().map(|(_, &users)| users)
    }
}

impl LiveSeconds {
    fn push(&mut self, second: i64, values: &LivePoint, users: Option<u64>) {
        let [p50, p95, p99] = values.percentiles_ms;
        self.seconds.push(second);
        self.requests.push(rounded(values.requests));
        self.failures.push(rounded(values.failures));
        self.p50.push(p50.map(rounded));
        self.p95.push(p95.map(rounded));
        self.p99.push(p99.map(rounded));
        self.users.push(users);
    }
}

impl LivePoint {
    const NONE: Self = Self { requests: 0.0, failures: 0.0, percentiles_ms: [None; 3] };

    #[expect(clippy::cast_precision_loss, reason = "no second has 2^53 requests")]
    fn of(stats: &SecondStats) -> Self {
        Self {
            requests: stats.requests as f64,
            failures: stats.failures as f64,
            percentiles_ms: PERCENTILES.map(|quantile| stats.successful.quantile_ms(quantile)),
        }
    }
}

/// The values of the time blocks whose middle is before `first`, by that middle. The first and the last block may have values of only a
/// part of their time, so their rates are those of the time between `started` and `end`.
#[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
fn history(started: i64, first: i64, end: i64, blocks: &TimeBlocks) -> BTreeMap<i64, LivePoint> {
    let length = i64::try_from(blocks.length_seconds()).unwrap_or(i64::MAX);
    let values = blocks.iter().filter_map(|(start, block)| {
        let (from, to) = (start.max(started), start.saturating_add(length).min(end));
        let middle = i64::midpoint(from, to);
        if middle >= first || to <= from {
            return None;
        }
        let seconds = (to - from) as f64;
        Some((
            middle,
            LivePoint {
                requests: block.requests as f64 / seconds,
                failures: block.failures as f64 / seconds,
                percentiles_ms: PERCENTILES.map(|quantile| block.times.quantile_ms(quantile)),
            },
        ))
    });
    values.collect()
}

/// Three decimal places: a microsecond.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::super::Audience;
    use super::super::tests::{START, add_second, deliver, statistics};
    use crate::sample::{Gauge, Unit};
    use crate::timestamp::Timestamp;

    fn users(second: i64, value: f64) -> Gauge {
        let time = Timestamp::from_millis(second * 1000 + 30);
        Gauge { time, metric: "UserCount".into(), value, unit: Unit::Count, dimension: None }
    }

    #[test]
    fn a_browser_receives_each_second_once_and_again_when_it_changes() {
        let statistics = statistics(&[], Audience::Own);
        assert_eq!(statistics.live(None), None, "nothing is kept before");
        statistics.add_gauge(&users(START, 3.0));
        add_second(&statistics, START, &[1.0], 0);
        statistics.watch();
        let first = statistics.live(None).expect("kept");
        assert_eq!((first.is_whole, first.seconds, first.requests), (true, vec![START], vec![1.0]));
        assert_eq!((first.p50, first.users), (vec![Some(1.0)], vec![Some(3)]));

        statistics.add_gauge(&users(START + 1, 5.0));
        add_second(&statistics, START + 1, &[10.0, 20.0], 1);
        // A second without requests.
        statistics.update().close_until(START + 3);
        let second = statistics.live(Some(first.revision)).expect("kept");
        assert_eq!((second.is_whole, &second.seconds), (false, &vec![START + 1, START + 2]));
        assert_eq!((&second.requests, &second.failures), (&vec![3.0, 0.0], &vec![1.0, 0.0]));
        assert_eq!((&second.p99, &second.users), (&vec![Some(20.0), None], &vec![Some(5), Some(5)]));
        assert!(statistics.live(Some(second.revision)).is_some_and(|live| live.seconds.is_empty()));

        // A request that arrives late.
        add_second(&statistics, START + 1, &[10.0], 0);
        let third = statistics.live(Some(second.revision)).expect("kept");
        assert_eq!((&third.seconds, &third.requests), (&vec![START + 1], &vec![4.0]));
        // Another browser.
        assert_eq!(statistics.live(None).map(|live| live.requests), Some(vec![1.0, 4.0, 0.0]));
    }

    #[test]
    fn nothing_is_kept_or_counted_without_a_browser() {
        let statistics = statistics(&[], Audience::Own);
        let add = |from: i64, to: i64| {
            for second in from..to {
                statistics.add_gauge(&users(second, 1.0));
                add_second(&statistics, second, &[1.0], 0);
            }
        };
        add(START, START + 1000);
        assert_eq!((statistics.live_changes(), statistics.lock().live.is_none()), (0, true));
        assert!(statistics.lock().seconds.all().len() <= 301);
        statistics.watch();
        add(START + 1000, START + 2000);
        assert_eq!(statistics.live_changes(), 2000);
        assert!(statistics.lock().seconds.all().len() >= 1300);
        let revision = statistics.live(None).expect("kept").revision;
        statistics.unwatch();
        statistics.unwatch();
        add(START + 2000, START + 2100);
        assert_eq!((statistics.live_changes(), statistics.live(None)), (2000, None));
        assert!(statistics.lock().seconds.all().len() <= 301);
        // A browser that knew the earlier view receives everything.
        statistics.watch();
        assert!(statistics.live(Some(revision)).expect("kept").is_whole);
    }

    #[test]
    fn the_hour_before_the_view_is_filled_from_time_blocks() {
        let statistics = statistics(&[], Audience::Own);
        for second in START..START + 4000 {
            statistics.add_gauge(&users(second, 7.0));
            add_second(&statistics, second, &[8.0; 10], 0);
        }
        statistics.watch();
        let live = statistics.live(None).expect("kept");
        let (blocks, seconds): (Vec<i64>, Vec<i64>) = live.seconds.iter().partition(|&&second| second < START + 3700);
        assert_eq!(seconds, (START + 3700..START + 4000).collect::<Vec<_>>());
        // Blocks of 64 seconds.
        assert!((50..=60).contains(&blocks.len()) && blocks.is_sorted(), "{blocks:?}");
        assert!(blocks[0] >= START + 400 && blocks[0] < START + 500, "{blocks:?}");
        assert!(live.requests.iter().all(|&rate| (rate - 10.0).abs() < 0.001), "{:?}", live.requests);
        assert!(live.p95.iter().all(|p95| p95.is_some_and(|p95| (p95 - 8.0).abs() < 0.5)));
        assert!(live.users.iter().all(|&users| users == Some(7)), "{:?}", live.users);
    }

    #[test]
    fn a_finished_test_has_no_seconds_after_its_end() {
        let statistics = statistics(&[], Audience::Own);
        for second in START..START + 50 {
            add_second(&statistics, second, &[8.0; 4], 0);
        }
        statistics.end_measured_time(Timestamp::from_millis((START + 50) * 1000 - 500));
        statistics.update().close_until(START + 9_000);
        statistics.watch();
        let live = statistics.live(None).expect("kept");
        assert_eq!(live.seconds, (START..START + 50).collect::<Vec<_>>());
        assert_eq!(live.requests, [4.0; 50]);
        statistics.update().close_until(i64::MAX);
        assert_eq!(statistics.live(Some(live.revision)).map(|live| live.seconds), Some(Vec::new()));
    }

    #[test]
    fn a_master_shows_a_second_when_its_workers_have_reported_it() {
        let master = statistics(&[], Audience::Own);
        let workers = [statistics(&[], Audience::Master), statistics(&[], Audience::Master)];
        master.expect_workers(["a", "b"].map(str::to_owned));
        master.watch();
        for second in START..START + 3 {
            workers.iter().for_each(|worker| add_second(worker, second, &[5.0; 2], 0));
        }
        deliver(&master, "a", &workers[0]);
        master.update().close_until(START + 3);
        let first = master.live(None).expect("kept");
        assert_eq!(first.seconds, [0; 0], "b has not reported");
        deliver(&master, "b", &workers[1]);
        let second = master.live(Some(first.revision)).expect("kept");
        assert_eq!((second.seconds, second.requests), (vec![START, START + 1, START + 2], vec![4.0; 3]));
        // Workers report every three seconds. Until then, their next seconds are not shown as seconds without requests.
        master.update().close_until(START + 8);
        assert_eq!(master.live(Some(second.revision)).map(|live| live.seconds), Some(vec![]));
        // A worker that is silent for long is not waited for, and its late report changes the seconds.
        add_second(&workers[0], START + 3, &[5.0; 2], 0);
        add_second(&workers[1], START + 3, &[5.0; 2], 0);
        deliver(&master, "a", &workers[0]);
        master.update().close_until(START + 20);
        let third = master.live(Some(second.revision)).expect("kept");
        assert_eq!((third.seconds[0], third.requests[0]), (START + 3, 2.0));
        deliver(&master, "b", &workers[1]);
        let fourth = master.live(Some(third.revision)).expect("kept");
        assert_eq!((&fourth.seconds[..1], &fourth.requests[..1]), (&[START + 3][..], &[4.0][..]));
    }
}

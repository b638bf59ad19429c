//! Measures how often comparisons of synthetic runs are wrong, how often they find a change, and how long they take.
//!
//!     cargo bench --no-default-features --bench compare
//!     cargo bench --no-default-features --bench compare -- explore
//!
//! The second command varies the noise, the length of the runs and their load.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints, and must fail if it cannot run")]

use std::thread;
use std::time::Instant;

use locust_cw::compare::{Comparison, ComparisonVerdict, Measure, Options, Row, Side, compare};
use locust_cw::metrics::histogram::Histogram;
use locust_cw::sample::RequestKey;
use locust_cw::summary::{RunPart, Summary, SummaryLimits, Totals, Window};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};

const BEGIN: i64 = 1_795_348_981;
const THREADS: u64 = 2;
/// The first seed. The parameters of the method were chosen with lower ones, so that these pairs are new to it.
const FIRST_SEED: u64 = 1_000_000;

/// How runs are generated.
///
/// The logarithm of a response time is the sum of that of the name's median, a drift, two Ornstein-Uhlenbeck processes (that of the
/// run and that of the name), and a normal variate. A share of the requests is several times slower; the share follows a process of
/// its own, as bursts of garbage collection or of cold caches do. So does the share of failures.
#[derive(Debug, Clone, Copy)]
struct Plan {
    seconds: u32,
    names: u32,
    per_second: f64,
    /// Standard deviation of the slow variation of all requests, on the logarithmic axis. That of each name is half of it. That of the
    /// shares of slow and of failed requests is ten times as large.
    variation: f64,
    /// Range of the time constant of the variation, in seconds. Each pair has its own.
    time_constant: (f64, f64),
    /// Largest relative difference between end and begin of a run. Each run has its own, in either direction.
    drift: f64,
    /// The times of the run are longer by this factor...
    factor: f64,
    /// ...above this quantile of the times of a request.
    above: f64,
}

const PLAN: Plan = Plan {
    seconds: 300,
    names: 20,
    per_second: 50.0,
    variation: 0.02,
    time_constant: (5.0, 30.0),
    drift: 0.04,
    factor: 1.0,
    above: 0.0,
};
/// Standard deviation of the logarithm of the response times of a name at a point in time.
const SPREAD: f64 = 0.5;
/// Share of slow requests, and how much slower they are.
const SLOW_SHARE: f64 = 0.02;
const SLOW_FACTOR: f64 = 5.0;
/// Share of failures.
const FAILED: f64 = 0.005;

struct Random(Xoshiro256PlusPlus);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    fn between(&mut self, (low, high): (f64, f64)) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// By the method of Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// By Knuth's method, for small means.
    fn poisson(&mut self, mean: f64) -> u32 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    /// An Ornstein-Uhlenbeck process at each second.
    fn process(&mut self, seconds: u32, deviation: f64, time_constant: f64) -> Vec<f64> {
        let kept = (-1.0 / time_constant).exp();
        let mut value = self.normal() * deviation;
        let step = |_| {
            value = kept * value + (1.0 - kept * kept).sqrt() * deviation * self.normal();
            value
        };
        (0..seconds).map(step).collect()
    }
}

impl Plan {
    /// The summary of a run. `factor` applies only to the run that is compared.
    fn summary(&self, time_constant: f64, factor: f64, random: &mut Random) -> Summary {
        let mut summary = Summary::new(SummaryLimits { max_requests: 1000, pinned: Vec::new() });
        let drift = random.between((-self.drift, self.drift));
        let common = random.process(self.seconds, self.variation, time_constant);
        let slow = random.process(self.seconds, 10.0 * self.variation, time_constant);
        let failing = random.process(self.seconds, 10.0 * self.variation, time_constant);
        let weights: Vec<f64> = (0..self.names).map(|name| 1.0 / f64::from(name + 2)).collect();
        let total: f64 = weights.iter().sum();
        // The normal variate above which times are longer.
        let threshold = if self.above == 0.0 { f64::NEG_INFINITY } else { self.above };
        for (name, weight) in (0u32..).zip(&weights) {
            let own = random.process(self.seconds, self.variation / 2.0, time_constant);
            let median_ms = 20.0 * (f64::from(name % 5) * 0.6).exp();
            for second in 0..self.seconds {
                let at = second as usize;
                let position = f64::from(second) / f64::from(self.seconds) - 0.5;
                let level = median_ms * (drift * position + common[at] + own[at]).exp();
                let requests = random.poisson(self.per_second * weight / total);
                let (mut successful, mut failures) = (Histogram::default(), 0);
                for _ in 0..requests {
                    if random.uniform() < FAILED * failing[at].exp() {
                        failures += 1;
                        continue;
                    }
                    let normal = random.normal();
                    let mut ms = level * (SPREAD * normal).exp();
                    if normal > threshold {
                        ms *= factor;
                    }
                    if random.uniform() < SLOW_SHARE * slow[at].exp() {
                        ms *= SLOW_FACTOR;
                    }
                    successful.add(ms);
                }
                if requests > 0 {
                    let totals = Totals::of_window(requests.into(), failures, &successful, &Histogram::default());
                    let key = RequestKey::new("GET", format!("/{name}"));
                    let second = BEGIN + i64::from(second);
                    summary.add_window(&Window { key, second, part: RunPart::Measured, totals });
                }
            }
        }
        summary
    }

    fn pair(&self, seed: u64) -> [Summary; 2] {
        let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed));
        let time_constant = random.between(self.time_constant);
        [1.0, self.factor].map(|factor| self.summary(time_constant, factor, &mut random))
    }

    fn compared(&self, [base, run]: &[Summary; 2]) -> Comparison {
        let side = |summary| Side { summary, seconds: f64::from(self.seconds) };
        compare(side(base), side(run), &Options::default()).expect("valid options")
    }
}

/// What is counted of many pairs.
#[derive(Debug, Default, Clone)]
struct Counts {
    pairs: u32,
    slower: u32,
    faster: u32,
    same: u32,
    /// Pairs with a name that is slower or faster.
    names: u32,
    p95_slower: u32,
    /// Of all requests: 95 % intervals without zero, and the sum of their widths.
    excluded: [u32; 3],
    width: [f64; 3],
    squares: [f64; 3],
}

const TIMES: [Measure; 3] = [Measure::P50, Measure::P95, Measure::P99];

impl Counts {
    fn add(&mut self, comparison: &Comparison) {
        let is_change = |row: &&Row| matches!(row.verdict, Some(ComparisonVerdict::Slower | ComparisonVerdict::Faster));
        self.pairs += 1;
        self.slower += u32::from(comparison.verdict == ComparisonVerdict::Slower);
        self.faster += u32::from(comparison.verdict == ComparisonVerdict::Faster);
        self.same += u32::from(comparison.verdict == ComparisonVerdict::Same);
        self.names += u32::from(comparison.rows.iter().filter(is_change).any(|row| row.request.is_some()));
        for (index, measure) in TIMES.into_iter().enumerate() {
            let all = comparison.rows.iter().find(|row| row.request.is_none() && row.measure == measure);
            let Some(row) = all else { continue };
            let (Some((low, high)), Some(change)) = (row.interval, row.change) else { continue };
            self.excluded[index] += u32::from(low > 0.0 || high < 0.0);
            self.width[index] += (high - low) / 2.0;
            self.squares[index] += change.ln_1p().powi(2);
            self.p95_slower += u32::from(measure == Measure::P95 && row.verdict == Some(ComparisonVerdict::Slower));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.pairs += other.pairs;
        self.slower += other.slower;
        self.faster += other.faster;
        self.same += other.same;
        self.names += other.names;
        self.p95_slower += other.p95_slower;
        for index in 0..3 {
            self.excluded[index] += other.excluded[index];
            self.width[index] += other.width[index];
            self.squares[index] += other.squares[index];
        }
    }

    fn share(&self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.pairs) * 100.0
    }
}

/// Compares pairs of runs, in some threads.
fn pairs(plan: Plan, pairs: u64) -> Counts {
    let of_thread = |thread: u64| {
        let mut counts = Counts::default();
        let own = (FIRST_SEED..FIRST_SEED + pairs).filter(|seed| seed % THREADS == thread);
        own.for_each(|seed| counts.add(&plan.compared(&plan.pair(seed))));
        counts
    };
    let mut sum = Counts::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || of_thread(thread))).collect();
        threads.into_iter().for_each(|thread| sum.merge(&thread.join().expect("no panic")));
    });
    sum
}

fn print(what: &str, counts: &Counts) {
    let share = |count| counts.share(count);
    println!(
        "{what:<40} slower {:5.1} %, faster {:4.1} %, same {:5.1} %; any name slower or faster {:5.1} %, p95 slower {:5.1} %",
        share(counts.slower),
        share(counts.faster),
        share(counts.same),
        share(counts.names),
        share(counts.p95_slower),
    );
    let pairs = f64::from(counts.pairs);
    let changes = TIMES.into_iter().enumerate().map(|(index, measure)| {
        let (width, deviation) = (counts.width[index] / pairs, (counts.squares[index] / pairs).sqrt());
        let excluded = share(counts.excluded[index]);
        let name = measure.name();
        format!("{name} ±{:.1} % (0 outside: {excluded:.1} %; rms {:.1} %)", width * 100.0, deviation * 100.0)
    });
    println!("    {}", changes.collect::<Vec<_>>().join(", "));
}

/// A run in which the tail, from the 90th percentile on, is longer by a tenth.
const LONGER_TAIL: Plan = Plan { factor: 1.1, above: 1.281_55, ..PLAN };

fn one_name(plan: Plan) -> Plan {
    Plan { names: 1, ..plan }
}

fn calibrate(number: u64) {
    print("no difference, 20 names", &pairs(PLAN, number));
    print("no difference, one name", &pairs(one_name(PLAN), number));
    print("p95 +10 %, one name", &pairs(one_name(LONGER_TAIL), number));
    print("all times +10 %, 20 names", &pairs(Plan { factor: 1.1, ..PLAN }, number));
}

fn explore(number: u64) {
    let both = |what: &str, plan: Plan| {
        print(&format!("{what}, no difference"), &pairs(one_name(plan), number));
        let longer = Plan { factor: LONGER_TAIL.factor, above: LONGER_TAIL.above, ..plan };
        print(&format!("{what}, p95 +10 %"), &pairs(one_name(longer), number));
    };
    for seconds in [40, 60, 120, 600, 1800] {
        both(&format!("{seconds} s"), Plan { seconds, ..PLAN });
    }
    for variation in [0.01, 0.04, 0.08] {
        both(&format!("variation {variation}"), Plan { variation, ..PLAN });
    }
    for tau in [5.0, 30.0, 60.0, 120.0] {
        both(&format!("time constant {tau} s"), Plan { time_constant: (tau, tau), ..PLAN });
    }
    for per_second in [5.0, 500.0] {
        both(&format!("{per_second} requests/s"), Plan { per_second, ..PLAN });
    }
    both("drift 20 %", Plan { drift: 0.2, ..PLAN });
    print("variation 0.04, 20 names, no difference", &pairs(Plan { variation: 0.04, ..PLAN }, number));
    print("60 s, 20 names, no difference", &pairs(Plan { seconds: 60, ..PLAN }, number));
}

fn speed() {
    let plan = Plan { names: 200, per_second: 2000.0, ..PLAN };
    let runs = plan.pair(7);
    let begun = Instant::now();
    let rows = plan.compared(&runs).rows.len();
    println!("comparison of 200 names ({rows} rows): {:.2} s", begun.elapsed().as_secs_f64());
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(500);
    speed();
    if arguments.iter().any(|argument| argument == "explore") {
        explore(number);
    } else {
        calibrate(number);
    }
}

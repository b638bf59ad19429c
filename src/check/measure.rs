//! The names of measures, and suggestions for unknown ones.

use super::error::shown;
use super::expression::Measure;
use super::number::Number;

/// The measures of requests, except percentiles.
const OF_REQUESTS: [(&str, Measure); 5] = [
    ("mean", Measure::Mean),
    ("max", Measure::Max),
    ("failures", Measure::Failures),
    ("rps", Measure::RequestsPerSecond),
    ("requests", Measure::Requests),
];
/// The measures of the generator.
const OF_GENERATOR: [(&str, Measure); 2] = [("cpu", Measure::GeneratorCpu), ("memory", Measure::GeneratorMemory)];

/// Measures, and their names in other tools.
const ALIASES: [(&str, &str); 9] = [
    ("mean", "avg|average|mean_response_time"),
    ("max", "maximum|longest|slowest|worst"),
    ("p50", "median|med"),
    ("p95", "percentile|latency|time|rt|duration|response_time|response-time|responsetime|http_req_duration"),
    ("failures", "fail|fails|failed|fail_ratio|failure_rate|failure-rate|http_req_failed"),
    ("failures", "error|errors|error_rate|error-rate|errorrate"),
    ("rps", "throughput|qps|tps|rate|hits|req/s|requests/s|requests_per_second"),
    ("requests", "count|total|samples|num_requests|reqs|http_reqs"),
    ("memory", "mem|ram|rss"),
];
/// What to write instead of a percentile that does not exist.
const A_PERCENTILE: &str = "write p followed by a number from 1 to 99.999";

/// A word with this number of characters may have one typing error. A word with twice as many may have two.
const CHARS_PER_TYPO: usize = 3;

/// The measure of a word. `failures` stands for a number, because only the value shows whether it is a share.
///
/// # Errors
/// The problem with the word, and what to write.
pub(super) fn measure_of(word: &str) -> Result<Measure, String> {
    if let Some((_, measure)) = names().find(|(name, _)| *name == word) {
        return Ok(measure);
    }
    let digits = word.strip_prefix(['p', 'P']).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if let Some(digits) = digits {
        let is_lower_case = word.starts_with('p');
        let measure = percentile(digits)
            .and_then(|measure| if is_lower_case { Ok(measure) } else { Err(format!("write {measure}")) });
        return measure
            .map_err(|instead| format!("expected a percentile such as p95 or p99.9, not {}: {instead}", shown(word)));
    }
    if let Some(name) = instead_of(word) {
        let scope = if OF_GENERATOR.iter().any(|(own, _)| *own == name) { "generator: " } else { "" };
        return Err(format!("unknown measure {}: write {scope}{name}", shown(word)));
    }
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "a check begins with its measure, not with {}: write one such as p95 < 300ms",
            shown(word)
        ));
    }
    let names = OF_REQUESTS.map(|(name, _)| name).join(", ");
    Err(format!("unknown measure {}: write a percentile such as p95, or one of {names}", shown(word)))
}

/// Whether a word is a measure.
pub(super) fn is_measure(word: &str) -> bool {
    measure_of(word).is_ok()
}

/// Whether a word is a measure, or a misspelled one, or its name in another tool.
pub(super) fn means_measure(word: &str) -> bool {
    word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) && instead_of(word).is_some()
}

/// The problem with a word that is not a measure of the generator, and what to write.
pub(super) fn generator_problem(word: &str) -> String {
    let own = OF_GENERATOR.map(|(name, _)| name);
    match instead_of(word).filter(|name| own.contains(&name.as_str())) {
        Some(name) => format!("unknown measure {}: write {name}", shown(word)),
        None => format!("the generator has no measure {}: write {}", shown(word), own.join(" or ")),
    }
}

fn names() -> impl Iterator<Item = (&'static str, Measure)> {
    OF_REQUESTS.into_iter().chain(OF_GENERATOR)
}

/// What the user means by an unknown word.
fn instead_of(word: &str) -> Option<String> {
    let lower = word.to_lowercase();
    let is_alias = |(_, aliases): &&(&str, &str)| aliases.split('|').any(|alias| alias == lower);
    let alias = ALIASES.iter().find(is_alias).map(|(name, _)| *name);
    let name = alias.or_else(|| nearest(&lower, names().map(|(name, _)| name)));
    name.map(str::to_owned).or_else(|| hidden_percentile(&lower))
}

/// The percentile of a word such as `percentile(95)`, `p.95` or `95th`.
fn hidden_percentile(word: &str) -> Option<String> {
    let number = word.trim_matches(|c: char| !c.is_ascii_digit());
    let around = word.replacen(number, "", 1);
    let is_percentile = around.contains('p') || ["", "%", "th", "st", "nd", "rd"].contains(&around.as_str());
    percentile(number).ok().filter(|_| is_percentile).map(|measure| measure.to_string())
}

/// The name that differs from a word by the fewest typing errors, if they are few.
pub(super) fn nearest(word: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let most = (word.chars().count() / CHARS_PER_TYPO).max(1);
    let distances = names.map(|name| (strsim::osa_distance(word, name), name));
    distances.filter(|(distance, name)| *distance <= most && *distance < name.len() - 1).min().map(|(_, name)| name)
}

/// The percentile of a word without its `p`.
///
/// # Errors
/// What to write.
fn percentile(percent: &str) -> Result<Measure, String> {
    let Some(number) = Number::parse(percent) else {
        let digits = percent.trim_end_matches(|c: char| !c.is_ascii_digit());
        let measure = Number::parse(digits).and_then(|_| percentile(digits).ok());
        return Err(measure.map_or_else(|| A_PERCENTILE.to_owned(), |measure| format!("write {measure}")));
    };
    let (lowest, highest) = (Number::whole(1), Number::whole(100));
    if number == highest {
        Err("write max for the longest response time".to_owned())
    } else if number > highest {
        Err(misplaced_point(percent).unwrap_or_else(|| A_PERCENTILE.to_owned()))
    } else if number < lowest {
        let hundredfold = number.times(100);
        Err(if hundredfold < lowest { A_PERCENTILE.to_owned() } else { format!("write p{hundredfold}") })
    } else if !number.times(1000).is_whole() {
        Err("use at most 3 decimal places".to_owned())
    } else if percent.starts_with('0') {
        Err(format!("write p{number}"))
    } else {
        Ok(Measure::Percentile(number.to_f64()))
    }
}

/// What to write for `p999` or `p9995`.
fn misplaced_point(percent: &str) -> Option<String> {
    let (digits, decimals) = percent.split_at_checked(2).filter(|(digits, _)| digits.starts_with('9'))?;
    let measure = percentile(&format!("{digits}.{decimals}")).ok()?;
    Some(format!("write {measure}"))
}

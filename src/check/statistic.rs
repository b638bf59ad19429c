//! The statistics of CloudWatch (Amazon CloudWatch User Guide, "CloudWatch statistics definitions").

use super::error::shown;
use super::measure::nearest;
use super::number::Number;

/// The statistics without a number.
const NAMES: [&str; 6] = ["Average", "Sum", "Minimum", "Maximum", "SampleCount", "IQM"];
/// The first part of those with a percentage, such as `p99`.
const WITH_PERCENTAGE: [&str; 5] = ["p", "tm", "wm", "tc", "ts"];
/// The first part of those with a range, such as `TM(10%:90%)`.
const WITH_RANGE: [&str; 5] = ["TM(", "WM(", "TC(", "TS(", "PR("];
/// Statistics, and their names in other tools.
const ALIASES: [(&str, &str); 5] =
    [("Average", "avg|mean"), ("Minimum", "min"), ("Maximum", "max"), ("SampleCount", "count|n"), ("p50", "median")];

/// Whether CloudWatch has a statistic.
pub(super) fn is_statistic(word: &str) -> bool {
    NAMES.contains(&word)
        || WITH_PERCENTAGE.iter().filter_map(|start| word.strip_prefix(start)).any(is_percentage)
        || WITH_RANGE.iter().filter_map(|start| word.strip_prefix(start)?.strip_suffix(')')).any(is_range)
}

fn is_percentage(text: &str) -> bool {
    Number::parse(text).is_some_and(|number| (Number::whole(0)..=Number::whole(100)).contains(&number))
}

fn is_range(text: &str) -> bool {
    text.contains(':') && text.chars().all(|c| c.is_ascii_digit() || "%.:-".contains(c))
}

/// The problem with an unknown statistic, and what to write.
pub(super) fn statistic_problem(word: &str) -> String {
    let lower = word.to_lowercase();
    let same = NAMES.into_iter().find(|name| name.to_lowercase() == lower);
    let is_alias = |(_, aliases): &&(&str, &str)| aliases.split('|').any(|alias| alias == lower);
    let alias = || ALIASES.iter().find(is_alias).map(|(name, _)| *name);
    let name = same.or_else(alias).or_else(|| nearest(word, NAMES.into_iter()));
    let word = shown(word);
    match name.map(str::to_owned).or_else(|| is_statistic(&lower).then_some(lower)) {
        Some(name) => format!("unknown statistic {word}: write {name}"),
        None => format!("unknown statistic {word}: write one such as {} or p99", NAMES[..5].join(", ")),
    }
}

//! The errors of malformed expressions suggest only what is accepted.

use proptest::prelude::*;

use super::Check;

/// Malformed expressions. Below each, a caret at the position of its problem, and the problem.
const MALFORMED: &str = include_str!("malformed.txt");

/// What follows `write` and is a description, not text to write.
const DESCRIPTIONS: [&str; 12] = [
    "a separate check",
    "a second check",
    "each check",
    "a backslash",
    "a space",
    "a non-negative number",
    "a smaller number",
    "one, or remove",
    "one number",
    "one such as CPU",
    "digits before",
    "p followed",
];
/// What stands between two suggestions, or around one.
const BETWEEN: [&str; 4] = [", or one of ", ", or a number of failures such as ", ", up to ", " or "];
/// Ends of an expression, because what is suggested may need another end.
const ENDS: [&str; 8] = ["", " < 5", " < 5ms", " < 5%", " < 5MB", " 5", " 5ms", " Sum < 5"];

/// The texts that a problem suggests.
fn suggestions(problem: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in problem.split("write ").skip(1) {
        if DESCRIPTIONS.iter().any(|description| part.starts_with(description)) {
            continue;
        }
        let part = part.split(", not ").next().unwrap_or_default().split(" for the ").next().unwrap_or_default();
        // `write one, such as A, B or C` suggests A, B and C.
        let part = part.split_once("such as ").map_or(part, |(_, examples)| examples);
        let parts = BETWEEN.iter().fold(part.to_owned(), |text, between| text.replace(between, ", "));
        found.extend(parts.split(", ").map(|text| text.replace("TARGET", "rds:db")));
    }
    found
}

/// Whether an expression is accepted if a suggestion replaces a part of it.
fn helps(expression: &str, position: usize, suggestion: &str) -> bool {
    let chars: Vec<char> = expression.chars().collect();
    let text = |part: &[char]| part.iter().collect::<String>();
    // A suggestion of several words may repeat some of those before the position.
    let first = suggestion.split(' ').next().unwrap_or_default();
    let before = text(&chars[..position]);
    let repeated = before.match_indices(first).map(|(at, _)| before[..at].to_owned());
    let starts: Vec<String> = repeated.chain([format!("{before} "), before.clone(), String::new()]).collect();
    let rests = (position..=chars.len()).map(|end| text(&chars[end..]));
    let ends = rests.chain(ENDS.map(str::to_owned));
    // After a name, a measure is missing.
    let ends: Vec<String> = ends.chain(suggestion.ends_with('"').then(|| ": p95 < 5ms".to_owned())).collect();
    let accepts = |start: &String, end: &String| format!("{start}{suggestion}{end}").parse::<Check>().is_ok();
    starts.iter().any(|start| ends.iter().any(|end| accepts(start, end)))
}

/// The suggestions for a malformed expression that are not accepted.
fn refused(expression: &str) -> Vec<String> {
    let Err(error) = expression.parse::<Check>() else { return Vec::new() };
    let refused = |text: &String| !helps(expression, error.position, text);
    suggestions(&error.problem).into_iter().filter(refused).map(|text| format!("{error}: {text}")).collect()
}

#[test]
fn suggestions_are_found_in_problems() {
    for (problem, found) in [
        ("unknown measure: write p95", &["p95"][..]),
        ("expected a time, not \"3\": write 3ms or 3s", &["3ms", "3s"]),
        ("write a percentile such as p95, or one of mean, max", &["p95", "mean", "max"]),
        ("write a non-negative number", &[]),
    ] {
        assert_eq!(suggestions(problem), found);
    }
    assert!(!helps("p95 < 1s abort after 25h", 21, "1500m") && helps("p95 < 1s abort after 24h", 21, "1440m"));
}

#[test]
fn each_suggestion_for_a_malformed_expression_is_accepted() {
    let all: Vec<String> = MALFORMED.lines().step_by(2).flat_map(refused).collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn each_suggestion_for_a_value_is_accepted(
        subject in prop::sample::select(vec![
            "p95 <", "failures <", "rps <", "requests <", "generator: cpu <", "generator: memory <", "rds:db: CPU Sum <",
            "p95 < 1s abort after",
        ]),
        number in "[0-9]{1,13}(\\.[0-9]{1,7})?|0\\.0{0,5}[0-9]",
        unit in prop::sample::select(vec![
            "", "ms", "msec", "us", "s", "S", "sec", "m", "min", "h", "%", "pct", "k", "K", "/s", "rps", "requests", "failures", "KB", "MB",
            "mb", "MiB", "GB", "TB", "e3", "e9", "e3ms", "E2s", " 000", " 000ms", "d", "x",
        ]),
    ) {
        let refused = refused(&format!("{subject} {number}{unit}"));
        prop_assert!(refused.is_empty(), "{}", refused.join("\n"));
    }

    #[test]
    fn each_suggestion_for_a_measure_is_accepted(
        scope in prop::sample::select(vec!["", "GET /: ", "GET / ", "generator: ", "generator ", "rds:db: "]),
        word in prop_oneof![
            prop::sample::select(
                "avg average maximum median med latency time fail error_rate throughput qps count total mem ram rss cp cpus memori p999 p9995 \
                 p0.95 95th P95 p.95 percentile(95) 95% rp request man maxx failure p100 p0 cpu memory mean"
                    .split_whitespace()
                    .collect::<Vec<_>>(),
            )
            .prop_map(str::to_owned),
            "[a-z]{2,9}",
            "p?[0-9]{1,4}(\\.[0-9]{1,4})?",
        ],
        rest in prop::sample::select(vec!["< 5", "< 5ms", "< 5%", "< 5MB"]),
    ) {
        let refused = refused(&format!("{scope}{word} {rest}"));
        prop_assert!(refused.is_empty(), "{}", refused.join("\n"));
    }
}

//! Parses an expression. The order of the tests determines which problem of a malformed expression is reported.

use std::str::FromStr;
use std::time::Duration;

use super::error::{ParseError, shown};
use super::expression::{Check, Measure, Operator, is_operator_char};
use super::name::name;
use super::scanner::Scanner;
use super::several::{ONE_CONDITION, is_separator, refuse_list};
use super::subject::subject;
use super::value;

/// Attempts to write an operator, and the operator.
const MISTAKEN: [(&str, Operator); 13] = [
    ("=", Operator::Equal),
    ("===", Operator::Equal),
    ("=<", Operator::LessOrEqual),
    ("≤", Operator::LessOrEqual),
    ("<==", Operator::LessOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("≥", Operator::GreaterOrEqual),
    (">==", Operator::GreaterOrEqual),
    ("<<", Operator::Less),
    (">>", Operator::Greater),
    ("~", Operator::Equal),
    ("~=", Operator::Equal),
    ("=~", Operator::Equal),
];

/// An example of a check, for errors.
pub(super) const EXAMPLE: &str = "p95 < 300ms";
/// What to write instead of another operator.
pub(super) const OPERATORS: &str = "write <, <=, >, >= or ==";
const ABORT: &str = "abort after 30s";

impl FromStr for Check {
    type Err = ParseError;

    /// Parses an expression; [`crate::check`] describes its form.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut scanner = Scanner::new(text)?;
        let start = scanner.skip_whitespace();
        if scanner.is_at_end() {
            return Err(scanner.error(start, format!("the check is empty: write a condition such as {EXAMPLE}")));
        }
        refuse_list(&scanner)?;
        let name = name(&mut scanner)?;
        let (scope, measure) = subject(&mut scanner, name)?;
        let operator = operator(&mut scanner, &measure)?;
        let (measure, limit) = value::limit(&mut scanner, measure, operator.text())?;
        let abort_after = abort_after(&mut scanner)?;
        Ok(Self { text: text.trim().to_owned(), scope, measure, operator, limit, abort_after })
    }
}

fn operator(scanner: &mut Scanner<'_>, measure: &Measure) -> Result<Operator, ParseError> {
    let at = scanner.skip_whitespace();
    if scanner.is_at_end() {
        let example = value::example(measure);
        return Err(scanner.error(at, format!("expected an operator and a limit: write {measure} {example}")));
    }
    let mut text = scanner.take_while(is_operator_char).to_owned();
    scanner.skip_whitespace();
    let further = scanner.take_while(is_operator_char);
    if further.is_empty()
        && let Some(operator) = Operator::ALL.into_iter().find(|operator| operator.text() == text)
    {
        return Ok(operator);
    }
    text.push_str(further);
    let written = scanner.since(at).trim_end();
    let mistaken = MISTAKEN.iter().find(|(mistaken, _)| *mistaken == text).map(|(_, operator)| *operator);
    let operator = mistaken.or_else(|| Operator::ALL.into_iter().find(|operator| operator.text() == text));
    let instead = operator.map_or_else(|| OPERATORS.to_owned(), |operator| format!("write {operator}"));
    Err(scanner.error(at, format!("unknown operator {}: {instead}", shown(written))))
}

/// Reads what follows the value: nothing, or `abort after` and a duration.
fn abort_after(scanner: &mut Scanner<'_>) -> Result<Option<Duration>, ParseError> {
    let start = scanner.skip_whitespace();
    if scanner.is_at_end() {
        return Ok(None);
    }
    let word = scanner.word();
    if word != "abort" {
        return Err(scanner.error(start, unexpected(word)));
    }
    let at = scanner.skip_whitespace();
    let word = scanner.word();
    if word != "after" {
        let problem = format!("abort must be followed by the word after and a duration: write {ABORT}");
        return Err(scanner.error(at, problem));
    }
    let duration = value::duration(scanner, word)?;
    let end = scanner.skip_whitespace();
    if scanner.is_at_end() {
        return Ok(Some(duration));
    }
    let word = scanner.word();
    Err(scanner.error(end, unexpected(word)))
}

/// The problem of a word after the value.
fn unexpected(word: &str) -> String {
    let lower = word.to_lowercase();
    if word.starts_with(is_separator) || ["and", "or"].contains(&lower.as_str()) {
        ONE_CONDITION.to_owned()
    } else if word.starts_with(is_operator_char) {
        "a check has only one operator: write a second check for the other limit".to_owned()
    } else if ["abort", "after", "for", "stop"].contains(&lower.trim_matches(|c: char| !c.is_alphabetic())) {
        format!("to stop the test, write {ABORT}, not {}", shown(word))
    } else {
        format!("unexpected {} after the limit: remove it, or write {ABORT}", shown(word))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::check::{MAX_CHARS, Scope, Unit};

    /// Malformed expressions. Below each, a caret at the position of its problem, and the problem.
    const MALFORMED: &str = include_str!("malformed.txt");

    /// Valid expressions, and the form in which they are written.
    const VALID: [(&str, &str); 39] = [
        ("p95 < 300ms", "p95 < 300ms"),
        ("POST /checkout: p99 <= 0.8s", "POST /checkout: p99 <= 800ms"),
        ("failures < 1%", "failures < 1%"),
        ("failures == 0", "failures == 0"),
        ("rps >= 500", "rps >= 500"),
        ("requests > 10000", "requests > 10000"),
        ("mean < 120ms", "mean < 120ms"),
        ("max < 5s", "max < 5000ms"),
        ("p99.9 < 2s", "p99.9 < 2000ms"),
        ("generator: cpu < 90%", "generator: cpu < 90%"),
        ("generator: memory <= 1.5GB", "generator: memory <= 1500MB"),
        ("generator: memory <= 512", "generator: memory <= 512MB"),
        ("rds:shop-db: CPUUtilization Average < 80", "rds:shop-db: CPUUtilization Average < 80"),
        ("p99 < 2s abort after 30s", "p99 < 2000ms abort after 30s"),
        ("p99<2s abort after 1440m", "p99 < 2000ms abort after 86400s"),
        ("  p95\u{a0}<  300 ms  abort  after  0.5 m ", "p95 < 300ms abort after 30s"),
        ("p95<0.07s", "p95 < 70ms"),
        ("p1 >= 0ms", "p1 >= 0ms"),
        ("p99.999 < 0.333333m", "p99.999 < 19999.98ms"),
        ("p95.50 < 007ms", "p95.5 < 7ms"),
        ("max < 999999999999.9999ms", "max < 999999999999.9999ms"),
        ("generator: cpu < 350.5 %", "generator: cpu < 350.5%"),
        ("generator : cpu < 90%", "generator: cpu < 90%"),
        ("\"generator\": mean < 1s", "\"generator\": mean < 1000ms"),
        ("\"GET /\": mean < 1s", "GET /: mean < 1000ms"),
        ("\"a: \\\"b\\\" \\\\\" : failures <= 100%", "\"a: \\\"b\\\" \\\\\": failures <= 100%"),
        ("http://shop/a?b=<c>: rps > 0.5", "http://shop/a?b=<c>: rps > 0.5"),
        ("GET /a:: requests > 1", "GET /a:: requests > 1"),
        ("[Login] POST /: p95 < 1s", "\"[Login] POST /\": p95 < 1000ms"),
        ("count=5: p95 < 1s", "count=5: p95 < 1000ms"),
        ("/a, /b < /c: p95 < 1s", "/a, /b < /c: p95 < 1000ms"),
        ("\"max < 3\": p95 < 1s", "\"max < 3\": p95 < 1000ms"),
        ("\"[\": p95 < 1s", "\"[\": p95 < 1000ms"),
        ("\" a\": requests > 1", "\" a\": requests > 1"),
        ("주문 완료: p95 < 1s", "주문 완료: p95 < 1000ms"),
        ("win: \"Memory % Used\" p99.9 > -0.5", "win: \"Memory % Used\" p99.9 > -0.5"),
        (
            "\"metric:My: App/Queue:Maximum\": \"mean\" TM(10%:90%) == -0",
            "\"metric:My: App/Queue:Maximum\": \"mean\" TM(10%:90%) == 0",
        ),
        ("sqs:orders: \"a<b\" SampleCount > 1", "sqs:orders: \"a<b\" SampleCount > 1"),
        ("sqs:orders: 5xx Sum < 1", "sqs:orders: 5xx Sum < 1"),
    ];

    pub(in crate::check) fn check(expression: &str) -> Check {
        expression.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn error(expression: &str) -> ParseError {
        expression.parse::<Check>().expect_err(expression)
    }

    #[test]
    fn a_valid_expression_is_written_in_one_form_and_keeps_its_text() {
        for (expression, form) in VALID {
            let check = check(expression);
            assert_eq!(check.to_string(), form);
            assert_eq!(check.text, expression.trim());
            assert_eq!(check, form.parse().expect(form));
        }
    }

    #[test]
    fn the_parts_of_a_check() {
        let name = |text: &str| text.to_owned();
        let metric = Measure::Target { metric: name("CPUUtilization"), statistic: name("Average") };
        for (expression, scope, measure, limit, unit) in [
            ("p99.9 < 2s", Scope::All, Measure::Percentile(99.9), 2000.0, Unit::Milliseconds),
            ("POST /a: mean < 2m", Scope::Request(name("POST /a")), Measure::Mean, 120_000.0, Unit::Milliseconds),
            ("\"generator\": max < 2ms", Scope::Request(name("generator")), Measure::Max, 2.0, Unit::Milliseconds),
            ("failures < 2%", Scope::All, Measure::FailureShare, 2.0, Unit::Percent),
            ("failures < 2", Scope::All, Measure::Failures, 2.0, Unit::Count),
            ("requests < 2", Scope::All, Measure::Requests, 2.0, Unit::Count),
            ("rps < 2", Scope::All, Measure::RequestsPerSecond, 2.0, Unit::PerSecond),
            ("generator: cpu < 2%", Scope::Generator, Measure::GeneratorCpu, 2.0, Unit::Percent),
            ("generator: memory < 2GB", Scope::Generator, Measure::GeneratorMemory, 2000.0, Unit::Megabytes),
            ("rds:a: CPUUtilization Average < -2", Scope::Target(name("rds:a")), metric, -2.0, Unit::OfMetric),
        ] {
            let check = check(expression);
            assert_eq!((check.measure.unit(), check.abort_after), (unit, None), "{expression}");
            assert_eq!((check.scope, check.measure, check.limit), (scope, measure, limit), "{expression}");
        }
        assert_eq!(check("max < 1s abort after 2m").abort_after, Some(Duration::from_mins(2)));
    }

    #[test]
    fn checks_are_equal_if_they_are_the_same_condition() {
        assert_eq!(check("p95 < 300ms"), check(" p95<0.3s "));
        for other in ["p95 <= 300ms", "p95 < 301ms", "p96 < 300ms", "a: p95 < 300ms", "p95 < 300ms abort after 1s"] {
            assert_ne!(check("p95 < 300ms"), check(other));
        }
    }

    #[test]
    fn each_malformed_expression_has_its_problem_at_its_position() {
        let mut found = String::new();
        for expression in MALFORMED.lines().step_by(2) {
            let text = error(expression).to_string();
            let [problem, shown, caret] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
            assert_eq!(shown, expression);
            writeln!(found, "{expression}\n{caret} {problem}").expect("a string");
        }
        for (found, expected) in found.lines().zip(MALFORMED.lines()) {
            assert_eq!(found, expected);
        }
        assert!(found.lines().count() >= 2 * 250);
    }

    #[test]
    fn an_empty_text_is_no_check() {
        for text in ["", " ", "\u{a0}\u{2003}"] {
            let error = error(text);
            assert_eq!(error.problem, "the check is empty: write a condition such as p95 < 300ms");
            assert_eq!(error.position, text.chars().count());
        }
    }

    #[test]
    fn control_characters_and_long_texts_are_refused() {
        for (expression, position) in [("p95 <\t300ms", 5), ("p95 < 300ms\n", 11), ("\0", 0), ("한: p95\u{7f}", 6)] {
            let error = error(expression);
            assert_eq!(error.position, position, "{expression:?}");
            assert!(error.problem.starts_with("the check contains the control character "), "{error}");
        }
        assert!(error("p95 < 300ms\n").to_string().ends_with("\np95 < 300ms\u{fffd}\n           ^"));
        let long = |length: usize| format!("{}: p95 < 300ms", "é".repeat(length - 13));
        assert_eq!(check(&long(1024)).text.chars().count(), 1024);
        assert_eq!(error(&long(1025)).position, 1024);
        let form = check(&format!("'{}: p95 < 300ms", "\"".repeat(1000))).to_string();
        assert_eq!(error(&form).position, 1024, "a form in which each quotation mark has a backslash");
    }

    #[test]
    fn a_long_expression_is_shown_around_its_position() {
        let text = error(&format!("{}: p95 < 300 abort after 30s", "x".repeat(200))).to_string();
        let [_, shown, caret] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
        assert_eq!(shown, format!("…{}: p95 < 300 abort after 30s", "x".repeat(37)));
        assert_eq!(shown.chars().nth(caret.len() - 1), Some('3'));
        let text = error(&format!("p95 < {}", "9".repeat(300))).to_string();
        assert_eq!(text.lines().nth(1), Some(format!("p95 < {}…", "9".repeat(45)).as_str()));
        assert!(text.starts_with(&format!("expected a time such as 300ms, 0.8s or 2m, not \"{}…\"", "9".repeat(40))));
    }

    #[test]
    fn the_caret_is_below_its_character_in_wide_text() {
        let text = error("주문: p95 < 300").to_string();
        assert_eq!(text.lines().nth(2), Some("            ^"));
        assert_eq!(error("주문: p95 < 300").position, 10);
    }

    fn whole_number() -> impl Strategy<Value = f64> {
        (0..1_000_000_000_000u64).prop_map(super::super::evaluate::as_f64)
    }

    fn decimal() -> impl Strategy<Value = f64> {
        (0..1_000_000_000u64).prop_map(|thousandths| super::super::evaluate::as_f64(thousandths) / 1000.0)
    }

    fn measure() -> impl Strategy<Value = (Option<Scope>, Measure, f64)> {
        let text = || "[ -~한é\u{a0}]{0,20}[!-~한é][ -~한é\u{a0}]{0,20}";
        let statistic = prop_oneof![Just("Average".to_owned()), Just("p99".to_owned()), Just("TM(2%:98%)".to_owned())];
        let target = (text(), text(), statistic, decimal(), any::<bool>()).prop_map(
            |(name, metric, statistic, limit, is_negative)| {
                let limit = if is_negative { -limit } else { limit };
                (Some(Scope::Target(name)), Measure::Target { metric, statistic }, limit)
            },
        );
        let percentile = (1000..100_000u32).prop_map(|parts| Measure::Percentile(f64::from(parts) / 1000.0));
        prop_oneof![
            (percentile, decimal()).prop_map(|(measure, limit)| (None, measure, limit)),
            decimal().prop_map(|limit| (None, Measure::Mean, limit)),
            decimal().prop_map(|limit| (None, Measure::Max, limit)),
            (0.0..=100.0f64).prop_map(|limit| (None, Measure::FailureShare, (limit * 1000.0).round() / 1000.0)),
            whole_number().prop_map(|limit| (None, Measure::Failures, limit)),
            whole_number().prop_map(|limit| (None, Measure::Requests, limit)),
            decimal().prop_map(|limit| (None, Measure::RequestsPerSecond, limit)),
            decimal().prop_map(|limit| (Some(Scope::Generator), Measure::GeneratorCpu, limit)),
            decimal().prop_map(|limit| (Some(Scope::Generator), Measure::GeneratorMemory, limit)),
            target,
        ]
    }

    fn checks() -> impl Strategy<Value = Check> {
        let names = prop_oneof![
            4 => "[ -~한é\u{a0}]{0,20}[!-~한é][ -~한é\u{a0}]{0,20}",
            1 => prop::sample::select(vec!["generator", "POST /", "a: b", "a:", ":", "\"", "'a'", "\\", " a "]).prop_map(str::to_owned),
        ];
        let operator = prop::sample::select(Operator::ALL.to_vec());
        let abort_after = prop::option::of((1..=86_400u64).prop_map(Duration::from_secs));
        (measure(), prop::option::of(names), operator, abort_after).prop_map(
            |((scope, measure, limit), name, operator, abort_after)| {
                let scope = scope.unwrap_or_else(|| name.map_or(Scope::All, Scope::Request));
                Check { text: String::new(), scope, measure, operator, limit, abort_after }
            },
        )
    }

    /// The properties of any text: it is a check that is written and read again, or an error that points into it.
    fn check_any(text: &str) -> Result<(), TestCaseError> {
        match text.parse::<Check>() {
            Ok(check) => {
                prop_assert_eq!(&check.text, text.trim());
                prop_assert!(check.limit.is_finite());
                let form = check.to_string();
                if form.chars().count() > MAX_CHARS {
                    return Ok(());
                }
                prop_assert_eq!(
                    &form.parse::<Check>().map_err(|error| TestCaseError::fail(error.to_string()))?,
                    &check
                );
            }
            Err(error) => {
                prop_assert_eq!(&error.expression, text);
                prop_assert!(error.position <= text.chars().count(), "{error}");
                prop_assert_eq!(error.to_string().lines().count(), 3, "{}", error);
                // Each problem says what to do.
                let remedies = ["write ", "such as ", "remove ", "shorten ", "add ", "expected "];
                prop_assert!(remedies.iter().any(|remedy| error.problem.contains(remedy)), "{error}");
                prop_assert!(
                    !error.problem.contains(char::is_control) && error.problem.chars().count() < 400,
                    "{error}"
                );
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]
        #[test]
        fn what_a_check_writes_parses_to_an_equal_check(check in checks()) {
            let form = check.to_string();
            let parsed = form.parse::<Check>().map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&parsed, &check, "{}", form);
            prop_assert_eq!(parsed.to_string(), form);
        }

        #[test]
        fn any_text_is_a_check_or_an_error_that_points_into_it(
            text in prop_oneof![
                any::<String>(), ".{0,1100}", "[ -~]{0,40}",
                "(p95|mean|failures|[a-z]{1,9}|GET /|\"|')?:? ?(p95|p9{1,4}|rps|requests|cpu|A)? ?[<>=! ]{0,3} ?[0-9.,+-]{0,6}(ms|s|m|%|MB)? ?(abort|after|and)?.{0,9}",
            ],
        ) {
            check_any(&text)?;
        }

        #[test]
        fn any_words_are_a_check_or_an_error_that_points_into_them(
            words in prop::collection::vec(prop::sample::select(
                "p95 mean cpu generator GET / 한 한글 Average p99 CPU abort after 300ms 30s 1% < >= : \" \\ ' , -".split(' ').chain([" ", " ", " "])
                    .collect::<Vec<_>>()
            ), 0..16),
        ) {
            check_any(&words.concat())?;
        }

        #[test]
        fn a_changed_expression_is_a_check_or_an_error_that_points_into_it(
            (expression, _) in prop::sample::select(VALID.to_vec()),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, prop::sample::select(" :\"'<>=!%.,-+0e9pPmsGabort\\한\t".chars().collect::<Vec<_>>())), 1..4),
        ) {
            let mut chars: Vec<char> = expression.chars().collect();
            for (index, kind, c) in changes {
                let at = index.index(chars.len() + 1);
                match kind {
                    0 => chars.insert(at, c),
                    1 if at < chars.len() => chars[at] = c,
                    2 if at < chars.len() => drop(chars.remove(at)),
                    _ => chars.truncate(at),
                }
            }
            check_any(&String::from_iter(chars))?;
        }

        #[test]
        fn an_expression_without_one_of_its_words_is_an_error(
            (_, form) in prop::sample::select(VALID.to_vec()), index in any::<prop::sample::Index>(),
        ) {
            // After the name, each word is needed.
            let parsed = check(form);
            let name = parsed.scope.to_string();
            let subject = parsed.measure.to_string();
            let mut words: Vec<&str> = std::iter::once(subject.as_str()).chain(form[name.len() + subject.len()..].split_whitespace()).collect();
            words.remove(index.index(words.len()));
            let text = format!("{name}{}", words.join(" "));
            prop_assert!(text.parse::<Check>().is_err(), "{text}");
        }
    }
}

//! The value of a check and the duration of a breach: a number with the unit of the measure.

use std::time::Duration;

use super::error::{ParseError, shown};
use super::expression::Measure;
use super::number::{MAX_DECIMALS, MAX_DIGITS, Number};
use super::scanner::Scanner;

/// Maximum duration of a breach, in seconds: a day.
const MAX_ABORT_SECONDS: i128 = 86_400;
/// The largest exponent of a number that is written out in an error.
const MAX_EXPONENT: u32 = 9;
/// Words that follow a value and are not its unit.
const NOT_UNITS: [&str; 5] = ["abort", "after", "for", "and", "or"];

/// Reads the value that a measure is compared with, in the unit of the measure. The value of `failures` decides whether the
/// measure is a share. `after` is what precedes the value.
pub(super) fn limit(scanner: &mut Scanner<'_>, measure: Measure, after: &str) -> Result<(Measure, f64), ParseError> {
    let kind = Kind::of(&measure);
    let quantity = Quantity::read(scanner, kind, after)?;
    let value = quantity.base(scanner)?.to_f64();
    if kind == Kind::Failures && quantity.unit == "%" {
        Ok((Measure::FailureShare, value))
    } else {
        Ok((measure, value))
    }
}

/// An operator and a value that fit a measure.
pub(super) const fn example(measure: &Measure) -> &'static str {
    match Kind::of(measure) {
        Kind::Time | Kind::Duration => "< 300ms",
        Kind::Failures => "< 1%",
        Kind::Rate => ">= 500",
        Kind::Requests => "> 10000",
        Kind::Cpu => "< 90%",
        Kind::Memory => "< 512MB",
        Kind::OfMetric => "< 80",
    }
}

/// Reads the duration after `abort after`.
pub(super) fn duration(scanner: &mut Scanner<'_>, after: &str) -> Result<Duration, ParseError> {
    let millis = Quantity::read(scanner, Kind::Duration, after)?.base(scanner)?;
    Ok(Duration::from_millis(u64::try_from(millis.truncated()).unwrap_or_default()))
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Time,
    /// A share, or a number.
    Failures,
    Rate,
    Requests,
    Cpu,
    Memory,
    OfMetric,
    /// Of a breach.
    Duration,
}

impl Kind {
    const fn of(measure: &Measure) -> Self {
        match measure {
            Measure::Percentile(_) | Measure::Mean | Measure::Max => Self::Time,
            Measure::FailureShare | Measure::Failures => Self::Failures,
            Measure::RequestsPerSecond => Self::Rate,
            Measure::Requests => Self::Requests,
            Measure::GeneratorCpu => Self::Cpu,
            Measure::GeneratorMemory => Self::Memory,
            Measure::Target { .. } => Self::OfMetric,
        }
    }

    /// What the user has to write.
    const fn expected(self) -> &'static str {
        match self {
            Self::Time => "a time such as 300ms, 0.8s or 2m",
            Self::Failures => "a share such as 1%, or a number of failures such as 0",
            Self::Rate => "requests per second as a number such as 500",
            Self::Requests => "a number of requests such as 10000",
            Self::Cpu => "a percentage such as 90%",
            Self::Memory => "a size such as 512MB or 2GB",
            Self::OfMetric => "a number in the metric's own unit, such as 80",
            Self::Duration => "a duration such as 30s or 2m, up to 1440m",
        }
    }

    fn error(self, scanner: &Scanner<'_>, at: usize, text: &str, instead: Option<&str>) -> ParseError {
        let (expected, text) = (self.expected(), shown(text));
        let problem = match instead {
            Some(instead) => format!("expected {expected}, not {text}: {instead}"),
            None => format!("expected {expected}, not {text}"),
        };
        scanner.error(at, problem)
    }

    /// What is wrong with a number in the unit of the measure; None if it is a value.
    fn problem(self, base: Number, unit: &str) -> Option<String> {
        let seconds = base.exact_thousandth().filter(|seconds| seconds.is_whole()).map(Number::truncated);
        match self {
            Self::Duration if !seconds.is_some_and(|seconds| (1..=MAX_ABORT_SECONDS).contains(&seconds)) => {
                Some(format!("expected a whole number of seconds from 1s to {MAX_ABORT_SECONDS}s"))
            }
            Self::Failures if unit == "%" && base > Number::whole(100) => {
                Some("expected a share from 0% to 100%".to_owned())
            }
            _ => None,
        }
    }

    /// Whether a number with a unit is a value.
    fn accepts(self, number: Number, unit: &str) -> bool {
        self.base(number, unit).is_some_and(|base| base.has_few_digits() && self.problem(base, unit).is_none())
            // As it is written, it must be short enough, too.
            && Number::parse(number.to_string().trim_start_matches('-')).is_some()
    }

    /// The number in the unit of the measure; for durations, in milliseconds. None if the unit is wrong.
    fn base(self, number: Number, unit: &str) -> Option<Number> {
        let factor = match (self, unit) {
            (Self::Time | Self::Duration, "ms")
            | (Self::Failures | Self::Cpu, "%")
            | (Self::Rate | Self::OfMetric, "")
            | (Self::Memory, "" | "MB") => 1,
            (Self::Time | Self::Duration, "s") | (Self::Memory, "GB") => 1000,
            (Self::Time | Self::Duration, "m") => 60_000,
            (Self::Failures | Self::Requests, "") if number.is_whole() => 1,
            _ => return None,
        };
        Some(number.times(factor))
    }

    /// What to write for a number with a wrong unit, if it is clear. Each suggestion is a value.
    fn instead(self, number: Number, unit: &str) -> Option<String> {
        let meant: Vec<String> = self
            .meant(number, unit)
            .into_iter()
            .filter(|(number, unit)| self.accepts(*number, unit))
            .map(|(number, unit)| format!("{number}{unit}"))
            .collect();
        (!meant.is_empty()).then(|| meant.join(" or "))
    }

    /// The values that a number with a wrong unit may stand for.
    fn meant(self, number: Number, unit: &str) -> Vec<(Number, &'static str)> {
        if let Some((exponent, unit)) = exponent(unit) {
            return self.with_unit(number.times(exponent), unit);
        }
        // A separator of thousands was left out, as in `10 000`.
        if !unit.is_empty() && unit.bytes().all(|b| b.is_ascii_digit()) {
            let joined = Number::parse(&format!("{number}{unit}"));
            return joined.map(|number| self.with_unit(number, "")).unwrap_or_default();
        }
        self.with_unit(number, unit)
    }

    fn with_unit(self, number: Number, unit: &str) -> Vec<(Number, &'static str)> {
        let is_fraction = number < Number::whole(1);
        let thousandth = |unit| number.exact_thousandth().map(|number| (number, unit)).into_iter().collect();
        let meant = match (self, unit.to_lowercase().as_str()) {
            (Self::Time, "") => return vec![(number, "ms"), (number, "s")],
            (Self::Time, "us" | "µs" | "μs" | "usec") => return thousandth("ms"),
            (Self::Time, "ms" | "msec" | "msecs" | "millis" | "milliseconds") => (number, "ms"),
            (Self::Duration, "ms" | "msec" | "msecs" | "millis" | "milliseconds") => return thousandth("s"),
            (Self::Time | Self::Duration, "s" | "sec" | "secs" | "second" | "seconds") | (Self::Duration, "") => {
                (number, "s")
            }
            (Self::Time | Self::Duration, "m" | "min" | "mins" | "minute" | "minutes") => (number, "m"),
            (Self::Time | Self::Duration, "h" | "hr" | "hour" | "hours") => (number.times(60), "m"),
            (Self::Failures | Self::Cpu, "") if is_fraction => (number.times(100), "%"),
            (Self::Failures | Self::Cpu, "" | "%" | "percent" | "pct") => (number, "%"),
            (Self::Rate | Self::Requests | Self::Failures, "k") => (number.times(1000), ""),
            (Self::Rate, "" | "/s" | "rps" | "req/s" | "reqs/s" | "requests/s" | "/sec")
            | (Self::Requests, "" | "requests" | "reqs")
            | (Self::Failures, "requests" | "reqs" | "failures")
            | (Self::OfMetric, "" | "%" | "percent") => (number, ""),
            (Self::Memory, "kb" | "k" | "kib") => return thousandth("MB"),
            (Self::Memory, "" | "mb" | "m" | "mib") => (number, "MB"),
            (Self::Memory, "gb" | "g" | "gib") => (number, "GB"),
            (Self::Memory, "tb" | "t" | "tib") => (number.times(1000), "GB"),
            _ => return Vec::new(),
        };
        vec![meant]
    }
}

/// The power of ten of a number such as `1e3ms`, whose unit is read as `e3ms`, and the unit.
fn exponent(unit: &str) -> Option<(i128, &str)> {
    let rest = unit.strip_prefix(['e', 'E'])?;
    let (digits, unit) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    let exponent = digits.parse().ok().filter(|exponent| *exponent <= MAX_EXPONENT)?;
    Some((10i128.pow(exponent), unit))
}

/// A number and its unit, as written.
struct Quantity<'a> {
    kind: Kind,
    at: usize,
    text: &'a str,
    number: Number,
    unit: &'a str,
}

impl<'a> Quantity<'a> {
    /// Reads a quantity, whose unit may be separated by whitespace.
    fn read(scanner: &mut Scanner<'a>, kind: Kind, after: &str) -> Result<Self, ParseError> {
        let at = scanner.skip_whitespace();
        if scanner.is_at_end() {
            return Err(scanner.error(at, format!("nothing follows {}: write {}", shown(after), kind.expected())));
        }
        let digits = take_number(scanner);
        let unit = take_unit(scanner);
        let text = scanner.since(at);
        match signed(digits, kind) {
            Ok(number) => Ok(Self { kind, at, text, number, unit }),
            Err(_) if text.is_empty() && matches!(scanner.peek(), Some('"' | '\'')) => {
                Err(kind.error(scanner, at, scanner.rest(), Some("remove the quotation marks")))
            }
            Err(instead) => {
                let text = if text.is_empty() { scanner.rest() } else { text };
                Err(kind.error(scanner, at, text, instead.as_deref()))
            }
        }
    }

    /// The number in the unit of the measure.
    fn base(&self, scanner: &Scanner<'_>) -> Result<Number, ParseError> {
        let instead = match self.kind.base(self.number, self.unit) {
            Some(number) if number.has_few_digits() => {
                let Some(problem) = self.kind.problem(number, self.unit) else { return Ok(number) };
                return Err(scanner.error(self.at, problem + ", not " + &shown(self.text)));
            }
            Some(_) => Some("write a smaller number".to_owned()),
            None => self.kind.instead(self.number, self.unit).map(|text| format!("write {text}")),
        };
        Err(self.kind.error(scanner, self.at, self.text, instead.as_deref()))
    }
}

/// Reads a sign and digits with their separators, but not a separator that ends the number.
fn take_number<'a>(scanner: &mut Scanner<'a>) -> &'a str {
    let part = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | ',' | '_' | '\'');
    let rest = scanner.rest();
    let length = rest.find(|c| !part(c)).unwrap_or(rest.len());
    scanner.take(rest[..length].trim_end_matches([',', '\'']).len())
}

fn take_unit<'a>(scanner: &mut Scanner<'a>) -> &'a str {
    let part = |c: char| !c.is_whitespace() && !matches!(c, ',' | ';' | '&' | '|' | '<' | '>' | '=' | '\'' | '"');
    let unit = scanner.take_while(part);
    if !unit.is_empty() {
        return unit;
    }
    let at = scanner.at();
    scanner.skip_whitespace();
    let unit = scanner.take_while(part);
    if unit.is_empty() || NOT_UNITS.contains(&unit.to_lowercase().as_str()) {
        scanner.return_to(at);
        return "";
    }
    unit
}

/// The value of a number.
///
/// # Errors
/// How to write it, if that is clear.
fn signed(text: &str, kind: Kind) -> Result<Number, Option<String>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_negative = digits.len() < text.len();
    let instead = match Number::parse(digits) {
        Some(number) if !is_negative => return Ok(number),
        Some(number) if kind == Kind::OfMetric => return Ok(number.negated()),
        Some(_) => "write a non-negative number",
        None if digits.is_empty() => return Err(None),
        None if digits.contains(['+', '-']) => "write one number, without a sign",
        None if digits.contains([',', '_', '\'']) || digits.matches('.').count() > 1 => {
            "use a decimal point and no other separators"
        }
        None if digits.starts_with('.') || digits.ends_with('.') => "write digits before and after the decimal point",
        None => return Err(Some(format!("use at most {MAX_DIGITS} digits and {MAX_DECIMALS} decimal places"))),
    };
    Err(Some(instead.to_owned()))
}

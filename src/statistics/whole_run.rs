//! The values of checks: for the whole run, and for single seconds.

use std::cell::OnceCell;

use smol_str::SmolStr;

use super::TargetValues;
use super::state::CPU_SECONDS;
use crate::check::{Check, GeneratorValues, Measure, Scope, Signal, Undecided, Values};
use crate::summary::{NotFound, Seconds, Summary, Totals};

/// Why a check of a target has no value in a program without Locust.
const NOT_READ: &str = "the metric of the target was not read: judge the run with 'locust-cw check'";

/// The requests of the whole run, for checks.
pub(super) struct WholeRun<'a> {
    summary: &'a Summary,
    /// All requests. They are added up for the first check that needs them.
    all: OnceCell<Totals>,
}

impl<'a> WholeRun<'a> {
    pub(super) const fn of(summary: &'a Summary) -> Self {
        Self { summary, all: OnceCell::new() }
    }

    fn all(&self) -> &Totals {
        self.all.get_or_init(|| self.summary.all_measured())
    }

    /// What a second says about a check; `None` for checks of targets.
    pub(super) fn signal(&self, check: &Check, second: i64, seconds: &Seconds) -> Option<Signal> {
        match &check.scope {
            Scope::Target(_) => None,
            Scope::Generator => {
                let load = seconds.generator(second).map(GeneratorValues::from).unwrap_or_default();
                Some(check.signal(check.measured_of_generator(load).ok()))
            }
            Scope::All => Some(check.signal_of_requests(as_values(seconds.all().get(&second)), Some(self.all()))),
            Scope::Request(name) => {
                let total = self.summary.find(name).ok().map(|found| &found.measured);
                let value = seconds.watched(name).and_then(|values| values.get(&second));
                Some(check.signal_of_requests(as_values(value), as_values(total)))
            }
        }
    }

    /// The value of a check, which was measured for some seconds.
    pub(super) fn measured(&self, check: &Check, seconds: f64, targets: &TargetValues) -> Result<f64, Undecided> {
        match &check.scope {
            Scope::All => check.measured(Some(self.all()), seconds),
            Scope::Request(name) => {
                let found = match self.summary.find(name) {
                    Ok(found) => Some(&found.measured),
                    Err(NotFound::Missing) => None,
                    Err(NotFound::SeveralMethods(methods)) => return Err(Undecided::Other(several(name, &methods))),
                };
                check.measured(as_values(found), seconds)
            }
            Scope::Generator => {
                let measured = check.measured_of_generator(self.summary.generator().into());
                let too_short =
                    format!("the CPU usage is averaged over {CPU_SECONDS} s, and the measured time was shorter");
                measured.map_err(|error| {
                    if check.measure == Measure::GeneratorCpu { Undecided::Other(too_short) } else { error }
                })
            }
            Scope::Target(_) => match targets.get(&check.text) {
                Some(value) => value.clone().map_err(Undecided::Other),
                None => Err(Undecided::Other(NOT_READ.to_owned())),
            },
        }
    }
}

fn several(name: &str, methods: &[SmolStr]) -> String {
    let first = methods.first().map_or("", SmolStr::as_str);
    format!("requests of several methods have this name ({}): write {first} {name}", methods.join(", "))
}

fn as_values<T: Values>(values: Option<&T>) -> Option<&dyn Values> {
    values.map(|values| values as &dyn Values)
}

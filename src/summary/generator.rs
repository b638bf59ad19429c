//! The highest load of the processes of a run: the load generator may be the bottleneck.

use serde::{Deserialize, Serialize};

use crate::check::GeneratorValues;

/// The highest load of the processes of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "GeneratorParts")]
pub struct GeneratorLoad {
    cpu_percent: Option<f64>,
    memory_bytes: Option<f64>,
}

#[derive(Deserialize)]
struct GeneratorParts {
    cpu_percent: Option<f64>,
    memory_bytes: Option<f64>,
}

impl From<GeneratorParts> for GeneratorLoad {
    fn from(GeneratorParts { cpu_percent, memory_bytes }: GeneratorParts) -> Self {
        Self::new(cpu_percent, memory_bytes)
    }
}

impl From<&GeneratorLoad> for GeneratorValues {
    fn from(load: &GeneratorLoad) -> Self {
        Self { cpu_percent: load.cpu_percent, memory_bytes: load.memory_bytes }
    }
}

impl GeneratorLoad {
    /// The load of a process, as far as it is known. Numbers that are negative, infinite or NaN count as unknown.
    #[must_use]
    pub fn new(cpu_percent: Option<f64>, memory_bytes: Option<f64>) -> Self {
        let valid = |number: Option<f64>| number.filter(|number| number.is_finite() && *number >= 0.0);
        Self { cpu_percent: valid(cpu_percent), memory_bytes: valid(memory_bytes) }
    }

    /// The highest CPU time of a process over 10 seconds, in percent of one core.
    #[must_use]
    pub const fn cpu_percent(&self) -> Option<f64> {
        self.cpu_percent
    }

    /// The highest memory of a process, in bytes.
    #[must_use]
    pub const fn memory_bytes(&self) -> Option<f64> {
        self.memory_bytes
    }

    /// Adds the load of another process or time.
    pub fn merge(&mut self, other: &Self) {
        let higher = |one: Option<f64>, other: Option<f64>| one.into_iter().chain(other).reduce(f64::max);
        self.cpu_percent = higher(self.cpu_percent, other.cpu_percent);
        self.memory_bytes = higher(self.memory_bytes, other.memory_bytes);
    }
}

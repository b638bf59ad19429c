//! An increment: the windows that a worker sends its master, as bytes.
//!
//! The windows hold everything: totals, blocks and the values of seconds follow from them, so that an increment is small.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::sample::RequestKey;
use crate::summary::custom_data::CustomData;
use crate::summary::highlights::Highlights;
use crate::summary::load_blocks::LoadBlock;
use crate::summary::seconds::Seconds;
use crate::summary::totals::Totals;
use crate::summary::window::{RunPart, Window};
use crate::summary::{GeneratorLoad, Summary};

/// The first byte. A change of the format, or of the buckets of histograms, increases it.
const VERSION: u8 = 2;
/// Maximum size of an increment that is read. It is several times that of 200 names after a long interruption, and bounds the memory
/// of decoding.
const MAX_BYTES: usize = 32 << 20;

/// What a worker counted since the previous increment.
#[derive(Debug, Clone, PartialEq)]
pub struct Increment {
    /// Its number, from 0 on.
    pub sequence: u64,
    /// All windows of seconds before this one, since the epoch, are in this increment and in those before it. Late samples may
    /// still open further windows.
    pub closed_until: Option<i64>,
    /// The highest load of the process.
    pub generator: GeneratorLoad,
    /// Its load in single seconds since the epoch.
    pub loads: Vec<(i64, GeneratorLoad)>,
    /// The windows.
    pub windows: Vec<Window>,
    /// Single requests that a report names.
    pub highlights: Highlights,
    /// Windows that could not be sent in time, added up.
    pub earlier: Option<Summary>,
    /// What the users of the process have added.
    pub custom_data: Option<CustomData>,
}

/// Why an increment cannot be read.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum IncrementError {
    /// Another version of locust-cw wrote it.
    #[error(
        "a worker sends statistics in format {0}, but this process reads format {VERSION}: install the same version of \
         locust-cw on all machines"
    )]
    Version(u8),
    /// It is too large.
    #[error("a worker sent statistics of {0} bytes: the maximum is {MAX_BYTES}")]
    TooLarge(usize),
    /// It is not an increment.
    #[error("a worker sent statistics that cannot be read: {0}")]
    Malformed(#[from] postcard::Error),
    /// No sender has this many increments without an acknowledgement.
    #[error("a worker sent statistics number {0} before earlier ones")]
    Unexpected(u64),
}

/// The stored form. Each request is written once, and seconds as distances from the first one.
#[derive(Serialize, Deserialize)]
struct Wire<T, S> {
    sequence: u64,
    closed_until: Option<i64>,
    generator: GeneratorLoad,
    loads: Vec<(i64, GeneratorLoad)>,
    requests: Vec<RequestKey>,
    first_second: i64,
    windows: Vec<WireWindow<T>>,
    highlights: Highlights,
    earlier: Option<S>,
    custom_data: Option<CustomData>,
}

#[derive(Serialize, Deserialize)]
struct WireWindow<T> {
    request: usize,
    distance: u64,
    part: RunPart,
    totals: T,
}

impl Increment {
    /// Converts it to bytes.
    ///
    /// # Errors
    /// None is known: all values have a stored form.
    pub fn encode(&self) -> Result<Vec<u8>, IncrementError> {
        let first_second = self.windows.iter().map(|window| window.second).min().unwrap_or_default();
        let mut numbers = BTreeMap::new();
        let windows = self.windows.iter().map(|Window { key, second, part, totals }| {
            let next = numbers.len();
            let request = *numbers.entry(key).or_insert(next);
            WireWindow { request, distance: second.wrapping_sub(first_second).cast_unsigned(), part: *part, totals }
        });
        let windows = windows.collect();
        let mut requests: Vec<_> = numbers.into_iter().collect();
        requests.sort_unstable_by_key(|&(_, number)| number);
        let wire = Wire {
            sequence: self.sequence,
            closed_until: self.closed_until,
            generator: self.generator,
            loads: self.loads.clone(),
            requests: requests.into_iter().map(|(key, _)| key.clone()).collect(),
            first_second,
            windows,
            highlights: self.highlights.clone(),
            earlier: self.earlier.as_ref(),
            custom_data: self.custom_data.clone(),
        };
        Ok(postcard::to_extend(&wire, vec![VERSION])?)
    }

    /// Reads what [`Self::encode`] wrote. Any bytes are read or refused, with memory in proportion to their number.
    ///
    /// # Errors
    /// If another version of locust-cw wrote them, or if they are damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, IncrementError> {
        const MALFORMED: IncrementError = IncrementError::Malformed(postcard::Error::SerdeDeCustom);
        if bytes.len() > MAX_BYTES {
            return Err(IncrementError::TooLarge(bytes.len()));
        }
        let (&version, bytes) = bytes.split_first().ok_or(MALFORMED)?;
        if version != VERSION {
            return Err(IncrementError::Version(version));
        }
        let (wire, rest) = postcard::take_from_bytes::<Wire<Totals, Summary>>(bytes)?;
        if !rest.is_empty() {
            return Err(MALFORMED);
        }
        let window = |WireWindow { request, distance, part, totals }| {
            let key = wire.requests.get(request)?.clone();
            Some(Window { key, second: wire.first_second.checked_add_unsigned(distance)?, part, totals })
        };
        let windows: Option<Vec<_>> = wire.windows.into_iter().map(window).collect();
        Ok(Self {
            sequence: wire.sequence,
            closed_until: wire.closed_until,
            generator: wire.generator,
            loads: wire.loads,
            windows: windows.ok_or(MALFORMED)?,
            highlights: wire.highlights,
            earlier: wire.earlier,
            custom_data: wire.custom_data,
        })
    }

    /// Moves its seconds from the clock of the worker to that of the master. Windows that were added up before stay where they are.
    pub fn shift(&mut self, seconds: i64) {
        let shifted = |second: i64| if second == i64::MAX { second } else { second.saturating_add(seconds) };
        self.closed_until = self.closed_until.map(shifted);
        self.loads.iter_mut().for_each(|(second, _)| *second = shifted(*second));
        self.windows.iter_mut().for_each(|window| window.second = shifted(window.second));
        self.highlights.shift(seconds);
        self.custom_data.iter_mut().for_each(|custom_data| custom_data.shift(seconds));
    }

    /// Adds the increment to the summary of the run and to the values of its seconds.
    pub fn add_to(&self, summary: &mut Summary, seconds: &mut Seconds) {
        // The few requests of the windows first: adding them to those of the whole run takes longer.
        let (mut new, mut new_seconds) = (summary.empty(), seconds.empty());
        for window in &self.windows {
            new.add_window(window);
            new_seconds.add_window(window);
        }
        summary.merge(&new);
        seconds.merge(&new_seconds);
        self.earlier.iter().for_each(|earlier| summary.merge(earlier));
        summary.add_generator(&self.generator);
        summary.add_highlights(&self.highlights);
        for (second, load) in &self.loads {
            seconds.add_generator(*second, load);
            summary.add_load(*second, &LoadBlock { users: None, generator: *load });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::custom::{CustomMetric, Kind};
    use crate::sample::Unit;
    use crate::summary::Mark;
    use crate::summary::highlights::tests::request;
    use crate::summary::tests::{limits, summary_of, windows};
    use crate::timestamp::Timestamp;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn an_increment_is_read_back(
            windows in windows(), earlier in prop::option::of(windows()), sequence in any::<u64>(), closed_until in any::<Option<i64>>(), text in any::<String>(),
        ) {
            let generator = GeneratorLoad::new(Some(40.0), None);
            let mut highlights = Highlights::default();
            highlights.add_successful(request(1, 2));
            highlights.add_failed("HTTPError", request(3, 4));
            let marks = Mark::new(Timestamp::from_seconds(1), &text).into_iter().collect();
            let metric = CustomMetric { metric: text.into(), kind: Kind::Count, unit: Unit::None, dimensions: vec!["a".into()] };
            let custom_data = Some(CustomData { marks, metrics: vec![metric] });
            let earlier = earlier.map(|earlier| summary_of(&earlier));
            let increment = Increment { sequence, closed_until, generator, loads: vec![(7, generator)], windows, highlights, earlier, custom_data };
            let bytes = increment.encode().expect("plain data");
            prop_assert_eq!(Increment::decode(&bytes), Ok(increment));
        }

        #[test]
        fn changed_bytes_are_refused_or_read(windows in windows(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
            let earlier = Some(summary_of(&windows));
            let increment =
                Increment { sequence: 0, closed_until: None, generator: GeneratorLoad::default(), loads: vec![], windows, highlights: Highlights::default(), earlier, custom_data: None };
            let mut bytes = increment.encode().expect("plain data");
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(read) = Increment::decode(&bytes) {
                let (mut summary, mut seconds) = (Summary::new(limits()), Seconds::default());
                read.add_to(&mut summary, &mut seconds);
                read.add_to(&mut summary, &mut seconds);
                prop_assert_eq!(Increment::decode(&read.encode().expect("plain data")), Ok(read));
            }
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut versioned = vec![VERSION];
            versioned.extend(&bytes);
            let _ = Increment::decode(&bytes);
            let _ = Increment::decode(&versioned);
        }
    }

    #[test]
    fn bytes_of_other_versions_and_sizes_are_refused_with_the_reason() {
        let text = |bytes: &[u8]| Increment::decode(bytes).expect_err("refused").to_string();
        assert!(text(&[9, 0]).contains("format 9"));
        assert!(text(&vec![VERSION; MAX_BYTES + 1]).contains("bytes"));
        assert!(text(&[]).contains("cannot be read"));
        let empty = Increment {
            sequence: 1,
            closed_until: Some(5),
            generator: GeneratorLoad::default(),
            loads: Vec::new(),
            windows: vec![],
            highlights: Highlights::default(),
            earlier: None,
            custom_data: None,
        };
        let mut bytes = empty.encode().expect("plain data");
        assert!(bytes.len() < 15, "{bytes:?}");
        bytes.push(0);
        assert!(text(&bytes).contains("cannot be read"));
    }

    #[test]
    fn a_long_list_in_few_bytes_takes_little_memory() {
        // A list that claims 2^35 requests.
        let bytes = [&[VERSION, 0, 0, 0, 0][..], &[0xff, 0xff, 0xff, 0xff, 0x7f], &[0; 50]].concat();
        assert!(matches!(Increment::decode(&bytes), Err(IncrementError::Malformed(_))));
    }
}

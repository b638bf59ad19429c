//! Assembles calls: combines segments into as few calls as CloudWatch's limits allow.

use std::collections::BTreeMap;
use std::io;

use crate::delivery::limits::{BatchLimits, BatchPacker};
use crate::logs::event::LogBatch;
use crate::metrics::datum::{Body, Datum, DatumKey};
use crate::metrics::histogram::{Histogram, MAX_VALUE, MAX_VALUES_PER_DATUM};
use crate::spool::{Lane, Segment};

/// The datums of one call, their segments, and the segments that did not fit.
#[derive(Debug)]
pub struct MetricsCall {
    /// At most [`MAX_DATUMS`](crate::delivery::limits::MAX_DATUMS).
    pub datums: Vec<Datum>,
    /// The segments that contain them.
    pub segments: Vec<Segment>,
    /// Segments that did not fit.
    pub rest: Vec<Segment>,
    /// Segments that could not be read.
    pub unread: Unread,
}

/// Segments that could not be read, each with the reason.
#[derive(Debug, Default)]
pub struct Unread {
    /// The files are damaged.
    pub damaged: Vec<(Segment, io::Error)>,
    /// A later attempt may succeed: too many files are open, or the disk does not respond.
    pub unreadable: Vec<(Segment, io::Error)>,
}

impl Unread {
    fn push(&mut self, segment: Segment, error: io::Error) {
        let is_damaged =
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound);
        if is_damaged { &mut self.damaged } else { &mut self.unreadable }.push((segment, error));
    }
}

/// Reads metrics segments and merges their datums while they fit into one call. The first segment always does.
#[must_use]
pub fn metrics_call(segments: Vec<Segment>) -> MetricsCall {
    let mut call = MetricsCall { datums: vec![], segments: vec![], rest: vec![], unread: Unread::default() };
    let mut merge = Merge::default();
    let mut packer = BatchPacker::new(BatchLimits::of(Lane::Metrics));
    for segment in segments {
        if !call.rest.is_empty() {
            call.rest.push(segment);
            continue;
        }
        match segment.datums() {
            Err(error) => call.unread.push(segment, error),
            Ok(datums) => {
                let (items, bytes) = merge.growth(&datums);
                if packer.try_add(items, bytes, segment.contents.span) {
                    datums.into_iter().for_each(|datum| merge.add(datum));
                    call.segments.push(segment);
                } else if call.segments.is_empty() {
                    // Merging can make a segment larger. It is sent unmerged, because otherwise it would never fit.
                    packer = BatchPacker::full();
                    call.datums = datums;
                    call.segments.push(segment);
                } else {
                    call.rest.push(segment);
                }
            }
        }
    }
    call.datums.extend(merge.into_datums());
    call
}

/// Upper bound on the datums for a number of values, after they are merged into buckets and two extremes.
const fn datums_for(values: usize) -> usize {
    if values <= MAX_VALUES_PER_DATUM {
        values.div_ceil(MAX_VALUES_PER_DATUM)
    } else {
        (values + 2).div_ceil(MAX_VALUES_PER_DATUM)
    }
}

/// Merges datums of the same window, series and metric.
#[derive(Default)]
struct Merge {
    totals: BTreeMap<DatumKey, (u32, f64)>,
    distributions: BTreeMap<DatumKey, (u32, Histogram)>,
}

impl Merge {
    /// Upper bound on the datums and bytes by which the call grows.
    fn growth(&self, datums: &[Datum]) -> (usize, usize) {
        let mut lengths: BTreeMap<&DatumKey, usize> = BTreeMap::new();
        let (mut items, mut bytes) = (0, 0);
        for datum in datums {
            match &datum.body {
                // An existing total only changes its value.
                Body::Total(_) if self.totals.contains_key(&datum.key) => continue,
                Body::Total(_) => items += 1,
                Body::Points(points) => {
                    let before = || self.distributions.get(&datum.key).map_or(0, |(_, d)| d.max_points());
                    let length = lengths.entry(&datum.key).or_insert_with(before);
                    let datums_before = datums_for(*length);
                    *length += points.len();
                    items += datums_for(*length) - datums_before;
                }
            }
            bytes += datum.wire_bytes();
        }
        (items, bytes)
    }

    fn add(&mut self, datum: Datum) {
        match datum.body {
            Body::Total(total) => {
                let (_, sum) = self.totals.entry(datum.key).or_insert((datum.resolution, 0.0));
                // The sum of a custom metric can be of any size.
                *sum = (*sum + total).min(MAX_VALUE);
            }
            Body::Points(points) => {
                let (_, distribution) =
                    self.distributions.entry(datum.key).or_insert((datum.resolution, Histogram::default()));
                points.into_iter().for_each(|point| distribution.add_point(point));
            }
        }
    }

    fn into_datums(self) -> Vec<Datum> {
        let totals = self.totals.into_iter().map(|(key, (resolution, total))| Datum {
            key,
            resolution,
            body: Body::Total(total),
        });
        let mut datums: Vec<_> = totals.collect();
        for (key, (resolution, distribution)) in &self.distributions {
            datums.extend(Datum::of_histogram(key, *resolution, distribution));
        }
        datums
    }
}

/// The events of one call, their segments, and those that could not be read.
#[derive(Debug)]
pub struct LogsCall {
    /// The events.
    pub batch: LogBatch,
    /// The segments that contain them.
    pub segments: Vec<Segment>,
    /// Segments that could not be read.
    pub unread: Unread,
}

/// Reads logs segments that fit into one call.
#[must_use]
pub fn logs_call(segments: Vec<Segment>) -> LogsCall {
    let (mut read, mut unread) = (Vec::new(), Unread::default());
    for mut segment in segments {
        match segment.take_text() {
            Ok(text) => read.push((segment, text)),
            Err(error) => unread.push(segment, error),
        }
    }
    let (mut lines, mut whole) = (Vec::new(), Vec::new());
    for (segment, text) in &read {
        match LogBatch::lines_of(text) {
            Some(of_segment) => {
                lines.extend(of_segment);
                whole.push(segment.clone());
            }
            None => unread.push(segment.clone(), io::ErrorKind::InvalidData.into()),
        }
    }
    LogsCall { batch: LogBatch::of_lines(lines), segments: whole, unread }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delivery::limits::{MAX_DATUMS, MAX_METRICS_BYTES, split};
    use crate::logs::event::LogEvent;
    use crate::metrics::datum::RESPONSE_TIME;
    use crate::metrics::datum::tests::key;
    use crate::sample::Point;
    use crate::spool::Spool;
    use crate::spool::tests::{datum, event, manifest, path_of};

    fn messages(batch: &LogBatch) -> Vec<String> {
        let events: Vec<LogEvent> = serde_json::from_str(&batch.json).expect("JSON");
        assert_eq!(events.len(), batch.events);
        events.into_iter().map(|event| event.message).collect()
    }

    fn points(request: &str, values: &[f64]) -> Datum {
        let points = values.iter().map(|&value| Point { value, count: 1 }).collect();
        Datum { key: key(RESPONSE_TIME, request), resolution: 60, body: Body::Points(points) }
    }

    #[test]
    fn parts_of_a_window_become_one_datum() {
        let spool = Spool::in_memory(&manifest());
        let segments = (1..=3).map(|i| spool.write_datums(&[datum(f64::from(i)), points("/", &[f64::from(i)])]).0);
        let call = metrics_call(segments.collect());
        assert_eq!(call.datums, [datum(6.0), points("/", &[1.0, 2.0, 3.0])]);
        assert_eq!((call.segments.len(), call.rest.len()), (3, 0));
    }

    #[test]
    fn what_does_not_fit_is_left_for_the_next_call() {
        let spool = Spool::in_memory(&manifest());
        let segment = |from: usize| {
            let datums: Vec<_> = (from..from + 600).map(|i| points(&format!("/{i}"), &[1.0])).collect();
            spool.write_datums(&datums).0
        };
        let call = metrics_call(vec![segment(0), segment(600), segment(0)]);
        assert_eq!(call.segments.iter().map(|s| s.id).collect::<Vec<_>>(), [1]);
        assert_eq!(call.rest.iter().map(|s| s.id).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(metrics_call(vec![segment(0), segment(0)]).datums.len(), 600);
    }

    #[test]
    fn events_of_several_segments_are_sent_in_chronological_order() {
        let spool = Spool::in_memory(&manifest());
        let segments =
            [[event(5, "a"), event(3, "b")], [event(4, "c"), event(3, "d")]].map(|e| spool.write_events(&e).0);
        let order = messages(&logs_call(segments.into()).batch);
        assert_eq!(order, ["b", "d", "c", "a"]);
    }

    #[test]
    fn recent_events_come_from_memory_once_and_then_from_the_disk() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool").with_copies();
        let (segment, _) = spool.write_events(&[event(1, "a")]);
        std::fs::write(path_of(&segment), "damaged").expect("writable");
        let call = logs_call(vec![segment]);
        assert_eq!(messages(&call.batch), ["a"]);
        let again = logs_call(call.segments);
        assert_eq!((again.batch.events, again.unread.damaged.len()), (0, 1));
    }

    #[test]
    fn a_damaged_file_does_not_hold_up_the_others() {
        let root = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(root.path(), &manifest()).expect("a spool");
        let (bad, _) = spool.write_events(&[event(1, "a")]);
        let (good, _) = spool.write_events(&[event(2, "b")]);
        std::fs::write(path_of(&bad), "{\"timest").expect("written");
        let call = logs_call(vec![bad, good]);
        assert_eq!((call.batch.events, call.unread.damaged.len()), (1, 1));
    }

    #[test]
    fn a_file_that_cannot_be_read_for_now_is_not_damaged() {
        let mut unread = Unread::default();
        let spool = Spool::in_memory(&manifest());
        let too_many_open_files = io::Error::from_raw_os_error(24);
        unread.push(spool.write_events(&[event(1, "a")]).0, too_many_open_files);
        assert_eq!((unread.damaged.len(), unread.unreadable.len()), (0, 1));
    }

    #[test]
    fn a_segment_that_grows_when_it_is_merged_goes_as_it_is() {
        let spool = Spool::in_memory(&manifest());
        let values = |from: u32| (from..from + 150).map(f64::from).collect::<Vec<_>>();
        let mut datums: Vec<_> = (2..MAX_DATUMS).map(|i| points(&format!("/{i}"), &[1.0])).collect();
        datums.extend([points("/", &values(1)), points("/", &values(151))]);
        let segment = spool.write_datums(&datums).0;
        let call = metrics_call(vec![segment.clone(), segment]);
        assert_eq!((call.datums, call.segments.len(), call.rest.len()), (datums, 1, 1));
    }

    proptest! {
        // Each case merges several full calls.
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn a_merged_call_is_within_the_limits(
            segments in prop::collection::vec((0..400usize, 1..1000usize, 1..500usize), 1..6),
        ) {
            let spool = Spool::in_memory(&manifest());
            let segments: Vec<_> = segments
                .into_iter()
                .flat_map(|(from, count, values)| {
                    let values: Vec<_> = (0..values).map(|v| f64::from(u32::try_from(from * v).expect("small")) + 0.1).collect();
                    let chunks = |i| values.chunks(MAX_VALUES_PER_DATUM).map(move |part| points(&format!("/{i}"), part));
                    let datums = (from..from + count).flat_map(chunks).take(MAX_DATUMS).collect();
                    split(Lane::Metrics, datums, Datum::wire_bytes, |d| d.key.timestamp * 1000)
                })
                .map(|datums| spool.write_datums(&datums).0)
                .collect();
            let number = segments.len();
            let call = metrics_call(segments);
            prop_assert!(!call.segments.is_empty());
            prop_assert_eq!(call.segments.len() + call.rest.len(), number);
            prop_assert!(call.datums.len() <= MAX_DATUMS);
            prop_assert!(call.datums.iter().map(Datum::wire_bytes).sum::<usize>() <= MAX_METRICS_BYTES);
            for datum in &call.datums {
                let Body::Points(points) = &datum.body else { panic!("only distributions here") };
                prop_assert!((1..=MAX_VALUES_PER_DATUM).contains(&points.len()));
            }
        }
    }
}

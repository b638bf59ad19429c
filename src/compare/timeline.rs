//! The blocks of a run as rows of equal length in time, and the counts of a request in each row.

use std::collections::BTreeMap;

use crate::summary::{CompactHistogram, RequestSummary, TimeBlocks};

/// The blocks in which a run had any requests.
pub struct Timeline {
    rows: BTreeMap<i64, usize>,
    block_seconds: u64,
}

impl Timeline {
    /// The blocks of all requests of a run.
    pub fn of(all_requests: &TimeBlocks) -> Self {
        let rows = all_requests.iter().enumerate().map(|(row, (start, _))| (start, row)).collect();
        Self { rows, block_seconds: all_requests.length_seconds() }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The length of a row, in seconds.
    pub const fn block_seconds(&self) -> u64 {
        self.block_seconds
    }
}

/// Sums over time, from which the sum of any rows that follow each other is a subtraction. After the last row, the first follows
/// again.
#[derive(Debug, Clone)]
pub struct RunningSums {
    /// The sum of the rows before each row, in two rounds.
    sums: Vec<f64>,
}

impl RunningSums {
    fn of(rows: &[f64]) -> Self {
        let mut sum = 0.0;
        let rounds = rows.iter().chain(rows).map(|row| {
            sum += row;
            sum
        });
        Self { sums: std::iter::once(0.0).chain(rounds).collect() }
    }

    /// The sum of `length` rows from `start` on. Both are at most the number of rows.
    pub fn sum(&self, start: usize, length: usize) -> f64 {
        self.sums[start + length] - self.sums[start]
    }
}

/// The counts of a request in the rows of a timeline. Rows without requests have zeros.
pub struct Counts {
    /// Requests.
    pub requests: RunningSums,
    /// Failed requests.
    pub failures: RunningSums,
    /// Successful response times.
    pub times: TimeCounts,
}

impl Counts {
    /// The counts of a request of the run.
    pub fn of(request: &RequestSummary, timeline: &Timeline) -> Self {
        let rows = timeline.rows();
        let (mut requests, mut failures) = (vec![0.0; rows], vec![0.0; rows]);
        let mut times = vec![CompactHistogram::default(); rows];
        for (start, block) in request.blocks.of_length(timeline.block_seconds).iter() {
            if let Some(&row) = timeline.rows.get(&start) {
                requests[row] = as_f64(block.requests);
                failures[row] = as_f64(block.failures);
                times[row] = block.times;
            }
        }
        Self {
            requests: RunningSums::of(&requests),
            failures: RunningSums::of(&failures),
            times: TimeCounts::of(&times),
        }
    }

    /// The requests of the rows that are whole: not the first and the last, in which the run began and ended.
    pub fn requests_of_whole_rows(&self) -> RunningSums {
        let sums = &self.requests.sums[..=self.requests.sums.len() / 2];
        let rows: Vec<f64> = sums.windows(2).map(|pair| pair[1] - pair[0]).collect();
        RunningSums::of(rows.get(1..rows.len().saturating_sub(1)).unwrap_or_default())
    }
}

/// For each cell of response times, the number of times up to the end of the cell, by row.
pub struct TimeCounts {
    first_cell: u32,
    up_to: Vec<RunningSums>,
}

impl TimeCounts {
    /// Counts of buckets that cover several cells are distributed evenly among them.
    fn of(rows: &[CompactHistogram]) -> Self {
        let cells = || rows.iter().flat_map(CompactHistogram::cells);
        let first_cell = cells().map(|(cells, _)| cells.start).min().unwrap_or(0);
        let last_cell = cells().map(|(cells, _)| cells.end).max().unwrap_or(first_cell);
        let width = usize::try_from(last_cell - first_cell).unwrap_or(0);
        let mut grid = vec![vec![0.0; rows.len()]; width];
        for (row, histogram) in rows.iter().enumerate() {
            for (cells, count) in histogram.cells() {
                let share = as_f64(count) / f64::from(cells.end - cells.start);
                for cell in cells {
                    grid[(cell - first_cell) as usize][row] += share;
                }
            }
            for cell in 1..width {
                grid[cell][row] += grid[cell - 1][row];
            }
        }
        Self { first_cell, up_to: grid.iter().map(|rows| RunningSums::of(rows)).collect() }
    }

    /// The number of cells.
    pub const fn cells(&self) -> usize {
        self.up_to.len()
    }

    /// The number of times up to the end of a cell.
    pub fn up_to(&self, cell: usize) -> &RunningSums {
        &self.up_to[cell]
    }

    /// The time at a position from 0 to 1 within a cell, in milliseconds.
    pub fn time_ms(&self, cell: usize, position: f64) -> f64 {
        let number = u32::try_from(cell).unwrap_or(u32::MAX).saturating_add(self.first_cell);
        CompactHistogram::time_in_cell_ms(number, position)
    }
}

/// A count for calculations with shares.
#[expect(clippy::cast_precision_loss, reason = "a share of 2^53 requests need not be exact")]
pub const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_of_any_rows_are_those_of_the_rows_in_a_circle(
            rows in prop::collection::vec(0..1000u32, 1..50), start in 0..50usize, length in 0..50usize,
        ) {
            let rows: Vec<f64> = rows.into_iter().map(f64::from).collect();
            let (start, length) = (start % rows.len(), length % (rows.len() + 1));
            let expected: f64 = (start..start + length).map(|row| rows[row % rows.len()]).sum();
            prop_assert!((RunningSums::of(&rows).sum(start, length) - expected).abs() < 1e-6);
        }
    }
}

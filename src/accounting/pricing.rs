//! AWS's prices, as of the date below: the base of each estimate.

use crate::config::LogClass;

/// When the prices were looked up.
pub const PRICES_AS_OF: &str = "2026-11";

/// Custom metrics: tiers as the highest number of metrics, with the price of each in USD a month.
const METRIC_TIERS: [(f64, f64); 4] = [(10_000.0, 0.30), (250_000.0, 0.10), (1_000_000.0, 0.05), (f64::INFINITY, 0.02)];
/// Hours in the month over which metrics are charged by the hour.
pub const HOURS_PER_MONTH: u32 = 730;
/// `PutMetricData`: USD per call.
const CALL: f64 = 0.01 / 1000.0;
/// `GetMetricData`: USD per requested metric.
pub const METRIC_READ: f64 = 0.01 / 1000.0;
/// Log ingestion, class Standard: USD per GB, if the region is not in the table.
const LOGS_PER_GB: f64 = 0.50;
/// Log ingestion, class Standard: USD per GB, by region.
const LOGS_PER_GB_BY_REGION: [(&str, f64); 2] = [("us-east-1", 0.50), ("ap-northeast-2", 0.76)];
/// Price of the class Infrequent Access as a share of the class Standard.
const INFREQUENT_ACCESS: f64 = 0.5;

const GB: f64 = 1024.0 * 1024.0 * 1024.0;

/// The usage of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage<'a> {
    /// Hours with data, summed up over all metrics.
    pub metric_hours: u64,
    /// Calls of `PutMetricData`.
    pub calls: u64,
    /// Bytes of log events as CloudWatch counts them.
    pub log_bytes: u64,
    /// Class of the log group.
    pub log_class: LogClass,
    /// AWS region.
    pub region: Option<&'a str>,
}

/// An estimate in USD, without storage, free tier, discounts and taxes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// For the metrics, which the processes of a run share.
    pub metrics: f64,
    /// For calls and log events, which each process makes itself.
    pub traffic: f64,
}

/// The regions whose own prices are in the table.
pub fn regions() -> impl Iterator<Item = &'static str> {
    LOGS_PER_GB_BY_REGION.iter().map(|(region, _)| *region)
}

/// The cost of a usage.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub fn estimate(usage: Usage<'_>) -> Cost {
    let known = LOGS_PER_GB_BY_REGION.iter().find(|(region, _)| Some(*region) == usage.region);
    let per_gb = known.map_or(LOGS_PER_GB, |(_, price)| *price);
    let class = if usage.log_class == LogClass::InfrequentAccess { INFREQUENT_ACCESS } else { 1.0 };
    Cost {
        metrics: metrics_per_month(usage.metric_hours as f64 / f64::from(HOURS_PER_MONTH)),
        traffic: usage.calls as f64 * CALL + usage.log_bytes as f64 / GB * per_gb * class,
    }
}

fn metrics_per_month(metrics: f64) -> f64 {
    let mut below = 0.0;
    let mut sum = 0.0;
    for (up_to, price) in METRIC_TIERS {
        sum += (metrics.min(up_to) - below).max(0.0) * price;
        below = up_to;
    }
    sum
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOTHING: Usage<'_> =
        Usage { metric_hours: 0, calls: 0, log_bytes: 0, log_class: LogClass::Standard, region: None };

    fn is(usage: Usage<'_>, usd: f64) {
        let Cost { metrics, traffic } = estimate(usage);
        let estimate = metrics + traffic;
        assert!((estimate - usd).abs() < 1e-9, "{estimate} for {usage:?}");
    }

    #[test]
    fn estimates_follow_the_price_list() {
        is(NOTHING, 0.0);
        is(Usage { metric_hours: 730, ..NOTHING }, 0.30);
        is(Usage { metric_hours: 730 * 10_100, ..NOTHING }, 3000.0 + 10.0);
        is(Usage { calls: 1000, ..NOTHING }, 0.01);
        is(Usage { log_bytes: 1 << 30, ..NOTHING }, 0.50);
        is(Usage { log_bytes: 1 << 30, region: Some("ap-northeast-2"), ..NOTHING }, 0.76);
        is(Usage { log_bytes: 1 << 30, log_class: LogClass::InfrequentAccess, ..NOTHING }, 0.25);
    }

    fn total(usage: Usage<'_>) -> f64 {
        let Cost { metrics, traffic } = estimate(usage);
        metrics + traffic
    }

    proptest! {
        #[test]
        fn more_never_costs_less_and_never_more_than_its_list_price(
            hours in 0..2_000_000_000u64, calls in 0..1_000_000_000u64, bytes in 0..1u64 << 50,
            more in 1..1_000_000_000u64, infrequent in any::<bool>(),
            region in prop::option::of(prop_oneof![Just("us-east-1"), Just("ap-northeast-2"), Just("eu-west-1")]),
        ) {
            let log_class = if infrequent { LogClass::InfrequentAccess } else { LogClass::Standard };
            let usage = Usage { metric_hours: hours, calls, log_bytes: bytes, log_class, region };
            let cost = total(usage);
            prop_assert!(cost.is_finite() && cost >= 0.0);
            for (grown, list_price) in [
                (Usage { metric_hours: hours + more, ..usage }, 0.30 / 730.0),
                (Usage { calls: calls + more, ..usage }, 0.01 / 1000.0),
                (Usage { log_bytes: bytes + more, ..usage }, 0.76 / GB),
            ] {
                let extra = total(grown) - cost;
                let rounding = 1e-9 * (1.0 + cost);
                prop_assert!(extra >= -rounding && extra <= list_price * more as f64 + rounding, "{extra} for {grown:?}");
            }
        }

        #[test]
        fn no_tier_begins_with_a_step(tier in 0..3usize, beside in 0..1000u32) {
            let (edge, price) = METRIC_TIERS[tier];
            let next = METRIC_TIERS[tier + 1].1;
            let beside = f64::from(beside);
            let (below, at, above) = (metrics_per_month(edge - beside), metrics_per_month(edge), metrics_per_month(edge + beside));
            prop_assert!((at - below - beside * price).abs() < 1e-6 && (above - at - beside * next).abs() < 1e-6);
        }
    }
}

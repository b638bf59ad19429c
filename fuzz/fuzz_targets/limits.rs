//! The limits of CloudWatch, from the API references of PutMetricData, PutLogEvents, CreateLogGroup and CreateLogStream.
#![allow(dead_code, reason = "each target uses a part of this module")]

use std::collections::BTreeSet;

use locust_cw::config::Config;
use locust_cw::config::dimension::Dimension;
use locust_cw::metrics::datum::{Body, Datum};

fn is_valid(text: &str, max_chars: usize) -> bool {
    (1..=max_chars).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7f).contains(&b)) && !text.trim().is_empty()
}

pub fn check_dimensions(dimensions: &[Dimension]) {
    assert!(dimensions.len() <= 30, "{dimensions:?}");
    let names: BTreeSet<_> = dimensions.iter().map(|dimension| &dimension.name).collect();
    assert_eq!(names.len(), dimensions.len(), "{dimensions:?}");
    for Dimension { name, value } in dimensions {
        assert!(is_valid(name, 255) && !name.starts_with(':'), "{name:?}");
        assert!(is_valid(value, 1024), "{value:?}");
    }
}

pub fn check_config(config: &Config) {
    assert!(is_valid(&config.namespace, 255) && !config.namespace.starts_with(':'));
    assert!(!config.namespace.starts_with("AWS/"));
    assert!(matches!(config.resolution, 1 | 60) && config.max_requests > 0 && config.spool_max_bytes > 0);
    assert!(!config.series.is_empty() && config.series.len() + config.constant_dimensions.len() <= 30);
    check_dimensions(&config.constant_dimensions);
    let group = &config.log.group;
    assert!(is_valid(group, 512) && !group.starts_with("aws/"));
    assert!(group.chars().all(|c| c.is_ascii_alphanumeric() || ".-_/#".contains(c)), "{group:?}");
    assert!((0.0..=1.0).contains(&config.log.sample));
}

pub fn check_stream(stream: &str) {
    assert!((1..=512).contains(&stream.chars().count()), "{stream:?}");
    assert!(!stream.contains([':', '*']) && !stream.contains(char::is_control), "{stream:?}");
}

pub fn check_datum(datum: &Datum) {
    check_dimensions(&datum.key.dimensions);
    assert!(is_valid(&datum.key.metric, 255), "{:?}", datum.key.metric);
    assert!(matches!(datum.resolution, 1 | 60));
    assert_eq!(datum.key.timestamp.rem_euclid(datum.resolution.into()), 0);
    let fits = |value: f64| (0.0..=2f64.powi(360)).contains(&value);
    match &datum.body {
        Body::Total(total) => assert!(fits(*total), "{total}"),
        Body::Points(points) => {
            assert!((1..=150).contains(&points.len()));
            assert!(points.iter().all(|point| fits(point.value) && point.count > 0), "{points:?}");
            assert!(points.is_sorted_by(|a, b| a.value < b.value), "{points:?}");
        }
    }
}

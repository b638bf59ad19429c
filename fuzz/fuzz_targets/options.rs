//! Whatever is typed as an option: it is refused by name, or it is something that CloudWatch takes.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use locust_cw::config::identity::RunIdentity;
use locust_cw::config::{MAX_WORKER_CHARS, Options};
use locust_cw::spool::Manifest;

mod limits;

#[derive(Debug, Arbitrary)]
struct Typed {
    texts: [Option<String>; 6],
    dimension: Vec<(String, String)>,
    raw_dimension: Vec<String>,
    numbers: [Option<i64>; 4],
    fractions: [Option<f64>; 3],
    choices: [Option<String>; 4],
    aws: [Option<String>; 5],
}

impl Typed {
    fn options(self) -> Options {
        let usual = Options::default();
        let [namespace, dimensions, log_group, log_stream, run_id, spool_dir] = self.texts;
        let [resolution, max_requests, log_retention_days, spool_max_mb] = self.numbers;
        let [flush_interval, log_sample, drain_timeout] = self.fractions;
        let [logs, log_format, log_urls, log_class] = self.choices;
        let [region, profile, role_arn, external_id, endpoint_url] = self.aws;
        let pairs = self.dimension.into_iter().map(|(name, value)| format!("{name}={value}"));
        Options {
            namespace: namespace.unwrap_or(usual.namespace),
            dimensions: dimensions.unwrap_or(usual.dimensions),
            dimension: pairs.chain(self.raw_dimension).collect(),
            resolution: resolution.unwrap_or(usual.resolution),
            flush_interval: flush_interval.unwrap_or(usual.flush_interval),
            max_requests: max_requests.unwrap_or(usual.max_requests),
            logs: logs.unwrap_or(usual.logs),
            log_sample: log_sample.unwrap_or(usual.log_sample),
            log_format: log_format.unwrap_or(usual.log_format),
            log_urls: log_urls.unwrap_or(usual.log_urls),
            log_group: log_group.unwrap_or(usual.log_group),
            log_stream: log_stream.unwrap_or(usual.log_stream),
            log_retention_days,
            log_class: log_class.unwrap_or(usual.log_class),
            region,
            profile,
            role_arn,
            external_id,
            endpoint_url,
            run_id,
            spool_dir,
            spool_max_mb: spool_max_mb.unwrap_or(usual.spool_max_mb),
            drain_timeout: drain_timeout.unwrap_or(usual.drain_timeout),
            ..usual
        }
    }
}

fuzz_target!(|typed: Typed| {
    let config = match typed.options().validate() {
        Ok(config) => config,
        Err(error) => {
            let flag = format!("argument --cw-{}: ", error.option.replace('_', "-"));
            assert!(error.to_string().starts_with(&flag) && !error.problem.is_empty());
            return;
        }
    };
    limits::check_config(&config);
    let identity = RunIdentity {
        run_id: config.run_id.clone().unwrap_or_else(|| "20261122T110301Z-7f3a".into()),
        worker: "w".repeat(MAX_WORKER_CHARS),
        host: None,
        fallback_host: None,
        announces: false,
    };
    let manifest = Manifest::of(&config, &identity);
    limits::check_stream(&manifest.log_stream);
    let json = serde_json::to_string(&manifest).expect("plain data");
    assert_eq!(serde_json::from_str::<Manifest>(&json).expect("just written"), manifest);
});

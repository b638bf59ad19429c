//! Reads options with any values: either the error names an option, or CloudWatch accepts the configuration.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use locust_cw::config::Options;
use locust_cw::config::identity::{MAX_WORKER_CHARS, RunIdentity};
use locust_cw::config::value::OptionValue;
use locust_cw::spool::Manifest;

mod limits;

/// The names of all options.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let defaults = serde_json::to_value(Options::default()).expect("plain data");
    defaults.as_object().expect("an object").keys().cloned().collect()
});

#[derive(Debug, Arbitrary)]
enum Given {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<String>),
    /// Constant dimensions in the right form.
    Pairs(Vec<(String, String)>),
    /// One of the choices of the option.
    Choice(usize),
}

impl Given {
    fn into_value(self, option: &str) -> OptionValue {
        let list = |texts: Vec<String>| OptionValue::List(texts.into_iter().map(OptionValue::Text).collect());
        match self {
            Self::None => OptionValue::None,
            Self::Bool(value) => OptionValue::Bool(value),
            Self::Int(number) => OptionValue::Int(number),
            Self::Float(number) => OptionValue::Float(number),
            Self::Text(text) => OptionValue::Text(text),
            Self::List(texts) => list(texts),
            Self::Pairs(pairs) => list(pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect()),
            Self::Choice(index) => {
                let choices = Options::choices(option);
                OptionValue::Text((*choices.get(index % choices.len().max(1)).unwrap_or(&"")).to_owned())
            }
        }
    }
}

fuzz_target!(|given: Vec<(u8, Given)>| {
    let values = given.into_iter().map(|(index, value)| {
        let option = &NAMES[usize::from(index) % NAMES.len()];
        (option.clone(), value.into_value(option))
    });
    // A dict contains each name once.
    let values: std::collections::BTreeMap<_, _> = values.collect();
    let config = match Options::read(values).and_then(Options::validate) {
        Ok(config) => config,
        Err(error) => {
            let flag = format!("argument --cw-{}: ", error.option.replace('_', "-"));
            assert!(
                NAMES.contains(&error.option)
                    && error.to_string().strip_prefix(&flag).is_some_and(|problem| problem.len() > 3)
            );
            return;
        }
    };
    limits::check_config(&config);
    let identity = RunIdentity {
        run_id: config.run_id.clone().unwrap_or_else(|| "20261122T110301Z-7f3a".into()),
        worker: "w".repeat(MAX_WORKER_CHARS),
        host: None,
        fallback_host: None,
    };
    let manifest = Manifest::of(&config, &identity);
    limits::check_stream(&manifest.log_stream);
    let json = serde_json::to_string(&manifest).expect("plain data");
    assert_eq!(serde_json::from_str::<Manifest>(&json).expect("just written"), manifest);
});

//! The JSON format.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

#[expect(clippy::ref_option, reason = "the signature is serde's")]
/// Times and sizes as a reader expects them: `12` rather than `12.0`.
fn number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        Some(value) if value.fract() == 0.0 && value.abs() < 9e15 => serializer.serialize_i64(*value as i64),
        other => other.serialize(serializer),
    }
}

#[derive(Serialize)]
pub(super) struct RequestJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time_us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) worker: Option<&'a str>,
    pub(super) seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<Cow<'a, str>>,
    pub(super) method: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) outcome: &'a str,
    #[serde(serialize_with = "number")]
    pub(super) response_time_ms: Option<f64>,
    #[serde(serialize_with = "number")]
    pub(super) response_bytes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_type: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<Cow<'a, str>>,
    pub(super) users: u32,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) context: BTreeMap<String, Value>,
}

#[derive(Serialize)]
pub(super) struct LifeCycleJson<'a> {
    pub(super) time: String,
    pub(super) run_id: &'a str,
    pub(super) worker: &'a str,
    pub(super) seq: u64,
    pub(super) event: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<Cow<'a, str>>,
    pub(super) users: u32,
    #[serde(flatten)]
    pub(super) fields: BTreeMap<String, Value>,
}

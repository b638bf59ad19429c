//! Checks that a response is from AWS.
//!
//! If an operation has no output, such as `PutMetricData`, the SDK accepts any response with HTTP 200 as a success. A captive
//! portal, a gateway or another service can also respond with 200. So this module checks each response before data counts as
//! delivered or rejected.

/// Names of the header that every response of AWS has, including errors.
const REQUEST_ID_HEADERS: [&str; 2] = ["x-amzn-requestid", "x-amz-request-id"];
/// Operations without an output. Their responses can have an empty body.
const WITHOUT_OUTPUT: [&str; 5] =
    ["PutMetricData", "CreateLogGroup", "CreateLogStream", "PutRetentionPolicy", "DeleteDashboards"];

/// The protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Smithy RPC v2 CBOR: CloudWatch.
    RpcV2Cbor,
    /// AWS JSON 1.1: CloudWatch Logs.
    AwsJson,
    /// AWS Query, with responses in XML: STS.
    AwsQuery,
}

impl Protocol {
    const fn content_type(self) -> &'static str {
        match self {
            Self::RpcV2Cbor => "application/cbor",
            Self::AwsJson => "application/x-amz-json-1.1",
            Self::AwsQuery => "text/xml",
        }
    }

    /// Whether a body is complete. The SDK parses those of AWS Query, because each operation has an output.
    fn is_whole(self, body: &[u8]) -> bool {
        match self {
            Self::RpcV2Cbor => is_cbor_map(body),
            Self::AwsJson => serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() && body.starts_with(b"{"),
            Self::AwsQuery => true,
        }
    }
}

/// Whether a body is exactly one CBOR map.
fn is_cbor_map(body: &[u8]) -> bool {
    let mut decoder = minicbor::Decoder::new(body);
    let is_map = matches!(decoder.datatype(), Ok(minicbor::data::Type::Map | minicbor::data::Type::MapIndef));
    is_map && decoder.skip().is_ok() && decoder.position() == body.len()
}

/// The reason for which a response does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not from AWS. The text says what it lacks.
    #[error("{0}")]
    Foreign(String),
    /// It is from AWS, and its body is incomplete. AWS may have processed the call.
    #[error("the response's body is incomplete")]
    Incomplete,
}

/// The parts of a response that are checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Response<'a> {
    /// HTTP status.
    pub status: u16,
    /// The header `x-amzn-RequestId`, or its older name.
    pub request_id: Option<&'a str>,
    /// The header `content-type`.
    pub content_type: Option<&'a str>,
    /// The header `smithy-protocol`.
    pub smithy_protocol: Option<&'a str>,
    /// The body; `None` if it has not been read.
    pub body: Option<&'a [u8]>,
}

impl<'a> Response<'a> {
    /// Creates it from the status, the body, and a function that returns the value of a header.
    pub fn new(status: u16, body: Option<&'a [u8]>, header: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self {
            status,
            request_id: REQUEST_ID_HEADERS.into_iter().find_map(&header),
            content_type: header("content-type"),
            smithy_protocol: header("smithy-protocol"),
            body,
        }
    }

    /// Whether it has the request ID that AWS adds to each response, including errors.
    #[must_use]
    pub fn has_request_id(&self) -> bool {
        self.request_id.is_some_and(|id| !id.trim().is_empty())
    }

    /// Why it is not a success of AWS; without a protocol, by what all protocols have in common.
    #[must_use]
    pub fn foreign_sign(&self, protocol: Option<Protocol>) -> Option<String> {
        let content_type = self.content_type.unwrap_or_default();
        let described = |what: &str| {
            let kind = if content_type.is_empty() { String::new() } else { format!(" with {content_type}") };
            Some(format!("HTTP {}{kind}, {what}", self.status))
        };
        if self.status != 200 {
            return described("where AWS answers with 200");
        }
        if !self.has_request_id() {
            return described("without AWS's x-amzn-RequestId header");
        }
        let protocol = protocol?;
        if protocol == Protocol::RpcV2Cbor && self.smithy_protocol != Some("rpc-v2-cbor") {
            return described("without the header smithy-protocol: rpc-v2-cbor");
        }
        let has_body = self.body.is_none_or(|body| !body.is_empty());
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if has_body && !essence.eq_ignore_ascii_case(protocol.content_type()) {
            return described(&format!("where AWS answers with {}", protocol.content_type()));
        }
        None
    }

    /// Checks the response of an operation that did not fail. Its body has been read.
    ///
    /// # Errors
    /// If it does not count.
    pub fn check(&self, protocol: Protocol, operation: &str) -> Result<(), Unusable> {
        if let Some(sign) = self.foreign_sign(Some(protocol)) {
            return Err(Unusable::Foreign(sign));
        }
        let body = self.body.unwrap_or_default();
        let may_be_empty = WITHOUT_OUTPUT.contains(&operation);
        if (body.is_empty() && may_be_empty) || protocol.is_whole(body) { Ok(()) } else { Err(Unusable::Incomplete) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: (&str, &str) = ("x-amzn-RequestId", "6f5c");
    const CBOR: (&str, &str) = ("content-type", "application/cbor");
    const RPC: (&str, &str) = ("smithy-protocol", "rpc-v2-cbor");
    const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
    const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

    fn response<'a>(status: u16, headers: &[(&'a str, &'a str)], body: &'a [u8]) -> Response<'a> {
        let value =
            |name: &str| headers.iter().find(|header| header.0.eq_ignore_ascii_case(name)).map(|header| header.1);
        Response::new(status, Some(body), value)
    }

    #[test]
    fn responses_from_aws_are_accepted() {
        for (protocol, operation, headers, body) in [
            (Protocol::RpcV2Cbor, "PutMetricData", &[ID, CBOR, RPC][..], &b"\xa0"[..]),
            (Protocol::RpcV2Cbor, "PutMetricData", &[ID, CBOR, RPC], b"\xbf\xff"),
            (Protocol::RpcV2Cbor, "PutMetricData", &[ID, RPC], b""),
            (Protocol::RpcV2Cbor, "GetMetricData", &[ID, CBOR, RPC], b"\xa1aA\x80"),
            (Protocol::AwsJson, "PutLogEvents", &[ID, JSON], br#"{"nextSequenceToken":"1"}"#),
            (Protocol::AwsJson, "PutLogEvents", &[ID, JSON], b"{}"),
            (Protocol::AwsJson, "CreateLogStream", &[ID, JSON], b""),
            (Protocol::AwsJson, "CreateLogStream", &[ID, JSON], b"{}"),
            (
                Protocol::AwsJson,
                "PutLogEvents",
                &[ID, ("content-type", "application/x-amz-json-1.1; charset=utf-8")],
                b"{}",
            ),
            (Protocol::AwsQuery, "GetCallerIdentity", &[ID, ("content-type", "text/xml")], b"<a/>"),
        ] {
            assert_eq!(response(200, headers, body).check(protocol, operation), Ok(()), "{operation} {headers:?}");
        }
    }

    #[test]
    fn other_responses_are_refused() {
        for (status, headers, body) in [
            (200, &[HTML][..], &b"<html>Sign in</html>"[..]),
            (200, &[("content-type", "application/json")], b"{\"ok\": true}"),
            (200, &[], b""),
            (200, &[CBOR], b"\xa0"),
            (200, &[JSON], b"{}"),
            (200, &[CBOR, RPC], b"\xa0"),
            (200, &[ID, HTML], b"<html></html>"),
            (200, &[("x-amzn-RequestId", " "), JSON], b"{}"),
            (204, &[], b""),
            (204, &[ID, CBOR, RPC], b""),
            (202, &[ID, JSON], b"{}"),
        ] {
            for (protocol, operation) in [
                (Protocol::RpcV2Cbor, "PutMetricData"),
                (Protocol::AwsJson, "PutLogEvents"),
                (Protocol::AwsJson, "CreateLogStream"),
            ] {
                let checked = response(status, headers, body).check(protocol, operation);
                assert!(matches!(checked, Err(Unusable::Foreign(_))), "{operation} {status} {headers:?}: {checked:?}");
            }
        }
    }

    #[test]
    fn the_error_names_what_is_missing() {
        let sign = response(200, &[HTML], b"<html>").foreign_sign(Some(Protocol::RpcV2Cbor));
        assert_eq!(
            sign.as_deref(),
            Some("HTTP 200 with text/html; charset=utf-8, without AWS's x-amzn-RequestId header")
        );
    }

    #[test]
    fn after_an_incomplete_body_it_is_unknown_whether_aws_processed_the_call() {
        for (protocol, operation, headers, body) in [
            (Protocol::RpcV2Cbor, "PutMetricData", &[ID, CBOR, RPC][..], &b"\xa1aA"[..]),
            (Protocol::RpcV2Cbor, "PutMetricData", &[ID, CBOR, RPC], b"\xbf"),
            (Protocol::RpcV2Cbor, "PutMetricData", &[ID, CBOR, RPC], b"\x80"),
            (Protocol::RpcV2Cbor, "PutMetricData", &[ID, CBOR, RPC], b"\xa0\xa0"),
            (Protocol::AwsJson, "PutLogEvents", &[ID, JSON], b"{\"nextSequ"),
            (Protocol::AwsJson, "PutLogEvents", &[ID, JSON], b""),
            (Protocol::AwsJson, "PutLogEvents", &[ID, JSON], b"null"),
        ] {
            let checked = response(200, headers, body).check(protocol, operation);
            assert_eq!(checked, Err(Unusable::Incomplete), "{operation} {body:?}");
        }
    }

    proptest! {
        #[test]
        fn no_prefix_of_a_whole_body_is_whole(pairs in prop::collection::btree_map("[a-z]{0,9}", any::<f64>(), 0..9)) {
            let mut body = Vec::new();
            let mut encoder = minicbor::Encoder::new(&mut body);
            encoder.map(pairs.len() as u64).expect("to memory");
            for (key, value) in &pairs {
                encoder.str(key).and_then(|e| e.f64(*value)).expect("to memory");
            }
            prop_assert!(is_cbor_map(&body));
            prop_assert!((0..body.len()).all(|end| !is_cbor_map(&body[..end])));
        }
    }
}

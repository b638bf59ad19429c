//! The message of a call that failed: which call, about what, why, and what the user can do.

use crate::config::RequiredAccount;
use crate::delivery::error::{CallError, Cause, ErrorKind, Stage};
use crate::delivery::retry::RetryAction;

impl CallError {
    /// The message: which call, about what, why, and what to do.
    pub(super) fn explain(&self) -> String {
        let Self { operation, resource, cause, detail, .. } = self;
        match cause {
            Cause::NoRegion => {
                let whose = in_brackets(detail);
                format!(
                    "{operation} ({resource}) was not sent: no AWS region is configured{whose}. Give --cw-region, set \
                     AWS_REGION, or add a region to the profile."
                )
            }
            Cause::NoCredentials => format!(
                "{operation} ({resource}) was not sent: no AWS credentials found ({detail}). Log in with 'aws login' or \
                 'aws sso login', set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or choose a profile with \
                 --cw-profile."
            ),
            Cause::UnusableCredentials | Cause::Untrusted => {
                format!("{operation} ({resource}) was not sent: {detail}.")
            }
            Cause::NotBuilt => format!(
                "{operation} ({resource}) was not sent: the request could not be built: {detail}. Check --cw-region, \
                 --cw-endpoint-url and the variables AWS_ENDPOINT_URL*."
            ),
            Cause::NotSent if self.stage == Stage::Credentials => {
                format!("{operation} ({resource}) was not sent: {detail}.")
            }
            Cause::OtherAccount { required: RequiredAccount::Given(required), actual } => format!(
                "{operation} ({resource}) was not sent: --account names account {required}, but these credentials belong \
                 to account {actual}. Choose other credentials with --profile."
            ),
            Cause::OtherAccount { required, actual } => {
                let required = required.id().unwrap_or_default();
                format!(
                    "{operation} ({resource}) was not sent: the run published to account {required}, but these \
                     credentials belong to account {actual}. Use credentials of account {required} (--profile), or \
                     choose the other account with --account {actual}."
                )
            }
            Cause::UnknownAccount { required } => {
                let (required, why) = (required.id().unwrap_or_default(), in_brackets(detail));
                format!(
                    "{operation} ({resource}) was not sent: STS did not confirm that these credentials belong to account \
                     {required}{why}. Try again, or skip this check with --account any."
                )
            }
            Cause::NotAws => format!(
                "{operation} ({resource}) was not answered by AWS: {detail}. Check --cw-endpoint-url, proxies and \
                 captive portals."
            ),
            Cause::NotSent => format!(
                "{operation} ({resource}) did not reach AWS: {}. Check the network, the region and --cw-endpoint-url.",
                without_sdk_phrases(detail)
            ),
            Cause::NoAnswer => {
                format!("{operation} ({resource}) got no response: {}. Check the network.", without_sdk_phrases(detail))
            }
            Cause::ErrorResponse { code, status } if code.is_empty() => {
                let advice = self.advice(code, *status);
                format!("{operation} ({resource}) got HTTP {status} without an AWS error code.{advice}")
            }
            Cause::ErrorResponse { code, status } => {
                let advice = self.advice(code, *status);
                format!("{operation} ({resource}) failed with {code} (HTTP {status}): {detail}.{advice}")
            }
        }
    }

    /// The whole chain of causes, if the message has only a part of it.
    pub(super) fn chain(&self) -> Option<&str> {
        (!self.explain().contains(&*self.detail)).then_some(&*self.detail)
    }

    /// What the user can do about a refusal.
    fn advice(&self, code: &str, status: u16) -> &'static str {
        match self.action() {
            _ if is_any_of(&CLOCK_CODES, code) => " Set this machine's clock.",
            // AWS has the same codes for a wrong key and for a wrong clock.
            _ if is_any_of(&SIGNATURE_CODES, code) => " Check the secret access key, and set this machine's clock.",
            _ if is_any_of(&EXPIRED_CODES, code) => " Renew the credentials.",
            // AWS names each error, and a gateway in between may not.
            RetryAction::Retry | RetryAction::RetrySlowly | RetryAction::Block if code.is_empty() && status != 429 => {
                " A server other than AWS responded: check --cw-endpoint-url, proxies and gateways."
            }
            RetryAction::Retry => " This is usually transient.",
            RetryAction::RetrySlowly => {
                " The account's request rate is exceeded: publish less often, or ask AWS for a higher quota."
            }
            // The sender adds what it does with the data.
            RetryAction::Recreate | RetryAction::Split | RetryAction::Reject => "",
            RetryAction::Block if self.kind() == ErrorKind::AccessDenied => {
                " Allow this action in the IAM policy of these credentials."
            }
            RetryAction::Block if self.action_for_data() != RetryAction::Block => {
                " Check --cw-log-group, the options of the log group, and the endpoint."
            }
            RetryAction::Block => " Check the credentials: AWS does not accept them for this call.",
        }
    }
}

/// Beginnings of AWS's codes for a call that was signed too long ago, or in the future.
const CLOCK_CODES: [&str; 2] = ["RequestTimeTooSkewed", "RequestExpired"];
/// Beginnings of AWS's codes for credentials that have expired.
const EXPIRED_CODES: [&str; 2] = ["ExpiredToken", "TokenRefreshRequired"];
/// Beginnings of AWS's codes for a signature that is not the expected one.
const SIGNATURE_CODES: [&str; 2] = ["SignatureDoesNotMatch", "InvalidSignature"];

fn is_any_of(known: &[&str], code: &str) -> bool {
    known.iter().any(|known| code.starts_with(known))
}

/// Beginnings of the SDK's chain of causes that say nothing to a user. Messages of level DEBUG have the whole chain.
const SDK_PHRASES: [&str; 6] = [
    "dispatch failure: ",
    "io error: ",
    "client error (Connect): ",
    "client error (SendRequest): ",
    "tcp connect error: ",
    "request has timed out: ",
];

fn without_sdk_phrases(mut detail: &str) -> &str {
    while let Some(rest) = SDK_PHRASES.iter().find_map(|phrase| detail.strip_prefix(phrase)) {
        detail = rest;
    }
    detail
}

/// A detail in brackets, if there is one.
fn in_brackets(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::error::tests::{failed, making, refused};

    #[test]
    fn a_message_says_which_call_about_what_and_what_to_do() {
        let message = refused("AccessDeniedException", 400).to_string();
        for part in ["PutMetricData", "namespace Locust", "AccessDenied", "IAM policy"] {
            assert!(message.contains(part), "{message}");
        }
        for (error, part) in [
            (failed(Cause::NoRegion), "--cw-region"),
            (failed(Cause::NoCredentials), "AWS_ACCESS_KEY_ID"),
            (failed(Cause::NotSent), "did not reach AWS"),
            (CallError { stage: Stage::Credentials, ..failed(Cause::NotSent) }, "was not sent"),
            (failed(Cause::UnusableCredentials), "was not sent"),
            (failed(Cause::NotBuilt), "could not be built"),
            (failed(Cause::Untrusted), "was not sent"),
            (failed(Cause::NoAnswer), "got no response"),
            (refused("ServiceUnavailable", 503), "usually transient"),
            (refused("ExpiredTokenException", 403), "Renew the credentials"),
            (refused("", 404), "--cw-endpoint-url"),
            (refused("Throttling", 400), "The account's request rate is exceeded"),
            (refused("", 429), "The account's request rate is exceeded"),
            (refused("InvalidClientTokenId", 403), "Check the credentials"),
            (refused("RequestTimeTooSkewed", 403), "Set this machine's clock"),
            (making("InvalidParameterException", 400), "Check --cw-log-group"),
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn a_message_has_the_root_cause_without_the_chain_of_the_sdk() {
        let chain =
            "dispatch failure: io error: client error (Connect): tcp connect error: Connection refused (os error 111)";
        let error = CallError { detail: chain.into(), ..failed(Cause::NotSent) };
        assert!(error.to_string().contains("did not reach AWS: Connection refused (os error 111). Check"), "{error}");
        assert_eq!(error.chain(), Some(chain));
        assert_eq!(failed(Cause::NotSent).chain(), None);
    }

    #[test]
    fn an_error_without_a_code_is_not_ascribed_to_aws() {
        for status in [401, 403, 404, 500, 503] {
            let message = refused("", status).to_string();
            assert!(message.contains("A server other than AWS responded"), "{message}");
        }
    }

    #[test]
    fn a_wrong_clock_is_for_the_user_to_correct() {
        for code in ["RequestTimeTooSkewed", "RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException"] {
            assert!(refused(code, 403).to_string().ends_with("et this machine's clock."), "{code}");
        }
        assert_eq!(refused("InvalidSignatureException", 400).action(), RetryAction::Block);
    }
}

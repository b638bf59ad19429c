//! The message of a call that failed: which call, about what, why, and what the user can do.

use crate::config::RequiredAccount;
use crate::delivery::error::{CallError, Cause, ErrorKind};
use crate::delivery::retry::RetryAction;

impl CallError {
    /// Whether AWS refused the signature because of this machine's clock.
    fn is_about_the_clock(&self) -> bool {
        // AWS has one code for all wrong signatures, and tells only in words that it is the time of signing.
        const SKEWED_SIGNATURES: [&str; 2] = ["Signature expired", "Signature not yet current"];
        let Cause::Refused { code, .. } = &self.cause else { return false };
        ["RequestTimeTooSkewed", "RequestExpired"].iter().any(|known| code.starts_with(known))
            || SKEWED_SIGNATURES.iter().any(|words| self.detail.contains(words))
    }

    /// The message: which call, about what, why, and what to do.
    pub(super) fn explain(&self) -> String {
        let Self { operation, resource, cause, detail, .. } = self;
        match cause {
            Cause::NoRegion => {
                let whose = in_brackets(detail);
                format!(
                    "{operation} ({resource}) was not sent: no AWS region is configured{whose}. Give --cw-region, set \
                     AWS_REGION, or put a region into the profile."
                )
            }
            Cause::NoCredentials => format!(
                "{operation} ({resource}) was not sent: no usable AWS credentials ({detail}). Set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, name a profile that there is with --cw-profile, log in with 'aws sso login', or run on \
                 an instance with a role."
            ),
            Cause::OtherAccount { required: RequiredAccount::Given(required), actual } => format!(
                "{operation} ({resource}) was not sent: --account names account {required}, and these credentials belong \
                 to account {actual}. Choose the credentials with --profile."
            ),
            Cause::OtherAccount { required, actual } => {
                let required = required.id().unwrap_or_default();
                format!(
                    "{operation} ({resource}) was not sent: the run published to account {required}, and these \
                     credentials belong to account {actual}. Use credentials of account {required} (--profile), or \
                     choose the other account with --account {actual}."
                )
            }
            Cause::UnknownAccount { required } => {
                let (required, why) = (required.id().unwrap_or_default(), in_brackets(detail));
                format!(
                    "{operation} ({resource}) was not sent: STS does not say whether these credentials belong to account \
                     {required}{why}. Try again, or give --account any to go on without this check."
                )
            }
            Cause::NotAws => format!(
                "{operation} ({resource}) was not answered by AWS: {detail}. Check --cw-endpoint-url, and proxies or \
                 sign-in pages on the way."
            ),
            Cause::NotSent => format!(
                "{operation} ({resource}) did not reach AWS: {detail}. Check the network, the region and \
                 --cw-endpoint-url."
            ),
            Cause::NoAnswer => {
                format!("{operation} ({resource}) got no answer: {detail}. Check the network.")
            }
            Cause::Refused { code, status } => {
                let advice = self.advice(code, *status);
                let code = if code.is_empty() { "an error without a code" } else { code };
                format!("{operation} ({resource}) was refused with {code}, HTTP {status}: {detail}.{advice}")
            }
        }
    }

    /// What the user can do about a refusal.
    fn advice(&self, code: &str, status: u16) -> &'static str {
        match self.action() {
            _ if self.is_about_the_clock() => " Set this machine's clock.",
            RetryAction::Retry => " It is AWS's to mend, or passes by itself.",
            RetryAction::RetrySlowly if code.is_empty() && status != 429 => {
                " AWS does not answer so: check --cw-endpoint-url, and proxies on the way."
            }
            RetryAction::RetrySlowly => " The account's rate is used up: publish less often, or ask AWS for more.",
            // The sender adds what it does with the data.
            RetryAction::Recreate | RetryAction::Split | RetryAction::Reject => "",
            RetryAction::Block if self.kind() == ErrorKind::AccessDenied => {
                " Allow this action in the IAM policy of these credentials."
            }
            RetryAction::Block if self.action_for_data() != RetryAction::Block => {
                " Check --cw-log-group, the options it is made with, and the endpoint."
            }
            RetryAction::Block => " Check the credentials; they are not those of an account that may do this.",
        }
    }
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
            (failed(Cause::NoAnswer), "got no answer"),
            (refused("ServiceUnavailable", 503), "AWS's to mend"),
            (refused("", 404), "--cw-endpoint-url"),
            (refused("Throttling", 400), "The account's rate is used up"),
            (refused("", 429), "The account's rate is used up"),
            (refused("InvalidClientTokenId", 403), "Check the credentials"),
            (refused("RequestTimeTooSkewed", 403), "Set this machine's clock"),
            (making("InvalidParameterException", 400), "Check --cw-log-group"),
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn a_wrong_clock_is_not_aws_s_to_mend() {
        let detail = "Signature expired: 20261122T110301Z is now earlier than 20261122T111301Z";
        for said in [detail, "Signature not yet current: 20261122T110301Z is still later than 20261122T105301Z"] {
            let error = CallError { detail: said.into(), ..refused("InvalidSignatureException", 400) };
            assert!(error.to_string().ends_with(" Set this machine's clock."), "{error}");
            assert_eq!(error.action(), RetryAction::Block);
        }
        assert!(!refused("InvalidSignatureException", 400).to_string().contains("clock"));
    }
}

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
                "{operation} ({resource}) was not sent: no usable AWS credentials ({detail}). Set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, name an existing profile with --cw-profile, log in with 'aws login' or 'aws sso \
                 login', or run on an instance with a role."
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
                format!("{operation} ({resource}) got no response: {detail}. Check the network.")
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
            _ if is_any_of(&CLOCK_CODES, code) => " Set this machine's clock.",
            // AWS has the same codes for a wrong key and for a wrong clock.
            _ if is_any_of(&SIGNATURE_CODES, code) => " Check the secret access key, and set this machine's clock.",
            RetryAction::Retry => " This is usually transient.",
            RetryAction::RetrySlowly if code.is_empty() && status != 429 => {
                " This is not a response of AWS: check --cw-endpoint-url, and proxies on the way."
            }
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
/// Beginnings of AWS's codes for a signature that is not the expected one.
const SIGNATURE_CODES: [&str; 2] = ["SignatureDoesNotMatch", "InvalidSignature"];

fn is_any_of(known: &[&str], code: &str) -> bool {
    known.iter().any(|known| code.starts_with(known))
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
    fn a_wrong_clock_is_for_the_user_to_correct() {
        for code in ["RequestTimeTooSkewed", "RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException"] {
            assert!(refused(code, 403).to_string().ends_with("et this machine's clock."), "{code}");
        }
        assert_eq!(refused("InvalidSignatureException", 400).action(), RetryAction::Block);
    }
}

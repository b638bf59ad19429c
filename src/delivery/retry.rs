//! What to do about a call that failed: one table, and the waiting times between attempts.

use std::time::Duration;

use crate::config::RequiredAccount;

/// How far a call came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// AWS answered with an error.
    Refused {
        /// Its code, such as `ThrottlingException`; empty where the answer had none.
        code: String,
        /// HTTP status.
        status: u16,
    },
    /// The call was answered with success, but not by AWS: by a captive portal, a gateway or another service.
    NotAws,
    /// The call was sent, or may have been, and no answer came: CloudWatch may have taken it.
    NoAnswer,
    /// The call never reached AWS.
    NotSent,
    /// No credentials were found or they could not be renewed.
    NoCredentials,
    /// No region is configured.
    NoRegion,
    /// The credentials are of another account than the required one.
    OtherAccount {
        /// The account that the run published to, or that was given.
        required: RequiredAccount,
        /// That of the credentials.
        actual: String,
    },
    /// STS does not say whether the credentials are of the required account.
    UnknownAccount {
        /// The account that the run published to, or that was given.
        required: RequiredAccount,
    },
}

impl Cause {
    /// Its name, or AWS's code: the part of an error that programs compare.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::NotAws => "NotAws",
            Self::NoAnswer => "NoAnswer",
            Self::NotSent => "NotSent",
            Self::NoCredentials => "NoCredentials",
            Self::NoRegion => "NoRegion",
            Self::OtherAccount { .. } => "OtherAccount",
            Self::UnknownAccount { .. } => "UnknownAccount",
        }
    }
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.explain())]
pub struct CallError {
    /// Such as `PutMetricData`.
    pub operation: String,
    /// What it was about, such as `namespace Locust`.
    pub resource: String,
    /// How far it came.
    pub cause: Cause,
    /// What AWS or the network said, with the whole chain of causes.
    pub detail: String,
}

/// What is done about a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAction {
    /// Repeat it with backoff and full jitter.
    Retry,
    /// The same, with longer pauses: the account's rate is used up.
    RetrySlowly,
    /// Cut it in two and send the halves; what is too small to cut is rejected.
    Split,
    /// Make the log group and stream again, then repeat it.
    Recreate,
    /// Reject this batch alone.
    Reject,
    /// Nothing will help until somebody changes something: explain, keep everything, look again from time to time.
    Block,
}

/// AWS's error codes, as far as the HTTP status alone does not say what to do. A code may carry the suffix
/// `Exception`, which is not part of the comparison.
const CODES: [(&str, RetryAction); 42] = [
    ("Throttling", RetryAction::RetrySlowly),
    ("Throttled", RetryAction::RetrySlowly),
    ("RequestThrottled", RetryAction::RetrySlowly),
    ("TooManyRequests", RetryAction::RetrySlowly),
    ("RequestLimitExceeded", RetryAction::RetrySlowly),
    ("LimitExceeded", RetryAction::RetrySlowly),
    ("SlowDown", RetryAction::RetrySlowly),
    ("OperationAborted", RetryAction::Retry),
    ("RequestAborted", RetryAction::Retry),
    ("MalformedHttpRequest", RetryAction::Retry),
    ("ServiceUnavailable", RetryAction::Retry),
    ("InternalFailure", RetryAction::Retry),
    ("InternalServiceFault", RetryAction::Retry),
    ("RequestTimeout", RetryAction::Retry),
    ("RequestTimeTooSkewed", RetryAction::Retry),
    ("RequestExpired", RetryAction::Retry),
    ("ExpiredToken", RetryAction::Retry),
    ("TokenRefreshRequired", RetryAction::Retry),
    ("ResourceNotFound", RetryAction::Recreate),
    ("RequestEntityTooLarge", RetryAction::Split),
    ("RequestTooLarge", RetryAction::Split),
    ("InvalidParameter", RetryAction::Split),
    ("InvalidParameterValue", RetryAction::Split),
    ("InvalidParameterCombination", RetryAction::Split),
    ("MissingParameter", RetryAction::Split),
    ("MissingRequiredParameter", RetryAction::Split),
    ("InvalidFormat", RetryAction::Split),
    ("Validation", RetryAction::Split),
    ("ValidationError", RetryAction::Split),
    ("SerializationException", RetryAction::Split),
    ("AccessDenied", RetryAction::Block),
    ("NotAuthorized", RetryAction::Block),
    ("UnauthorizedOperation", RetryAction::Block),
    ("UnrecognizedClient", RetryAction::Block),
    ("InvalidClientTokenId", RetryAction::Block),
    ("InvalidSignature", RetryAction::Block),
    ("SignatureDoesNotMatch", RetryAction::Block),
    ("IncompleteSignature", RetryAction::Block),
    ("MissingAuthenticationToken", RetryAction::Block),
    ("OptInRequired", RetryAction::Block),
    // Whoever answers is not the service that was meant.
    ("InvalidAction", RetryAction::Block),
    ("UnknownOperation", RetryAction::Block),
];

/// Beginnings of AWS's codes for credentials that it does not accept, or accepts no more.
const CREDENTIAL_CODES: [&str; 6] = [
    "ExpiredToken",
    "TokenRefreshRequired",
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "InvalidSignature",
];

impl CallError {
    /// What to do about it.
    #[must_use]
    pub fn action(&self) -> RetryAction {
        match self.action_for_data() {
            // The fault is not that of the data, which has to wait for it.
            RetryAction::Split | RetryAction::Reject if self.makes_the_log_group() => RetryAction::Block,
            action => action,
        }
    }

    /// Whether AWS has answered, or may have, and a repetition may be all that it takes.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.cause != Cause::NotSent
            && matches!(self.action(), RetryAction::Retry | RetryAction::RetrySlowly | RetryAction::Recreate)
    }

    fn makes_the_log_group(&self) -> bool {
        matches!(self.operation.as_str(), "CreateLogGroup" | "CreateLogStream" | "PutRetentionPolicy")
    }

    /// What to do about it if the call brought data.
    fn action_for_data(&self) -> RetryAction {
        match &self.cause {
            Cause::NoAnswer | Cause::NotSent => RetryAction::Retry,
            Cause::NoCredentials
            | Cause::NoRegion
            | Cause::NotAws
            | Cause::OtherAccount { .. }
            | Cause::UnknownAccount { .. } => RetryAction::Block,
            Cause::Refused { code, status } => {
                let same = |known: &str| code == known || code.strip_suffix("Exception") == Some(known);
                match CODES.iter().find(|(known, _)| same(known)) {
                    Some((_, action)) => *action,
                    None => by_status(*status, code.is_empty()),
                }
            }
        }
    }

    /// Whether it is this machine's clock that AWS does not like. A signature tells when it was made.
    fn is_about_the_clock(&self) -> bool {
        let Cause::Refused { code, .. } = &self.cause else { return false };
        let skewed = ["RequestTimeTooSkewed", "RequestExpired"].iter().any(|known| code.starts_with(known));
        skewed || ["Signature expired", "Signature not yet current"].iter().any(|said| self.detail.contains(said))
    }

    /// What one reads of it: which call, about what, why, and what to do.
    fn explain(&self) -> String {
        let Self { operation, resource, cause, detail } = self;
        match cause {
            Cause::NoRegion => {
                let whose = reason(detail);
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
                let (required, why) = (required.id().unwrap_or_default(), reason(detail));
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
                let advice = match self.action() {
                    _ if self.is_about_the_clock() => " Set this machine's clock.",
                    RetryAction::Retry => " It is AWS's to mend, or passes by itself.",
                    RetryAction::RetrySlowly if code.is_empty() && *status != 429 => {
                        " AWS does not answer so: check --cw-endpoint-url, and proxies on the way."
                    }
                    RetryAction::RetrySlowly => {
                        " The account's rate is used up: publish less often, or ask AWS for more."
                    }
                    // What is done then depends on the call.
                    RetryAction::Recreate | RetryAction::Split | RetryAction::Reject => "",
                    RetryAction::Block if code.starts_with("AccessDenied") || code.starts_with("Unauthorized") => {
                        " Allow this action in the IAM policy of these credentials."
                    }
                    RetryAction::Block if self.action_for_data() != RetryAction::Block => {
                        " Check --cw-log-group, the options it is made with, and the endpoint."
                    }
                    RetryAction::Block => " Check the credentials; they are not those of an account that may do this.",
                };
                let code = if code.is_empty() { "an error without a code" } else { code };
                format!("{operation} ({resource}) was refused with {code}, HTTP {status}: {detail}.{advice}")
            }
        }
    }

    /// What this error has in common with others that need not be told apart.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.cause {
            Cause::Refused { code, status } => format!("{} {code} {status}", self.operation),
            cause => cause.name().to_owned(),
        }
    }

    /// Whether other credentials may be all that it takes: there are none, or AWS knows these no more.
    #[must_use]
    pub fn needs_credentials(&self) -> bool {
        match &self.cause {
            Cause::NoCredentials => true,
            Cause::Refused { code, .. } => CREDENTIAL_CODES.iter().any(|known| code.starts_with(known)),
            _ => false,
        }
    }

    /// Whether AWS itself has answered, so that the data of a call may be rejected.
    #[must_use]
    pub fn is_from_aws(&self) -> bool {
        matches!(&self.cause, Cause::Refused { code, .. } if !code.is_empty())
    }

    /// Whether the call got as far as AWS, or may have.
    #[must_use]
    pub const fn was_sent(&self) -> bool {
        matches!(self.cause, Cause::Refused { .. } | Cause::NotAws | Cause::NoAnswer)
    }

    /// Whether CloudWatch may have taken the call all the same, so that repeating it may count it twice.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        match self.cause {
            // A gateway may pass calls on and answer for itself.
            Cause::NotAws | Cause::NoAnswer => true,
            // A gateway on the way speaks of itself: it does not know what became of the call behind it.
            Cause::Refused { status, .. } => matches!(status, 502 | 504),
            _ => false,
        }
    }
}

/// A detail in brackets, if there is one.
fn reason(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

/// Whether a message about a failure, of which nothing else is known, names an error that passes by itself.
#[must_use]
pub fn names_a_passing_error(message: &str) -> bool {
    CODES.iter().any(|(code, action)| {
        // A token that has expired does so for good, unless the call itself says so.
        matches!(action, RetryAction::Retry | RetryAction::RetrySlowly)
            && !code.contains("Expired")
            && message.contains(code)
    })
}

const fn by_status(status: u16, without_code: bool) -> RetryAction {
    match status {
        429 => RetryAction::RetrySlowly,
        413 => RetryAction::Split,
        401 | 403 => RetryAction::Block,
        408 | 500.. => RetryAction::Retry,
        // AWS always gives a code: this was somebody else, such as a proxy.
        _ if without_code => RetryAction::RetrySlowly,
        _ => RetryAction::Reject,
    }
}

/// Pauses between attempts: exponential, with full jitter.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// The pauses of an action that repeats the call.
    #[must_use]
    pub const fn of(action: RetryAction) -> Self {
        let (base, cap) = match action {
            RetryAction::RetrySlowly => (Duration::from_secs(1), Duration::from_secs(20)),
            RetryAction::Block => (Duration::from_mins(1), Duration::from_mins(1)),
            _ => (Duration::from_millis(200), Duration::from_secs(3)),
        };
        Self { base, cap }
    }

    /// How long to wait before the next attempt after `failures` in a row, for a `chance` in 0..1.
    #[must_use]
    pub fn pause(self, failures: u32, chance: f64) -> Duration {
        let doubled = self.base.saturating_mul(1u32 << failures.saturating_sub(1).min(16));
        doubled.min(self.cap).mul_f64(chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fmt;

    use proptest::prelude::*;

    use super::*;

    impl fmt::Display for RetryAction {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(match self {
                Self::Retry => "retry",
                Self::RetrySlowly => "retry slowly",
                Self::Split => "split",
                Self::Recreate => "recreate",
                Self::Reject => "reject",
                Self::Block => "block",
            })
        }
    }

    pub(crate) fn refused(code: &str, status: u16) -> CallError {
        failed(Cause::Refused { code: code.into(), status })
    }

    /// A refusal of what comes before the first log event.
    pub(crate) fn making(code: &str, status: u16) -> CallError {
        CallError { operation: "CreateLogGroup".into(), ..refused(code, status) }
    }

    pub(crate) fn failed(cause: Cause) -> CallError {
        CallError {
            operation: "PutMetricData".into(),
            resource: "namespace Locust".into(),
            cause,
            detail: "why".into(),
        }
    }

    #[test]
    fn each_kind_of_error_has_its_remedy() {
        for (error, action) in [
            (refused("Throttling", 400), RetryAction::RetrySlowly),
            (refused("ThrottlingException", 400), RetryAction::RetrySlowly),
            (refused("LimitExceededException", 400), RetryAction::RetrySlowly),
            (refused("", 429), RetryAction::RetrySlowly),
            (refused("InternalServiceFault", 500), RetryAction::Retry),
            (refused("ServiceUnavailableException", 503), RetryAction::Retry),
            (refused("", 502), RetryAction::Retry),
            (failed(Cause::NoAnswer), RetryAction::Retry),
            (failed(Cause::NotSent), RetryAction::Retry),
            (refused("ExpiredTokenException", 400), RetryAction::Retry),
            (refused("RequestExpired", 400), RetryAction::Retry),
            (refused("ResourceNotFoundException", 400), RetryAction::Recreate),
            (refused("InvalidParameterValue", 400), RetryAction::Split),
            (refused("InvalidParameterException", 400), RetryAction::Split),
            (refused("ValidationException", 400), RetryAction::Split),
            (refused("RequestEntityTooLarge", 413), RetryAction::Split),
            (refused("", 413), RetryAction::Split),
            (refused("AccessDeniedException", 400), RetryAction::Block),
            (refused("UnrecognizedClientException", 400), RetryAction::Block),
            (refused("InvalidClientTokenId", 403), RetryAction::Block),
            (refused("", 403), RetryAction::Block),
            (failed(Cause::NoCredentials), RetryAction::Block),
            (failed(Cause::NoRegion), RetryAction::Block),
            (failed(Cause::NotAws), RetryAction::Block),
            (failed(Cause::OtherAccount { required: RequiredAccount::Any, actual: "2".into() }), RetryAction::Block),
            (failed(Cause::UnknownAccount { required: RequiredAccount::Any }), RetryAction::Block),
            (refused("SomethingNew", 400), RetryAction::Reject),
            (refused("", 404), RetryAction::RetrySlowly),
            (refused("MissingAuthenticationToken", 400), RetryAction::Block),
            (making("InvalidParameterException", 400), RetryAction::Block),
            (making("SomethingNew", 404), RetryAction::Block),
            (making("ThrottlingException", 400), RetryAction::RetrySlowly),
            (making("ServiceUnavailable", 503), RetryAction::Retry),
            (making("ResourceNotFoundException", 400), RetryAction::Recreate),
        ] {
            assert_eq!(error.action(), action, "{error:?}");
        }
    }

    #[test]
    fn the_documentation_names_every_code_in_its_class() {
        let page = include_str!("../../docs/delivery.md");
        for (code, action) in CODES {
            let row = page.lines().find(|line| line.starts_with(&format!("| {action} |"))).expect("a row");
            assert!(row.contains(&format!("`{code}`")), "{code} is not in the row {action}");
        }
    }

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

    #[test]
    fn an_error_that_passes_is_known_by_its_name_alone() {
        assert!(names_a_passing_error("an error occurred while loading credentials: ServiceUnavailable: try again"));
        assert!(names_a_passing_error("service error: Throttling: Rate exceeded"));
        assert!(!names_a_passing_error("AccessDenied: not authorized to perform sts:AssumeRole"));
        assert!(!names_a_passing_error("ExpiredToken: the security token is expired"));
    }

    #[test]
    fn only_an_answer_that_never_came_leaves_it_uncertain() {
        assert!(failed(Cause::NoAnswer).is_uncertain());
        assert!(refused("", 502).is_uncertain() && refused("", 504).is_uncertain());
        assert!(!refused("", 500).is_uncertain());
        assert!(!failed(Cause::NotSent).is_uncertain());
        assert!(!refused("Throttling", 400).is_uncertain());
    }

    #[test]
    fn pauses_grow_to_a_cap_and_are_jittered_over_their_whole_length() {
        let backoff = Backoff::of(RetryAction::Retry);
        assert_eq!(backoff.pause(1, 1.0), Duration::from_millis(200));
        assert_eq!(backoff.pause(3, 1.0), Duration::from_millis(800));
        assert_eq!(backoff.pause(3, 0.5), Duration::from_millis(400));
        assert_eq!(backoff.pause(100, 1.0), Duration::from_secs(3));
        assert!(Backoff::of(RetryAction::RetrySlowly).pause(1, 1.0) > backoff.pause(1, 1.0));
    }

    fn remedies() -> impl Strategy<Value = RetryAction> {
        use RetryAction::{Block, Recreate, Reject, Retry, RetrySlowly, Split};
        prop_oneof![Just(Retry), Just(RetrySlowly), Just(Split), Just(Recreate), Just(Reject), Just(Block)]
    }

    proptest! {
        #[test]
        fn a_pause_never_shrinks_with_failures_nor_grows_over_its_cap(
            action in remedies(), failures in any::<u32>(), chance in 0.0..=1.0f64,
        ) {
            let backoff = Backoff::of(action);
            let pause = backoff.pause(failures, chance);
            prop_assert!(pause <= backoff.cap && pause <= backoff.pause(failures.saturating_add(1), chance));
            prop_assert!(pause <= backoff.pause(failures, 1.0) && backoff.pause(failures, 0.0).is_zero());
            prop_assert!(backoff.pause(failures, 1.0) >= backoff.base.min(backoff.cap));
        }

        #[test]
        fn a_known_code_decides_whatever_its_ending_and_the_status(at in 0..CODES.len(), status in 100..600u16) {
            let (code, action) = CODES[at];
            prop_assert_eq!(refused(code, status).action(), action);
            prop_assert_eq!(refused(&format!("{code}Exception"), status).action(), action);
        }

        #[test]
        fn an_unknown_error_is_told_and_what_aws_may_mend_is_repeated(code in "[A-Z][a-z]{0,12}X?", status in 100..600u16) {
            prop_assume!(!CODES.iter().any(|(known, _)| code == *known || code.strip_suffix("Exception") == Some(known)));
            let error = refused(&code, status);
            prop_assert!(error.to_string().contains(&code) && error.was_sent());
            let repeated = matches!(error.action(), RetryAction::Retry | RetryAction::RetrySlowly);
            prop_assert_eq!(repeated, status >= 500 || matches!(status, 408 | 429), "{}", error.action());
        }
    }
}

//! The reaction to a failed call: one table of AWS's error codes, and the pauses between attempts.

use std::time::Duration;

/// The reaction to a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAction {
    /// Repeat it with backoff and full jitter.
    Retry,
    /// The same, with longer pauses: the account's request rate is exceeded.
    RetrySlowly,
    /// Send it in halves; a single item that is refused is rejected.
    Split,
    /// Create the log group and stream again, then repeat it.
    Recreate,
    /// Reject this batch.
    Reject,
    /// Keep the data until the user changes something: log what to do, and try again from time to time.
    Block,
}

/// AWS's error codes, if the HTTP status alone does not decide. A code may have the suffix `Exception`, which is not
/// compared.
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
    // The endpoint belongs to another service.
    ("InvalidAction", RetryAction::Block),
    ("UnknownOperation", RetryAction::Block),
];

/// The action for an error code, if the table has one.
#[must_use]
pub fn action_of_code(code: &str) -> Option<RetryAction> {
    let is_code = |known: &str| code == known || code.strip_suffix("Exception") == Some(known);
    CODES.iter().find(|(known, _)| is_code(known)).map(|(_, action)| *action)
}

/// The action for an HTTP status whose error code is unknown, or missing.
#[must_use]
pub const fn action_of_status(status: u16, is_without_code: bool) -> RetryAction {
    match status {
        429 => RetryAction::RetrySlowly,
        413 => RetryAction::Split,
        401 | 403 => RetryAction::Block,
        408 | 500.. => RetryAction::Retry,
        // AWS always sends a code, so another server answered, such as a proxy.
        _ if is_without_code => RetryAction::RetrySlowly,
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
mod tests {
    use std::fmt;

    use proptest::prelude::*;

    use super::*;
    use crate::config::RequiredAccount;
    use crate::delivery::error::Cause;
    use crate::delivery::error::tests::{failed, making, refused};

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

    #[test]
    fn each_kind_of_error_has_its_reaction() {
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
            (failed(Cause::UnusableCredentials), RetryAction::Block),
            (failed(Cause::NotBuilt), RetryAction::Block),
            (failed(Cause::Untrusted), RetryAction::Block),
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
    fn pauses_grow_to_a_cap_and_are_jittered_over_their_whole_length() {
        let backoff = Backoff::of(RetryAction::Retry);
        assert_eq!(backoff.pause(1, 1.0), Duration::from_millis(200));
        assert_eq!(backoff.pause(3, 1.0), Duration::from_millis(800));
        assert_eq!(backoff.pause(3, 0.5), Duration::from_millis(400));
        assert_eq!(backoff.pause(100, 1.0), Duration::from_secs(3));
        assert!(Backoff::of(RetryAction::RetrySlowly).pause(1, 1.0) > backoff.pause(1, 1.0));
    }

    fn actions() -> impl Strategy<Value = RetryAction> {
        use RetryAction::{Block, Recreate, Reject, Retry, RetrySlowly, Split};
        prop_oneof![Just(Retry), Just(RetrySlowly), Just(Split), Just(Recreate), Just(Reject), Just(Block)]
    }

    proptest! {
        #[test]
        fn a_pause_never_shrinks_with_failures_nor_grows_over_its_cap(
            action in actions(), failures in any::<u32>(), chance in 0.0..=1.0f64,
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
        fn an_unknown_error_is_named_and_is_repeated_if_it_may_be_transient(code in "[A-Z][a-z]{0,12}X?", status in 100..600u16) {
            prop_assume!(!CODES.iter().any(|(known, _)| code == *known || code.strip_suffix("Exception") == Some(known)));
            let error = refused(&code, status);
            prop_assert!(error.to_string().contains(&code) && error.was_sent());
            let repeated = matches!(error.action(), RetryAction::Retry | RetryAction::RetrySlowly);
            prop_assert_eq!(repeated, status >= 500 || matches!(status, 408 | 429), "{}", error.action());
        }
    }
}

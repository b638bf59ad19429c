//! The reason for missing credentials, and its classification.

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::error::ErrorMetadata;

use crate::aws::error::{chain, find};
use crate::aws::trust::{NoAuthorities, problem_with_certificate};
use crate::delivery::retry::{RetryAction, action_of_code};

/// Phrases in errors of the SDK that do not help users.
const EMPTY_PHRASES: [&str; 4] = [
    "an error occurred while loading credentials: ",
    "the credentials provider was not properly configured: ",
    "unexpected credentials error: ",
    "the credential provider was not enabled: ",
];

/// The kind of a failure, which decides what the user can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws) enum FailureKind {
    /// No source is configured.
    Missing,
    /// A source is configured and cannot be used. The message says what to do.
    Unusable,
    /// The service that issues the credentials cannot be reached, or fails temporarily.
    Unavailable,
}

/// The reason for missing credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(in crate::aws) struct CredentialsFailure {
    pub kind: FailureKind,
    pub message: String,
}

impl CredentialsFailure {
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Missing, message: message.into() }
    }

    pub(super) fn unusable(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Unusable, message: message.into() }
    }

    /// The failure of one of the SDK's providers.
    ///
    /// `source` is what the provider reads, such as `the IAM Identity Center session of profile shop`, and `remedy` what the
    /// user can do unless the failure is temporary.
    pub(super) fn of(error: &CredentialsError, source: &str, remedy: &str) -> Self {
        let no_authorities = find::<NoAuthorities>(error).map(ToString::to_string);
        if let Some(problem) = no_authorities.or_else(|| problem_with_certificate(error)) {
            return Self::unusable(format!("{source} cannot be used: {problem}"));
        }
        let mut cause = chain(error);
        for phrase in EMPTY_PHRASES {
            cause = cause.replace(phrase, "");
        }
        let cause = cause.trim_end_matches('.');
        if is_temporary(error) {
            let message = format!("{source} is temporarily unavailable: {cause}");
            return Self { kind: FailureKind::Unavailable, message };
        }
        Self::unusable(format!("{source} cannot be used: {cause}. {remedy}"))
    }
}

/// Whether the service that issues the credentials may respond later.
fn is_temporary(error: &CredentialsError) -> bool {
    match error {
        CredentialsError::ProviderTimedOut(_) => true,
        CredentialsError::ProviderError(_) => {
            find::<ConnectorError>(error).is_some()
                || match find::<ErrorMetadata>(error).and_then(ErrorMetadata::code) {
                    Some(code) => is_transient_code(code),
                    None => names_transient_code(&chain(error)),
                }
        }
        _ => false,
    }
}

/// Whether an error code means that repeating the call may help.
fn is_transient_code(code: &str) -> bool {
    let code = code.strip_suffix("Error").unwrap_or(code);
    // A provider that reports an expired token cannot renew it.
    !code.contains("Expired") && matches!(action_of_code(code), Some(RetryAction::Retry | RetryAction::RetrySlowly))
}

/// Whether a text contains such a code as a word. This is the only place that reads a text to classify an error.
///
/// The providers of aws-config return some errors only as text: those of container and instance roles have the form
/// `failed to load credentials [CODE]: MESSAGE`. The modeled errors of IAM Identity Center and login sessions have types of crates
/// that aws-config does not export, and their text starts with the code.
fn names_transient_code(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(is_transient_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_temporary_error(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> bool {
        is_temporary(&CredentialsError::provider_error(source))
    }

    #[test]
    fn the_code_of_an_error_decides_before_its_text() {
        let coded = |code| ErrorMetadata::builder().code(code).message("ServiceUnavailable").build();
        assert!(is_temporary_error(coded("ThrottlingException")));
        assert!(!is_temporary_error(coded("AccessDeniedException")));
    }

    #[test]
    fn an_error_without_a_code_is_temporary_if_its_text_contains_a_transient_code() {
        for text in [
            "failed to load credentials [ServiceUnavailable]: try again",
            "service error: ThrottlingException: Rate exceeded",
            "TooManyRequestsError: slow down",
        ] {
            assert!(is_temporary_error(text), "{text}");
        }
        for text in [
            "AccessDenied: not authorized to perform sts:AssumeRole",
            "ExpiredToken: the security token is expired",
            "the profile NoThrottlingHere does not exist",
        ] {
            assert!(!is_temporary_error(text), "{text}");
        }
    }
}

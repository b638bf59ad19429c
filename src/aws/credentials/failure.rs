//! Why there are no credentials.

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::ConnectorError;

use crate::aws::error::{chain, find};
use crate::aws::trust::{NoAuthorities, problem_with_certificate};
use crate::delivery::retry::names_a_transient_error;

/// Phrases of the SDK that say nothing to a user.
const EMPTY_PHRASES: [&str; 4] = [
    "an error occurred while loading credentials: ",
    "the credentials provider was not properly configured: ",
    "unexpected credentials error: ",
    "the credential provider was not enabled: ",
];

/// Whether and how the user can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws) enum FailureKind {
    /// No source is configured.
    Missing,
    /// A source is configured, and does not work as it is. The message says what to do.
    Unusable,
    /// The service that issues the credentials cannot be reached, or fails for now.
    Unavailable,
}

/// Why there are no credentials.
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

/// Whether the service that issues the credentials may answer later.
fn is_temporary(error: &CredentialsError) -> bool {
    match error {
        CredentialsError::ProviderTimedOut(_) => true,
        CredentialsError::ProviderError(_) => {
            find::<ConnectorError>(error).is_some() || names_a_transient_error(&chain(error))
        }
        _ => false,
    }
}

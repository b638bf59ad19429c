//! A call that failed: the cause, the kind of error, and what it means for the data.

use strum::IntoStaticStr;

use super::retry::{RetryAction, action_of_code, action_of_status};
use crate::config::RequiredAccount;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// AWS answered with an error.
    ErrorResponse {
        /// Its code, such as `ThrottlingException`; empty if the response had none.
        code: String,
        /// HTTP status.
        status: u16,
    },
    /// The call was answered with success, but not by AWS: by a captive portal, a gateway or another service.
    NotAws,
    /// The call was sent, or may have been, and no response came: CloudWatch may have accepted it.
    NoAnswer,
    /// The call never reached AWS.
    NotSent,
    /// No credentials were found.
    NoCredentials,
    /// Credentials are configured, and cannot be used as they are. The detail says what to do.
    UnusableCredentials,
    /// The call could not be built, as for an endpoint that is not a URL.
    NotBuilt,
    /// The certificate of the server is not trusted. The detail says what to do.
    Untrusted,
    /// No region is configured.
    NoRegion,
    /// The credentials belong to another account than the required one.
    OtherAccount {
        /// The account that the run published to, or that the user named.
        required: RequiredAccount,
        /// The account of the credentials.
        actual: String,
    },
    /// STS does not say whether the credentials belong to the required account.
    UnknownAccount {
        /// The account that the run published to, or that the user named.
        required: RequiredAccount,
    },
}

impl Cause {
    /// AWS's error code, or the name of the cause.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::ErrorResponse { code, .. } => code,
            Self::NotAws => "NotAws",
            Self::NoAnswer => "NoAnswer",
            Self::NotSent => "NotSent",
            // Callers look for this one word.
            Self::NoCredentials | Self::UnusableCredentials => "NoCredentials",
            Self::NotBuilt => "NotBuilt",
            Self::Untrusted => "Untrusted",
            Self::NoRegion => "NoRegion",
            Self::OtherAccount { .. } => "OtherAccount",
            Self::UnknownAccount { .. } => "UnknownAccount",
        }
    }
}

/// The kinds of errors that callers treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ErrorKind {
    /// The credentials may not do this.
    AccessDenied,
    /// The resource exists already.
    AlreadyExists,
    /// The credentials are missing, wrong, expired or of another account.
    Credentials,
    /// AWS refused the content of the call.
    Invalid,
    /// No region is configured.
    NoRegion,
    /// A server other than AWS answered.
    NotAws,
    /// The resource does not exist.
    NotFound,
    /// The account's request rate is exceeded.
    Throttled,
    /// AWS cannot handle the call at present.
    Unavailable,
    /// No connection, or no response.
    Unreachable,
    /// The certificate of the server is not trusted.
    Untrusted,
}

/// The stage at which a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    /// Before the call: credentials could not be obtained.
    Credentials,
    /// In the call itself.
    Call,
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.explain())]
pub struct CallError {
    /// Such as `PutMetricData`.
    pub operation: String,
    /// What the call was about, such as `namespace Locust`.
    pub resource: Box<str>,
    /// Why it failed.
    pub cause: Cause,
    /// The stage at which it failed.
    pub stage: Stage,
    /// The message of AWS or the network, with the whole chain of causes.
    pub detail: Box<str>,
}

impl CallError {
    /// What to do about it.
    #[must_use]
    pub fn action(&self) -> RetryAction {
        match self.action_for_data() {
            // The data is valid, and waits until the log group exists.
            RetryAction::Split | RetryAction::Reject if self.creates_the_log_group() => RetryAction::Block,
            action => action,
        }
    }

    /// What to do about it if the call carried data.
    pub(super) fn action_for_data(&self) -> RetryAction {
        match &self.cause {
            Cause::NoAnswer | Cause::NotSent => RetryAction::Retry,
            Cause::NoCredentials
            | Cause::UnusableCredentials
            | Cause::NotBuilt
            | Cause::Untrusted
            | Cause::NoRegion
            | Cause::NotAws
            | Cause::OtherAccount { .. }
            | Cause::UnknownAccount { .. } => RetryAction::Block,
            Cause::ErrorResponse { code, status } => {
                action_of_code(code).unwrap_or_else(|| action_of_status(*status, code.is_empty()))
            }
        }
    }

    /// The kind of error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        let code = match &self.cause {
            Cause::ErrorResponse { code, .. } => code.as_str(),
            Cause::NotAws => return ErrorKind::NotAws,
            Cause::NoAnswer | Cause::NotSent => return ErrorKind::Unreachable,
            Cause::Untrusted => return ErrorKind::Untrusted,
            Cause::NotBuilt => return ErrorKind::Invalid,
            Cause::NoCredentials
            | Cause::UnusableCredentials
            | Cause::OtherAccount { .. }
            | Cause::UnknownAccount { .. } => return ErrorKind::Credentials,
            Cause::NoRegion => return ErrorKind::NoRegion,
        };
        // AWS names these codes by one convention in all services: `DashboardNotFoundError`, `ResourceNotFoundException`.
        if code.contains("NotFound") || code.starts_with("NoSuch") {
            return ErrorKind::NotFound;
        }
        if code.contains("AlreadyExists") {
            return ErrorKind::AlreadyExists;
        }
        if code.starts_with("AccessDenied") || code.starts_with("Unauthorized") {
            return ErrorKind::AccessDenied;
        }
        match self.action_for_data() {
            RetryAction::Retry => ErrorKind::Unavailable,
            RetryAction::RetrySlowly => ErrorKind::Throttled,
            RetryAction::Recreate => ErrorKind::NotFound,
            RetryAction::Split | RetryAction::Reject => ErrorKind::Invalid,
            RetryAction::Block => ErrorKind::Credentials,
        }
    }

    /// Whether only the user can resolve it: AWS was not reached, or repeating the call does not help.
    #[must_use]
    pub fn needs_action(&self) -> bool {
        self.cause == Cause::NotSent || !self.is_transient()
    }

    /// Whether repeating the call may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.action(), RetryAction::Retry | RetryAction::RetrySlowly | RetryAction::Recreate)
    }

    fn creates_the_log_group(&self) -> bool {
        matches!(self.operation.as_str(), "CreateLogGroup" | "CreateLogStream" | "PutRetentionPolicy")
    }

    /// The topic of the error: errors with the same one need not be reported twice.
    #[must_use]
    pub fn topic(&self) -> String {
        match &self.cause {
            Cause::ErrorResponse { code, status } => format!("{} {code} {status}", self.operation),
            cause => cause.code().to_owned(),
        }
    }

    /// Whether other credentials may help: there are none, or AWS does not accept these.
    #[must_use]
    pub fn needs_credentials(&self) -> bool {
        match &self.cause {
            Cause::NoCredentials | Cause::UnusableCredentials => true,
            Cause::ErrorResponse { code, .. } => CREDENTIAL_CODES.iter().any(|known| code.starts_with(known)),
            _ => false,
        }
    }

    /// Whether AWS itself has answered, so that the data of a call may be rejected.
    #[must_use]
    pub const fn is_from_aws(&self) -> bool {
        matches!(&self.cause, Cause::ErrorResponse { code, .. } if !code.is_empty())
    }

    /// Whether the call reached AWS, or may have.
    #[must_use]
    pub const fn was_sent(&self) -> bool {
        matches!(self.cause, Cause::ErrorResponse { .. } | Cause::NotAws | Cause::NoAnswer)
    }

    /// Whether CloudWatch may have accepted the call nevertheless, so that repeating it may count its content twice.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        match self.cause {
            // A gateway may forward a call and answer it itself.
            Cause::NotAws | Cause::NoAnswer => true,
            // A gateway with these statuses does not know the outcome of the call.
            Cause::ErrorResponse { status, .. } => matches!(status, 502 | 504),
            _ => false,
        }
    }
}

/// Beginnings of AWS's codes for credentials that it does not accept.
const CREDENTIAL_CODES: [&str; 6] = [
    "ExpiredToken",
    "TokenRefreshRequired",
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "InvalidSignature",
];

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn refused(code: &str, status: u16) -> CallError {
        failed(Cause::ErrorResponse { code: code.into(), status })
    }

    /// A refusal to create the log group.
    pub(crate) fn making(code: &str, status: u16) -> CallError {
        CallError { operation: "CreateLogGroup".into(), ..refused(code, status) }
    }

    pub(crate) fn failed(cause: Cause) -> CallError {
        CallError {
            operation: "PutMetricData".into(),
            resource: "namespace Locust".into(),
            cause,
            stage: Stage::Call,
            detail: "why".into(),
        }
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
    fn callers_can_tell_the_kinds_apart() {
        for (error, kind) in [
            (refused("AccessDeniedException", 400), "access_denied"),
            (refused("UnauthorizedOperation", 403), "access_denied"),
            (refused("ResourceAlreadyExistsException", 400), "already_exists"),
            (refused("InvalidClientTokenId", 403), "credentials"),
            (failed(Cause::NoCredentials), "credentials"),
            (failed(Cause::UnusableCredentials), "credentials"),
            (failed(Cause::NotBuilt), "invalid"),
            (failed(Cause::Untrusted), "untrusted"),
            (refused("InvalidParameterValue", 400), "invalid"),
            (failed(Cause::NoRegion), "no_region"),
            (failed(Cause::NotAws), "not_aws"),
            (refused("ResourceNotFoundException", 400), "not_found"),
            (refused("DashboardNotFoundError", 404), "not_found"),
            (refused("ThrottlingException", 400), "throttled"),
            (refused("ServiceUnavailable", 503), "unavailable"),
            (failed(Cause::NotSent), "unreachable"),
            (failed(Cause::NoAnswer), "unreachable"),
        ] {
            assert_eq!(<&str>::from(error.kind()), kind, "{error:?}");
        }
    }
}

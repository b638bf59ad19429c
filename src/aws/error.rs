//! Converts errors of the SDK to errors of a delivery.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::credentials::{CredentialsFailure, FailureKind};
use super::response::{Response, Unusable};
use super::session::CallContext;
use super::trust::{NoAuthorities, problem_with_certificate};
use crate::config::AwsConfig;
use crate::delivery::error::{CallError, Cause, Stage};

/// A call, for messages about it.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    operation: &'a str,
    kind: &'static str,
    resource: &'a str,
    /// Its destination, once it is known.
    context: Option<&'a CallContext>,
}

impl<'a> Call<'a> {
    pub(super) const fn new(operation: &'a str, kind: &'static str, resource: &'a str) -> Self {
        Self { operation, kind, resource, context: None }
    }

    pub(super) const fn at(self, context: &'a CallContext) -> Self {
        Self { context: Some(context), ..self }
    }

    pub(super) fn failed(self, cause: Cause, detail: &str) -> CallError {
        let context = self.context.map_or_else(String::new, |context| format!(", {}", context.name));
        let resource = format!("{} {}{context}", self.kind, self.resource).into();
        // The text is part of a sentence.
        let detail = detail.trim_end().trim_end_matches('.');
        let (operation, detail) = (self.operation.to_owned(), detail.into());
        CallError { operation, resource, cause, stage: Stage::Call, detail }
    }

    /// The error of options without a region.
    pub(super) fn without_region(self, aws: &AwsConfig) -> CallError {
        let detail = aws.profile.as_ref().map_or_else(String::new, |profile| format!("profile {profile}"));
        self.failed(Cause::NoRegion, &detail)
    }

    /// The error of a call that was not made because there are no credentials.
    pub(super) fn without_credentials(self, failure: &CredentialsFailure) -> CallError {
        let cause = match failure.kind {
            FailureKind::Missing => Cause::NoCredentials,
            FailureKind::Unusable => Cause::UnusableCredentials,
            FailureKind::Unavailable => Cause::NotSent,
        };
        CallError { stage: Stage::Credentials, ..self.failed(cause, &failure.message) }
    }

    pub(super) fn error<E>(self, error: &SdkError<E, HttpResponse>) -> CallError
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        if let Some(found) = find::<CredentialsFailure>(error) {
            return self.without_credentials(found);
        }
        // An error of the SDK, which the providers of this crate do not return.
        if let Some(found) = find::<CredentialsError>(error) {
            return CallError { stage: Stage::Credentials, ..self.failed(Cause::NoCredentials, &chain(found)) };
        }
        let no_authorities = find::<NoAuthorities>(error).map(ToString::to_string);
        if let Some(problem) = no_authorities.or_else(|| problem_with_certificate(error)) {
            return self.failed(Cause::Untrusted, &problem);
        }
        if let Some(Unusable::Foreign(sign)) = find::<Unusable>(error) {
            return self.failed(Cause::NotAws, sign);
        }
        let (cause, detail) = match error {
            SdkError::ServiceError(refused) => {
                let status = refused.raw().status().as_u16();
                let said = refused.err().message().map_or_else(|| "no further message".to_owned(), str::to_owned);
                // Only error codes from AWS reject data: a gateway may use the same codes.
                let code = refused.err().code().filter(|_| Response::from(refused.raw()).has_request_id());
                (Cause::ErrorResponse { code: code.unwrap_or_default().to_owned(), status }, said)
            }
            // There was a response that cannot be parsed, such as the page of a proxy.
            SdkError::ResponseError(answer) if !answer.raw().status().is_success() => {
                let status = answer.raw().status().as_u16();
                (Cause::ErrorResponse { code: String::new(), status }, chain(error))
            }
            SdkError::ResponseError(answer) => match Response::from(answer.raw()).foreign_sign(None) {
                Some(sign) => (Cause::NotAws, sign),
                None => (Cause::NoAnswer, chain(error)),
            },
            SdkError::DispatchFailure(_) if never_connected(error) => (Cause::NotSent, chain(error)),
            SdkError::ConstructionFailure(_) => (Cause::NotBuilt, chain(error)),
            _ => (Cause::NoAnswer, chain(error)),
        };
        self.failed(cause, &detail)
    }

    /// Whether the call created the resource; `false` if it existed.
    pub(super) fn unless_there<T, E>(self, created: Result<T, SdkError<E, HttpResponse>>) -> Result<bool, CallError>
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        match created {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ResourceAlreadyExistsException") => Ok(false),
            Err(error) => Err(self.error(&error)),
        }
    }
}

pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref::<T>())
}

/// The chain of causes on one line, each text once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if !text.is_empty() && !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

/// Whether no connection was established, so that AWS cannot have received the call.
///
/// This includes name resolution, TCP, the tunnel of a proxy, TLS, and a timeout of any of these.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    find::<hyper_util::client::legacy::Error>(error).is_some_and(hyper_util::client::legacy::Error::is_connect)
}

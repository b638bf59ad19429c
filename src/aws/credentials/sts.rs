//! Credentials of roles, from STS. All calls to STS use the same endpoint.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::types::Credentials as StsCredentials;

use super::cache::Loaded;
use super::failure::{CredentialsFailure, FailureKind};
use super::profile::Role;
use crate::aws::error::Call;
use crate::aws::intercept::CheckResponse;
use crate::aws::response::Protocol;
use crate::delivery::error::CallError;

/// The default name of a role session, which CloudTrail shows.
const SESSION_NAME: &str = "locust-cw";

/// A client of STS, and its configuration.
#[derive(Debug, Clone)]
pub(super) struct Sts {
    config: SdkConfig,
    endpoint: Option<String>,
}

impl Sts {
    pub(super) const fn new(config: SdkConfig, endpoint: Option<String>) -> Self {
        Self { config, endpoint }
    }

    fn client(&self, credentials: Option<Credentials>) -> aws_sdk_sts::Client {
        let provider = credentials.map(SharedCredentialsProvider::new);
        let mut config = self.config.to_builder();
        config.set_credentials_provider(provider);
        let mut builder = aws_sdk_sts::config::Builder::from(&config.build());
        if let Some(url) = &self.endpoint {
            // FIPS and dual-stack are already part of the URL.
            builder = builder.endpoint_url(url).use_fips(false).use_dual_stack(false);
        }
        aws_sdk_sts::Client::from_conf(builder.interceptor(CheckResponse(Protocol::AwsQuery)).build())
    }

    /// Assumes a role with other credentials.
    pub(super) async fn assume_role(&self, role: &Role, with: Credentials) -> Loaded {
        let assume = self
            .client(Some(with))
            .assume_role()
            .role_arn(&role.arn)
            .role_session_name(role.session_name.as_deref().unwrap_or(SESSION_NAME))
            .set_external_id(role.external_id.clone())
            .set_duration_seconds(role.seconds);
        match assume.send().await {
            Ok(output) => credentials_of(output.credentials, role),
            Err(error) => Err(failure(&Call::new("AssumeRole", "role", &role.arn).error(&error))),
        }
    }

    /// Gets the credentials of a role for the token in a file. The file is read each time, because another program renews it.
    pub(super) async fn assume_role_with_token(&self, role: &Role, token_file: &str) -> Loaded {
        let token = std::fs::read_to_string(token_file).map_err(|error| {
            CredentialsFailure::unusable(format!("the web identity token file {token_file} cannot be read: {error}"))
        })?;
        let assume = self
            .client(None)
            .assume_role_with_web_identity()
            .role_arn(&role.arn)
            .role_session_name(role.session_name.as_deref().unwrap_or(SESSION_NAME))
            .set_duration_seconds(role.seconds)
            .web_identity_token(token.trim());
        match assume.send().await {
            Ok(output) => credentials_of(output.credentials, role),
            Err(error) => Err(failure(&Call::new("AssumeRoleWithWebIdentity", "role", &role.arn).error(&error))),
        }
    }
}

fn credentials_of(answer: Option<StsCredentials>, role: &Role) -> Loaded {
    let credentials = answer.and_then(|answer| {
        let expiry = SystemTime::try_from(answer.expiration).ok()?;
        let token = Some(answer.session_token);
        Some(Credentials::new(answer.access_key_id, answer.secret_access_key, token, Some(expiry), "AssumeRole"))
    });
    credentials
        .ok_or_else(|| CredentialsFailure::unusable(format!("STS returned no credentials for role {}", role.arn)))
}

/// The message of the call says what to do.
fn failure(error: &CallError) -> CredentialsFailure {
    let kind = if error.is_transient() { FailureKind::Unavailable } else { FailureKind::Unusable };
    CredentialsFailure { kind, message: error.to_string().trim_end_matches('.').to_owned() }
}

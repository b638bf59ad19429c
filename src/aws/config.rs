//! From options, the record of an earlier run and the environment to the SDK's configuration.

use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::service_config::ServiceConfigKey;

use super::http;
use crate::config::{AwsConfig, ResolvedAws};

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a call of datums may take from its first byte to the answer: it is small, and live metrics are to be
/// current again within ten seconds of an outage, whatever hung when it ended.
pub(super) const METRICS_READ_TIMEOUT: Duration = Duration::from_secs(4);
/// The same for a call of log events, which may be a megabyte over a slow line.
const LOGS_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call may take, credentials included.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);
/// The region that a local CloudWatch is called in where none is configured.
const LOCAL_REGION: &str = "us-east-1";
/// How an assumed role's sessions are named, as CloudTrail shows it.
const SESSION_NAME: &str = "locust-cw";

/// Variables that name a profile, in the order in which the AWS CLI reads them (botocore's session variables).
const PROFILE_VARIABLES: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];
/// The older name of `AWS_SESSION_TOKEN`, which the AWS CLI still reads (botocore's environment provider).
const OLD_TOKEN_VARIABLE: &str = "AWS_SECURITY_TOKEN";

pub(super) fn timeouts(read: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(read)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// An environment variable; one that is empty counts as unset, as with the AWS CLI.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The profile that the environment names.
fn profile_of_environment() -> Option<String> {
    PROFILE_VARIABLES.into_iter().find_map(variable)
}

/// The profile that the SDK reads by itself where the environment names none: it would look for one without a name where
/// the variable is empty.
const DEFAULT_PROFILE: &str = "default";

/// The keys in the environment, where the SDK would miss their token: it does not know the token's older name.
fn keys_with_old_token() -> Option<Credentials> {
    let token = variable(OLD_TOKEN_VARIABLE).filter(|_| variable("AWS_SESSION_TOKEN").is_none())?;
    let (key, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    Some(Credentials::new(key, secret, Some(token), None, "Environment"))
}

/// The profile that credentials come from, as far as options and environment tell; `None` where they do not come from one
/// that was named. Keys in the environment go before a profile that the environment names, and behind one that was given.
pub(super) fn profile_of_credentials(aws: &AwsConfig) -> Option<String> {
    let given = aws.profile.clone();
    given.or_else(|| profile_of_environment().filter(|_| variable("AWS_ACCESS_KEY_ID").is_none()))
}

/// The SDK's configuration. Reads files and the environment, and may ask the instance for its region.
pub(super) async fn sdk_config(aws: &AwsConfig) -> SdkConfig {
    let http_client = http::client();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client.clone())
        .timeout_config(timeouts(LOGS_READ_TIMEOUT))
        // Repeating a call is the sender's business: it knows of outages, and counts.
        .retry_config(RetryConfig::disabled());
    if let Ok(name) = AppName::new("locust-cw") {
        loader = loader.app_name(name);
    }
    if let Some(region) = &aws.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &aws.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader = with_credentials(loader, aws, http_client).await;
    let mut config = loader.load().await;
    if aws.local && config.region().is_none() {
        config = config.to_builder().region(Region::new(LOCAL_REGION)).build();
    }
    let Some(arn) = &aws.role_arn else { return config };
    let mut role = AssumeRoleProvider::builder(arn).session_name(SESSION_NAME).configure(&config);
    if let Some(id) = &aws.external_id {
        role = role.external_id(id);
    }
    let role = role.build().await;
    // The client's cache renews the role's session before it expires, for as long as calls are made.
    config.to_builder().credentials_provider(SharedCredentialsProvider::new(role)).build()
}

/// Where credentials come from, before a role is assumed with them.
async fn with_credentials(loader: ConfigLoader, aws: &AwsConfig, http_client: SharedHttpClient) -> ConfigLoader {
    if aws.local {
        let local = Credentials::builder().access_key_id("local").secret_access_key("local").provider_name("local");
        return loader.credentials_provider(local.build());
    }
    let Some(profile) = &aws.profile else {
        let loader = loader.profile_name(profile_of_environment().unwrap_or_else(|| DEFAULT_PROFILE.to_owned()));
        return match keys_with_old_token() {
            Some(keys) => loader.credentials_provider(keys),
            None => loader,
        };
    };
    // A profile that was asked for wins over credentials in the environment.
    let provider = ProfileFileCredentialsProvider::builder().profile_name(profile);
    // Roles on the way to its credentials are assumed in the region that is called.
    let region = match &aws.region {
        Some(region) => Some(Region::new(region.clone())),
        None => region_of(profile, http_client.clone()).await,
    };
    let config = ProviderConfig::without_region().with_http_client(http_client);
    let configured = provider.configure(&config.with_region(region)).build();
    loader.profile_name(profile).credentials_provider(configured)
}

/// The region that a profile is used in: the environment's, the profile's, or the instance's.
async fn region_of(profile: &str, http_client: SharedHttpClient) -> Option<Region> {
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client).no_credentials();
    loader.profile_name(profile).load().await.region().cloned()
}

/// A service's endpoint where it is not AWS's own: the one that was given or recorded, or that the environment or the AWS
/// configuration files have.
pub(super) fn custom_endpoint(config: &SdkConfig, service_id: &str) -> Option<String> {
    if config.get_origin("endpoint_url").is_client_config() {
        return config.endpoint_url().map(str::to_owned);
    }
    let key =
        ServiceConfigKey::builder().service_id(service_id).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let of_service = key.ok().and_then(|key| config.service_config()?.load_config(key));
    of_service.or_else(|| config.endpoint_url().map(str::to_owned))
}

impl AwsConfig {
    /// The options, completed by what an earlier process of the same run resolved: its region, profile and endpoints go
    /// before the environment, and behind what is given now.
    pub(super) fn completed(&self) -> (Self, Option<ResolvedAws>) {
        let mut completed = self.clone();
        let Some(mut recorded) = completed.recorded.take() else { return (completed, None) };
        let moved = self.region.as_ref().is_some_and(|region| recorded.region.as_ref() != Some(region));
        if moved || self.endpoint_url.is_some() {
            // The endpoints are those of the recorded region.
            (recorded.cloudwatch_url, recorded.logs_url, recorded.sts_url) = (None, None, None);
        }
        completed.region = completed.region.or_else(|| recorded.region.clone());
        completed.profile = completed.profile.or_else(|| recorded.profile.clone());
        (completed, Some(recorded))
    }
}

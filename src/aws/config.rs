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
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::credentials::{DEFAULT_PROFILE, Observed, keys_with_old_token, profile_of_environment};
use super::endpoints::Endpoints;
use super::http::HttpClients;
use crate::config::AwsConfig;

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

pub(super) fn timeouts(read: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(read)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// What the SDK needs for all calls of one set of options.
pub(super) struct Configuration {
    /// The SDK's own, with the credentials of the role if one is assumed.
    pub sdk: SdkConfig,
    /// Where each service is called.
    pub endpoints: Endpoints,
    /// The credentials before a role is assumed with them.
    pub credentials: Option<Observed>,
}

/// Reads files and the environment, and may ask the instance for its region.
pub(super) async fn load(aws: &AwsConfig) -> Configuration {
    let http = HttpClients::new();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.client())
        .timeout_config(timeouts(LOGS_READ_TIMEOUT))
        // Repeating a call is the sender's business: it knows of outages, and counts.
        .retry_config(RetryConfig::disabled());
    if let Ok(name) = AppName::new("locust-cw") {
        loader = loader.app_name(name);
    }
    let recorded = aws.recorded.as_ref();
    let region = aws.region.as_ref().or_else(|| recorded.and_then(|recorded| recorded.region.as_ref()));
    if let Some(region) = region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &aws.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let profile = aws.profile.as_ref().or_else(|| recorded.and_then(|recorded| recorded.profile.as_ref()));
    loader = with_credentials(loader, aws.local, profile.map(String::as_str), region, http.client()).await;
    let mut sdk = loader.load().await;
    if aws.local && sdk.region().is_none() {
        sdk = sdk.to_builder().region(Region::new(LOCAL_REGION)).build();
    }
    let endpoints = Endpoints::of(&sdk, aws).await;
    http.reach_directly(endpoints.custom()).await;
    let credentials = sdk.credentials_provider().map(Observed::new);
    if let Some(observed) = &credentials {
        sdk = sdk.to_builder().credentials_provider(SharedCredentialsProvider::new(observed.clone())).build();
    }
    if let Some(arn) = &aws.role_arn {
        sdk = with_role(&sdk, arn, aws.external_id.as_ref(), endpoints.sts.url.clone()).await;
    }
    Configuration { sdk, endpoints, credentials }
}

/// In place of what the environment and the AWS configuration files say of single services.
#[derive(Debug)]
struct NoServiceConfig;

impl LoadServiceConfig for NoServiceConfig {
    fn load_config(&self, _key: ServiceConfigKey<'_>) -> Option<String> {
        None
    }
}

/// The same with the credentials of a role. STS is called where all other calls to it go.
async fn with_role(sdk: &SdkConfig, arn: &str, external_id: Option<&String>, sts: Option<String>) -> SdkConfig {
    let mut at_sts = sdk.to_builder();
    if sts.is_some() {
        at_sts.set_endpoint_url(sts);
        // Else variables of the environment would win over it.
        at_sts = at_sts.service_config(NoServiceConfig);
        at_sts.set_use_fips(None).set_use_dual_stack(None);
    }
    let mut role = AssumeRoleProvider::builder(arn).session_name(SESSION_NAME).configure(&at_sts.build());
    if let Some(id) = external_id {
        role = role.external_id(id);
    }
    // The client's cache renews the role's session before it expires, for as long as calls are made.
    sdk.to_builder().credentials_provider(SharedCredentialsProvider::new(role.build().await)).build()
}

/// Where credentials come from, before a role is assumed with them.
async fn with_credentials(
    loader: ConfigLoader,
    local: bool,
    profile: Option<&str>,
    region: Option<&String>,
    http_client: SharedHttpClient,
) -> ConfigLoader {
    if local {
        let local = Credentials::builder().access_key_id("local").secret_access_key("local").provider_name("local");
        return loader.credentials_provider(local.build());
    }
    let Some(profile) = profile else {
        // Named in any case: where the variable is empty, the SDK would look for a profile without a name.
        let loader = loader.profile_name(profile_of_environment().unwrap_or_else(|| DEFAULT_PROFILE.to_owned()));
        return match keys_with_old_token() {
            Some(keys) => loader.credentials_provider(keys),
            None => loader,
        };
    };
    // A profile that was asked for wins over credentials in the environment.
    let provider = ProfileFileCredentialsProvider::builder().profile_name(profile);
    // Roles on the way to its credentials are assumed in the region that is called.
    let region = match region {
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

//! The configuration of the SDK, from options, the record of an earlier run, and the environment.

use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::profile::ProfileSet;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::credentials::{CredentialOptions, SharedCredentials};
use super::endpoints::{Endpoints, without_endpoints};
use super::environment;
use super::http::HttpClients;
use super::profiles::profile_files;
use super::trust::{CaBundle, trust_of};
use crate::config::AwsConfig;

/// Timeout of a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Timeout of the response to a call with datums. It is short, because such a call is small, and live metrics must be current
/// within ten seconds after an outage, also if a call hangs at its end.
pub(super) const METRICS_READ_TIMEOUT: Duration = Duration::from_secs(4);
/// Timeout of the response to a call with log events, which can be a megabyte over a slow connection.
const LOGS_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of a whole call. Credentials are loaded before it.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);
/// The region of calls to a local CloudWatch if none is configured.
const LOCAL_REGION: &str = "us-east-1";
/// The profile that is read by default.
pub(super) const DEFAULT_PROFILE: &str = "default";

pub(super) fn timeouts(read: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(read)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// The configuration for all calls with the same options.
pub(super) struct Configuration {
    /// The configuration of the SDK, with these credentials.
    pub sdk: SdkConfig,
    /// The endpoint of each service.
    pub endpoints: Endpoints,
    /// The credentials of all calls.
    pub credentials: SharedCredentials,
    /// The certificate authorities that the user names.
    pub ca_bundle: Option<CaBundle>,
}

/// The profile that is read, and what names it.
#[derive(Debug, Clone)]
pub(super) struct ProfileName {
    pub name: String,
    pub named_by: ProfileOrigin,
}

/// What names a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProfileOrigin {
    /// An option, or the record of an earlier run.
    Option,
    Environment,
    /// Nothing: it is the default profile.
    Default,
}

impl ProfileName {
    pub(super) fn of(aws: &AwsConfig) -> Self {
        let recorded = aws.recorded.as_ref().and_then(|recorded| recorded.profile.clone());
        if let Some(name) = aws.profile.clone().or(recorded) {
            return Self { name, named_by: ProfileOrigin::Option };
        }
        match environment::profile() {
            Some(name) => Self { name, named_by: ProfileOrigin::Environment },
            None => Self { name: DEFAULT_PROFILE.to_owned(), named_by: ProfileOrigin::Default },
        }
    }
}

/// Reads files and the environment, and gets the region from the instance metadata service if it is not configured.
pub(super) async fn load(aws: &AwsConfig, profile: &ProfileName, profiles: &ProfileSet) -> Configuration {
    let ca_bundle = CaBundle::of(profiles);
    let http = HttpClients::new(&trust_of(ca_bundle.as_ref()));
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.client())
        .timeout_config(timeouts(LOGS_READ_TIMEOUT))
        // The sender repeats calls: it knows about outages, and counts attempts.
        .retry_config(RetryConfig::disabled())
        // The credentials have their own cache, which all sessions share.
        .identity_cache(IdentityCache::no_cache())
        .no_credentials()
        .profile_files(profile_files())
        .profile_name(&profile.name)
        .region(region(aws, profiles, http.client()).await);
    if let Ok(name) = AppName::new("locust-cw") {
        loader = loader.app_name(name);
    }
    if let Some(url) = &aws.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let sdk = loader.load().await;
    let endpoints = Endpoints::of(&sdk, aws).await;
    let sdk = without_endpoints(&sdk);
    http.reach_directly(endpoints.custom()).await;
    let credentials = if aws.local {
        SharedCredentials::local()
    } else {
        let options = CredentialOptions {
            profile: profile.clone(),
            provider: provider_config(&sdk, http.client()),
            sdk: sdk.clone(),
            sts_url: endpoints.sts.url.clone(),
        };
        SharedCredentials::new(options, aws.role_arn.as_ref(), aws.external_id.as_ref())
    };
    let provider = SharedCredentialsProvider::new(credentials.provider().clone());
    let sdk = sdk.to_builder().credentials_provider(provider).build();
    Configuration { sdk, endpoints, credentials, ca_bundle }
}

/// The region of the options, the recorded run, the environment, the profile, or the instance, in this order.
async fn region(aws: &AwsConfig, profiles: &ProfileSet, http_client: SharedHttpClient) -> Option<Region> {
    let recorded = aws.recorded.as_ref().and_then(|recorded| recorded.region.clone());
    let of_profile = || profiles.get("region").filter(|region| !region.trim().is_empty()).map(str::to_owned);
    let named = aws.region.clone().or(recorded).or_else(environment::region).or_else(of_profile);
    if let Some(region) = named {
        return Some(Region::new(region));
    }
    if aws.local {
        return Some(Region::from_static(LOCAL_REGION));
    }
    let config = ProviderConfig::without_region().with_http_client(http_client);
    ImdsRegionProvider::builder().configure(&config).build().region().await
}

/// The configuration of the SDK's credentials providers.
fn provider_config(sdk: &SdkConfig, http_client: SharedHttpClient) -> ProviderConfig {
    ProviderConfig::without_region()
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_http_client(http_client)
        .with_region(sdk.region().cloned())
        .with_use_fips(sdk.use_fips())
        .with_use_dual_stack(sdk.use_dual_stack())
        .with_retry_config(RetryConfig::disabled())
        .with_timeout_config(timeouts(LOGS_READ_TIMEOUT))
}

//! The account that options name, as the SDK takes it: where, as whom, how long to wait.

use std::time::Duration;

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::config::AwsConfig;
use crate::identity::origin_of;

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

pub(super) async fn sdk_config(aws: &AwsConfig) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
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
    if let Some(profile) = &aws.profile {
        // A profile that was asked for wins over credentials in the environment.
        let provider = ProfileFileCredentialsProvider::builder().profile_name(profile);
        // Roles on the way to its credentials are assumed in the region that is called.
        let region = match &aws.region {
            Some(region) => Some(Region::new(region.clone())),
            None => DefaultRegionChain::builder().profile_name(profile).build().region().await,
        };
        let configured = provider.configure(&ProviderConfig::without_region().with_region(region)).build();
        loader = loader.profile_name(profile).credentials_provider(configured);
    }
    if aws.local {
        let local = Credentials::builder().access_key_id("local").secret_access_key("local").provider_name("local");
        loader = loader.credentials_provider(local.build());
    }
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

/// Where calls go and as whom, for messages.
pub(super) struct Place {
    /// The region, or the endpoint where one is given, without a password in it.
    pub name: String,
    /// The profile that was asked for.
    pub profile: Option<String>,
}

impl Place {
    pub(super) fn of(aws: &AwsConfig, config: &SdkConfig) -> Self {
        let region = config.region().map_or("no region", AsRef::as_ref);
        let origin = |url: &str| origin_of(url).unwrap_or_else(|| url.to_owned());
        let name = config.endpoint_url().map_or_else(|| region.to_owned(), origin);
        Self { name, profile: aws.profile.clone() }
    }
}

//! The endpoint of each service: the configured or recorded one, or else that of the SDK's resolver.

use aws_config::SdkConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::environment::variable;
use crate::config::{AwsConfig, ResolvedAws};

/// The variable for all services. The names of the variables for single services start with it.
const ENDPOINT_VARIABLE: &str = "AWS_ENDPOINT_URL";
/// A variable that is never set, so that only the profile is read.
const NO_VARIABLE: &str = "AWS_";

/// The endpoint of a service.
#[derive(Debug, Clone, Default)]
pub(super) struct Endpoint {
    /// `None` if the resolver finds none.
    pub url: Option<String>,
    /// Whether it is not one of AWS's own endpoints.
    pub is_custom: bool,
}

/// Replaces what the environment and the AWS configuration files set for single services.
#[derive(Debug)]
struct NoServiceConfig;

impl LoadServiceConfig for NoServiceConfig {
    fn load_config(&self, _key: ServiceConfigKey<'_>) -> Option<String> {
        None
    }
}

/// The configuration without endpoints: each client gets its own from [`Endpoints`], and the SDK panics at a variable that is
/// set to an empty value.
pub(super) fn without_endpoints(config: &SdkConfig) -> SdkConfig {
    let mut builder = config.to_builder().service_config(NoServiceConfig);
    builder.set_endpoint_url(None);
    builder.build()
}

/// The endpoints of the services that locust-cw calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Endpoints {
    pub cloudwatch: Endpoint,
    pub logs: Endpoint,
    pub sts: Endpoint,
}

impl Endpoints {
    /// The endpoints for these options.
    pub(super) async fn of(config: &SdkConfig, aws: &AwsConfig) -> Self {
        Self {
            cloudwatch: Service::CloudWatch.endpoint(config, aws).await,
            logs: Service::Logs.endpoint(config, aws).await,
            sts: Service::Sts.endpoint(config, aws).await,
        }
    }

    /// The URLs of custom endpoints.
    pub(super) fn custom(&self) -> impl Iterator<Item = &str> {
        let all = [&self.cloudwatch, &self.logs, &self.sts];
        all.into_iter().filter(|endpoint| endpoint.is_custom).filter_map(|endpoint| endpoint.url.as_deref())
    }
}

#[derive(Debug, Clone, Copy)]
enum Service {
    CloudWatch,
    Logs,
    Sts,
}

/// The input of a resolver, which has a separate type for each service.
#[derive(Debug, Clone, Default)]
struct Parameters {
    region: Option<String>,
    fips: Option<bool>,
    dual_stack: Option<bool>,
    endpoint: Option<String>,
}

/// The URL that the resolver of a service's crate returns.
macro_rules! resolve {
    ($service:ident, $parameters:ident) => {{
        use $service::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
        let params = Params::builder()
            .set_region($parameters.region)
            .set_use_fips($parameters.fips)
            .set_use_dual_stack($parameters.dual_stack)
            .set_endpoint($parameters.endpoint)
            .build();
        let Ok(params) = params else { return None };
        let resolver = DefaultResolver::new();
        let endpoint = ResolveEndpoint::resolve_endpoint(&resolver, &params).await;
        endpoint.ok().map(|endpoint| endpoint.url().to_owned())
    }};
}

impl Service {
    /// The name of the service in the AWS configuration files.
    const fn id(self) -> &'static str {
        match self {
            Self::CloudWatch => "CloudWatch",
            Self::Logs => "CloudWatch Logs",
            Self::Sts => "STS",
        }
    }

    async fn resolve(self, parameters: Parameters) -> Option<String> {
        match self {
            Self::CloudWatch => resolve!(aws_sdk_cloudwatch, parameters),
            Self::Logs => resolve!(aws_sdk_cloudwatchlogs, parameters),
            Self::Sts => resolve!(aws_sdk_sts, parameters),
        }
    }

    async fn endpoint(self, config: &SdkConfig, aws: &AwsConfig) -> Endpoint {
        let endpoint = match self.recorded(aws).await {
            None => self.configured(config),
            recorded => recorded,
        };
        let is_custom = endpoint.is_some();
        let parameters = Parameters {
            region: config.region().map(ToString::to_string),
            fips: config.use_fips(),
            dual_stack: config.use_dual_stack(),
            endpoint: endpoint.clone(),
        };
        // The resolver refuses FIPS with a custom endpoint.
        Endpoint { url: self.resolve(parameters).await.or(endpoint), is_custom }
    }

    /// The endpoint of the options, the environment or the AWS configuration files.
    fn configured(self, config: &SdkConfig) -> Option<String> {
        if config.get_origin("endpoint_url").is_client_config() {
            return config.endpoint_url().map(str::to_owned);
        }
        let sources = config.service_config()?;
        let found = |variable: &str| {
            let key = ServiceConfigKey::builder().service_id(self.id()).env(variable).profile("endpoint_url").build();
            sources.load_config(key.ok()?)
        };
        let url = found(ENDPOINT_VARIABLE).or_else(|| config.endpoint_url().map(str::to_owned))?;
        // The SDK would use an empty variable as an endpoint.
        let is_set = |url: &String| !url.trim().is_empty();
        Some(url).filter(is_set).or_else(|| variable(ENDPOINT_VARIABLE)).or_else(|| found(NO_VARIABLE)).filter(is_set)
    }

    /// The recorded endpoint, unless the options replace it: with another endpoint, or with another region, to which a recorded
    /// endpoint of AWS does not belong.
    async fn recorded(self, aws: &AwsConfig) -> Option<String> {
        let recorded = aws.recorded.as_ref().filter(|_| aws.endpoint_url.is_none())?;
        let url = self.url_in(recorded)?;
        let moved = aws.region.is_some() && aws.region != recorded.region;
        if moved && self.is_aws_own(url, recorded.region.as_ref()).await { None } else { Some(url.clone()) }
    }

    const fn url_in(self, recorded: &ResolvedAws) -> Option<&String> {
        match self {
            Self::CloudWatch => recorded.cloudwatch_url.as_ref(),
            Self::Logs => recorded.logs_url.as_ref(),
            Self::Sts => recorded.sts_url.as_ref(),
        }
    }

    async fn is_aws_own(self, url: &str, region: Option<&String>) -> bool {
        for fips in [false, true] {
            for dual_stack in [false, true] {
                let (fips, dual_stack, region) = (Some(fips), Some(dual_stack), region.cloned());
                let own = self.resolve(Parameters { region, fips, dual_stack, endpoint: None }).await;
                if own.as_deref() == Some(url) {
                    return true;
                }
            }
        }
        false
    }
}

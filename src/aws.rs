//! CloudWatch itself, behind the `CloudWatch` trait: the AWS SDK for Rust, one attempt per call.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudwatch::types as metrics;
use aws_sdk_cloudwatchlogs::operation::create_log_stream::CreateLogStreamError;
use aws_sdk_cloudwatchlogs::types as logs;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::sync::OnceCell;

use crate::config::{AwsConfig, LogClass};
use crate::datum::{Body, Datum, Unit};
use crate::ledger::Ledger;
use crate::log_event::LogEvent;
use crate::retry::{CallError, Cause, names_a_passing_error};
use crate::spool::Manifest;
use crate::transport::{CloudWatch, LeftOut};

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a call of datums may take from its first byte to the answer: it is small, and live metrics are to be
/// current again within ten seconds of an outage, whatever hung when it ended.
const METRICS_READ_TIMEOUT: Duration = Duration::from_secs(4);
/// The same for a call of log events, which may be a megabyte over a slow line.
const LOGS_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call may take, credentials included.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);
/// The region that a local CloudWatch is called in where none is configured.
const LOCAL_REGION: &str = "us-east-1";
/// How an assumed role's sessions are named, as CloudTrail shows it.
const SESSION_NAME: &str = "locust-cw";

struct Clients {
    /// The region, or the endpoint where one is given.
    place: String,
    metrics: aws_sdk_cloudwatch::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
}

/// The account that is published to. Nothing is looked up before the first call.
pub struct Aws {
    account: AwsConfig,
    log_class: LogClass,
    log_retention_days: Option<i32>,
    ledger: Arc<Ledger>,
    clients: OnceCell<Clients>,
}

impl Aws {
    /// The account that a spool's data goes to.
    #[must_use]
    pub fn new(manifest: &Manifest, ledger: &Arc<Ledger>) -> Self {
        Self {
            account: manifest.aws.clone(),
            log_class: manifest.log_class,
            log_retention_days: manifest.log_retention_days,
            ledger: Arc::clone(ledger),
            clients: OnceCell::new(),
        }
    }

    /// The clients, and the call with the place it goes to.
    async fn clients<'a>(&'a self, call: Call<'a>) -> Result<(&'a Clients, Call<'a>), CallError> {
        let clients = self.clients.get_or_try_init(|| async {
            let config = sdk_config(&self.account).await;
            let Some(region) = config.region() else {
                return Err(call.failed(Cause::NoRegion, String::new()));
            };
            // Another lane may have said so already.
            let _ = self.ledger.region.set(region.to_string());
            let bytes = CountBytes { ledger: Arc::clone(&self.ledger) };
            let metrics = aws_sdk_cloudwatch::config::Builder::from(&config)
                .timeout_config(timeouts(METRICS_READ_TIMEOUT))
                .interceptor(bytes.clone())
                .build();
            let logs = aws_sdk_cloudwatchlogs::config::Builder::from(&config).interceptor(bytes).build();
            Ok(Clients {
                place: config.endpoint_url().unwrap_or_else(|| region.as_ref()).to_owned(),
                metrics: aws_sdk_cloudwatch::Client::from_conf(metrics),
                logs: aws_sdk_cloudwatchlogs::Client::from_conf(logs),
            })
        });
        let clients = clients.await?;
        Ok((clients, call.at(clients)))
    }

    async fn create_group(&self, clients: &Clients, group: &str) -> Result<(), CallError> {
        let class = match self.log_class {
            LogClass::Standard => logs::LogGroupClass::Standard,
            LogClass::InfrequentAccess => logs::LogGroupClass::InfrequentAccess,
        };
        let call = Call::new("CreateLogGroup", "log group", group).at(clients);
        let created = clients.logs.create_log_group().log_group_name(group).log_group_class(class).send().await;
        if !call.unless_there(created)? {
            // Somebody else's group keeps its retention.
            return Ok(());
        }
        if let Some(days) = self.log_retention_days {
            let call = Call::new("PutRetentionPolicy", "log group", group).at(clients);
            let put = clients.logs.put_retention_policy().log_group_name(group).retention_in_days(days).send().await;
            put.map_err(|error| call.error(&error))?;
        }
        Ok(())
    }
}

impl CloudWatch for Aws {
    async fn put_metric_data(&self, namespace: &str, datums: Vec<Datum>) -> Result<(), CallError> {
        let call = Call::new("PutMetricData", "namespace", namespace);
        let (clients, call) = self.clients(call).await?;
        let datums = datums.into_iter().map(metric_datum).collect();
        let put = clients.metrics.put_metric_data().namespace(namespace);
        put.set_metric_data(Some(datums)).send().await.map_err(|error| call.error(&error))?;
        Ok(())
    }

    async fn put_log_events(&self, group: &str, stream: &str, events: Vec<LogEvent>) -> Result<LeftOut, CallError> {
        let (clients, call) = self.clients(Call::new("PutLogEvents", "log group", group)).await?;
        let number = i32::try_from(events.len()).unwrap_or(i32::MAX);
        let mut inputs = Vec::with_capacity(events.len());
        for event in events {
            let input = logs::InputLogEvent::builder().timestamp(event.timestamp).message(event.message).build();
            // Both parts are always there.
            inputs.extend(input);
        }
        let put = clients.logs.put_log_events().log_group_name(group).log_stream_name(stream);
        let output = put.set_log_events(Some(inputs)).send().await.map_err(|error| call.error(&error))?;
        Ok(output.rejected_log_events_info().map_or_else(LeftOut::default, |info| left_out(info, number)))
    }

    async fn create_log_stream(&self, group: &str, stream: &str) -> Result<(), CallError> {
        let (clients, call) = self.clients(Call::new("CreateLogStream", "log group", group)).await?;
        let create = || clients.logs.create_log_stream().log_group_name(group).log_stream_name(stream).send();
        match create().await {
            Err(error)
                if error.as_service_error().is_some_and(CreateLogStreamError::is_resource_not_found_exception) =>
            {
                self.create_group(clients, group).await?;
                call.unless_there(create().await).map(drop)
            }
            created => call.unless_there(created).map(drop),
        }
    }
}

/// The events that were left out, from CloudWatch's indices into the call.
fn left_out(info: &logs::RejectedLogEventsInfo, number: i32) -> LeftOut {
    let count = |number: i32| u64::try_from(number).unwrap_or_default();
    let expired = info.expired_log_event_end_index().map_or(0, count);
    LeftOut {
        expired,
        // What has expired is too old as well.
        too_old: info.too_old_log_event_end_index().map_or(0, count).saturating_sub(expired),
        too_new: info.too_new_log_event_start_index().map_or(0, |start| count(number - start)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^53 samples")]
fn metric_datum(datum: Datum) -> metrics::MetricDatum {
    let dimension =
        |d: &crate::dimension::Dimension| metrics::Dimension::builder().name(&*d.name).value(&*d.value).build();
    let builder = metrics::MetricDatum::builder()
        .metric_name(&*datum.key.metric)
        .set_dimensions(Some(datum.key.dimensions.iter().map(dimension).collect()))
        .timestamp(DateTime::from_secs(datum.key.timestamp))
        .unit(match datum.key.unit {
            Unit::Milliseconds => metrics::StandardUnit::Milliseconds,
            Unit::Seconds => metrics::StandardUnit::Seconds,
            Unit::Bytes => metrics::StandardUnit::Bytes,
            Unit::Count => metrics::StandardUnit::Count,
            Unit::Percent => metrics::StandardUnit::Percent,
            Unit::None => metrics::StandardUnit::None,
        })
        .storage_resolution(i32::try_from(datum.resolution).unwrap_or(60));
    match datum.body {
        Body::Total(total) => builder.value(total),
        Body::Points(points) => builder
            .set_values(Some(points.iter().map(|point| point.value).collect()))
            .set_counts(Some(points.iter().map(|point| point.count as f64).collect())),
    }
    .build()
}

fn timeouts(read: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(read)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

async fn sdk_config(aws: &AwsConfig) -> SdkConfig {
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
        let configured = provider.configure(&ProviderConfig::with_default_region().await).build();
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
    config
        .to_builder()
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(role))
        .build()
}

/// What a call is, for the messages about it.
#[derive(Clone, Copy)]
struct Call<'a> {
    operation: &'static str,
    kind: &'static str,
    resource: &'a str,
    /// Where it goes, once that is known.
    place: Option<&'a str>,
}

impl<'a> Call<'a> {
    const fn new(operation: &'static str, kind: &'static str, resource: &'a str) -> Self {
        Self { operation, kind, resource, place: None }
    }

    fn at(self, clients: &'a Clients) -> Self {
        Self { place: Some(&clients.place), ..self }
    }

    fn failed(self, cause: Cause, detail: String) -> CallError {
        let place = self.place.map_or_else(String::new, |place| format!(", {place}"));
        let resource = format!("{} {}{place}", self.kind, self.resource);
        CallError { operation: self.operation, resource, cause, detail }
    }

    fn error<E>(self, error: &SdkError<E, HttpResponse>) -> CallError
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        if let Some(found) = find::<CredentialsError>(error) {
            let cause = if issuer_is_away(found) { Cause::NotSent } else { Cause::NoCredentials };
            return self.failed(cause, chain(found));
        }
        let (cause, detail) = match error {
            SdkError::ServiceError(refused) => {
                let cause = Cause::Refused {
                    code: refused.err().code().unwrap_or_default().to_owned(),
                    status: refused.raw().status().as_u16(),
                };
                (cause, refused.err().message().map_or_else(|| "no further message".to_owned(), str::to_owned))
            }
            // An answer came, but not one that could be understood, such as a proxy's page.
            SdkError::ResponseError(answer) => {
                let status = answer.raw().status().as_u16();
                (Cause::Refused { code: String::new(), status: status.max(500) }, chain(error))
            }
            SdkError::DispatchFailure(_) if never_connected(error) => (Cause::NotSent, chain(error)),
            SdkError::ConstructionFailure(_) => (Cause::NotSent, chain(error)),
            _ => (Cause::NoAnswer, chain(error)),
        };
        self.failed(cause, detail)
    }

    /// Whether something was made; `false` where it was there already.
    fn unless_there<T, E>(self, created: Result<T, SdkError<E, HttpResponse>>) -> Result<bool, CallError>
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

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref::<T>())
}

/// The whole chain of causes on one line, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        if !text.is_empty() && !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

/// Whether the failure was in reaching AWS at all, so that the call cannot have been taken.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    use std::io::ErrorKind;
    let refused = |e: &std::io::Error| {
        matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable)
    };
    // The connector's own words for what comes before the first byte of a request.
    let in_words = |text: &str| {
        ["dns error", "tcp connect error", "HTTP connect timeout", "invalid peer certificate"]
            .iter()
            .any(|words| text.contains(words))
    };
    causes(error).any(|cause| cause.downcast_ref().is_some_and(refused) || in_words(&cause.to_string()))
}

/// Whether credentials could not be had for a reason that passes by itself: whoever issues them is away.
fn issuer_is_away(error: &CredentialsError) -> bool {
    match error {
        CredentialsError::ProviderTimedOut(_) => true,
        CredentialsError::ProviderError(_) => {
            find::<ConnectorError>(error).is_some() || names_a_passing_error(&chain(error))
        }
        _ => false,
    }
}

/// Counts the bytes of request bodies as they go out.
#[derive(Debug, Clone)]
struct CountBytes {
    ledger: Arc<Ledger>,
}

#[dyn_dispatch_hint]
impl Intercept for CountBytes {
    fn name(&self) -> &'static str {
        "CountBytes"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.ledger.bytes_sent.add(context.request().body().content_length().unwrap_or_default());
        Ok(())
    }
}

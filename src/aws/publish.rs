//! Publishing: implements the trait `CloudWatch` with the AWS SDK, with one attempt per call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use aws_sdk_cloudwatch::types as metrics;
use aws_sdk_cloudwatchlogs::operation::create_log_stream::CreateLogStreamError;
use aws_sdk_cloudwatchlogs::types as logs;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;

use super::error::Call;
use super::intercept::CountBytes;
use super::sdk_config::{METRICS_READ_TIMEOUT, timeouts};
use super::session::{CallContext, Connection, Lease, Session};
use crate::accounting::counters::Counters;
use crate::config::{LogClass, ResolvedAws};
use crate::delivery::client::{CloudWatch, RejectedLogEvents};
use crate::delivery::error::CallError;
use crate::delivery::retry::RetryAction;
use crate::logs::event::LogBatch;
use crate::metrics::datum::{Body, Datum};
use crate::spool::Manifest;

/// Most attempts to set the retention of a log group before events are sent without it.
const MAX_RETENTION_TRIES: u32 = 3;
const PUT_METRIC_DATA: &str = "PutMetricData";
/// The call that determines the account.
const IDENTITY: Call<'static> = Call::new("GetCallerIdentity", "identity", "of the credentials");

struct Clients {
    session: Arc<Session>,
    metrics: aws_sdk_cloudwatch::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
}

impl Clients {
    fn context(&self) -> &CallContext {
        &self.session.context
    }
}

/// The AWS account that receives the data. The first call resolves the configuration.
pub struct Aws {
    log_class: LogClass,
    log_retention_days: Option<i32>,
    /// Attempts that are left to set the retention of a log group that this process has created.
    retention_tries: AtomicU32,
    counters: Arc<Counters>,
    connection: Connection<Clients>,
}

impl Aws {
    /// The account that receives the data of a spool.
    #[must_use]
    pub fn new(manifest: &Manifest, counters: &Arc<Counters>) -> Self {
        Self {
            log_class: manifest.log_class,
            log_retention_days: manifest.log_retention_days,
            retention_tries: AtomicU32::new(0),
            counters: Arc::clone(counters),
            connection: Connection::new(manifest.aws.clone()),
        }
    }

    async fn clients(&self, call: Call<'_>) -> Result<Lease<Clients>, CallError> {
        let make = |session: Arc<Session>| {
            // Another lane may have set it.
            let _ = self.counters.region.set(session.region.clone());
            let bytes = CountBytes { counters: Arc::clone(&self.counters) };
            let metrics =
                session.cloudwatch().timeout_config(timeouts(METRICS_READ_TIMEOUT)).interceptor(bytes.clone());
            let logs = session.logs().interceptor(bytes);
            Clients {
                metrics: aws_sdk_cloudwatch::Client::from_conf(metrics.build()),
                logs: aws_sdk_cloudwatchlogs::Client::from_conf(logs.build()),
                session,
            }
        };
        self.connection.clients(call, make).await
    }

    async fn create_group(&self, clients: &Clients, group: &str) -> Result<(), CallError> {
        let class = match self.log_class {
            LogClass::Standard => logs::LogGroupClass::Standard,
            LogClass::InfrequentAccess => logs::LogGroupClass::InfrequentAccess,
        };
        let call = Call::new("CreateLogGroup", "log group", group).at(clients.context());
        let created = clients.logs.create_log_group().log_group_name(group).log_group_class(class).send().await;
        if call.unless_there(created)? {
            // An existing group keeps its retention.
            self.retention_tries.store(MAX_RETENTION_TRIES, Relaxed);
        }
        Ok(())
    }

    async fn try_put_metric_data(
        &self,
        clients: &Clients,
        namespace: &str,
        datums: Vec<Datum>,
    ) -> Result<(), CallError> {
        let call = Call::new(PUT_METRIC_DATA, "namespace", namespace).at(clients.context());
        let datums = datums.into_iter().map(metric_datum).collect();
        let put = clients.metrics.put_metric_data().namespace(namespace);
        put.set_metric_data(Some(datums)).send().await.map_err(|error| call.error(&error))?;
        Ok(())
    }

    async fn try_put_log_events(
        &self,
        clients: &Clients,
        group: &str,
        stream: &str,
        batch: LogBatch,
    ) -> Result<RejectedLogEvents, CallError> {
        let call = Call::new("PutLogEvents", "log group", group).at(clients.context());
        let number = i32::try_from(batch.events).unwrap_or(i32::MAX);
        let body = SdkBody::from(batch.into_request(group, stream));
        // The events are JSON already. The SDK would serialize structures again.
        let put =
            clients.logs.put_log_events().log_group_name(group).log_stream_name(stream).set_log_events(Some(vec![]));
        let put = put.customize().mutate_request(move |request| {
            if let (Some(body), Some(length)) = (body.try_clone(), body.content_length()) {
                *request.body_mut() = body;
                request.headers_mut().insert("content-length", length.to_string());
            }
        });
        let output = put.send().await.map_err(|error| call.error(&error))?;
        Ok(output
            .rejected_log_events_info()
            .map_or_else(RejectedLogEvents::default, |info| rejected_events(info, number)))
    }

    async fn try_create_log_stream(
        &self,
        clients: &Clients,
        group: &str,
        stream: &str,
    ) -> Result<Option<CallError>, CallError> {
        let call = Call::new("CreateLogStream", "log group", group).at(clients.context());
        let create = || clients.logs.create_log_stream().log_group_name(group).log_stream_name(stream).send();
        let mut created = create().await;
        if let Err(error) = &created
            && error.as_service_error().is_some_and(CreateLogStreamError::is_resource_not_found_exception)
        {
            self.create_group(clients, group).await?;
            created = create().await;
        }
        call.unless_there(created)?;
        self.put_retention(clients, group).await
    }

    /// Sets the retention of a group that this process has created. Returns the last error after a few attempts, so that events do
    /// not wait any longer.
    async fn put_retention(&self, clients: &Clients, group: &str) -> Result<Option<CallError>, CallError> {
        let tries = self.retention_tries.load(Relaxed);
        let Some(days) = self.log_retention_days.filter(|_| tries > 0) else { return Ok(None) };
        let call = Call::new("PutRetentionPolicy", "log group", group).at(clients.context());
        let put = clients.logs.put_retention_policy().log_group_name(group).retention_in_days(days).send().await;
        let error = put.err().map(|error| call.error(&error));
        let passes = error.as_ref().is_some_and(|error| error.action() != RetryAction::Block);
        self.retention_tries.store(if passes { tries - 1 } else { 0 }, Relaxed);
        match error {
            Some(error) if passes && tries > 1 => Err(error),
            given_up => Ok(given_up),
        }
    }
}

impl CloudWatch for Aws {
    async fn prepare(&self, operation: &str, resource: &str) -> Result<(), CallError> {
        let kind = if operation == PUT_METRIC_DATA { "namespace" } else { "log group" };
        self.clients(Call::new(operation, kind, resource)).await?;
        Ok(())
    }

    async fn put_metric_data(&self, namespace: &str, datums: Vec<Datum>) -> Result<(), CallError> {
        let clients = self.clients(Call::new(PUT_METRIC_DATA, "namespace", namespace)).await?;
        let put = self.try_put_metric_data(&clients, namespace, datums).await;
        put.inspect_err(|error| self.connection.note(&clients, error))
    }

    async fn put_log_events(&self, group: &str, stream: &str, batch: LogBatch) -> Result<RejectedLogEvents, CallError> {
        let clients = self.clients(Call::new("PutLogEvents", "log group", group)).await?;
        let put = self.try_put_log_events(&clients, group, stream, batch).await;
        put.inspect_err(|error| self.connection.note(&clients, error))
    }

    async fn create_log_stream(&self, group: &str, stream: &str) -> Result<Option<CallError>, CallError> {
        let clients = self.clients(Call::new("CreateLogStream", "log group", group)).await?;
        let created = self.try_create_log_stream(&clients, group, stream).await;
        created.inspect_err(|error| self.connection.note(&clients, error))
    }

    async fn resolve(&self) -> Result<Option<ResolvedAws>, CallError> {
        Ok(Some(self.connection.session(IDENTITY).await?.resolved()))
    }

    async fn resolve_account(&self) -> Result<Option<ResolvedAws>, CallError> {
        let clients = self.clients(IDENTITY).await?;
        clients.session.caller().await.inspect_err(|error| self.connection.note(&clients, error))?;
        Ok(Some(clients.session.resolved()))
    }
}

/// Counts the rejected events by CloudWatch's indices into the call.
fn rejected_events(info: &logs::RejectedLogEventsInfo, number: i32) -> RejectedLogEvents {
    let count = |number: i32| u64::try_from(number).unwrap_or_default();
    let expired = info.expired_log_event_end_index().map_or(0, count);
    RejectedLogEvents {
        expired,
        // Expired events are also too old.
        too_old: info.too_old_log_event_end_index().map_or(0, count).saturating_sub(expired),
        too_new: info.too_new_log_event_start_index().map_or(0, |start| count(number.saturating_sub(start))),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^53 samples")]
fn metric_datum(datum: Datum) -> metrics::MetricDatum {
    let dimension =
        |d: &crate::config::dimension::Dimension| metrics::Dimension::builder().name(&*d.name).value(&*d.value).build();
    let builder = metrics::MetricDatum::builder()
        .metric_name(&*datum.key.metric)
        .set_dimensions(Some(datum.key.dimensions.iter().map(dimension).collect()))
        .timestamp(DateTime::from_secs(datum.key.timestamp))
        .unit(metrics::StandardUnit::from(datum.key.unit.as_str()))
        .storage_resolution(i32::try_from(datum.resolution).unwrap_or(60));
    match datum.body {
        Body::Total(total) => builder.value(total),
        Body::Points(points) => builder
            .set_values(Some(points.iter().map(|point| point.value).collect()))
            .set_counts(Some(points.iter().map(|point| point.count as f64).collect())),
    }
    .build()
}

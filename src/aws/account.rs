//! Everything but publishing that is asked of the account: dashboards, alarms, metric data, log queries, identity.
//!
//! Inputs and outputs are JSON in AWS's own names, as the AWS command line takes and gives them; times are numbers since
//! the epoch, in each API's unit. Each operation is one attempt with a time-out, but for pages, which are put together.

use std::error::Error;
use std::sync::Arc;

use aws_sdk_cloudwatch::types::{
    AlarmType, DashboardValidationMessage, Dimension, Metric, MetricDataQuery, MetricDatum, MetricStat, ScanBy,
    StandardUnit, StateValue, StatusCode,
};
use aws_sdk_cloudwatchlogs::types::{FilteredLogEvent, InputLogEvent, QueryDefinition, QueryStatus, ResultField};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::Call;
use super::session::{Connection, Session};
use crate::config::AwsConfig;
use crate::delivery::error::CallError;

/// Why an operation has no output.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The caller's mistake.
    #[error("{operation}: {reason}")]
    Input {
        /// Such as `PutDashboard`.
        operation: String,
        /// What is wrong with its input.
        reason: String,
    },
    /// AWS's, the network's or the credentials' refusal.
    #[error(transparent)]
    Call(#[from] CallError),
}

struct Clients {
    session: Arc<Session>,
    metrics: aws_sdk_cloudwatch::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
}

/// The account that options name. Nothing is looked up before the first call.
pub struct Account {
    connection: Connection<Clients>,
}

/// One operation under way: its name and its clients.
struct Operation<'a> {
    name: &'a str,
    clients: &'a Clients,
}

impl Account {
    /// The account of these options.
    #[must_use]
    pub fn new(config: AwsConfig) -> Self {
        Self { connection: Connection::new(config) }
    }

    async fn clients(&self, operation: &str) -> Result<Arc<Clients>, AccountError> {
        let make = |session: Arc<Session>| Clients {
            metrics: aws_sdk_cloudwatch::Client::from_conf(session.cloudwatch().build()),
            logs: aws_sdk_cloudwatchlogs::Client::from_conf(session.logs().build()),
            session,
        };
        Ok(self.connection.clients(Call::new(operation, "account", "of the credentials"), make).await?)
    }

    /// The region, profile and endpoints of calls, as the SDK resolves them from the options, the environment, the AWS
    /// configuration files and, for the region, the instance.
    ///
    /// # Errors
    /// Where no region is configured.
    pub async fn destination(&self) -> Result<Value, AccountError> {
        let call = Call::new("GetRegion", "account", "of the credentials");
        let session = self.connection.unchecked_session(call).await?;
        let mut destination = serde_json::to_value(session.resolved()).unwrap_or_default();
        let [cloudwatch, logs] = session.are_custom();
        destination["is_custom_cloudwatch_url"] = cloudwatch.into();
        destination["is_custom_logs_url"] = logs.into();
        Ok(destination)
    }

    /// Calls an operation.
    ///
    /// # Errors
    /// Where the input is not what the operation takes, or the call fails.
    pub async fn call(&self, operation: &str, input: &Value) -> Result<Value, AccountError> {
        let output = self.try_call(operation, input).await;
        if let Err(AccountError::Call(error)) = &output {
            self.connection.note(error);
        }
        output
    }

    async fn try_call(&self, operation: &str, input: &Value) -> Result<Value, AccountError> {
        let clients = self.clients(operation).await?;
        let this = Operation { name: operation, clients: &clients };
        match operation {
            "GetCallerIdentity" => this.get_caller_identity().await,
            "PutDashboard" => this.put_dashboard(this.parse(input)?).await,
            "GetDashboard" => this.get_dashboard(this.parse(input)?).await,
            "DeleteDashboards" => this.delete_dashboards(this.parse(input)?).await,
            "GetMetricData" => this.get_metric_data(this.parse(input)?).await,
            "PutMetricData" => this.put_metric_data(this.parse(input)?).await,
            "DescribeAlarms" => this.describe_alarms(this.parse(input)?).await,
            "CreateLogGroup" => this.create_log_group(this.parse(input)?).await,
            "CreateLogStream" => this.create_log_stream(this.parse(input)?).await,
            "PutLogEvents" => this.put_log_events(this.parse(input)?).await,
            "FilterLogEvents" => this.filter_log_events(this.parse(input)?).await,
            "StartQuery" => this.start_query(this.parse(input)?).await,
            "GetQueryResults" => this.get_query_results(this.parse(input)?).await,
            "DescribeQueryDefinitions" => this.describe_query_definitions(this.parse(input)?).await,
            "PutQueryDefinition" => this.put_query_definition(this.parse(input)?).await,
            _ => Err(this.wrong("there is no such operation".to_owned())),
        }
    }
}

impl Operation<'_> {
    fn parse<T: DeserializeOwned>(&self, input: &Value) -> Result<T, AccountError> {
        T::deserialize(input).map_err(|error| self.wrong(error.to_string()))
    }

    fn wrong(&self, reason: String) -> AccountError {
        AccountError::Input { operation: self.name.to_owned(), reason }
    }

    fn built<T, E: Error>(&self, built: Result<T, E>) -> Result<T, AccountError> {
        built.map_err(|error| self.wrong(error.to_string()))
    }

    /// What came of a call that is about something: of which kind, and its name.
    fn answer<T, E>(
        &self,
        kind: &'static str,
        about: &str,
        answer: Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, AccountError>
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let call = Call::new(self.name, kind, about).at(&self.clients.session.context);
        Ok(answer.map_err(|error| call.error(&error))?)
    }

    async fn get_caller_identity(&self) -> Result<Value, AccountError> {
        let caller = self.clients.session.caller().await?;
        Ok(json!({"Account": caller.account, "Arn": caller.arn, "UserId": caller.user_id}))
    }

    async fn put_dashboard(&self, input: PutDashboard) -> Result<Value, AccountError> {
        let PutDashboard { dashboard_name: name, dashboard_body: body } = input;
        let call = self.clients.metrics.put_dashboard().dashboard_name(&name).dashboard_body(body);
        let answer = self.answer("dashboard", &name, call.send().await)?;
        let message = |m: &DashboardValidationMessage| json!({"DataPath": m.data_path(), "Message": m.message()});
        let messages: Vec<_> = answer.dashboard_validation_messages().iter().map(message).collect();
        Ok(json!({"DashboardValidationMessages": messages}))
    }

    async fn get_dashboard(&self, input: GetDashboard) -> Result<Value, AccountError> {
        let name = input.dashboard_name;
        let answer =
            self.answer("dashboard", &name, self.clients.metrics.get_dashboard().dashboard_name(&name).send().await)?;
        Ok(json!({"DashboardName": name, "DashboardBody": answer.dashboard_body()}))
    }

    async fn delete_dashboards(&self, input: DeleteDashboards) -> Result<Value, AccountError> {
        let names = input.dashboard_names;
        let call = self.clients.metrics.delete_dashboards().set_dashboard_names(Some(names.clone()));
        self.answer("dashboard", &names.join(", "), call.send().await)?;
        Ok(json!({}))
    }

    async fn get_metric_data(&self, input: GetMetricData) -> Result<Value, AccountError> {
        let about = format!("{} queries", input.metric_data_queries.len());
        let queries = input.metric_data_queries.into_iter().map(Query::into_sdk).collect();
        let call = self
            .clients
            .metrics
            .get_metric_data()
            .set_metric_data_queries(Some(queries))
            .start_time(DateTime::from_secs_f64(input.start_time))
            .end_time(DateTime::from_secs_f64(input.end_time))
            .scan_by(ScanBy::TimestampAscending);
        let mut pages = call.into_paginator().send();
        let (mut results, mut messages) = (Vec::<Value>::new(), Vec::new());
        while let Some(page) = pages.next().await {
            let page = self.answer("metrics", &about, page)?;
            for result in page.metric_data_results() {
                let timestamps: Vec<_> =
                    result.timestamps().iter().map(DateTime::as_secs_f64).map(Value::from).collect();
                let values: Vec<_> = result.values().iter().copied().map(Value::from).collect();
                let same =
                    |known: &Value| known["Id"].as_str() == result.id() && known["Label"].as_str() == result.label();
                let index = results.iter().position(same).unwrap_or_else(|| {
                    let (id, label) = (result.id(), result.label());
                    results.push(json!({"Id": id, "Label": label, "Timestamps": [], "Values": []}));
                    results.len() - 1
                });
                let whole = &mut results[index];
                whole["StatusCode"] = json!(result.status_code().map(StatusCode::as_str));
                for (key, page) in [("Timestamps", timestamps), ("Values", values)] {
                    if let Some(pages) = whole[key].as_array_mut() {
                        pages.extend(page);
                    }
                }
            }
            messages.extend(page.messages().iter().map(|m| json!({"Code": m.code(), "Value": m.value()})));
        }
        Ok(json!({"MetricDataResults": results, "Messages": messages}))
    }

    async fn put_metric_data(&self, input: PutMetricData) -> Result<Value, AccountError> {
        let datum = |datum: PutDatum| {
            MetricDatum::builder()
                .metric_name(datum.metric_name)
                .set_dimensions(Some(datum.dimensions.iter().map(dimension).collect()))
                .set_timestamp(datum.timestamp.map(DateTime::from_secs_f64))
                .value(datum.value)
                .set_unit(datum.unit.as_deref().map(StandardUnit::from))
                .build()
        };
        let datums = input.metric_data.into_iter().map(datum).collect();
        let call = self.clients.metrics.put_metric_data().namespace(&input.namespace).set_metric_data(Some(datums));
        self.answer("namespace", &input.namespace, call.send().await)?;
        Ok(json!({}))
    }

    async fn describe_alarms(&self, input: DescribeAlarms) -> Result<Value, AccountError> {
        let about = input.alarm_names.join(", ");
        let call = self
            .clients
            .metrics
            .describe_alarms()
            .set_alarm_names(Some(input.alarm_names))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm);
        let mut pages = call.into_paginator().send();
        let (mut metric, mut composite) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().await {
            let page = self.answer("alarms", &about, page)?;
            let alarm = |name, arn, state: Option<&StateValue>, reason| json!({"AlarmName": name, "AlarmArn": arn, "StateValue": state.map(StateValue::as_str), "StateReason": reason});
            metric.extend(
                page.metric_alarms()
                    .iter()
                    .map(|a| alarm(a.alarm_name(), a.alarm_arn(), a.state_value(), a.state_reason())),
            );
            composite.extend(
                page.composite_alarms()
                    .iter()
                    .map(|a| alarm(a.alarm_name(), a.alarm_arn(), a.state_value(), a.state_reason())),
            );
        }
        Ok(json!({"MetricAlarms": metric, "CompositeAlarms": composite}))
    }

    async fn create_log_group(&self, input: LogGroup) -> Result<Value, AccountError> {
        let group = input.log_group_name;
        self.answer("log group", &group, self.clients.logs.create_log_group().log_group_name(&group).send().await)?;
        Ok(json!({}))
    }

    async fn create_log_stream(&self, input: LogStream) -> Result<Value, AccountError> {
        let LogStream { log_group_name: group, log_stream_name: stream } = input;
        let call = self.clients.logs.create_log_stream().log_group_name(&group).log_stream_name(stream);
        self.answer("log group", &group, call.send().await)?;
        Ok(json!({}))
    }

    async fn put_log_events(&self, input: PutLogEvents) -> Result<Value, AccountError> {
        let PutLogEvents { log_group_name: group, log_stream_name: stream, log_events } = input;
        let event = |event: PutEvent| {
            self.built(InputLogEvent::builder().timestamp(event.timestamp).message(event.message).build())
        };
        let events = log_events.into_iter().map(event).collect::<Result<Vec<_>, _>>()?;
        let call = self.clients.logs.put_log_events().log_group_name(&group).log_stream_name(stream);
        self.answer("log group", &group, call.set_log_events(Some(events)).send().await)?;
        Ok(json!({}))
    }

    async fn filter_log_events(&self, input: FilterLogEvents) -> Result<Value, AccountError> {
        let group = input.log_group_name;
        let call = self
            .clients
            .logs
            .filter_log_events()
            .log_group_name(&group)
            .set_log_stream_name_prefix(input.log_stream_name_prefix)
            .set_filter_pattern(input.filter_pattern)
            .set_start_time(input.start_time)
            .set_end_time(input.end_time);
        let mut pages = call.into_paginator().send();
        let mut events = Vec::new();
        while let Some(page) = pages.next().await {
            let event = |event: &FilteredLogEvent| {
                json!({
                    "logStreamName": event.log_stream_name(),
                    "timestamp": event.timestamp(),
                    "message": event.message(),
                })
            };
            events.extend(self.answer("log group", &group, page)?.events().iter().map(event));
        }
        Ok(json!({"events": events}))
    }

    async fn start_query(&self, input: StartQuery) -> Result<Value, AccountError> {
        let group = input.log_group_name;
        let call = self
            .clients
            .logs
            .start_query()
            .log_group_name(&group)
            .query_string(input.query_string)
            .start_time(input.start_time)
            .end_time(input.end_time)
            .set_limit(input.limit);
        let answer = self.answer("log group", &group, call.send().await)?;
        Ok(json!({"queryId": answer.query_id()}))
    }

    async fn get_query_results(&self, input: GetQueryResults) -> Result<Value, AccountError> {
        let id = input.query_id;
        let answer = self.answer("query", &id, self.clients.logs.get_query_results().query_id(&id).send().await)?;
        let row = |fields: &Vec<ResultField>| {
            let fields = fields.iter().map(|field| json!({"field": field.field(), "value": field.value()}));
            Value::from(fields.collect::<Vec<_>>())
        };
        let rows: Vec<_> = answer.results().iter().map(row).collect();
        Ok(json!({"status": answer.status().map(QueryStatus::as_str), "results": rows}))
    }

    async fn describe_query_definitions(&self, input: DescribeQueryDefinitions) -> Result<Value, AccountError> {
        let prefix = input.query_definition_name_prefix;
        let call = self.clients.logs.describe_query_definitions().query_definition_name_prefix(&prefix);
        let answer = self.answer("queries", &prefix, call.send().await)?;
        let definition = |d: &QueryDefinition| json!({"queryDefinitionId": d.query_definition_id(), "name": d.name(), "queryString": d.query_string()});
        Ok(json!({"queryDefinitions": answer.query_definitions().iter().map(definition).collect::<Vec<_>>()}))
    }

    async fn put_query_definition(&self, input: PutQueryDefinition) -> Result<Value, AccountError> {
        let name = input.name;
        let call = self
            .clients
            .logs
            .put_query_definition()
            .name(&name)
            .query_string(input.query_string)
            .set_query_definition_id(input.query_definition_id)
            .set_log_group_names(Some(input.log_group_names));
        let answer = self.answer("query", &name, call.send().await)?;
        Ok(json!({"queryDefinitionId": answer.query_definition_id()}))
    }
}

/// A dimension, or a filter that leaves its value open.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Pair {
    name: String,
    value: Option<String>,
}

fn dimension(pair: &Pair) -> Dimension {
    Dimension::builder().name(&pair.name).value(pair.value.clone().unwrap_or_default()).build()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutDashboard {
    dashboard_name: String,
    dashboard_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetDashboard {
    dashboard_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteDashboards {
    dashboard_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetMetricData {
    metric_data_queries: Vec<Query>,
    start_time: f64,
    end_time: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Query {
    id: String,
    metric_stat: Option<QueryStat>,
    expression: Option<String>,
    label: Option<String>,
    return_data: Option<bool>,
    period: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct QueryStat {
    metric: QueryMetric,
    period: i32,
    stat: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct QueryMetric {
    namespace: String,
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Pair>,
}

impl Query {
    fn into_sdk(self) -> MetricDataQuery {
        let stat = self.metric_stat.map(|stat| {
            let metric = Metric::builder()
                .namespace(stat.metric.namespace)
                .metric_name(stat.metric.metric_name)
                .set_dimensions(Some(stat.metric.dimensions.iter().map(dimension).collect()))
                .build();
            MetricStat::builder().metric(metric).period(stat.period).stat(stat.stat).build()
        });
        MetricDataQuery::builder()
            .id(self.id)
            .set_metric_stat(stat)
            .set_expression(self.expression)
            .set_label(self.label)
            .set_return_data(self.return_data)
            .set_period(self.period)
            .build()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutMetricData {
    namespace: String,
    metric_data: Vec<PutDatum>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutDatum {
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Pair>,
    timestamp: Option<f64>,
    value: f64,
    unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeAlarms {
    alarm_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LogGroup {
    log_group_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LogStream {
    log_group_name: String,
    log_stream_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "they are AWS's own")]
struct PutLogEvents {
    log_group_name: String,
    log_stream_name: String,
    log_events: Vec<PutEvent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PutEvent {
    timestamp: i64,
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FilterLogEvents {
    log_group_name: String,
    log_stream_name_prefix: Option<String>,
    filter_pattern: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StartQuery {
    log_group_name: String,
    query_string: String,
    start_time: i64,
    end_time: i64,
    limit: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GetQueryResults {
    query_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DescribeQueryDefinitions {
    query_definition_name_prefix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PutQueryDefinition {
    name: String,
    query_string: String,
    query_definition_id: Option<String>,
    log_group_names: Vec<String>,
}

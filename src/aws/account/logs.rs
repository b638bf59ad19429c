//! Operations of CloudWatch Logs: log groups, log events and queries.

use aws_sdk_cloudwatchlogs::types::{
    FilteredLogEvent, InputLogEvent, LogStream as SdkLogStream, OutputLogEvent, QueryDefinition, QueryStatus,
    ResultField,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AccountError, Operation};

impl Operation<'_> {
    pub(super) async fn create_log_group(&self, input: LogGroup) -> Result<Value, AccountError> {
        let group = input.log_group_name;
        self.answer("log group", &group, self.clients.logs.create_log_group().log_group_name(&group).send().await)?;
        Ok(json!({}))
    }

    pub(super) async fn create_log_stream(&self, input: LogStream) -> Result<Value, AccountError> {
        let LogStream { log_group_name: group, log_stream_name: stream } = input;
        let call = self.clients.logs.create_log_stream().log_group_name(&group).log_stream_name(stream);
        self.answer("log group", &group, call.send().await)?;
        Ok(json!({}))
    }

    pub(super) async fn put_log_events(&self, input: PutLogEvents) -> Result<Value, AccountError> {
        let PutLogEvents { log_group_name: group, log_stream_name: stream, log_events } = input;
        let event = |event: PutEvent| {
            self.built(InputLogEvent::builder().timestamp(event.timestamp).message(event.message).build())
        };
        let events = log_events.into_iter().map(event).collect::<Result<Vec<_>, _>>()?;
        let call = self.clients.logs.put_log_events().log_group_name(&group).log_stream_name(stream);
        self.answer("log group", &group, call.set_log_events(Some(events)).send().await)?;
        Ok(json!({}))
    }

    pub(super) async fn filter_log_events(&self, input: FilterLogEvents) -> Result<Value, AccountError> {
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

    /// One page: the caller decides how far back it reads.
    pub(super) async fn get_log_events(&self, input: GetLogEvents) -> Result<Value, AccountError> {
        let group = input.log_group_name;
        let call = self
            .clients
            .logs
            .get_log_events()
            .log_group_name(&group)
            .log_stream_name(input.log_stream_name)
            .set_limit(input.limit)
            .set_next_token(input.next_token)
            .set_start_from_head(input.start_from_head);
        let answer = self.answer("log group", &group, call.send().await)?;
        let event = |event: &OutputLogEvent| json!({"timestamp": event.timestamp(), "message": event.message()});
        let events: Vec<_> = answer.events().iter().map(event).collect();
        Ok(json!({"events": events, "nextBackwardToken": answer.next_backward_token()}))
    }

    pub(super) async fn describe_log_streams(&self, input: DescribeLogStreams) -> Result<Value, AccountError> {
        let group = input.log_group_name;
        let call = self
            .clients
            .logs
            .describe_log_streams()
            .log_group_name(&group)
            .set_log_stream_name_prefix(input.log_stream_name_prefix);
        let mut pages = call.into_paginator().send();
        let mut streams = Vec::new();
        while let Some(page) = pages.next().await {
            let stream = |stream: &SdkLogStream| {
                json!({
                    "logStreamName": stream.log_stream_name(),
                    "creationTime": stream.creation_time(),
                    "lastEventTimestamp": stream.last_event_timestamp(),
                    "lastIngestionTime": stream.last_ingestion_time(),
                })
            };
            streams.extend(self.answer("log group", &group, page)?.log_streams().iter().map(stream));
        }
        Ok(json!({"logStreams": streams}))
    }

    pub(super) async fn start_query(&self, input: StartQuery) -> Result<Value, AccountError> {
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

    pub(super) async fn get_query_results(&self, input: GetQueryResults) -> Result<Value, AccountError> {
        let id = input.query_id;
        let answer = self.answer("query", &id, self.clients.logs.get_query_results().query_id(&id).send().await)?;
        let row = |fields: &Vec<ResultField>| {
            let fields = fields.iter().map(|field| json!({"field": field.field(), "value": field.value()}));
            Value::from(fields.collect::<Vec<_>>())
        };
        let rows: Vec<_> = answer.results().iter().map(row).collect();
        Ok(json!({"status": answer.status().map(QueryStatus::as_str), "results": rows}))
    }

    pub(super) async fn describe_query_definitions(
        &self,
        input: DescribeQueryDefinitions,
    ) -> Result<Value, AccountError> {
        let prefix = input.query_definition_name_prefix;
        let call = self.clients.logs.describe_query_definitions().query_definition_name_prefix(&prefix);
        let answer = self.answer("queries", &prefix, call.send().await)?;
        let definition = |d: &QueryDefinition| json!({"queryDefinitionId": d.query_definition_id(), "name": d.name(), "queryString": d.query_string()});
        Ok(json!({"queryDefinitions": answer.query_definitions().iter().map(definition).collect::<Vec<_>>()}))
    }

    pub(super) async fn put_query_definition(&self, input: PutQueryDefinition) -> Result<Value, AccountError> {
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogGroup {
    log_group_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogStream {
    log_group_name: String,
    log_stream_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "they are AWS's own")]
pub(super) struct PutLogEvents {
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
pub(super) struct FilterLogEvents {
    log_group_name: String,
    log_stream_name_prefix: Option<String>,
    filter_pattern: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GetLogEvents {
    log_group_name: String,
    log_stream_name: String,
    limit: Option<i32>,
    next_token: Option<String>,
    start_from_head: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DescribeLogStreams {
    log_group_name: String,
    log_stream_name_prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StartQuery {
    log_group_name: String,
    query_string: String,
    start_time: i64,
    end_time: i64,
    limit: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GetQueryResults {
    query_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DescribeQueryDefinitions {
    query_definition_name_prefix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PutQueryDefinition {
    name: String,
    query_string: String,
    query_definition_id: Option<String>,
    log_group_names: Vec<String>,
}

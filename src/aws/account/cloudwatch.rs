//! Operations of CloudWatch: dashboards, metric data and alarms.

use aws_sdk_cloudwatch::types::{
    AlarmType, DashboardValidationMessage, Dimension, Metric, MetricDataQuery, MetricDatum, MetricStat, ScanBy,
    StandardUnit, StateValue, StatusCode,
};
use aws_smithy_types::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AccountError, Operation};

impl Operation<'_> {
    pub(super) async fn put_dashboard(&self, input: PutDashboard) -> Result<Value, AccountError> {
        let PutDashboard { dashboard_name: name, dashboard_body: body } = input;
        let call = self.clients.metrics.put_dashboard().dashboard_name(&name).dashboard_body(body);
        let answer = self.answer("dashboard", &name, call.send().await)?;
        let message = |m: &DashboardValidationMessage| json!({"DataPath": m.data_path(), "Message": m.message()});
        let messages: Vec<_> = answer.dashboard_validation_messages().iter().map(message).collect();
        Ok(json!({"DashboardValidationMessages": messages}))
    }

    pub(super) async fn get_dashboard(&self, input: GetDashboard) -> Result<Value, AccountError> {
        let name = input.dashboard_name;
        let answer =
            self.answer("dashboard", &name, self.clients.metrics.get_dashboard().dashboard_name(&name).send().await)?;
        Ok(json!({"DashboardName": name, "DashboardBody": answer.dashboard_body()}))
    }

    pub(super) async fn delete_dashboards(&self, input: DeleteDashboards) -> Result<Value, AccountError> {
        let names = input.dashboard_names;
        let call = self.clients.metrics.delete_dashboards().set_dashboard_names(Some(names.clone()));
        self.answer("dashboard", &names.join(", "), call.send().await)?;
        Ok(json!({}))
    }

    pub(super) async fn get_metric_data(&self, input: GetMetricData) -> Result<Value, AccountError> {
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

    pub(super) async fn put_metric_data(&self, input: PutMetricData) -> Result<Value, AccountError> {
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

    pub(super) async fn describe_alarms(&self, input: DescribeAlarms) -> Result<Value, AccountError> {
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
}

/// A dimension, or a filter for any value of a dimension.
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
pub(super) struct PutDashboard {
    dashboard_name: String,
    dashboard_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GetDashboard {
    dashboard_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DeleteDashboards {
    dashboard_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GetMetricData {
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
pub(super) struct PutMetricData {
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
pub(super) struct DescribeAlarms {
    alarm_names: Vec<String>,
}

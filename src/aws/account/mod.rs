//! AWS operations other than publishing: dashboards, alarms, metric data, log queries and the identity of the caller.
//!
//! Inputs and outputs are JSON with AWS's names, as in the AWS CLI. Times are numbers since the epoch, in the unit of each
//! API. An operation is one attempt with a timeout. Pages are combined into one output.

mod cloudwatch;
mod logs;

use std::error::Error;
use std::sync::Arc;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::aws::error::Call;
use crate::aws::session::{Connection, Lease, Session};
use crate::config::AwsConfig;
use crate::delivery::error::CallError;

/// The reason for which an operation has no output.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The input is invalid.
    #[error("{operation}: {reason}")]
    Input {
        /// The operation, such as `PutDashboard`.
        operation: String,
        /// Why its input is invalid.
        reason: String,
    },
    /// AWS refused the call, the network failed, or the credentials cannot be used.
    #[error(transparent)]
    Call(#[from] CallError),
}

struct Clients {
    session: Arc<Session>,
    metrics: aws_sdk_cloudwatch::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
}

/// The AWS account that options select. The first call resolves the configuration.
pub struct Account {
    connection: Connection<Clients>,
}

/// An operation in progress, with its clients.
struct Operation<'a> {
    name: &'a str,
    clients: &'a Clients,
}

impl Account {
    /// The account that options select.
    #[must_use]
    pub fn new(config: AwsConfig) -> Self {
        Self { connection: Connection::new(config) }
    }

    async fn clients(&self, operation: &str) -> Result<Lease<Clients>, AccountError> {
        let make = |session: Arc<Session>| Clients {
            metrics: aws_sdk_cloudwatch::Client::from_conf(session.cloudwatch().build()),
            logs: aws_sdk_cloudwatchlogs::Client::from_conf(session.logs().build()),
            session,
        };
        Ok(self.connection.clients(Call::new(operation, "account", "of the credentials"), make).await?)
    }

    /// What delays the credentials at present, such as a program; `None` if they are not being loaded.
    #[must_use]
    pub fn waits_for_credentials(&self) -> Option<String> {
        self.connection.waits_for_credentials()
    }

    /// The region, profile and endpoints of calls, as the SDK resolves them from the options, the environment, the AWS
    /// configuration files and, for the region, the instance.
    ///
    /// # Errors
    /// If no region is configured.
    pub async fn destination(&self) -> Result<Value, AccountError> {
        let call = Call::new("GetRegion", "account", "of the credentials");
        let session = self.connection.unchecked_session(call).await?;
        let mut destination = serde_json::to_value(session.resolved()).unwrap_or_default();
        let [cloudwatch, logs] = session.are_custom();
        destination["is_custom_cloudwatch_url"] = cloudwatch.into();
        destination["is_custom_logs_url"] = logs.into();
        destination["ca_bundle"] = serde_json::to_value(session.ca_bundle()).unwrap_or_default();
        Ok(destination)
    }

    /// Calls an operation.
    ///
    /// # Errors
    /// If the input is invalid, or the call fails.
    pub async fn call(&self, operation: &str, input: &Value) -> Result<Value, AccountError> {
        let clients = self.clients(operation).await?;
        let output = Self::try_call(&clients, operation, input).await;
        if let Err(AccountError::Call(error)) = &output {
            self.connection.note(&clients, error);
        }
        output
    }

    async fn try_call(clients: &Clients, operation: &str, input: &Value) -> Result<Value, AccountError> {
        let this = Operation { name: operation, clients };
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
            "GetLogEvents" => this.get_log_events(this.parse(input)?).await,
            "DescribeLogStreams" => this.describe_log_streams(this.parse(input)?).await,
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

    /// The output of a call. `kind` and `about` are the kind and the name of its resource, for messages.
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
}

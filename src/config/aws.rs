//! The AWS account, region and endpoints of a run: as set by options, and as resolved.

use serde::{Deserialize, Serialize};

use super::options::{InvalidOption, Problem};

/// The AWS account and region as set by options. The SDK's default chain resolves fields that are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the command-line option of its name")]
pub struct AwsConfig {
    pub region: Option<String>,
    pub profile: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    pub endpoint_url: Option<String>,
    pub local: bool,
    /// The destination of an earlier process of the same run, which a later process continues.
    #[serde(skip)]
    pub recorded: Option<ResolvedAws>,
    /// The account that the credentials must belong to.
    #[serde(skip)]
    pub required_account: RequiredAccount,
}

/// The account that the credentials must belong to, and the origin of this requirement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RequiredAccount {
    /// Any account.
    #[default]
    Any,
    /// The account that the run published to.
    Recorded(String),
    /// The account that the user specified.
    Given(String),
}

impl RequiredAccount {
    /// The account ID.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::Recorded(id) | Self::Given(id) => Some(id),
        }
    }
}

impl AwsConfig {
    /// These options, completed from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            region: self.region.or(other.region),
            profile: self.profile.or(other.profile),
            role_arn: self.role_arn.or(other.role_arn),
            external_id: self.external_id.or(other.external_id),
            endpoint_url: self.endpoint_url.or(other.endpoint_url),
            local: self.local || other.local,
            recorded: self.recorded.or(other.recorded),
            required_account: self.required_account,
        }
    }

    /// The options of a process that continues a run. Options that are not set have the values that the run resolved. The
    /// credentials must belong to the account of the run, or to `account`, which is 12 digits or `any`.
    ///
    /// # Errors
    /// If `account` is invalid.
    pub fn continuing(self, recorded: Option<ResolvedAws>, account: Option<String>) -> Result<Self, InvalidOption> {
        let recorded = recorded.unwrap_or_default();
        let required_account = match account {
            // A local CloudWatch accepts any account.
            None if self.local => RequiredAccount::Any,
            None => recorded.account_id.clone().map_or(RequiredAccount::Any, RequiredAccount::Recorded),
            Some(any) if any == ANY_ACCOUNT => RequiredAccount::Any,
            Some(id) if id.len() == ACCOUNT_DIGITS && id.bytes().all(|digit| digit.is_ascii_digit()) => {
                RequiredAccount::Given(id)
            }
            Some(other) => {
                let problem = format!("must be an account's 12 digits or '{ANY_ACCOUNT}', not {other:?}");
                return Err(InvalidOption { option: "account".to_owned(), problem: Problem::Other(problem) });
            }
        };
        Ok(Self { recorded: Some(recorded), required_account, ..self })
    }
}

/// The destination of the data of a run, resolved from options, environment variables and AWS configuration files. It is stored
/// with the run, so that a later process does not depend on an environment that may have changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResolvedAws {
    /// The account ID; `None` until STS has responded.
    pub account_id: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The profile of the credentials, if one was specified.
    pub profile: Option<String>,
    /// The endpoint of CloudWatch, which need not be one of AWS.
    pub cloudwatch_url: Option<String>,
    /// The endpoint of CloudWatch Logs.
    pub logs_url: Option<String>,
    /// The endpoint of STS.
    pub sts_url: Option<String>,
}

/// The value of the option `account` that accepts any account.
const ANY_ACCOUNT: &str = "any";
/// Number of digits of an account ID.
const ACCOUNT_DIGITS: usize = 12;

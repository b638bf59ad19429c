//! The AWS account, region and endpoints of a run: as options name them, and as they were resolved.

use serde::{Deserialize, Serialize};

use super::options::{InvalidOption, Problem};

/// The AWS account and region as options name them. What is `None` is left to AWS's default chain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the command-line option of its name")]
pub struct AwsConfig {
    pub region: Option<String>,
    pub profile: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    pub endpoint_url: Option<String>,
    pub local: bool,
    /// The destination of an earlier process of the same run, which a later process continues. Its account is required.
    #[serde(skip)]
    pub recorded: Option<ResolvedAws>,
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
        }
    }
}

/// The destination of a run's data, as options, environment and AWS configuration files together decide. It is stored with
/// the run, so that a later process does not depend on an environment that may have changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResolvedAws {
    /// The account ID; `None` until STS has answered.
    pub account_id: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The profile that the credentials come from, if one was named.
    pub profile: Option<String>,
    /// The endpoint of CloudWatch, AWS's own or another.
    pub cloudwatch_url: Option<String>,
    /// The endpoint of CloudWatch Logs.
    pub logs_url: Option<String>,
    /// The endpoint of STS.
    pub sts_url: Option<String>,
}

/// Accepts any account.
const ANY_ACCOUNT: &str = "any";
/// Length of an account ID.
const ACCOUNT_DIGITS: usize = 12;

impl ResolvedAws {
    /// The destination that a later process of a run uses. `given` are that process's own options; `account` is the account
    /// that its credentials must belong to: by default the recorded one, else another ID, or `any`.
    ///
    /// # Errors
    /// Where `account` is neither.
    pub fn required(recorded: Option<Self>, given: &AwsConfig, account: Option<String>) -> Result<Self, InvalidOption> {
        let mut required = recorded.unwrap_or_default();
        // An endpoint that is given leads elsewhere on purpose.
        let is_elsewhere = given.endpoint_url.is_some() && given.endpoint_url != required.cloudwatch_url;
        required.account_id = match account.as_deref() {
            None if is_elsewhere => None,
            None => required.account_id,
            Some(ANY_ACCOUNT) => None,
            Some(id) if id.len() == ACCOUNT_DIGITS && id.bytes().all(|digit| digit.is_ascii_digit()) => account,
            Some(other) => {
                let problem = format!("must be an account's 12 digits or '{ANY_ACCOUNT}', not {other:?}");
                return Err(InvalidOption { option: "account".to_owned(), problem: Problem::Other(problem) });
            }
        };
        Ok(required)
    }
}

//! Sessions: for each process and set of options one configuration of the SDK, which all its callers share.
//!
//! So credentials are found once and renewed in one context, and a process knows where it publishes, and in which account.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::config::endpoint as cloudwatch_endpoint;
use aws_sdk_cloudwatchlogs::config::endpoint as logs_endpoint;
use aws_sdk_sts::config::endpoint as sts_endpoint;
use tokio::sync::OnceCell;

use super::config::{custom_endpoint, profile_of_credentials, sdk_config};
use super::error::Call;
use super::intercept::CheckResponse;
use super::response::Protocol;
use crate::config::identity::origin_of;
use crate::config::{AwsConfig, ResolvedAws};
use crate::delivery::error::{CallError, Cause};

/// The URL that a service's resolver gives; each service has types of its own for it.
macro_rules! endpoint {
    ($service:ident, $config:expr, $custom:expr) => {{
        let params = $service::Params::builder()
            .set_region($config.region().map(ToString::to_string))
            .set_use_fips($config.use_fips())
            .set_use_dual_stack($config.use_dual_stack())
            .set_endpoint($custom)
            .build();
        match params {
            Ok(params) => {
                let resolver = $service::DefaultResolver::new();
                let endpoint = $service::ResolveEndpoint::resolve_endpoint(&resolver, &params).await;
                endpoint.ok().map(|endpoint| endpoint.url().to_owned())
            }
            Err(_) => None,
        }
    }};
}

/// Where calls go and with which credentials, for messages.
#[derive(Debug, Clone)]
pub(super) struct CallContext {
    /// The region, or the endpoint where it is not AWS's own, without a password in it.
    pub name: String,
    /// The profile that was asked for.
    pub profile: Option<String>,
}

/// The caller, as STS tells.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub account: String,
    pub arn: Option<String>,
    pub user_id: Option<String>,
}

/// What is known of one set of options.
pub(super) struct Session {
    config: SdkConfig,
    recorded: Option<ResolvedAws>,
    pub region: String,
    pub context: CallContext,
    pub custom: CustomEndpoints,
    resolved: ResolvedAws,
    caller: OnceCell<Caller>,
    /// The caller's account was found to be the required one.
    checked: OnceCell<()>,
}

/// Which endpoints are not AWS's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct CustomEndpoints {
    pub cloudwatch: bool,
    pub logs: bool,
}

struct Entry {
    process: u32,
    options: AwsConfig,
    environment: Vec<(OsString, OsString)>,
    session: Arc<OnceCell<Arc<Session>>>,
}

/// A process that has forked leaves its entries to its children, who make their own: connections and their tasks do not
/// survive a fork.
static SESSIONS: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// What the environment says of AWS and of proxies, in an order of its own.
fn environment() -> Vec<(OsString, OsString)> {
    let counts = |name: &str| name.starts_with("AWS_") || name.to_ascii_uppercase().ends_with("_PROXY");
    let mut found: Vec<_> = std::env::vars_os().filter(|(name, _)| counts(&name.to_string_lossy())).collect();
    found.sort();
    found
}

fn cell_of(options: &AwsConfig) -> Arc<OnceCell<Arc<Session>>> {
    let (process, environment) = (std::process::id(), environment());
    let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = sessions
        .iter()
        .find(|entry| entry.process == process && entry.options == *options && entry.environment == environment);
    if let Some(entry) = known {
        return Arc::clone(&entry.session);
    }
    let session = Arc::<OnceCell<_>>::default();
    sessions.push(Entry { process, options: options.clone(), environment, session: Arc::clone(&session) });
    session
}

impl Session {
    /// The session of these options, for a call.
    ///
    /// # Errors
    /// Where no region is configured, or the credentials are of another account than the record requires.
    pub(super) async fn of(options: &AwsConfig, call: Call<'_>) -> Result<Arc<Self>, CallError> {
        let session = Self::unchecked(options, call).await?;
        session.checked.get_or_try_init(|| session.check_account(call)).await?;
        Ok(session)
    }

    /// The same, whatever account the credentials belong to: STS is not called.
    ///
    /// # Errors
    /// Where no region is configured.
    pub(super) async fn unchecked(options: &AwsConfig, call: Call<'_>) -> Result<Arc<Self>, CallError> {
        let known = cell_of(options);
        let session = known.get_or_try_init(|| async { Self::load(options, call).await.map(Arc::new) });
        session.await.map(Arc::clone)
    }

    async fn load(options: &AwsConfig, call: Call<'_>) -> Result<Self, CallError> {
        let (options, recorded) = options.completed();
        let config = sdk_config(&options).await;
        let Some(region) = config.region().map(ToString::to_string) else {
            return Err(call.without_region(&options));
        };
        let resolved = resolve(&options, &config, recorded.as_ref()).await;
        let custom = CustomEndpoints {
            cloudwatch: resolved.cloudwatch_url != endpoint!(cloudwatch_endpoint, &config, None),
            logs: resolved.logs_url != endpoint!(logs_endpoint, &config, None),
        };
        let url = resolved.cloudwatch_url.clone().filter(|_| custom.cloudwatch);
        let context = CallContext {
            name: url.map_or_else(|| region.clone(), |url| origin_of(&url).unwrap_or(url)),
            profile: options.profile.clone(),
        };
        let (caller, checked) = (OnceCell::new(), OnceCell::new());
        Ok(Self { config, recorded, region, context, custom, resolved, caller, checked })
    }

    async fn check_account(&self, call: Call<'_>) -> Result<(), CallError> {
        let Some(required) = self.recorded.as_ref().and_then(|recorded| recorded.account_id.as_ref()) else {
            return Ok(());
        };
        let actual = self.caller().await?.account;
        if actual == *required {
            return Ok(());
        }
        let cause = Cause::OtherAccount { required: required.clone(), actual };
        Err(call.at(&self.context).failed(cause, ""))
    }

    /// Who calls. STS is asked once.
    pub(super) async fn caller(&self) -> Result<Caller, CallError> {
        let caller = self.caller.get_or_try_init(|| async {
            let call = Call::new("GetCallerIdentity", "identity", "of the credentials").at(&self.context);
            let answer = aws_sdk_sts::Client::from_conf(self.sts().build()).get_caller_identity().send().await;
            let answer = answer.map_err(|error| call.error(&error))?;
            Ok(Caller {
                account: answer.account().unwrap_or_default().to_owned(),
                arn: answer.arn().map(str::to_owned),
                user_id: answer.user_id().map(str::to_owned),
            })
        });
        caller.await.cloned()
    }

    /// Where calls go; with the account, once that is known.
    pub(super) fn resolved(&self) -> ResolvedAws {
        let account_id = self.caller.get().map(|caller| caller.account.clone()).filter(|account| !account.is_empty());
        ResolvedAws { account_id, ..self.resolved.clone() }
    }

    /// A client of CloudWatch, to be completed.
    pub(super) fn cloudwatch(&self) -> aws_sdk_cloudwatch::config::Builder {
        let mut builder = aws_sdk_cloudwatch::config::Builder::from(&self.config);
        if let Some(url) = self.recorded.as_ref().and_then(|recorded| recorded.cloudwatch_url.as_ref()) {
            builder = builder.endpoint_url(url).use_fips(false).use_dual_stack(false);
        }
        builder.interceptor(CheckResponse(Protocol::RpcV2Cbor))
    }

    /// A client of CloudWatch Logs, to be completed.
    pub(super) fn logs(&self) -> aws_sdk_cloudwatchlogs::config::Builder {
        let mut builder = aws_sdk_cloudwatchlogs::config::Builder::from(&self.config);
        if let Some(url) = self.recorded.as_ref().and_then(|recorded| recorded.logs_url.as_ref()) {
            builder = builder.endpoint_url(url).use_fips(false).use_dual_stack(false);
        }
        builder.interceptor(CheckResponse(Protocol::AwsJson))
    }

    fn sts(&self) -> aws_sdk_sts::config::Builder {
        let mut builder = aws_sdk_sts::config::Builder::from(&self.config);
        if let Some(url) = self.recorded.as_ref().and_then(|recorded| recorded.sts_url.as_ref()) {
            builder = builder.endpoint_url(url).use_fips(false).use_dual_stack(false);
        }
        builder.interceptor(CheckResponse(Protocol::AwsQuery))
    }
}

/// Where calls go by these options: the record's endpoints, else what the SDK's own resolvers say.
async fn resolve(options: &AwsConfig, config: &SdkConfig, recorded: Option<&ResolvedAws>) -> ResolvedAws {
    let recorded = recorded.cloned().unwrap_or_default();
    let cloudwatch_url = match recorded.cloudwatch_url {
        None => endpoint!(cloudwatch_endpoint, config, custom_endpoint(config, "CloudWatch")),
        url => url,
    };
    let logs_url = match recorded.logs_url {
        None => endpoint!(logs_endpoint, config, custom_endpoint(config, "CloudWatch Logs")),
        url => url,
    };
    let sts_url = match recorded.sts_url {
        None => endpoint!(sts_endpoint, config, custom_endpoint(config, "STS")),
        url => url,
    };
    ResolvedAws {
        account_id: None,
        region: config.region().map(ToString::to_string),
        profile: profile_of_credentials(options),
        cloudwatch_url,
        logs_url,
        sts_url,
    }
}

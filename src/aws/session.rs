//! Sessions: one configuration of the SDK for all callers with the same options.
//!
//! Credentials are loaded once and renewed in one place, and all callers use the same destination and account. A session exists
//! while a caller holds it, so that the next run reads the configuration again.

use std::ffi::OsString;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use super::error::Call;
use super::intercept::CheckResponse;
use super::profiles::load_profiles;
use super::response::Protocol;
use super::sdk_config::{Configuration, DEFAULT_PROFILE, ProfileName, ProfileOrigin, load};
use super::trust::CaBundle;
use crate::config::identity::origin_of;
use crate::config::{AwsConfig, RequiredAccount, ResolvedAws, is_endpoint_url};
use crate::delivery::error::{CallError, Cause};

/// Timeout of the request for the account if any account is accepted.
const CALLER_TIMEOUT: Duration = Duration::from_secs(5);

/// The destination of calls, for messages.
#[derive(Debug, Clone)]
pub(super) struct CallContext {
    /// The region, or the custom endpoint, without a password.
    pub name: String,
}

/// The identity of the credentials, from STS.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub account: String,
    pub arn: Option<String>,
    pub user_id: Option<String>,
}

/// The configuration, the credentials and the identity of one set of options.
pub(super) struct Session {
    configuration: Configuration,
    profile: String,
    pub region: String,
    pub context: CallContext,
    caller: OnceCell<Caller>,
    /// Set when the account of the credentials is the required one.
    checked: SharedAttempt<()>,
}

/// A value that the first caller computes while all others wait. They share its error, too.
struct SharedAttempt<T> {
    value: OnceCell<T>,
    /// The time and the error of the last failed attempt.
    failure: Mutex<Option<(Instant, CallError)>>,
}

impl<T> Default for SharedAttempt<T> {
    fn default() -> Self {
        Self { value: OnceCell::new(), failure: Mutex::default() }
    }
}

impl<T> SharedAttempt<T> {
    async fn get(&self, compute: impl AsyncFnOnce() -> Result<T, CallError>) -> Result<&T, CallError> {
        let asked = Instant::now();
        let attempt = async || {
            let last = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // The error of an attempt that this caller has waited for.
            if let Some((_, error)) = last.filter(|(at, _)| *at >= asked) {
                return Err(error);
            }
            let computed = compute().await;
            if let Err(error) = &computed {
                let failure = Some((Instant::now(), error.clone()));
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
            }
            computed
        };
        self.value.get_or_try_init(attempt).await
    }
}

/// A session that all callers with the same options share.
#[derive(Default)]
pub(super) struct SessionCell(SharedAttempt<Arc<Session>>);

/// The clients of one caller. They use a shared session, and are created again after the credentials have failed.
pub(super) struct Connection<T> {
    options: AwsConfig,
    state: Mutex<State<T>>,
}

struct State<T> {
    cell: Option<Arc<SessionCell>>,
    clients: Option<Arc<T>>,
}

/// The clients of one call, with their session.
pub(super) struct Lease<T> {
    clients: Arc<T>,
    cell: Arc<SessionCell>,
}

impl<T> Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.clients
    }
}

impl<T> Connection<T> {
    /// Creates a connection. The first call resolves the configuration.
    pub(super) const fn new(options: AwsConfig) -> Self {
        Self { options, state: Mutex::new(State { cell: None, clients: None }) }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cell(&self) -> Arc<SessionCell> {
        Arc::clone(self.state().cell.get_or_insert_with(|| SessionCell::of(&self.options)))
    }

    /// What delays the credentials at present; `None` if they are not being loaded.
    pub(super) fn waits_for_credentials(&self) -> Option<String> {
        let cell = self.state().cell.clone()?;
        cell.0.value.get()?.configuration.credentials.waits_for()
    }

    /// The session for a call.
    ///
    /// # Errors
    /// If no region is configured, the environment names a profile that does not exist, or the credentials do not belong to the
    /// required account.
    pub(super) async fn session(&self, call: Call<'_>) -> Result<Arc<Session>, CallError> {
        self.session_of(&self.cell(), call).await
    }

    async fn session_of(&self, shared: &Arc<SessionCell>, call: Call<'_>) -> Result<Arc<Session>, CallError> {
        let session = self.unchecked_session_of(shared, call).await?;
        if self.options.recorded.is_some() {
            let check = async || session.check_account(&self.options.required_account, call).await;
            session.checked.get(check).await.inspect_err(|error| self.forget(shared, error))?;
        }
        Ok(session)
    }

    /// The session for a call, without a check of the account, which would need STS.
    ///
    /// # Errors
    /// If no region is configured, or the environment names a profile that does not exist.
    pub(super) async fn unchecked_session(&self, call: Call<'_>) -> Result<Arc<Session>, CallError> {
        self.unchecked_session_of(&self.cell(), call).await
    }

    async fn unchecked_session_of(&self, shared: &Arc<SessionCell>, call: Call<'_>) -> Result<Arc<Session>, CallError> {
        let make = async || Session::make(&self.options, call).await.map(Arc::new);
        shared.0.get(make).await.map(Arc::clone).inspect_err(|error| self.forget(shared, error))
    }

    /// The clients for a call. Waits for their credentials, so that the call itself does not.
    ///
    /// # Errors
    /// Those of [`Self::session`], and if there are no credentials.
    pub(super) async fn clients(
        &self,
        call: Call<'_>,
        make: impl FnOnce(Arc<Session>) -> T,
    ) -> Result<Lease<T>, CallError> {
        let shared = self.cell();
        let session = self.session_of(&shared, call).await?;
        session.credentials(call).await.inspect_err(|error| self.forget(&shared, error))?;
        let mut state = self.state();
        let is_current = state.cell.as_ref().is_some_and(|current| Arc::ptr_eq(current, &shared));
        let clients = match &state.clients {
            Some(clients) if is_current => Arc::clone(clients),
            _ => {
                let clients = Arc::new(make(session));
                if is_current {
                    state.clients = Some(Arc::clone(&clients));
                }
                clients
            }
        };
        drop(state);
        Ok(Lease { clients, cell: shared })
    }

    /// Notes a failed call. If the credentials were the reason, the next call reads the configuration again, to find credentials
    /// that were created or replaced in the meantime.
    pub(super) fn note(&self, lease: &Lease<T>, error: &CallError) {
        self.forget(&lease.cell, error);
    }

    /// Drops the session after a failure of its credentials. Calls of the same session that fail later do not drop the next one.
    fn forget(&self, shared: &Arc<SessionCell>, error: &CallError) {
        if !error.needs_credentials() {
            return;
        }
        shared.forget();
        let mut state = self.state();
        if state.cell.as_ref().is_some_and(|current| Arc::ptr_eq(current, shared)) {
            *state = State { cell: None, clients: None };
        }
    }
}

struct Entry {
    process: u32,
    options: AwsConfig,
    environment: Vec<(OsString, OsString)>,
    cell: Weak<SessionCell>,
}

/// The sessions of this process. A forked child ignores those of its parent, because connections and tasks do not survive a
/// fork.
static SESSIONS: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// The environment variables for AWS, proxies and certificate authorities, sorted.
fn environment() -> Vec<(OsString, OsString)> {
    let counts = |name: &str| {
        let of_certificates = name.starts_with("SSL_CERT_") || name == "REQUESTS_CA_BUNDLE";
        name.starts_with("AWS_") || name.to_ascii_uppercase().ends_with("_PROXY") || of_certificates
    };
    let mut found: Vec<_> = std::env::vars_os().filter(|(name, _)| counts(&name.to_string_lossy())).collect();
    found.sort();
    found
}

impl SessionCell {
    /// The cell of these options, shared with other callers.
    pub(super) fn of(options: &AwsConfig) -> Arc<Self> {
        let (process, environment) = (std::process::id(), environment());
        let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|entry| entry.cell.strong_count() > 0);
        let same =
            |entry: &&Entry| entry.process == process && entry.options == *options && entry.environment == environment;
        if let Some(cell) = sessions.iter().find(same).and_then(|entry| entry.cell.upgrade()) {
            return cell;
        }
        let cell = Arc::new(Self::default());
        sessions.push(Entry { process, options: options.clone(), environment, cell: Arc::downgrade(&cell) });
        cell
    }

    /// Removes this cell after a failure of its credentials, so that later callers get a new one.
    pub(super) fn forget(self: &Arc<Self>) {
        let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|entry| !std::ptr::eq(entry.cell.as_ptr(), Arc::as_ptr(self)));
    }
}

impl Session {
    async fn make(options: &AwsConfig, call: Call<'_>) -> Result<Self, CallError> {
        let profile = ProfileName::of(options);
        let unusable = |detail: &str| call.failed(Cause::UnusableCredentials, detail);
        let profiles = load_profiles(&profile.name).await.map_err(|detail| unusable(&detail))?;
        let exists = profiles.get_profile(&profile.name).is_some() || profile.name == DEFAULT_PROFILE;
        if profile.named_by == ProfileOrigin::Environment && !options.local && !exists {
            // The AWS CLI stops here, too. The role of the machine may belong to another account.
            let name = &profile.name;
            return Err(unusable(&format!(
                "no AWS configuration file has the profile {name}, which the environment names"
            )));
        }
        let configuration = load(options, &profile, &profiles).await;
        let Some(region) = configuration.sdk.region().map(ToString::to_string) else {
            return Err(call.without_region(options));
        };
        if !configuration.endpoints.custom().all(is_endpoint_url) {
            // The SDK reports some of these as a lost response, which would be repeated.
            let detail = "an endpoint is not an http:// or https:// URL, or contains a space or a line break";
            return Err(call.failed(Cause::NotBuilt, detail));
        }
        let custom =
            configuration.endpoints.cloudwatch.url.clone().filter(|_| configuration.endpoints.cloudwatch.is_custom);
        let context = CallContext { name: custom.map_or_else(|| region.clone(), |url| origin_of(&url).unwrap_or(url)) };
        let (profile, caller, checked) = (profile.name, OnceCell::new(), SharedAttempt::default());
        Ok(Self { configuration, profile, region, context, caller, checked })
    }

    /// Waits until there are credentials.
    async fn credentials(&self, call: Call<'_>) -> Result<(), CallError> {
        let credentials = self.configuration.credentials.provider().get().await;
        credentials.map_err(|failure| call.at(&self.context).without_credentials(&failure))?;
        Ok(())
    }

    /// Determines the account before a call sends or reads data, and compares it with the required one.
    async fn check_account(&self, required: &RequiredAccount, call: Call<'_>) -> Result<(), CallError> {
        let Some(id) = required.id() else {
            // For the receipt, which shows the destination of the data.
            let _ = tokio::time::timeout(CALLER_TIMEOUT, self.caller()).await;
            return Ok(());
        };
        let caller = self.caller().await;
        let cause = match caller {
            Ok(Caller { account, .. }) if account == id => return Ok(()),
            Ok(Caller { account, .. }) if !account.is_empty() => {
                Cause::OtherAccount { required: required.clone(), actual: account }
            }
            Ok(_) => Cause::UnknownAccount { required: required.clone() },
            // A problem with the credentials is the more precise reason.
            Err(error) if error.needs_credentials() || error.cause == Cause::NoRegion => return Err(error),
            Err(error) => {
                let cause = Cause::UnknownAccount { required: required.clone() };
                return Err(call.at(&self.context).failed(cause, &error.detail));
            }
        };
        Err(call.at(&self.context).failed(cause, ""))
    }

    /// The identity of the credentials. STS is called once.
    pub(super) async fn caller(&self) -> Result<Caller, CallError> {
        let caller = self.caller.get_or_try_init(|| async {
            let call = Call::new("GetCallerIdentity", "identity", "of the credentials").at(&self.context);
            self.credentials(call).await?;
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

    /// The destination, with the account and the profile of the credentials once they are known.
    pub(super) fn resolved(&self) -> ResolvedAws {
        let Configuration { endpoints, credentials, .. } = &self.configuration;
        ResolvedAws {
            account_id: self.caller.get().map(|caller| caller.account.clone()).filter(|account| !account.is_empty()),
            region: Some(self.region.clone()),
            profile: credentials.came_from_profile().then(|| self.profile.clone()),
            cloudwatch_url: endpoints.cloudwatch.url.clone(),
            logs_url: endpoints.logs.url.clone(),
            sts_url: endpoints.sts.url.clone(),
        }
    }

    /// Whether the endpoints of CloudWatch and CloudWatch Logs are custom endpoints.
    pub(super) const fn are_custom(&self) -> [bool; 2] {
        [self.configuration.endpoints.cloudwatch.is_custom, self.configuration.endpoints.logs.is_custom]
    }

    /// The certificate authorities that the user names.
    pub(super) const fn ca_bundle(&self) -> Option<&CaBundle> {
        self.configuration.ca_bundle.as_ref()
    }

    /// A builder for clients of CloudWatch.
    pub(super) fn cloudwatch(&self) -> aws_sdk_cloudwatch::config::Builder {
        let mut builder = aws_sdk_cloudwatch::config::Builder::from(&self.configuration.sdk);
        if let Some(url) = &self.configuration.endpoints.cloudwatch.url {
            // FIPS and dual-stack are already part of the URL.
            builder = builder.endpoint_url(url).use_fips(false).use_dual_stack(false);
        }
        builder.interceptor(CheckResponse(Protocol::RpcV2Cbor))
    }

    /// A builder for clients of CloudWatch Logs.
    pub(super) fn logs(&self) -> aws_sdk_cloudwatchlogs::config::Builder {
        let mut builder = aws_sdk_cloudwatchlogs::config::Builder::from(&self.configuration.sdk);
        if let Some(url) = &self.configuration.endpoints.logs.url {
            builder = builder.endpoint_url(url).use_fips(false).use_dual_stack(false);
        }
        builder.interceptor(CheckResponse(Protocol::AwsJson))
    }

    fn sts(&self) -> aws_sdk_sts::config::Builder {
        let mut builder = aws_sdk_sts::config::Builder::from(&self.configuration.sdk);
        if let Some(url) = &self.configuration.endpoints.sts.url {
            builder = builder.endpoint_url(url).use_fips(false).use_dual_stack(false);
        }
        builder.interceptor(CheckResponse(Protocol::AwsQuery))
    }
}

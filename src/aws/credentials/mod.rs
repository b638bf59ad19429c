//! Sources of credentials: those of the AWS CLI, in the same order.

mod cache;
mod failure;
mod process;
mod profile;
mod sts;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::login::LoginCredentialsProvider;
use aws_config::profile::ProfileSet;
use aws_config::provider_config::ProviderConfig;
use aws_config::sso::SsoCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_types::region::Region;

pub(super) use self::cache::CachedCredentials;
use self::cache::{Load, Loaded, usable};
pub(super) use self::failure::{CredentialsFailure, FailureKind};
use self::process::CredentialProcess;
use self::profile::{Base, ProfileSource, Role, Sso, source_of};
use self::sts::Sts;
use super::environment::{is_empty, variable};
use super::profiles::load_profiles;
use super::sdk_config::{ProfileName, ProfileOrigin};

/// The older name of `AWS_SESSION_TOKEN`, which the AWS CLI still reads (botocore's environment provider).
const OLD_TOKEN_VARIABLE: &str = "AWS_SECURITY_TOKEN";
/// Variables with the address from which a container gets the credentials of its role.
const CONTAINER_VARIABLES: [&str; 2] = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];

/// The options that determine the source of credentials.
#[derive(Debug)]
pub(super) struct CredentialOptions {
    /// The profile to read. If an option names it, it takes precedence over keys in the environment, and no other source is
    /// used.
    pub profile: ProfileName,
    /// The configuration of the SDK's providers.
    pub provider: ProviderConfig,
    /// The configuration of calls to STS.
    pub sdk: SdkConfig,
    /// The endpoint of STS.
    pub sts_url: Option<String>,
}

/// All sources of credentials. Each attempt reads files and variables again, and tries the sources in order.
#[derive(Debug)]
struct Sources {
    options: CredentialOptions,
    sts: Sts,
    is_from_profile: Arc<AtomicBool>,
    /// The program that is running to get credentials.
    running: Mutex<Option<String>>,
}

/// A role that is assumed with other credentials.
#[derive(Debug)]
struct AssumedRole {
    role: Role,
    base: CachedCredentials,
    sts: Sts,
}

/// Credentials that all calls of one configuration share.
#[derive(Debug, Clone)]
pub(super) struct SharedCredentials {
    cached: CachedCredentials,
    is_from_profile: Arc<AtomicBool>,
}

impl SharedCredentials {
    /// The credentials of these options, or of the role that is assumed with them.
    pub(super) fn new(options: CredentialOptions, role_arn: Option<&String>, external_id: Option<&String>) -> Self {
        let sts = Sts::new(options.sdk.clone(), options.sts_url.clone());
        let is_from_profile = Arc::<AtomicBool>::default();
        let running = Mutex::default();
        let sources = Sources { options, sts: sts.clone(), is_from_profile: Arc::clone(&is_from_profile), running };
        let base = CachedCredentials::new(sources);
        let Some(arn) = role_arn.cloned() else { return Self { cached: base, is_from_profile } };
        let role = Role { arn, external_id: external_id.cloned(), session_name: None, seconds: None };
        Self { cached: CachedCredentials::new(AssumedRole { role, base, sts }), is_from_profile }
    }

    /// The credentials of a local CloudWatch, which accepts any.
    pub(super) fn local() -> Self {
        Self { cached: CachedCredentials::new(Local), is_from_profile: Arc::default() }
    }

    /// The provider for the clients of services.
    pub(super) const fn provider(&self) -> &CachedCredentials {
        &self.cached
    }

    /// What delays the credentials; `None` if they are not being loaded.
    pub(super) fn waits_for(&self) -> Option<String> {
        self.cached.waits_for()
    }

    /// Whether the last credentials, before a role was assumed, came from a profile.
    pub(super) fn came_from_profile(&self) -> bool {
        self.is_from_profile.load(Relaxed)
    }
}

#[derive(Debug)]
struct Local;

impl Load for Local {
    fn load(&self) -> Pin<Box<dyn Future<Output = Loaded> + Send + '_>> {
        Box::pin(async { Ok(Credentials::new("local", "local", None, None, "Local")) })
    }
}

impl Load for AssumedRole {
    fn load(&self) -> Pin<Box<dyn Future<Output = Loaded> + Send + '_>> {
        Box::pin(async { self.sts.assume_role(&self.role, self.base.get().await?).await })
    }

    fn waits_for(&self) -> Option<String> {
        self.base.waits_for()
    }
}

impl Load for Sources {
    fn load(&self) -> Pin<Box<dyn Future<Output = Loaded> + Send + '_>> {
        Box::pin(async {
            let profiles = load_profiles(&self.options.profile.name).await.map_err(CredentialsFailure::unusable)?;
            let profile = source_of(&profiles, &self.options.profile.name);
            if self.options.profile.named_by == ProfileOrigin::Option {
                let name = &self.options.profile.name;
                let source = profile?.ok_or_else(|| {
                    CredentialsFailure::unusable(format!("profile {name} has no credentials: run 'aws configure'"))
                })?;
                return self.of_profile(source).await;
            }
            self.first(&profiles, profile).await
        })
    }

    fn waits_for(&self) -> Option<String> {
        self.running().clone()
    }
}

impl Sources {
    fn running(&self) -> MutexGuard<'_, Option<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The credentials of the first source that is configured.
    async fn first(&self, profiles: &ProfileSet, profile: Result<Option<ProfileSource>, CredentialsFailure>) -> Loaded {
        self.is_from_profile.store(false, Relaxed);
        if let Some(keys) = keys_of_environment() {
            return Ok(keys);
        }
        if variable("AWS_ACCESS_KEY_ID").is_some() {
            // Like the AWS CLI, which does not look further either.
            let message = "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not: set both, or none";
            return Err(CredentialsFailure::unusable(message));
        }
        // The default profile need not exist.
        let exists = profiles.get_profile(&self.options.profile.name).is_some();
        if exists && let Some(source) = profile? {
            return self.of_profile(source).await;
        }
        if let (Some(arn), Some(file)) = (variable("AWS_ROLE_ARN"), variable("AWS_WEB_IDENTITY_TOKEN_FILE")) {
            let session_name = variable("AWS_ROLE_SESSION_NAME");
            let role = Role { arn, external_id: None, session_name, seconds: None };
            return self.sts.assume_role_with_token(&role, &file).await;
        }
        if CONTAINER_VARIABLES.iter().any(|name| variable(name).is_some()) {
            return self.of_container().await;
        }
        self.of_instance().await
    }

    async fn of_profile(&self, source: ProfileSource) -> Loaded {
        let mut credentials = usable(self.of_base(source.base).await?)?;
        for role in &source.roles {
            credentials = self.sts.assume_role(role, credentials).await?;
        }
        self.is_from_profile.store(true, Relaxed);
        Ok(credentials)
    }

    async fn of_base(&self, base: Base) -> Loaded {
        match base {
            Base::Keys(keys) => Ok(keys),
            Base::Environment => keys_of_environment().ok_or_else(|| {
                let variables = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
                let name = &self.options.profile.name;
                CredentialsFailure::unusable(format!("profile {name} takes its credentials from {variables}: set them"))
            }),
            Base::Instance => self.of_instance().await,
            Base::Container => self.of_container().await,
            Base::WebIdentity { role, token_file } => self.sts.assume_role_with_token(&role, &token_file).await,
            Base::Sso(sso) => self.of_sso(sso).await,
            Base::Login { session, profile } => {
                check_endpoint_variables(&["AWS_ENDPOINT_URL_SIGNIN"])?;
                let provider = LoginCredentialsProvider::builder(session).configure(&self.options.provider).build();
                let source = format!("the login session of profile {profile}");
                let remedy = format!("Run 'aws login --profile {profile}'");
                provided(&provider, &source, &remedy).await
            }
            Base::Process { command, profile } => {
                *self.running() = Some(format!("the credential_process of profile {profile}"));
                let loaded = CredentialProcess::new(command, profile).run().await;
                *self.running() = None;
                loaded
            }
        }
    }

    async fn of_sso(&self, sso: Sso) -> Loaded {
        check_endpoint_variables(&["AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC"])?;
        let mut builder = SsoCredentialsProvider::builder()
            .configure(&self.options.provider)
            .account_id(sso.account_id)
            .role_name(sso.role_name)
            .start_url(sso.start_url)
            .region(Region::new(sso.region));
        builder.set_session_name(sso.session);
        let source = format!("the IAM Identity Center session of profile {}", sso.profile);
        let remedy = format!("Run 'aws sso login --profile {}'", sso.profile);
        provided(&builder.build(), &source, &remedy).await
    }

    async fn of_container(&self) -> Loaded {
        let provider = EcsCredentialsProvider::builder().configure(&self.options.provider).build();
        let remedy = "Check the task role or the role of the pod, and the variables AWS_CONTAINER_...";
        provided(&provider, "the role of this container", remedy).await
    }

    async fn of_instance(&self) -> Loaded {
        let provider = ImdsCredentialsProvider::builder().configure(&self.options.provider).build();
        match provider.provide_credentials().await {
            Ok(credentials) => Ok(credentials),
            Err(CredentialsError::CredentialsNotLoaded(_)) => Err(CredentialsFailure::missing(self.sought())),
            Err(error) => {
                Err(CredentialsFailure::of(&error, "the role of this instance", "Check its instance profile"))
            }
        }
    }

    /// The sources that have no credentials, for a message.
    fn sought(&self) -> Cow<'static, str> {
        let name = &self.options.profile.name;
        format!("looked in the environment, in profile {name}, and for a role of a container or instance").into()
    }
}

/// Refuses endpoint variables that are set to an empty value, because the SDK's providers panic at these.
fn check_endpoint_variables(of_services: &[&str]) -> Result<(), CredentialsFailure> {
    let variables = of_services.iter().chain(&["AWS_ENDPOINT_URL"]);
    match variables.copied().find(|name| is_empty(name)) {
        None => Ok(()),
        Some(name) => Err(CredentialsFailure::unusable(format!(
            "{name} is set to an empty value, which a login session does not support: unset it"
        ))),
    }
}

/// The keys in the environment.
fn keys_of_environment() -> Option<Credentials> {
    let (key, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    let token = variable("AWS_SESSION_TOKEN").or_else(|| variable(OLD_TOKEN_VARIABLE));
    Some(Credentials::new(key, secret, token, None, "Environment"))
}

async fn provided(provider: &impl ProvideCredentials, source: &str, remedy: &str) -> Loaded {
    let credentials = provider.provide_credentials().await;
    credentials.map_err(|error| CredentialsFailure::of(&error, source, remedy))
}

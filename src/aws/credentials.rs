//! Which credentials are used: profiles as the AWS CLI chooses them, and where the credentials in use came from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_types::os_shim_internal::{Env, Fs};

/// Variables that name a profile, in the order in which the AWS CLI reads them (botocore's session variables).
const PROFILE_VARIABLES: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];
/// The older name of `AWS_SESSION_TOKEN`, which the AWS CLI still reads (botocore's environment provider).
const OLD_TOKEN_VARIABLE: &str = "AWS_SECURITY_TOKEN";
/// The profile that is read where none is named.
pub(super) const DEFAULT_PROFILE: &str = "default";

/// An environment variable; one that is empty counts as unset, as with the AWS CLI.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The profile that the environment names.
pub(super) fn profile_of_environment() -> Option<String> {
    PROFILE_VARIABLES.into_iter().find_map(variable)
}

/// The profile that the environment names, if no AWS configuration file has it.
///
/// The AWS CLI stops there. The SDK would go on to the role of the machine, which may be in another account.
pub(super) async fn missing_profile() -> Option<String> {
    let name = profile_of_environment().filter(|name| name != DEFAULT_PROFILE)?;
    // Files that cannot be read are reported when the credentials are looked for.
    let profiles = aws_config::profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await.ok()?;
    profiles.get_profile(&name).is_none().then_some(name)
}

/// The keys in the environment, where the SDK would miss their token: it does not know the token's older name.
pub(super) fn keys_with_old_token() -> Option<Credentials> {
    let token = variable(OLD_TOKEN_VARIABLE).filter(|_| variable("AWS_SESSION_TOKEN").is_none())?;
    let (key, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    Some(Credentials::new(key, secret, Some(token), None, "Environment"))
}

/// A provider that remembers whether its credentials came from a profile.
#[derive(Debug, Clone)]
pub(super) struct Observed {
    provider: SharedCredentialsProvider,
    from_profile: Arc<AtomicBool>,
}

impl Observed {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, from_profile: Arc::default() }
    }

    /// Whether the credentials that were resolved last came from a profile.
    pub(super) fn came_from_profile(&self) -> bool {
        self.from_profile.load(Relaxed)
    }
}

impl ProvideCredentials for Observed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let credentials = self.provider.provide_credentials().await?;
            let sources = credentials.get_property::<Vec<AwsCredentialFeature>>();
            let of_profile = [AwsCredentialFeature::CredentialsProfile, AwsCredentialFeature::CredentialsProfileLogin];
            let is_profile = sources.is_some_and(|sources| sources.iter().any(|source| of_profile.contains(source)));
            self.from_profile.store(is_profile, Relaxed);
            Ok(credentials)
        })
    }
}

//! The source of credentials of a profile in the AWS configuration files, in the order of the AWS CLI.

use aws_config::profile::{Profile, ProfileSet};
use aws_credential_types::Credentials;

use super::failure::CredentialsFailure;

/// The base credentials of a profile, and the roles that are assumed one after the other.
#[derive(Debug, PartialEq)]
pub(super) struct ProfileSource {
    pub base: Base,
    /// In the order in which they are assumed.
    pub roles: Vec<Role>,
}

/// The source of credentials before a role is assumed.
#[derive(Debug, PartialEq)]
pub(super) enum Base {
    Keys(Credentials),
    Environment,
    Instance,
    Container,
    WebIdentity { role: Role, token_file: String },
    Sso(Sso),
    Login { session: String, profile: String },
    Process { command: String, profile: String },
}

/// A session of IAM Identity Center.
#[derive(Debug, PartialEq)]
pub(super) struct Sso {
    pub profile: String,
    pub account_id: String,
    pub role_name: String,
    pub start_url: String,
    pub region: String,
    pub session: Option<String>,
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    pub arn: String,
    pub external_id: Option<String>,
    pub session_name: Option<String>,
    pub seconds: Option<i32>,
}

/// The source of a profile's credentials; `None` if the profile has none.
///
/// # Errors
/// If the profile is incomplete, or its source is not supported.
pub(super) fn source_of(profiles: &ProfileSet, name: &str) -> Result<Option<ProfileSource>, CredentialsFailure> {
    let (mut current, mut visited, mut roles) = (name, Vec::<&str>::new(), Vec::new());
    let base = loop {
        let Some(profile) = profiles.get_profile(current) else {
            return Err(match visited.last() {
                None => CredentialsFailure::unusable(format!(
                    "no AWS configuration file has the profile {name}. 'aws configure list-profiles' lists the profiles"
                )),
                Some(by) => wrong(by, &format!("its source_profile {current} does not exist")),
            });
        };
        if visited.contains(&current) {
            return Err(wrong(name, &format!("its source_profile leads back to profile {current}")));
        }
        if !visited.is_empty()
            && let Some(keys) = keys_of(profile)?
        {
            break Some(Base::Keys(keys));
        }
        visited.push(current);
        // A web identity token gets a role without other credentials.
        let role = property(profile, "role_arn").filter(|_| property(profile, "web_identity_token_file").is_none());
        let Some(arn) = role else { break base_of(profiles, profile)? };
        roles.push(role_of(profile, arn)?);
        match (property(profile, "source_profile"), property(profile, "credential_source")) {
            (Some(_), Some(_)) => {
                return Err(wrong(current, "it has both source_profile and credential_source: remove one of them"));
            }
            (None, None) => {
                return Err(wrong(current, "it has a role_arn but neither source_profile nor credential_source"));
            }
            (Some(source), None) if source != current => current = source,
            _ => break base_of(profiles, profile)?,
        }
    };
    roles.reverse();
    match base {
        Some(base) => Ok(Some(ProfileSource { base, roles })),
        None if roles.is_empty() => Ok(None),
        None => Err(wrong(name, &format!("its source_profile {current} has no credentials"))),
    }
}

/// A property that is set to a value that is not empty.
fn property<'a>(profile: &'a Profile, name: &str) -> Option<&'a str> {
    profile.get(name).filter(|value| !value.trim().is_empty())
}

fn owned(profile: &Profile, name: &str) -> Option<String> {
    property(profile, name).map(str::to_owned)
}

fn wrong(profile: &str, what: &str) -> CredentialsFailure {
    CredentialsFailure::unusable(format!("profile {profile} cannot be used: {what}"))
}

fn role_of(profile: &Profile, arn: &str) -> Result<Role, CredentialsFailure> {
    if property(profile, "mfa_serial").is_some() {
        let name = profile.name();
        return Err(CredentialsFailure::unusable(format!(
            "profile {name} has an mfa_serial, and locust-cw cannot ask for the MFA code. Get its credentials before the test, \
             and start Locust without the profile: eval \"$(aws configure export-credentials --profile {name} --format env)\""
        )));
    }
    let seconds = property(profile, "duration_seconds").map(str::parse).transpose();
    Ok(Role {
        arn: arn.to_owned(),
        external_id: owned(profile, "external_id"),
        session_name: owned(profile, "role_session_name"),
        seconds: seconds.map_err(|_| wrong(profile.name(), "its duration_seconds is not a number"))?,
    })
}

/// The source that a profile itself names.
fn base_of(profiles: &ProfileSet, profile: &Profile) -> Result<Option<Base>, CredentialsFailure> {
    let name = profile.name().to_owned();
    if let Some(source) = property(profile, "credential_source") {
        return Ok(Some(match source {
            "Environment" => Base::Environment,
            "Ec2InstanceMetadata" => Base::Instance,
            "EcsContainer" => Base::Container,
            other => return Err(wrong(&name, &format!("{other} is not a credential_source"))),
        }));
    }
    if let Some(token_file) = owned(profile, "web_identity_token_file") {
        let Some(arn) = property(profile, "role_arn") else {
            return Err(wrong(&name, "it has a web_identity_token_file but no role_arn"));
        };
        return Ok(Some(Base::WebIdentity { role: role_of(profile, arn)?, token_file }));
    }
    if let Some(sso) = sso_of(profiles, profile)? {
        return Ok(Some(Base::Sso(sso)));
    }
    if let Some(session) = owned(profile, "login_session") {
        return Ok(Some(Base::Login { session, profile: name }));
    }
    if let Some(command) = owned(profile, "credential_process") {
        return Ok(Some(Base::Process { command, profile: name }));
    }
    Ok(keys_of(profile)?.map(Base::Keys))
}

fn sso_of(profiles: &ProfileSet, profile: &Profile) -> Result<Option<Sso>, CredentialsFailure> {
    const PROPERTIES: [&str; 2] = ["sso_account_id", "sso_role_name"];
    // A profile without account and role is for services that accept a token instead of credentials.
    if PROPERTIES.iter().all(|name| property(profile, name).is_none()) {
        return Ok(None);
    }
    let session = owned(profile, "sso_session");
    let of_session = |property: &str| {
        let found = session.as_deref().and_then(|session| profiles.sso_session(session));
        found.and_then(|session| session.get(property)).map(str::to_owned)
    };
    let needed = |property: &str| {
        let value = of_session(property).or_else(|| owned(profile, property));
        value.ok_or_else(|| wrong(profile.name(), &format!("it uses IAM Identity Center but has no {property}")))
    };
    if let Some(session) = session.as_deref().filter(|session| profiles.sso_session(session).is_none()) {
        return Err(wrong(profile.name(), &format!("there is no section [sso-session {session}]")));
    }
    Ok(Some(Sso {
        profile: profile.name().to_owned(),
        account_id: needed("sso_account_id")?,
        role_name: needed("sso_role_name")?,
        start_url: needed("sso_start_url")?,
        region: needed("sso_region")?,
        session,
    }))
}

fn keys_of(profile: &Profile) -> Result<Option<Credentials>, CredentialsFailure> {
    let needed = |name: &str| property(profile, name);
    match (needed("aws_access_key_id"), needed("aws_secret_access_key")) {
        (Some(key), Some(secret)) => {
            let token = needed("aws_session_token").or_else(|| needed("aws_security_token")).map(str::to_owned);
            Ok(Some(Credentials::new(key, secret, token, None, "Profile")))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(wrong(profile.name(), "it has an aws_access_key_id but no aws_secret_access_key")),
        (None, Some(_)) => Err(wrong(profile.name(), "it has an aws_secret_access_key but no aws_access_key_id")),
    }
}

#[cfg(test)]
mod tests {
    use aws_config::profile::load;
    use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
    use aws_types::os_shim_internal::{Env, Fs};

    use super::*;
    use crate::aws::credentials::failure::FailureKind;

    const CONFIG: &str = "
[default]
region = eu-north-1
[profile keys]
aws_access_key_id = AKIA
aws_secret_access_key = secret
aws_session_token =
[profile half]
aws_access_key_id = AKIA
[profile process]
credential_process = corp-login --json
[profile chained]
role_arn = arn:aws:iam::1:role/Last
source_profile = first
[profile first]
role_arn = arn:aws:iam::1:role/First
external_id = blue
duration_seconds = 7200
source_profile = process
[profile itself]
role_arn = arn:aws:iam::1:role/Itself
source_profile = itself
aws_access_key_id = AKIA
aws_secret_access_key = secret
[profile instance]
role_arn = arn:aws:iam::1:role/Instance
credential_source = Ec2InstanceMetadata
[profile both]
role_arn = arn:aws:iam::1:role/Both
source_profile = keys
credential_source = Environment
[profile neither]
role_arn = arn:aws:iam::1:role/Neither
[profile loop]
role_arn = arn:aws:iam::1:role/Loop
source_profile = loop2
[profile loop2]
role_arn = arn:aws:iam::1:role/Loop
source_profile = loop
[profile gone]
role_arn = arn:aws:iam::1:role/Gone
source_profile = nowhere
[profile mfa]
role_arn = arn:aws:iam::1:role/Mfa
mfa_serial = arn:aws:iam::1:mfa/me
source_profile = keys
[profile token]
role_arn = arn:aws:iam::1:role/Token
web_identity_token_file = /token
[profile sso]
sso_session = corp
sso_account_id = 1
sso_role_name = Tester
[sso-session corp]
sso_start_url = https://corp.test/start
sso_region = eu-west-1
[profile sso-old]
sso_start_url = https://corp.test/start
sso_region = eu-west-1
sso_account_id = 1
sso_role_name = Tester
[profile sso-none]
sso_session = none
sso_account_id = 1
sso_role_name = Tester
[profile sso-half]
sso_session = corp
sso_role_name = Tester
[profile sso-token]
sso_session = corp
[profile login]
login_session = arn:aws:sts::1:assumed-role/Admin/me
[profile vault]
credential_source = Vault
";

    fn source(name: &str) -> Result<Option<ProfileSource>, CredentialsFailure> {
        let files = EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, CONFIG).build();
        let (fs, env) = (Fs::from_slice(&[]), Env::from_slice(&[]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let profiles = runtime.block_on(load(&fs, &env, &files, None)).expect("profiles");
        source_of(&profiles, name)
    }

    fn roles(source: &ProfileSource) -> Vec<&str> {
        source.roles.iter().map(|role| role.arn.rsplit('/').next().expect("a name")).collect()
    }

    #[test]
    fn each_kind_of_profile_has_its_source() {
        let found = |name| source(name).expect("valid").expect("a source");
        let process = Base::Process { command: "corp-login --json".to_owned(), profile: "process".to_owned() };
        assert_eq!(found("process").base, process);
        let chained = found("chained");
        assert_eq!((roles(&chained), &chained.base), (vec!["First", "Last"], &process));
        assert_eq!((chained.roles[0].external_id.as_deref(), chained.roles[0].seconds), (Some("blue"), Some(7200)));
        for name in ["keys", "itself"] {
            let Base::Keys(keys) = found(name).base else { panic!("{name}") };
            assert_eq!((keys.access_key_id(), keys.session_token()), ("AKIA", None), "{name}");
        }
        assert_eq!((roles(&found("itself")), roles(&found("instance"))), (vec!["Itself"], vec!["Instance"]));
        assert_eq!(found("instance").base, Base::Instance);
        assert!(matches!(found("token").base, Base::WebIdentity { token_file, .. } if token_file == "/token"));
        for name in ["sso", "sso-old"] {
            let Base::Sso(sso) = found(name).base else { panic!("{name}") };
            assert_eq!((sso.start_url.as_str(), sso.region.as_str()), ("https://corp.test/start", "eu-west-1"));
        }
        assert!(matches!(found("login").base, Base::Login { session, .. } if session.ends_with("Admin/me")));
        for name in ["default", "sso-token"] {
            assert_eq!(source(name), Ok(None));
        }
    }

    #[test]
    fn an_error_names_the_profile_and_the_problem() {
        for (name, parts) in [
            ("half", ["profile half", "aws_secret_access_key"]),
            ("both", ["profile both", "remove one"]),
            ("neither", ["profile neither", "source_profile nor credential_source"]),
            ("loop", ["profile loop", "leads back"]),
            ("gone", ["profile gone", "nowhere does not exist"]),
            ("mfa", ["profile mfa", "aws configure export-credentials --profile mfa --format env"]),
            ("sso-none", ["profile sso-none", "[sso-session none]"]),
            ("sso-half", ["profile sso-half", "sso_account_id"]),
            ("vault", ["profile vault", "Vault is not a credential_source"]),
            ("missing", ["the profile missing", "aws configure list-profiles"]),
        ] {
            let failure = source(name).expect_err(name);
            assert_eq!(failure.kind, FailureKind::Unusable);
            assert!(parts.iter().all(|part| failure.message.contains(part)), "{failure}");
        }
    }
}

//! The profiles of the AWS configuration files.

use std::path::PathBuf;

use aws_config::profile::{ProfileSet, load};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_types::os_shim_internal::{Env, Fs};

use super::environment::is_empty;

/// The files, with the variables that name them and their default paths.
const FILES: [(EnvConfigFileKind, &str, &str); 2] = [
    (EnvConfigFileKind::Config, "AWS_CONFIG_FILE", ".aws/config"),
    (EnvConfigFileKind::Credentials, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
];

/// Reads all profiles, and selects one.
///
/// # Errors
/// If a file is not in the format of the AWS CLI. A file that does not exist has no profiles.
pub(super) async fn load_profiles(name: &str) -> Result<ProfileSet, String> {
    let profiles = load(&Fs::real(), &Env::real(), &profile_files(), Some(name.to_owned().into())).await;
    profiles.map_err(|error| format!("the AWS configuration files cannot be read: {}", super::error::chain(&error)))
}

/// The files to read.
pub(super) fn profile_files() -> EnvConfigFiles {
    if FILES.iter().all(|(_, variable, _)| !is_empty(variable)) {
        return EnvConfigFiles::default();
    }
    let mut files = EnvConfigFiles::builder();
    for (kind, variable, path) in FILES {
        if !is_empty(variable) {
            files = match kind {
                EnvConfigFileKind::Config => files.include_default_config_file(true),
                EnvConfigFileKind::Credentials => files.include_default_credentials_file(true),
            };
        } else if let Some(path) = in_home(path) {
            files = files.with_file(kind, path);
        }
    }
    files.build()
}

/// A file in the home folder, if it exists. The SDK returns an error for a given file that does not exist.
fn in_home(path: &str) -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(path)).filter(|path| path.is_file())
}

//! Environment variables. An empty variable counts as unset, as in the AWS CLI: Docker Compose sets variables without a value.

/// Variables that name a profile, in the order in which the AWS CLI reads them (botocore's session variables).
const PROFILE_VARIABLES: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];
/// Variables that name the region, in the SDK's order. The AWS CLI reads only the second.
const REGION_VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// The value of a variable, unless it is unset or empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Whether a variable is set to an empty value.
pub(super) fn is_empty(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| value.trim().is_empty())
}

/// The profile that the environment names.
pub(super) fn profile() -> Option<String> {
    PROFILE_VARIABLES.into_iter().find_map(variable)
}

/// The region that the environment names.
pub(super) fn region() -> Option<String> {
    REGION_VARIABLES.into_iter().find_map(variable)
}

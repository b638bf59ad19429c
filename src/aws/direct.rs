//! Addresses that bypass the proxies of the environment.
//!
//! The credentials of roles come over plain HTTP from this machine or from link-local addresses (instance, ECS and EKS
//! metadata). A proxy would see these credentials and the authorization tokens, and usually cannot reach the addresses.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use url::{Host, Url};

/// Variables with the address from which a container gets the credentials of its role.
const CREDENTIAL_ENDPOINTS: [&str; 2] = ["AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
/// IPv6 addresses of the instance metadata service and of the EKS Pod Identity agent.
const LINK_LOCAL_SERVICES: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)];

/// Timeout of a DNS lookup. Behind a proxy, there may be no DNS.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether requests to a URL never use a proxy, by the URL alone, without a DNS lookup.
#[must_use]
pub fn is_direct(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let is_this_machine = match url.host() {
        Some(Host::Ipv4(address)) => is_near(address.into()),
        Some(Host::Ipv6(address)) => is_near(address.into()),
        Some(Host::Domain(name)) => is_near_name(name),
        None => false,
    };
    is_this_machine || CREDENTIAL_ENDPOINTS.iter().any(|name| names(name, &url))
}

/// Whether the name in a URL, such as one in the hosts file, resolves to this machine.
pub async fn leads_here(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let Some(Host::Domain(name)) = url.host() else { return false };
    let lookup = tokio::net::lookup_host((name, url.port_or_known_default().unwrap_or_default()));
    let found = tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await;
    found.is_ok_and(|found| found.is_ok_and(|mut addresses| addresses.any(|address| is_near(address.ip()))))
}

/// Whether an address is a loopback or link-local address.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        // The unspecified address reaches this machine.
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || LINK_LOCAL_SERVICES.contains(&address)
        }
    }
}

/// Whether a name is reserved for this machine (RFC 6761), or resolves to it on common systems.
fn is_near_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    ["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"].contains(&&*name)
        || name.ends_with(".localhost")
}

/// Whether an environment variable names the host and port of a URL over plain HTTP.
fn names(variable: &str, url: &Url) -> bool {
    let endpoint = std::env::var(variable).ok().and_then(|value| Url::parse(&value).ok());
    endpoint.is_some_and(|endpoint| endpoint.scheme() == "http" && endpoint.origin() == url.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_link_local_addresses_are_never_proxied() {
        for url in [
            "http://169.254.170.2/v2/credentials/x",
            "http://169.254.170.23/v1/credentials",
            "http://169.254.169.254/latest/api/token",
            "http://[fd00:ec2::254]/latest/api/token",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://[fe80::1]/",
            "http://127.0.0.1:4566/",
            "http://127.9.9.9/",
            "https://[::1]:4566/x?y",
            "http://[::ffff:127.0.0.1]:80/",
            "http://[::ffff:169.254.169.254]/",
            "http://localhost:4566/",
            "http://LOCALHOST./",
            "https://ip6-loopback:4566/",
            "http://s3.localhost:4566/",
            "http://localhost.localdomain/",
            "http://0.0.0.0:4566/",
            "http://[::]:4566/",
            "http://2130706433/",
            "http://0x7f.1/",
        ] {
            assert!(is_direct(url), "{url}");
        }
    }

    #[test]
    fn other_addresses_may_be_proxied() {
        for url in [
            "https://monitoring.eu-west-1.amazonaws.com/",
            "https://logs.eu-west-1.amazonaws.com/",
            "http://10.0.0.1/",
            "http://192.168.0.1:4566/",
            "http://128.0.0.1/",
            "http://169.253.1.1/",
            "http://[fd00:ec2::253]/",
            "http://localhost.example.com/",
            "http://notlocalhost/",
            "http://127.0.0.1.example.com/",
            "not a URL",
        ] {
            assert!(!is_direct(url), "{url}");
        }
    }
}

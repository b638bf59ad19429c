//! The partition of AWS that a region belongs to: its name in ARNs, and the domain of its console.
//!
//! The SDK resolves the partition of a region for its endpoints, but exposes only the DNS suffix in their URLs. This module has
//! a table with the name and the console domain of each suffix.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_sdk_cloudwatch::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};

/// A partition of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Its name in ARNs.
    pub name: &'static str,
    /// The domain of its console. The console of a region is at `REGION.console.DOMAIN`.
    pub console_domain: &'static str,
}

const fn partition(name: &'static str, console_domain: &'static str) -> Partition {
    Partition { name, console_domain }
}

/// The commercial partition, which the resolver also uses for an unknown region.
const COMMERCIAL: Partition = partition("aws", "aws.amazon.com");
/// The partition for US government agencies. It has the DNS suffix of the commercial partition, so the name of the region decides.
const GOV_CLOUD: Partition = partition("aws-us-gov", "amazonaws-us-gov.com");
const GOV_CLOUD_REGIONS: &str = "us-gov-";

/// The other partitions, by the DNS suffix of their endpoints.
const BY_DNS_SUFFIX: [(&str, Partition); 6] = [
    ("amazonaws.com.cn", partition("aws-cn", "amazonaws.cn")),
    ("amazonaws.eu", partition("aws-eusc", "amazonaws-eusc.eu")),
    ("c2s.ic.gov", partition("aws-iso", "c2shome.ic.gov")),
    ("sc2s.sgov.gov", partition("aws-iso-b", "sc2shome.sgov.gov")),
    ("cloud.adc-e.uk", partition("aws-iso-e", "csphome.adc-e.uk")),
    ("csp.hci.ic.gov", partition("aws-iso-f", "csphome.hci.ic.gov")),
];

impl Partition {
    /// The partition of a region.
    #[must_use]
    pub fn of(region: &str) -> Self {
        if region.starts_with(GOV_CLOUD_REGIONS) {
            return GOV_CLOUD;
        }
        let Some(suffix) = dns_suffix(region) else { return COMMERCIAL };
        BY_DNS_SUFFIX.iter().find(|(known, _)| *known == suffix).map_or(COMMERCIAL, |(_, partition)| *partition)
    }
}

/// The DNS suffix of a region's endpoints, as the SDK resolves them.
fn dns_suffix(region: &str) -> Option<String> {
    let params = Params::builder().region(region).build().ok()?;
    let resolver = DefaultResolver::new();
    let endpoint = pin!(resolver.resolve_endpoint(&params));
    // The SDK's own resolver needs no input and output, so the first poll has the result.
    let Poll::Ready(Ok(endpoint)) = endpoint.poll(&mut Context::from_waker(Waker::noop())) else { return None };
    let (_, suffix) = endpoint.url().split_once(&format!("monitoring.{region}."))?;
    Some(suffix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_its_partition() {
        for (region, name, console_domain) in [
            ("eu-north-1", "aws", "aws.amazon.com"),
            ("us-east-1", "aws", "aws.amazon.com"),
            ("mx-central-1", "aws", "aws.amazon.com"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws-us-gov.com"),
            ("cn-north-1", "aws-cn", "amazonaws.cn"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws-eusc.eu"),
            ("us-iso-east-1", "aws-iso", "c2shome.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "sc2shome.sgov.gov"),
            ("eu-isoe-west-1", "aws-iso-e", "csphome.adc-e.uk"),
            ("us-isof-south-1", "aws-iso-f", "csphome.hci.ic.gov"),
            ("nowhere-1", "aws", "aws.amazon.com"),
            ("not a region", "aws", "aws.amazon.com"),
            ("", "aws", "aws.amazon.com"),
        ] {
            assert_eq!(Partition::of(region), Partition { name, console_domain }, "{region}");
        }
    }
}

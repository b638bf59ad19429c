//! Calls to AWS through the AWS SDK for Rust: publishing, and all other operations.

pub mod direct;
pub mod response;

#[cfg(feature = "aws")]
pub mod account;
#[cfg(feature = "aws")]
mod credentials;
#[cfg(feature = "aws")]
mod endpoints;
#[cfg(feature = "aws")]
mod environment;
#[cfg(feature = "aws")]
mod error;
#[cfg(feature = "aws")]
mod http;
#[cfg(feature = "aws")]
mod intercept;
#[cfg(feature = "aws")]
pub mod partition;
#[cfg(feature = "aws")]
mod profiles;
#[cfg(feature = "aws")]
mod publish;
#[cfg(feature = "aws")]
mod sdk_config;
#[cfg(feature = "aws")]
mod session;
#[cfg(feature = "aws")]
mod trust;

#[cfg(feature = "aws")]
pub use publish::Aws;

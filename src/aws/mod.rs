//! AWS, through its SDK for Rust: what publishes, and what asks and changes everything else.

pub mod account;
mod config;
mod error;
mod publish;

pub use publish::Aws;

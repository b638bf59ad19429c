//! Options as the user sets them, and the validated [`Config`]. Options are validated once, and no other code checks them.

pub mod aws;
pub mod dimension;
pub mod identity;
pub mod options;
pub mod validate;
pub mod value;

pub use aws::{AwsConfig, RequiredAccount, ResolvedAws};
pub use options::{InvalidOption, LogChoice, LogClass, LogFields, LogFormat, LogUrls, Options, Problem, SeriesKey};
pub use validate::{Config, LogConfig, checks, is_endpoint_url};

//! Options as the user gives them, and the validated [`Config`] that they become once; after that no code checks again.

pub mod aws;
pub mod identity;
pub mod options;
pub mod validate;
pub mod value;

pub use aws::{AwsConfig, RequiredAccount, ResolvedAws};
pub use options::{InvalidOption, LogChoice, LogClass, LogFormat, LogUrls, Options, Problem, SeriesKey};
pub use validate::{Config, LogConfig};

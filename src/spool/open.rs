//! The spool of a run that starts: in a folder of its own, or in memory.

use std::io::ErrorKind;

use crate::config::Config;
use crate::config::identity::RunIdentity;
use crate::messages::{Diagnostics, Level};
use crate::spool::{Manifest, Spool};

/// How many worker names to try if earlier processes of the same run and name left data.
const MAX_WORKER_NAMES: usize = 100;

/// Opens the spool. If an earlier process of the same run and name left data, the worker's name gets a number, so that the two
/// are not mixed.
pub fn open_spool(config: &Config, identity: &mut RunIdentity, diagnostics: &Diagnostics) -> (Spool, Manifest) {
    let name = identity.worker.clone();
    let mut number = 1;
    let (error, manifest) = loop {
        let manifest = Manifest::of(config, identity);
        match Spool::create(&config.spool_dir, &manifest) {
            // Without `live`, data is sent long after it was written.
            Ok(spool) if config.live => return (spool.with_copies(), manifest),
            Ok(spool) => return (spool, manifest),
            Err(error)
                if number < MAX_WORKER_NAMES
                    && matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::WouldBlock) =>
            {
                number += 1;
                identity.worker = format!("{name}-{number}");
            }
            Err(error) => break (error, manifest),
        }
    };
    diagnostics.log_once(
        Level::Warning,
        "spool",
        format!(
            "locust-cw cannot use the spool folder {} ({error}): it sends data from memory, and drops and counts \
             what does not fit. Choose another --cw-spool-dir.",
            config.spool_dir.display()
        ),
    );
    (Spool::in_memory(&manifest), manifest)
}

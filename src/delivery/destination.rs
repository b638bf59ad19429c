//! Finds out where a run's data goes, beside the sending, and records it with the spool.
//!
//! A replay is perhaps run from a shell with another region, profile or endpoint: it goes by what is recorded here.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::config::ResolvedAws;
use crate::delivery::client::CloudWatch;
use crate::delivery::error::CallError;
use crate::delivery::outbox::Outbox;
use crate::delivery::retry::Backoff;

/// Least pause after an attempt that failed: nothing waits for this.
const LEAST_PAUSE: Duration = Duration::from_secs(2);

/// Finds out where calls go, then in which account, until both are known. With `records` the spool's manifest tells it.
pub async fn find<C: CloudWatch>(
    cloudwatch: &C,
    outbox: &Arc<Outbox>,
    records: bool,
    known: &watch::Sender<Option<ResolvedAws>>,
) {
    for with_account in [false, true] {
        let mut failures = 0;
        let resolved = loop {
            let found = if with_account { cloudwatch.resolve_account().await } else { cloudwatch.resolve().await };
            match found {
                Ok(Some(resolved)) => break resolved,
                Ok(None) => return,
                Err(error) => {
                    failures += 1;
                    sleep(pause_after(&error, failures)).await;
                }
            }
        };
        known.send_replace(Some(resolved.clone()));
        if records {
            let outbox = Arc::clone(outbox);
            // Best effort: without it, a replay goes by the options and its own environment.
            let _ = tokio::task::spawn_blocking(move || outbox.spool().record_resolved(&resolved)).await;
        }
    }
}

fn pause_after(error: &CallError, failures: u32) -> Duration {
    Backoff::of(error.action()).pause(failures, rand::random()).max(LEAST_PAUSE)
}

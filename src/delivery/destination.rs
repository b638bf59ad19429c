//! Resolves the destination of a run while it publishes, and records it in the spool.
//!
//! A replay uses the recorded destination, because its shell may have another region, profile or endpoint.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::config::ResolvedAws;
use crate::delivery::client::CloudWatch;
use crate::delivery::outbox::Outbox;

/// Pauses between attempts. Nothing waits for them, and in a closed network STS cannot be reached at all.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// Resolves the destination of one delivery.
pub struct DestinationFinder<C> {
    /// The client that resolves it.
    pub cloudwatch: Arc<C>,
    /// Its spool stores the destination, if `records`.
    pub outbox: Arc<Outbox>,
    /// A replay uses the recorded destination, and does not replace it.
    pub records: bool,
    /// Receives the destination.
    pub known: watch::Sender<Option<ResolvedAws>>,
}

impl<C: CloudWatch> DestinationFinder<C> {
    /// Runs until the account is known, too, or the delivery has `ended`.
    pub async fn run(self, mut ended: watch::Receiver<bool>) {
        tokio::select! {
            () = self.find() => {}
            // An error means that the delivery is gone, which is its end, too.
            _ = ended.wait_for(|ended| *ended) => {}
        }
    }

    async fn find(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            // The part that is known without a call does not wait for STS.
            match self.cloudwatch.resolve().await {
                Ok(None) => return,
                Ok(Some(resolved)) => self.publish(&resolved),
                Err(_) => {}
            }
            if let Ok(Some(resolved)) = self.cloudwatch.resolve_account().await {
                self.publish(&resolved);
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn publish(&self, resolved: &ResolvedAws) {
        let is_new = self.known.send_if_modified(|known| {
            let is_new = known.as_ref() != Some(resolved);
            *known = Some(resolved.clone());
            is_new
        });
        if is_new && self.records {
            // In place, so that the end of the delivery waits for it. Best effort: otherwise, a replay uses the options and its
            // own environment.
            let _ = tokio::task::block_in_place(|| self.outbox.spool().record_resolved(resolved));
        }
    }
}

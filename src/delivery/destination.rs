//! Finds out where a run's data goes, beside the sending, and records it with the spool.
//!
//! A replay may be run from a shell with another region, profile or endpoint: it goes by what is recorded here.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::config::ResolvedAws;
use crate::delivery::client::CloudWatch;
use crate::delivery::outbox::Outbox;

/// Pauses between attempts: nothing waits for them, and in a closed network STS is never reached.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// Finds out the destination of one delivery.
pub struct Finder<C> {
    /// What calls AWS.
    pub cloudwatch: Arc<C>,
    /// Its spool records the destination, if `records`.
    pub outbox: Arc<Outbox>,
    /// A replay goes by what is recorded, and does not replace it.
    pub records: bool,
    /// Where the destination is published.
    pub known: watch::Sender<Option<ResolvedAws>>,
}

impl<C: CloudWatch> Finder<C> {
    /// Tries until the account is known too, or the delivery has `ended`.
    pub async fn run(self, mut ended: watch::Receiver<bool>) {
        tokio::select! {
            () = self.find() => {}
            // An error says that the delivery is gone, which is its end too.
            _ = ended.wait_for(|ended| *ended) => {}
        }
    }

    async fn find(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            // What is known without a call does not wait for STS.
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
            // In place, so that the end of the delivery waits for it. Best effort: without it, a replay goes by the options
            // and its own environment.
            let _ = tokio::task::block_in_place(|| self.outbox.spool().record_resolved(resolved));
        }
    }
}

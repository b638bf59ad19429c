//! Sends one call of a lane, and settles its segments by the response.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::accounting::counters::Counters;
use crate::delivery::assemble::{logs_call, metrics_call};
use crate::delivery::bisect::{NoRoom, can_be_split};
use crate::delivery::client::{CloudWatch, RejectedLogEvents};
use crate::delivery::error::{CallError, Cause, Stage};
use crate::delivery::in_flight::{InFlightGuard, operation_of};
use crate::delivery::limits::{BatchLimits, BatchPacker};
use crate::delivery::outage::OutageMonitor;
use crate::delivery::outbox::{Outbox, Retention};
use crate::delivery::retry::RetryAction;
use crate::messages::{Diagnostics, Level};
use crate::spool::{Lane, Packing, ResourceNames, Segment};

/// The part of sending that both lanes share.
pub struct Sender<C> {
    cloudwatch: Arc<C>,
    names: ResourceNames,
    pub(super) outbox: Arc<Outbox>,
    pub(super) counters: Arc<Counters>,
    pub(super) diagnostics: Arc<Diagnostics>,
    pub(super) outage: Arc<OutageMonitor>,
    stream_exists: Mutex<bool>,
    abandoned: AtomicBool,
}

/// How a call ended.
pub(super) enum CallOutcome {
    /// CloudWatch accepted it.
    Accepted,
    /// CloudWatch cannot accept this call. Its data is rejected, or back in the outbox in smaller parts.
    Unacceptable(CallError),
    /// It failed, and is back in the outbox to be repeated.
    Failed(CallError),
    /// It failed after the log stream was created, and is back in the outbox.
    FailedAfterStreamCreated(CallError),
    /// There was nothing to send after all.
    Empty,
    /// No file of it could be read.
    Unreadable,
}

impl<C: CloudWatch> Sender<C> {
    /// A sender of a delivery.
    #[must_use]
    pub fn new(
        cloudwatch: Arc<C>,
        names: ResourceNames,
        outbox: Arc<Outbox>,
        counters: Arc<Counters>,
        diagnostics: Arc<Diagnostics>,
        outage: Arc<OutageMonitor>,
    ) -> Arc<Self> {
        Arc::new(Self {
            cloudwatch,
            names,
            outbox,
            counters,
            diagnostics,
            outage,
            stream_exists: Mutex::new(false),
            abandoned: AtomicBool::new(false),
        })
    }

    /// Cuts off all calls and starts no further one: both lanes end at once.
    pub fn abandon(&self) {
        self.abandoned.store(true, SeqCst);
        self.outbox.wake_all();
    }

    /// Whether no further call may start.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(SeqCst)
    }

    pub(super) fn take(&self, lane: Lane) -> Vec<Segment> {
        let limits = BatchLimits::of(lane);
        let merged = lane == Lane::Metrics && self.names.windows_in_parts;
        let mut packer = BatchPacker::new(if merged { limits.for_merging() } else { limits });
        let (mut empty, mut complete) = (true, false);
        self.outbox.take(lane, limits.bytes(), |segment| {
            if complete || (!empty && segment.packing == Packing::Isolated) {
                return false;
            }
            let within = packer.try_add(segment.contents.items, segment.contents.wire_bytes, segment.contents.span);
            // The first segment is always sent. A damaged time or an edit can make it larger than a call may be, and it would hold
            // up all others; CloudWatch refuses it, and it is split.
            let fits = within || empty;
            if fits {
                (empty, complete) = (false, segment.packing == Packing::Isolated || !within);
            }
            fits
        })
    }

    pub(super) async fn send(self: Arc<Self>, lane: Lane, segments: Vec<Segment>) -> CallOutcome {
        let resource = match lane {
            Lane::Metrics => &self.names.namespace,
            Lane::Logs => &self.names.group,
        };
        // Before anything is counted: a call that waits for credentials is not sent.
        if let Err(error) = self.cloudwatch.prepare(operation_of(lane), resource).await {
            return self.failed(lane, segments, error);
        }
        if segments.iter().any(|segment| segment.failed_calls > 0) {
            self.counters.retries.add(1);
        }
        match lane {
            Lane::Metrics => self.send_metrics(segments).await,
            Lane::Logs => self.send_logs(segments).await,
        }
    }

    async fn send_metrics(&self, segments: Vec<Segment>) -> CallOutcome {
        // Reading and merging takes milliseconds of CPU time.
        let Ok(call) = tokio::task::spawn_blocking(move || metrics_call(segments)).await else {
            return CallOutcome::Empty;
        };
        self.outbox.put_back(Lane::Metrics, call.rest);
        let unreadable = self.handle_unread(call.unread);
        if call.segments.is_empty() {
            return if unreadable { CallOutcome::Unreadable } else { CallOutcome::Empty };
        }
        let in_flight = InFlightGuard::new(&self.counters, Lane::Metrics, &call.segments);
        let (begun, number) = (Instant::now(), call.datums.len());
        let put = self.cloudwatch.put_metric_data(&self.names.namespace, call.datums).await;
        in_flight.settle(put.as_ref().err());
        match put {
            Ok(()) => {
                self.log_success(Lane::Metrics, number, begun);
                let newest = call.segments.iter().map(|segment| segment.contents.span.1 / 1000).max();
                self.counters.delivered_until.raise_to(newest.unwrap_or_default().try_into().unwrap_or_default());
                self.outbox.settle(call.segments, 0);
                CallOutcome::Accepted
            }
            Err(error) => self.failed(Lane::Metrics, call.segments, error),
        }
    }

    async fn send_logs(&self, segments: Vec<Segment>) -> CallOutcome {
        let created = match self.create_log_stream().await {
            Ok(created) => created,
            Err(error) => return self.failed(Lane::Logs, segments, error),
        };
        let Ok(call) = tokio::task::spawn_blocking(move || logs_call(segments)).await else {
            return CallOutcome::Empty;
        };
        let unreadable = self.handle_unread(call.unread);
        if call.segments.is_empty() {
            return if unreadable { CallOutcome::Unreadable } else { CallOutcome::Empty };
        }
        let ResourceNames { group, stream, .. } = &self.names;
        let bytes = call.segments.iter().map(|segment| segment.contents.wire_bytes).sum();
        let in_flight = InFlightGuard::new(&self.counters, Lane::Logs, &call.segments);
        let (begun, number) = (Instant::now(), call.batch.events);
        let put = self.cloudwatch.put_log_events(group, stream, call.batch).await;
        in_flight.settle(put.as_ref().err());
        match put {
            Ok(rejected_events) => {
                self.log_success(Lane::Logs, number, begun);
                self.log_rejected_events(&rejected_events);
                self.counters.log_bytes.add_len(bytes);
                self.outbox.settle(call.segments, rejected_events.total());
                CallOutcome::Accepted
            }
            Err(error) => {
                if error.action() == RetryAction::Recreate {
                    *self.stream_exists.lock().await = false;
                }
                match self.failed(Lane::Logs, call.segments, error) {
                    CallOutcome::Failed(error) if created => CallOutcome::FailedAfterStreamCreated(error),
                    other => other,
                }
            }
        }
    }

    /// Creates the log group and stream before the first call. Returns whether this call created them.
    async fn create_log_stream(&self) -> Result<bool, CallError> {
        let mut exists = self.stream_exists.lock().await;
        if *exists {
            return Ok(false);
        }
        let ResourceNames { group, stream, .. } = &self.names;
        if let Some(error) = self.cloudwatch.create_log_stream(group, stream).await? {
            self.diagnostics.log(
                Level::Warning,
                &error.topic(),
                format!("{error} Until a retention is set, the log group keeps its events forever."),
            );
        }
        self.diagnostics.log(
            Level::Debug,
            "CreateLogStream",
            format!("CreateLogStream: log group {group} has stream {stream}"),
        );
        *exists = true;
        Ok(true)
    }

    fn log_rejected_events(&self, rejected: &RejectedLogEvents) {
        if rejected.total() == 0 {
            return;
        }
        self.diagnostics.log_once(
            Level::Warning,
            "rejected events",
            format!(
                "CloudWatch Logs rejected events for log group {}: {} too old, {} too new, {} older than the group's \
                 retention. The receipt counts them as rejected.",
                self.names.group, rejected.too_old, rejected.too_new, rejected.expired
            ),
        );
    }

    fn log_success(&self, lane: Lane, number: usize, begun: Instant) {
        self.outage.call_succeeded(lane);
        if self.outbox.retention() == Retention::Keep {
            // A dry run makes no call.
            return;
        }
        let what = match lane {
            Lane::Metrics => "PutMetricData: CloudWatch accepted",
            Lane::Logs => "PutLogEvents: CloudWatch Logs accepted",
        };
        let items = if lane == Lane::Metrics { "datums" } else { "events" };
        let elapsed = begun.elapsed().as_millis();
        self.diagnostics.log(Level::Debug, "call", format!("{what} {number} {items} in {elapsed} ms"));
    }

    fn failed(&self, lane: Lane, mut segments: Vec<Segment>, error: CallError) -> CallOutcome {
        if error.stage == Stage::Call {
            segments.iter_mut().for_each(|segment| segment.failed_calls += 1);
        }
        let is_at_limit = error.action() == RetryAction::Split && !can_be_split(&segments);
        // The limit of a gateway is not that of CloudWatch: nothing is rejected because of it.
        let error =
            if is_at_limit && !error.is_from_aws() { CallError { cause: Cause::NotAws, ..error } } else { error };
        self.outage.call_failed(lane, &error);
        match error.action() {
            RetryAction::Split => match self.split(lane, segments) {
                Ok(()) => CallOutcome::Unacceptable(error),
                Err(NoRoom) => CallOutcome::Failed(error),
            },
            RetryAction::Reject => {
                segments.into_iter().for_each(|segment| self.outbox.reject(segment));
                CallOutcome::Unacceptable(error)
            }
            RetryAction::Retry | RetryAction::RetrySlowly | RetryAction::Recreate | RetryAction::Block => {
                self.outbox.put_back(lane, segments);
                CallOutcome::Failed(error)
            }
        }
    }
}

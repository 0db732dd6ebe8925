//! The reads of all runs: those that wait for a timer, those that wait for a free slot, and those in flight.

use std::collections::VecDeque;
use std::future::Future;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use redis_core::id::RunId;
use tokio_util::time::DelayQueue;

use crate::fetch::FetchOutcome;
use crate::read_scheduler::ReadAction;
use crate::watched_run::Subscribed;

/// Reads in flight at once: enough to keep Redis busy, too few to fill its buffers.
const MAX_IN_FLIGHT: usize = 128;

/// What has happened in the queue.
pub(super) enum QueueEvent {
    /// The run's timer has fired.
    Timer(RunId),
    /// A request for the run has ended that was begun when this was its current connection.
    Finished(RunId, Option<Subscribed>, FetchOutcome),
}

type Finished = (RunId, Option<Subscribed>, FetchOutcome);

/// Holds each run at most once.
#[derive(Default)]
pub(super) struct ReadQueue {
    timers: DelayQueue<RunId>,
    ready: VecDeque<RunId>,
    in_flight: FuturesUnordered<BoxFuture<'static, Finished>>,
}

impl ReadQueue {
    /// Does what the run's scheduler has asked for.
    pub(super) fn apply(&mut self, run: RunId, action: ReadAction) {
        match action {
            ReadAction::Nothing => {}
            ReadAction::Read => self.ready.push_back(run),
            ReadAction::SetTimer(at) => {
                self.timers.insert_at(run, at.into());
            }
        }
    }

    /// The next run to read. `None` if no run waits or no slot is free.
    pub(super) fn pop_ready(&mut self) -> Option<RunId> {
        if self.in_flight.len() < MAX_IN_FLIGHT { self.ready.pop_front() } else { None }
    }

    /// Starts a request.
    pub(super) fn start(&mut self, request: impl Future<Output = Finished> + Send + 'static) {
        self.in_flight.push(Box::pin(request));
    }

    /// The next event. `None` if no timer is set and nothing is in flight. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<QueueEvent> {
        tokio::select! {
            Some((run, begun, outcome)) = self.in_flight.next() => Some(QueueEvent::Finished(run, begun, outcome)),
            Some(timer) = self.timers.next() => Some(QueueEvent::Timer(timer.into_inner())),
            else => None,
        }
    }
}

//! Publishes each event when it is due, and passes it on to the acker once the broker has acknowledged it.
//!
//! At most `CONSUME_BATCH_SIZE` events are published and still on the timeline. A crash repeats no more than those.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::assignment::Assignment;
use crate::clock::Clock;
use crate::config::mqtt::Topics;
use crate::metrics::Metrics;
use crate::mqtt::{Ack, Session, payload};
use crate::publish_queue::PublishQueue;
use crate::range::ClaimedEvent;
use crate::release_request::ReleaseRequest;

/// The task that publishes.
pub(crate) struct Player {
    pub(crate) topics: Topics,
    pub(crate) clock: Arc<Clock>,
    /// The instance name under which its events were read.
    pub(crate) instance: Arc<str>,
    pub(crate) assignment: watch::Receiver<Assignment>,
    /// Where its events come from.
    pub(crate) pages: mpsc::Receiver<Vec<ClaimedEvent>>,
    pub(crate) release_requests: mpsc::Receiver<ReleaseRequest>,
    /// The session with the broker. `None` while there is no connection.
    pub(crate) sessions: watch::Receiver<Option<Session>>,
    /// What the broker has acknowledged.
    pub(crate) acks: mpsc::UnboundedReceiver<Ack>,
    /// Where acknowledged events go: to the acker.
    pub(crate) published: mpsc::UnboundedSender<ClaimedEvent>,
    /// One permit for each event that may be published and still on the timeline.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) max_unacknowledged: usize,
    pub(crate) metrics: Metrics,
    pub(crate) stopping: CancellationToken,
}

impl Player {
    /// Plays until it is stopped. Then waits until the broker has acknowledged what was published.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut queue = PublishQueue::default();
        let mut acks = Vec::new();
        let mut session: Option<Session> = None;
        let permits = Arc::clone(&self.permits);
        let timer = tokio::time::sleep(std::time::Duration::ZERO);
        tokio::pin!(timer);
        loop {
            let stopping = self.stopping.is_cancelled();
            if stopping && (queue.has_no_inflight() || session.is_none()) {
                return Ok(());
            }
            let wait = if stopping { Wait::Other } else { self.publish_due(&mut queue, session.as_ref()) };
            if let Wait::Until(due_ms) = wait {
                timer.as_mut().reset(self.clock.instant_at(due_ms).into());
            }
            tokio::select! {
                biased;
                () = self.stopping.cancelled(), if !stopping => {}
                changed = self.sessions.changed() => {
                    if changed.is_err() { return Ok(()) }
                    session.clone_from(&self.sessions.borrow_and_update());
                    // What the broker did not acknowledge in the old session is published again.
                    self.permits.add_permits(queue.requeue_inflight());
                }
                count = self.acks.recv_many(&mut acks, MAX_ACKS_AT_ONCE) => {
                    if count == 0 { return Ok(()) }
                    let session_id = session.as_ref().map(Session::id);
                    for ack in acks.drain(..).filter(|ack| Some(ack.session_id) == session_id) {
                        if let Some(claimed) = queue.acknowledge(ack.publish_id) {
                            // The acker runs until this sender is dropped.
                            let _ = self.published.send(claimed);
                        }
                    }
                }
                Some(request) = self.release_requests.recv() => self.release_unpublished(&mut queue, request),
                Some(page) = self.pages.recv(), if !stopping && self.has_room(&queue) => queue.push(page),
                () = &mut timer, if matches!(wait, Wait::Until(_)) => {}
                permit = permits.acquire(), if matches!(wait, Wait::Permit) => drop(permit),
                _ = self.assignment.changed(), if matches!(wait, Wait::Lease) => {}
            }
        }
    }

    /// Publishes the events that are due, as long as there is a session, a valid lease and a permit for each.
    fn publish_due(&mut self, queue: &mut PublishQueue, session: Option<&Session>) -> Wait {
        let Some(session) = session else { return Wait::Other };
        let now_ms = self.clock.now_ms();
        while let Some(next) = queue.front() {
            let due_ms = next.due_ms as f64;
            if due_ms > now_ms {
                return Wait::Until(due_ms);
            }
            let assignment = self.assignment.borrow_and_update();
            if !assignment.is_valid() || assignment.instance != self.instance {
                // Under a new name all waiting events may belong to other instances: the reader is about to release them.
                return Wait::Lease;
            }
            let Ok(permit) = self.permits.try_acquire() else { return Wait::Permit };
            permit.forget();
            let event = &next.event;
            let topic = self.topics.for_kind(event.step.kind);
            let sent = session.publish(queue.next_publish_id(), topic, payload(event));
            queue.mark_published();
            if !sent {
                // The session is over. When `sessions` changes, this event is requeued.
                return Wait::Other;
            }
            self.metrics.count_published(self.clock.now_ms() - due_ms);
        }
        Wait::Other
    }

    fn has_room(&self, queue: &PublishQueue) -> bool {
        queue.waiting_len() < self.max_unacknowledged.max(MIN_QUEUE)
    }

    fn release_unpublished(&mut self, queue: &mut PublishQueue, request: ReleaseRequest) {
        let mut unpublished = queue.take_waiting();
        while let Ok(page) = self.pages.try_recv() {
            unpublished.extend(page);
        }
        // This fails if the reader has stopped.
        let _ = request.reply.send(unpublished);
        self.instance = request.instance;
    }
}

/// What the next event waits for.
enum Wait {
    /// The time when it is due (ms).
    Until(f64),
    /// A valid lease.
    Lease,
    /// A permit: the acker must take other events off the timeline first.
    Permit,
    /// There is no event, or no session.
    Other,
}

const MAX_ACKS_AT_ONCE: usize = 1_000;
const MIN_QUEUE: usize = 1_000;

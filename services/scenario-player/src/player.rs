//! Publishes each event when it is due, and passes it on to the acker once the broker has decided about it.
//!
//! At most `CONSUME_BATCH_SIZE` events are published and still on the timeline. A crash repeats no more than those.

mod flow;
mod suspect;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::flow::Flow;
use self::suspect::Suspect;
use crate::assignment::Assignment;
use crate::clock::Clock;
use crate::event::Item;
use crate::message::{Message, StepMessages};
use crate::metrics::Metrics;
use crate::mqtt::{Ack, Answer, Published, Session};
use crate::publish_queue::PublishQueue;
use crate::range::ClaimedEvent;
use crate::release_request::ReleaseRequest;
use crate::settled::{RefusedEvent, Settled};

/// The task that publishes.
pub(crate) struct Player {
    pub(crate) messages: StepMessages,
    pub(crate) clock: Arc<Clock>,
    /// The instance name under which its events were read.
    pub(crate) instance: Arc<str>,
    pub(crate) assignment: watch::Receiver<Assignment>,
    /// Where its events come from.
    pub(crate) pages: mpsc::Receiver<Vec<ClaimedEvent>>,
    pub(crate) release_requests: mpsc::Receiver<ReleaseRequest>,
    /// The session with the broker. `None` while there is no connection.
    pub(crate) sessions: watch::Receiver<Option<Session>>,
    /// What the broker has answered.
    pub(crate) acks: mpsc::UnboundedReceiver<Ack>,
    /// Where events go that the broker has decided about: to the acker.
    pub(crate) settled: mpsc::UnboundedSender<Settled>,
    /// One permit for each event that may be published and still on the timeline.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) max_unacknowledged: usize,
    pub(crate) metrics: Metrics,
    pub(crate) stopping: CancellationToken,
}

/// What is under way.
struct State {
    queue: PublishQueue,
    session: Option<Session>,
    flow: Flow,
    suspect: Suspect,
}

impl Player {
    /// Plays until it is stopped. Then waits until the broker has answered to what was published.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut state = State {
            queue: PublishQueue::default(),
            session: None,
            flow: Flow::new(),
            suspect: Suspect::default(),
        };
        let mut acks = Vec::new();
        let permits = Arc::clone(&self.permits);
        let mut clock_steps = self.clock.steps();
        let timer = tokio::time::sleep(std::time::Duration::ZERO);
        tokio::pin!(timer);
        loop {
            let stopping = self.stopping.is_cancelled();
            if stopping && (state.queue.has_no_inflight() || state.session.is_none()) {
                return Ok(());
            }
            let wait = if stopping { Wait::Other } else { self.publish_due(&mut state) };
            if let Wait::Until(moment) = wait {
                timer.as_mut().reset(moment.into());
            }
            tokio::select! {
                biased;
                () = self.stopping.cancelled(), if !stopping => {}
                changed = self.sessions.changed() => {
                    if changed.is_err() { return Ok(()) }
                    self.on_session(&mut state);
                }
                count = self.acks.recv_many(&mut acks, MAX_ACKS_AT_ONCE) => {
                    if count == 0 { return Ok(()) }
                    acks.drain(..).for_each(|ack| self.on_ack(&mut state, ack));
                }
                Some(request) = self.release_requests.recv() => self.release_unpublished(&mut state.queue, request),
                Some(page) = self.pages.recv(), if !stopping && self.has_room(&state.queue) => state.queue.push(page),
                () = &mut timer, if matches!(wait, Wait::Until(_)) => {}
                _ = clock_steps.changed() => {}
                permit = permits.acquire(), if matches!(wait, Wait::Permit) => drop(permit),
                _ = self.assignment.changed(), if matches!(wait, Wait::Lease) => {}
            }
        }
    }

    /// Publishes the events that are due, as long as there is a session with room, a valid lease and a permit for each.
    fn publish_due(&mut self, state: &mut State) -> Wait {
        let State { queue, flow, .. } = state;
        let Some(session) = &state.session else { return Wait::Other };
        if let Some(until) = flow.pause_until() {
            return Wait::Until(until);
        }
        let now_ms = self.clock.now_ms();
        while let Some(next) = queue.front() {
            let due_ms = next.due_ms as f64;
            if due_ms > now_ms {
                return Wait::Until(self.clock.instant_at(due_ms));
            }
            if !flow.allows(queue.inflight_len(), session.max_inflight(self.qos(next))) {
                // An answer of the broker is what comes next.
                return Wait::Other;
            }
            if !self.may_publish() {
                // Under a new name all waiting events may belong to other instances: the reader is about to release them.
                return Wait::Lease;
            }
            let Ok(permit) = self.permits.try_acquire() else { return Wait::Permit };
            permit.forget();
            let Some(message) = self.message(next) else {
                self.refuse_front(queue, "its recording is gone".into());
                continue;
            };
            match session.publish(queue.next_publish_id(), message) {
                Published::Sent => queue.mark_published(),
                Published::SessionOver => {
                    // When `sessions` changes, this event is requeued.
                    queue.mark_published();
                    return Wait::Other;
                }
                Published::TooLarge => {
                    let bytes = session.max_packet_bytes();
                    let reason = format!("it is larger than the {bytes} bytes that the broker takes").into();
                    self.refuse_front(queue, reason);
                    continue;
                }
            }
            self.metrics.count_published(self.clock.now_ms() - due_ms);
        }
        Wait::Other
    }

    fn qos(&self, claimed: &ClaimedEvent) -> u8 {
        match &claimed.event.item {
            Item::Step(step) => self.messages.of_kind(step.step.kind).qos,
            Item::Message(_) => claimed.message.as_ref().map(|message| message.qos).unwrap_or_default(),
        }
    }

    /// What an event is for the broker. `None` if it is of a recording that is gone.
    fn message(&self, claimed: &ClaimedEvent) -> Option<Message> {
        match &claimed.event.item {
            Item::Step(step) => Some(self.messages.message(step)),
            Item::Message(_) => claimed.message.as_deref().cloned(),
        }
    }

    /// Gives up the event to publish next.
    fn refuse_front(&self, queue: &mut PublishQueue, reason: Arc<str>) {
        if let Some(claimed) = queue.take_front() {
            self.settle(Settled::Refused(RefusedEvent { claimed, reason }));
        }
    }

    fn may_publish(&mut self) -> bool {
        let assignment = self.assignment.borrow_and_update();
        assignment.is_valid() && assignment.instance == self.instance
    }

    /// What the broker did not answer in the old session is published again in the next.
    fn on_session(&mut self, state: &mut State) {
        let State { queue, session, flow, suspect } = state;
        if session.is_some() {
            suspect.on_lost(queue.alone_in_flight().map(|claimed| &claimed.event));
            let requeued = queue.requeue_inflight();
            if requeued > 0 {
                flow.on_lost();
            }
            self.permits.add_permits(requeued);
        }
        session.clone_from(&self.sessions.borrow_and_update());
        let Some(session) = session else { return };
        flow.begin();
        if let Some((event, reason)) = suspect.on_session(session)
            && let Some(claimed) = queue.take_waiting_event(&event)
        {
            // The acker gives back a permit for each event that it gets.
            if let Ok(permit) = self.permits.try_acquire() {
                permit.forget();
            }
            self.settle(Settled::Refused(RefusedEvent { claimed, reason }));
        }
    }

    fn on_ack(&self, state: &mut State, ack: Ack) {
        let State { queue, session, flow, .. } = state;
        if session.as_ref().map(Session::id) != Some(ack.session_id) {
            return;
        }
        let Some(claimed) = queue.acknowledge(ack.publish_id) else { return };
        match ack.answer {
            Answer::Accepted => {
                flow.on_accepted();
                self.settle(Settled::Accepted(claimed));
            }
            Answer::Deferred => {
                flow.on_deferred();
                queue.requeue(claimed);
                self.permits.add_permits(1);
            }
            Answer::Refused(reason) => self.settle(Settled::Refused(RefusedEvent { claimed, reason })),
        }
    }

    fn settle(&self, settled: Settled) {
        // The acker runs until this sender is dropped.
        let _ = self.settled.send(settled);
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
    /// The moment when it is due, or the end of a pause.
    Until(Instant),
    /// A valid lease.
    Lease,
    /// A permit: the acker must take other events off the timeline first.
    Permit,
    /// There is no event, no session, or no room in it.
    Other,
}

const MAX_ACKS_AT_ONCE: usize = 1_000;
const MIN_QUEUE: usize = 1_000;

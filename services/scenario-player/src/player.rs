//! Publishes each event when it is due, and passes it on to the acker once the broker has decided about it.
//!
//! At most `CONSUME_BATCH_SIZE` events are published and still on the timeline. A crash repeats no more than those.

mod flow;
mod played_lane;
mod suspect;

use std::sync::Arc;
use std::time::Instant;

use chassis::traces::TraceParent;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use self::flow::Flow;
pub(crate) use self::played_lane::PlayedLane;
use self::suspect::Suspect;
use crate::event::Item;
use crate::lanes::{Lane, Lanes};
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
    /// By their numbers.
    pub(crate) lanes: Vec<PlayedLane>,
    pub(crate) release_requests: mpsc::Receiver<ReleaseRequest>,
    /// The session with the broker. `None` while there is no connection.
    pub(crate) sessions: watch::Receiver<Option<Session>>,
    /// What the broker has answered.
    pub(crate) acks: mpsc::UnboundedReceiver<Ack>,
    /// Notified when there may be something to do in a lane: a page, a lease, a permit, or its clock was set.
    pub(crate) woken: Arc<Notify>,
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
    pub(crate) async fn run(mut self, lanes: Lanes) -> anyhow::Result<()> {
        let mut state = State {
            queue: PublishQueue::new(lanes),
            session: None,
            flow: Flow::new(),
            suspect: Suspect::default(),
        };
        let mut acks = Vec::new();
        let woken = Arc::clone(&self.woken);
        let timer = tokio::time::sleep(std::time::Duration::ZERO);
        tokio::pin!(timer);
        loop {
            let stopping = self.stopping.is_cancelled();
            if stopping && (state.queue.has_no_inflight() || state.session.is_none()) {
                return Ok(());
            }
            let due_at = if stopping {
                None
            } else {
                self.take_pages(&mut state.queue);
                self.publish_due(&mut state)
            };
            if let Some(moment) = due_at {
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
                () = woken.notified() => {}
                () = &mut timer, if due_at.is_some() => {}
            }
        }
    }

    fn take_pages(&mut self, queue: &mut PublishQueue) {
        for lane in &mut self.lanes {
            while queue.waiting_len(lane.lane) < lane.max_waiting
                && let Ok(page) = lane.pages.try_recv()
            {
                queue.push(lane.lane, page);
            }
        }
    }

    /// Publishes the events that are due, as long as there is a session with room, and in their lane a valid lease and a permit for
    /// each. Returns when the next one is due, unless something else must come first.
    fn publish_due(&mut self, state: &mut State) -> Option<Instant> {
        let State { queue, flow, .. } = state;
        let session = state.session.as_ref()?;
        if let Some(until) = flow.pause_until() {
            return Some(until);
        }
        let now_ms: Vec<f64> = self.lanes.iter().map(PlayedLane::now_ms).collect();
        // A lane that cannot publish keeps no other waiting.
        let mut is_held_up = vec![false; self.lanes.len()];
        loop {
            let fronts = queue.fronts().filter(|(lane, _)| !is_held_up[lane.number()]);
            let late_ms = |lane: Lane, next: &ClaimedEvent| now_ms[lane.number()] - next.due_ms as f64;
            let (lane, next) =
                fronts.max_by(|one, other| late_ms(one.0, one.1).total_cmp(&late_ms(other.0, other.1)))?;
            let due_ms = next.due_ms as f64;
            if late_ms(lane, next) < 0.0 {
                return Some(self.lanes[lane.number()].clock().instant_at(due_ms));
            }
            if !flow.allows(queue.inflight_len(), session.max_inflight(self.qos(next))) {
                // An answer of the broker is what comes next.
                return None;
            }
            if !self.lanes[lane.number()].take_permit() {
                is_held_up[lane.number()] = true;
                continue;
            }
            let Some(message) = self.message(next) else {
                self.refuse_front(queue, lane, "its recording is gone".into());
                continue;
            };
            let span = next.trace.as_ref().map_or_else(Span::none, |trace| trace.publish_span());
            let traceparent = TraceParent::of(&span);
            match session.publish(queue.next_publish_id(), message, traceparent) {
                Published::Sent => queue.mark_published(lane, span),
                Published::SessionOver => {
                    // When `sessions` changes, this event is requeued.
                    queue.mark_published(lane, span);
                    return None;
                }
                Published::TooLarge => {
                    let bytes = session.max_packet_bytes();
                    let reason = format!("it is larger than the {bytes} bytes that the broker takes").into();
                    self.refuse_front(queue, lane, reason);
                    continue;
                }
            }
            self.metrics.count_published(self.lanes[lane.number()].now_ms() - due_ms);
        }
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
    fn refuse_front(&self, queue: &mut PublishQueue, lane: Lane, reason: Arc<str>) {
        if let Some(claimed) = queue.take_front(lane) {
            self.settle(lane, Settled::Refused(RefusedEvent { claimed, reason }));
        }
    }

    /// What the broker did not answer in the old session is published again in the next.
    fn on_session(&mut self, state: &mut State) {
        let State { queue, session, flow, suspect } = state;
        if session.is_some() {
            suspect.on_lost(queue.alone_in_flight().map(|claimed| &claimed.event));
            let requeued = queue.requeue_inflight();
            if !requeued.is_empty() {
                flow.on_lost();
            }
            requeued.into_iter().for_each(|lane| self.lanes[lane.number()].give_back_permit());
        }
        session.clone_from(&self.sessions.borrow_and_update());
        let Some(session) = session else { return };
        flow.begin();
        if let Some((event, reason)) = suspect.on_session(session)
            && let Some(claimed) = queue.take_waiting_event(&event)
        {
            let lane = queue.lane_of(&claimed);
            // The acker gives back a permit for each event that it gets.
            self.lanes[lane.number()].forget_permit();
            self.settle(lane, Settled::Refused(RefusedEvent { claimed, reason }));
        }
    }

    fn on_ack(&self, state: &mut State, ack: Ack) {
        let State { queue, session, flow, .. } = state;
        if session.as_ref().map(Session::id) != Some(ack.session_id) {
            return;
        }
        let Some(claimed) = queue.acknowledge(ack.publish_id) else { return };
        let lane = queue.lane_of(&claimed);
        match ack.answer {
            Answer::Accepted => {
                flow.on_accepted();
                self.settle(lane, Settled::Accepted(claimed));
            }
            Answer::Deferred => {
                flow.on_deferred();
                queue.requeue(claimed);
                self.lanes[lane.number()].give_back_permit();
            }
            Answer::Refused(reason) => self.settle(lane, Settled::Refused(RefusedEvent { claimed, reason })),
        }
    }

    fn settle(&self, lane: Lane, settled: Settled) {
        // The acker runs until this sender is dropped.
        let _ = self.lanes[lane.number()].settled.send(settled);
    }

    fn release_unpublished(&mut self, queue: &mut PublishQueue, request: ReleaseRequest) {
        let lane = &mut self.lanes[request.lane.number()];
        let mut unpublished = queue.take_waiting(request.lane);
        while let Ok(page) = lane.pages.try_recv() {
            unpublished.extend(page);
        }
        // This fails if the reader has stopped.
        let _ = request.reply.send(unpublished);
        lane.instance = request.instance;
    }
}

const MAX_ACKS_AT_ONCE: usize = 1_000;

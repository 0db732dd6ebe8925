//! Publishes events when they are due, and has them taken off the timeline once the broker has them.
//!
//! At most a batch (`CONSUME_BATCH_SIZE`) is published and not yet off the timeline: that is what a crash can repeat.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Topics;
use crate::event::payload;
use crate::feed::Recall;
use crate::hands::Hands;
use crate::lanes::View;
use crate::metrics::Metrics;
use crate::mqtt::{Ack, Session};
use crate::timeline::Claimed;

/// Waits for each event's time.
pub(crate) struct Player {
    pub(crate) topics: Topics,
    pub(crate) clock: Arc<Clock>,
    /// In whose name what is in hand was read.
    pub(crate) instance: Arc<str>,
    pub(crate) view: watch::Receiver<View>,
    pub(crate) pages: mpsc::Receiver<Vec<Claimed>>,
    pub(crate) recalls: mpsc::Receiver<Recall>,
    pub(crate) sessions: watch::Receiver<Option<Session>>,
    pub(crate) acks: mpsc::UnboundedReceiver<Ack>,
    pub(crate) published: mpsc::UnboundedSender<Claimed>,
    /// One permit for each event that may be published and still be on the timeline.
    pub(crate) batch: Arc<Semaphore>,
    pub(crate) batch_size: usize,
    pub(crate) metrics: Metrics,
    pub(crate) stopping: CancellationToken,
}

impl Player {
    /// Plays until stopped; then waits for the broker to acknowledge what was published.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut hands = Hands::default();
        let mut acks = Vec::new();
        let mut session: Option<Session> = None;
        let batch = Arc::clone(&self.batch);
        let alarm = tokio::time::sleep(std::time::Duration::ZERO);
        tokio::pin!(alarm);
        loop {
            let stopping = self.stopping.is_cancelled();
            if stopping && (hands.nothing_in_flight() || session.is_none()) {
                return Ok(());
            }
            let wait = if stopping { Wait::Other } else { self.publish_due(&mut hands, session.as_ref()) };
            if let Wait::Until(due_ms) = wait {
                alarm.as_mut().reset(self.clock.instant_of(due_ms).into());
            }
            tokio::select! {
                biased;
                () = self.stopping.cancelled(), if !stopping => {}
                changed = self.sessions.changed() => {
                    if changed.is_err() { return Ok(()) }
                    session.clone_from(&self.sessions.borrow_and_update());
                    // What the broker did not acknowledge is published again.
                    self.batch.add_permits(hands.take_back());
                }
                count = self.acks.recv_many(&mut acks, ACKS_AT_ONCE) => {
                    if count == 0 { return Ok(()) }
                    for ack in acks.drain(..).filter(|ack| session.as_ref().is_some_and(|session| session.id == ack.session)) {
                        if let Some(claimed) = hands.acknowledged(ack.ticket) {
                            // The other end lives until we drop ours.
                            let _ = self.published.send(claimed);
                        }
                    }
                }
                Some(recall) = self.recalls.recv() => self.recall(&mut hands, recall),
                Some(page) = self.pages.recv(), if !stopping && hands.waiting() < self.batch_size.max(QUEUE_MIN) => {
                    hands.add(page);
                }
                () = &mut alarm, if matches!(wait, Wait::Until(_)) => {}
                permit = batch.acquire(), if matches!(wait, Wait::Permit) => drop(permit),
                _ = self.view.changed(), if matches!(wait, Wait::Lease) => {}
            }
        }
    }

    /// Publishes what is due, as far as the broker, the lease and the batch allow.
    fn publish_due(&mut self, hands: &mut Hands, session: Option<&Session>) -> Wait {
        let Some(session) = session else { return Wait::Other };
        let now_ms = self.clock.now_ms();
        while let Some(next) = hands.next() {
            let due_ms = next.due_ms as f64;
            if due_ms > now_ms {
                return Wait::Until(due_ms);
            }
            let view = self.view.borrow_and_update();
            if !view.is_valid() || view.instance != self.instance {
                // Under a new name all in hand may be others' by now: the feed is about to recall it.
                return Wait::Lease;
            }
            let Ok(permit) = self.batch.try_acquire() else { return Wait::Permit };
            permit.forget();
            let event = &next.event;
            let sent = session.publish(hands.ticket(), self.topics.of(event.step.kind), payload(event));
            hands.published();
            if !sent {
                // The session is over; its successor brings a change that takes everything back.
                return Wait::Other;
            }
            self.metrics.published(self.clock.now_ms() - due_ms);
        }
        Wait::Other
    }

    fn recall(&mut self, hands: &mut Hands, recall: Recall) {
        let mut dropped = hands.let_go();
        while let Ok(page) = self.pages.try_recv() {
            dropped.extend(page);
        }
        // The feed has been stopped if it does not listen.
        let _ = recall.answer.send(dropped);
        self.instance = recall.instance;
    }
}

/// What the next event waits for, beside everything else that may happen.
enum Wait {
    /// Its time, in milliseconds.
    Until(f64),
    /// The lease.
    Lease,
    /// Room in the batch.
    Permit,
    /// There is none, or no broker.
    Other,
}

const ACKS_AT_ONCE: usize = 1_000;
const QUEUE_MIN: usize = 1_000;

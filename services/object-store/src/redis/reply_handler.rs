//! Does what follows from the replies of the script, in their order.

use std::num::NonZeroUsize;

use bytes::Bytes;
use lru::LruCache;
use redis_core::RedisError;
use redis_core::error::reason;
use tokio::task::yield_now;
use tracing::{debug, warn};

use super::backend::{Copy, RedisBackend};
use super::node_operations::NodeOperations;
use super::notification::Notification;
use super::operation::{OnReply, Operation};
use super::partition::Partition;
use super::settle::{Learned, Next, Outcome, Settled, Woken, is_absent, is_refusal, settle};
use crate::id::ObjectId;
use crate::reply_to::{ReplyTo, Waiter};
use crate::request::{Refused, Response, Totals};
use crate::response_batch::ResponseBatch;
use crate::wait_queue::Waiting;

/// Waiting requests that are taken out of the queue at a time, which is locked meanwhile: a millisecond.
const TAKE_MAX: usize = 16 << 10;
/// Waiting requests that are answered at a time.
const ANSWER_MAX: usize = 512;
/// Damaged objects that are remembered, so that each is logged once.
const LOGGED_MAX: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

pub(super) struct ReplyHandler {
    backend: RedisBackend,
    partition: Partition,
    pub(super) own: NodeOperations,
    /// Damaged objects that were logged, by their id in hex.
    logged: LruCache<String, ()>,
}

impl ReplyHandler {
    pub(super) fn new(backend: RedisBackend, partition: Partition) -> Self {
        let own = NodeOperations::new(partition.ids());
        Self { backend, partition, own, logged: LruCache::new(LOGGED_MAX) }
    }

    /// Adds what is due to the operations of this node itself.
    pub(super) fn schedule_own_operations(&mut self, is_in_flight: bool) {
        self.own.schedule(&self.partition.waiting(), is_in_flight);
    }

    /// Handles the reply to an operation.
    pub(super) async fn handle(&mut self, on_reply: OnReply, reply: &[Bytes]) {
        let Some(on_reply) = self.resolve(on_reply, reply) else { return };
        if let OnReply::Duplicate { id, .. } = &on_reply
            && is_refusal(reply)
        {
            self.refuse_elsewhere(id);
        }
        let Settled { learned, woken, next } = settle(self.partition.ids().number, on_reply, reply);
        match learned {
            Some(Learned::Content(hash, data)) => self.partition.contents().cache(hash, &data),
            Some(Learned::Object(id, object)) => self.partition.contents().cache_object(id, &object),
            None => {}
        }
        if let Some(woken) = woken {
            self.wake(&woken).await;
        }
        self.go_on(next).await;
    }

    /// What a recheck finds is the reply to the request that waits, if it need not wait any more.
    fn resolve(&self, on_reply: OnReply, reply: &[Bytes]) -> Option<OnReply> {
        match on_reply {
            OnReply::Recheck { .. } if is_absent(reply) => None,
            OnReply::Recheck { ticket } => self.stop_waiting(ticket),
            on_reply => Some(on_reply),
        }
    }

    async fn go_on(&mut self, next: Next) {
        match next {
            Next::Respond(reply_to, response) => reply_to.send(response),
            Next::RespondTotals(reply_to, totals) => {
                let waiting = self.partition.waiting().totals();
                reply_to.send(Response::Totals(Totals { waiting, ..totals }));
            }
            Next::Wait { ticket, id, waiter } => self.wait(ticket, id, waiter),
            Next::Upload { upload, id, content, metadata, reply_to } => {
                tokio::spawn(self.partition.clone().upload(upload, id, content, metadata, reply_to));
            }
            Next::CopyLegacy { id, original, length, reply_to } => {
                tokio::spawn(self.backend.clone().duplicate_legacy(id, original, length, reply_to));
            }
            Next::Copy { id, original, ticket, object, reply_to } => {
                let copy = Copy { id, original, ticket, object, reply_to };
                tokio::spawn(self.backend.clone().copy(copy));
            }
            Next::Lost(id, reply_to) => {
                warn!(object = %id, "object {id} is lost and was removed: redis no longer has its content; does it evict keys?");
                reply_to.send(Response::Refused(Refused::Lost));
            }
            Next::Damaged(id, reason, reply_to) => self.refuse(&id.to_string(), reason, reply_to),
            Next::ReadNotifications(notifications) => self.read_notifications(&notifications).await,
            Next::Nothing => {}
        }
    }

    /// Ends an operation that failed by its own fault.
    pub(super) fn fail(&mut self, operation: Operation, error: &RedisError) {
        let (id, reason) = (operation.first_argument().to_owned(), reason(error));
        let on_reply = match operation.on_reply {
            OnReply::Recheck { ticket } => self.stop_waiting(ticket).unwrap_or(OnReply::Ignore),
            on_reply => on_reply,
        };
        match on_reply {
            OnReply::Store { reply_to, .. }
            | OnReply::Get { reply_to, .. }
            | OnReply::Duplicate { reply_to, .. }
            | OnReply::Stat { reply_to, .. }
            | OnReply::Delete { reply_to }
            | OnReply::Reject { reply_to }
            | OnReply::Refuse { reply_to, .. }
            | OnReply::Totals { reply_to } => self.refuse(&id, &reason, reply_to),
            OnReply::Notifications => {
                self.own.notifications_read(None);
                warn!("cannot read the notifications of other nodes: {reason}");
            }
            OnReply::Recheck { .. } | OnReply::Ignore => {}
        }
    }

    /// Answers a request that waited, a get with `response`. A duplicate in another partition is copied there first.
    fn answer(
        &self,
        waiting: Waiting<Waiter>,
        outcome: &Outcome,
        response: &Response,
        responses: &mut ResponseBatch,
    ) {
        let Waiting { ticket, id: original, waiter, .. } = waiting;
        let response = match (outcome, waiter.duplicate_id()) {
            (Outcome::Stored(_), None) => response.clone(),
            (Outcome::Stored(_), Some(id)) if self.partition.ids().has(id) => Response::Done,
            (Outcome::Stored(object), Some(id)) => {
                let (id, object) = (id.clone(), object.clone());
                let copy = Copy { id, original, ticket, object, reply_to: waiter.into_reply_to() };
                tokio::spawn(self.backend.clone().copy(copy));
                return;
            }
            (Outcome::Refused, duplicate) => {
                duplicate.inspect(|id| self.refuse_elsewhere(id));
                response.clone()
            }
        };
        responses.add(waiter.into_reply_to(), response);
    }

    /// The script has refused this duplicate in its own partition only.
    fn refuse_elsewhere(&self, id: &ObjectId) {
        if !self.partition.ids().has(id) {
            self.backend.refuse(id);
        }
    }

    /// Refuses a request for an object that cannot be read or written.
    fn refuse(&mut self, id: &str, reason: &str, reply_to: ReplyTo) {
        match self.logged.put(id.to_owned(), ()) {
            None => warn!(object = id, "object {id} is damaged, requests for it are refused: {reason}"),
            Some(()) => debug!(object = id, "refused a request for a damaged object: {reason}"),
        }
        reply_to.send(Response::Refused(Refused::Damaged));
    }

    fn wait(&self, ticket: u64, id: ObjectId, mut waiter: Waiter) {
        let reply_to = waiter.reply_to();
        reply_to.mark_waiting();
        let owner = reply_to.owner();
        let mut waiting = self.partition.waiting();
        // Checked while the queue is locked: if the client goes after this, its waiting requests are cancelled after this.
        if !waiter.reply_to().is_closed() {
            waiting.add_with_ticket(ticket, id, owner, waiter);
        }
    }

    /// Takes a request that waits out of the queue. Returns what to do with the reply to it.
    fn stop_waiting(&self, ticket: u64) -> Option<OnReply> {
        let Waiting { id: awaited, waiter, .. } = *self.partition.waiting().take_one(ticket)?;
        Some(match waiter {
            Waiter::Get(reply_to) => {
                OnReply::Get { id: awaited, ticket: Some(ticket), cached: None, reply_to }
            }
            Waiter::Duplicate { id, reply_to } => {
                OnReply::Duplicate { id, original: awaited, ticket, reply_to }
            }
        })
    }

    async fn read_notifications(&mut self, notifications: &[Bytes]) {
        let parsed: Vec<_> = notifications.iter().filter_map(Notification::parse).collect();
        self.own.notifications_read(parsed.last().map(|last| last.number));
        for woken in parsed.into_iter().filter_map(|notification| notification.woken) {
            self.wake(&woken).await;
        }
    }

    /// Answers requests that need not wait any more.
    async fn wake(&mut self, woken: &Woken) {
        let response = match &woken.outcome {
            Outcome::Stored(object) => object.response(self.partition.ids().number),
            Outcome::Refused => Response::Refused(Refused::SetRefused),
        };
        for tickets in woken.tickets.chunks(TAKE_MAX) {
            let waiting = self.partition.waiting().take_each(tickets.iter().copied());
            self.own.cancel_rechecked(&waiting);
            let mut waiting = waiting.into_iter();
            while waiting.len() > 0 {
                let mut responses = ResponseBatch::default();
                for one in waiting.by_ref().take(ANSWER_MAX) {
                    self.answer(*one, &woken.outcome, &response, &mut responses);
                }
                responses.send();
                if waiting.len() > 0 {
                    // Thousands may have waited for one object: the first are written to while the others are answered.
                    yield_now().await;
                }
            }
        }
    }
}

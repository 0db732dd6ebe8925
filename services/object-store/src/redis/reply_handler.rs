//! What the replies of the script mean for the requests that wait for them.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lru::LruCache;
use redis_core::RedisError;
use redis_core::error::reason;
use tokio::task::yield_now;
use tracing::{debug, warn};

use super::backend::RedisBackend;
use super::fields::{number, text, tickets};
use super::notification::{Notification, Outcome};
use super::operation::{OnReply, Operation};
use super::record::{LoadedObject, Record};
use super::wait_recheck::WaitRecheck;
use crate::id::ObjectId;
use crate::object::ObjectStat;
use crate::reply_to::{ReplyTo, Waiter};
use crate::request::{ContentLocation, Refused, RemoteObject, Response, Totals};

/// Waiting requests that are answered at a time.
const WAKE_MAX: usize = 256;
/// Damaged objects that are remembered, so that each is logged once.
const LOGGED_MAX: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// Handles replies in their order, and makes the operations that this node needs for itself.
pub(super) struct ReplyHandler {
    backend: RedisBackend,
    /// Operations of this node itself. They are sent before those of the queue.
    pub(super) own_operations: VecDeque<Operation>,
    recheck: WaitRecheck,
    /// There may be notifications that have not been read.
    has_notifications: bool,
    /// Notifications are being read.
    is_reading: bool,
    /// Number of the last notification that was read.
    last_notification: u64,
    /// Damaged objects that were logged, by their id in hex.
    logged: LruCache<String, ()>,
}

impl ReplyHandler {
    pub(super) fn new(backend: RedisBackend) -> Self {
        Self {
            backend,
            own_operations: VecDeque::new(),
            recheck: WaitRecheck::new(),
            has_notifications: false,
            is_reading: false,
            last_notification: 0,
            logged: LruCache::new(LOGGED_MAX),
        }
    }

    /// A message said that there is a notification.
    pub(super) fn notified(&mut self) {
        self.has_notifications = true;
    }

    /// The connection was lost and is back: messages may be missing.
    pub(super) fn reconnected(&mut self) {
        self.recheck.restart_now();
    }

    /// When the next check of waiting requests is due.
    pub(super) fn next_recheck(&self) -> Instant {
        self.recheck.next_due()
    }

    /// Adds the operations that are due to the node's own.
    pub(super) fn schedule_own_operations(&mut self) {
        if Instant::now() >= self.recheck.next_due() {
            let (part, is_last) = self.recheck.next_part(&self.backend.waiting());
            self.own_operations.extend(part);
            // Notifications are read at least once per round. This also tells Redis that the node is alive.
            self.has_notifications |= is_last;
        }
        if self.has_notifications && !self.is_reading {
            (self.has_notifications, self.is_reading) = (false, true);
            let last = self.last_notification.to_string();
            let read = Operation::new(&[b"notifications", last.as_bytes()], OnReply::Notifications);
            self.own_operations.push_front(read);
        }
    }

    /// Handles the reply to an operation.
    pub(super) async fn handle(&mut self, on_reply: OnReply, reply: &[Bytes]) {
        let (word, rest) =
            reply.split_first().map_or((b"".as_slice(), reply), |(word, rest)| (word.as_ref(), rest));
        match (on_reply, word) {
            (OnReply::Store { id, content, metadata, upload: Some(upload), reply_to }, b"absent") => {
                tokio::spawn(self.backend.clone().upload(upload, id, content, metadata, reply_to));
            }
            (OnReply::Store { content, metadata, upload, reply_to, .. }, _) => {
                if upload.is_some() {
                    self.backend.0.contents.cache(content.hash, &content.data);
                }
                if !rest.is_empty() {
                    let length = content.data.len();
                    let record = Record::new(&content.hash, upload.as_deref(), length, &metadata);
                    self.wake(&tickets(rest), &LoadedObject { record, data: Some(content.data) }).await;
                }
                reply_to.send(Response::Done);
            }
            (OnReply::Get { cached: Some(object), reply_to, .. }, b"unchanged") => {
                reply_to.send(object.response());
            }
            (OnReply::Get { id, reply_to, .. }, b"legacy") => reply_to.send(legacy(id, rest)),
            (OnReply::Get { id, reply_to, .. }, b"object") => match LoadedObject::parse(rest) {
                Some(object) => {
                    self.backend.0.contents.cache_object(id, &object);
                    reply_to.send(object.response());
                }
                None => self.refuse(&id.to_string(), "its content is damaged", reply_to),
            },
            (OnReply::Get { reply_to, .. } | OnReply::Duplicate { reply_to, .. }, b"refused") => {
                reply_to.send(Response::Refused(Refused::SetRefused));
            }
            (
                OnReply::Get { id, reply_to, .. } | OnReply::Duplicate { original: id, reply_to, .. },
                b"lost",
            ) => {
                warn!(object = %id, "object {id} is lost and was removed: redis no longer has its content; does it evict keys?");
                reply_to.send(Response::Refused(Refused::Lost));
            }
            (OnReply::Get { id, reply_to, .. } | OnReply::Stat { id, reply_to }, b"damaged")
            | (OnReply::Duplicate { original: id, reply_to, .. }, b"damaged") => {
                self.refuse(&id.to_string(), "redis has something else in its place", reply_to);
            }
            (OnReply::Get { id, ticket: Some(ticket), reply_to, .. }, _) => {
                self.wait(ticket, id, reply_to, Waiter::Get);
            }
            (OnReply::Get { reply_to, .. }, _) => reply_to.send(Response::Absent),
            (OnReply::Duplicate { reply_to, .. }, b"ok") => {
                if let Some(object) = LoadedObject::parse(rest.get(1..).unwrap_or_default()) {
                    self.wake(&tickets(rest), &object).await;
                }
                reply_to.send(Response::Done);
            }
            (OnReply::Duplicate { id, original, reply_to, .. }, b"legacy") => {
                tokio::spawn(self.backend.clone().duplicate_legacy(id, original, number(rest), reply_to));
            }
            (OnReply::Duplicate { id, original, ticket, reply_to }, _) => {
                self.wait(ticket, original, reply_to, |reply_to| Waiter::Duplicate { id, reply_to });
            }
            (OnReply::Recheck { ticket }, word) if word != b"absent" => {
                if let Some(on_reply) = self.stop_waiting(ticket) {
                    Box::pin(self.handle(on_reply, reply)).await;
                }
            }
            (OnReply::Recheck { .. } | OnReply::Ignore, _) => {}
            (OnReply::Notifications, _) => self.read_notifications(rest).await,
            (OnReply::Reject { reply_to }, _) => {
                self.refuse_waiting(&tickets(rest)).await;
                reply_to.send(Response::Absent);
            }
            (OnReply::Refuse { reason, reply_to }, _) => {
                self.refuse_waiting(&tickets(rest)).await;
                reply_to.send(Response::Refused(reason));
            }
            (OnReply::Stat { reply_to, .. }, b"stat") => {
                reply_to.send(stat(rest).map_or(Response::Absent, Response::Stat));
            }
            (OnReply::Stat { reply_to, .. }, _) => reply_to.send(Response::Absent),
            (OnReply::Delete { reply_to }, b"ok") => reply_to.send(Response::Done),
            (OnReply::Delete { reply_to }, _) => reply_to.send(Response::Absent),
            (OnReply::Totals { reply_to }, _) => reply_to.send(Response::Totals(self.totals(rest))),
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
                self.is_reading = false;
                warn!("cannot read the notifications of other nodes: {reason}");
            }
            OnReply::Recheck { .. } | OnReply::Ignore => {}
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

    fn wait(&self, ticket: u64, id: ObjectId, mut reply_to: ReplyTo, waiter: impl FnOnce(ReplyTo) -> Waiter) {
        reply_to.mark_waiting();
        let owner = reply_to.owner();
        let mut waiting = self.backend.waiting();
        // Checked while the queue is locked: if the client goes after this, its waiting requests are cancelled after this.
        if !reply_to.is_closed() {
            waiting.add_with_ticket(ticket, id, owner, waiter(reply_to));
        }
    }

    /// A recheck found that a request need not wait any more. Returns what to do with the reply.
    fn stop_waiting(&self, ticket: u64) -> Option<OnReply> {
        let (awaited, waiter) = self.backend.waiting().take_one(ticket)?;
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
        self.is_reading = false;
        self.has_notifications |= !notifications.is_empty();
        for notification in notifications.iter().filter_map(Notification::parse) {
            self.last_notification = notification.number;
            match &notification.outcome {
                Outcome::Stored(object) => self.wake(&notification.tickets, object).await,
                Outcome::Refused => self.refuse_waiting(&notification.tickets).await,
                // The next check of the waiting requests finds out.
                Outcome::Unknown => {}
            }
        }
    }

    /// Answers requests that waited for this object.
    async fn wake(&mut self, tickets: &[u64], object: &LoadedObject) {
        let response = |waiter: &Waiter| match waiter {
            Waiter::Get(_) => object.response(),
            Waiter::Duplicate { .. } => Response::Done,
        };
        self.answer_waiting(tickets, response).await;
    }

    /// Refuses requests that waited for an object whose set was refused.
    async fn refuse_waiting(&mut self, tickets: &[u64]) {
        self.answer_waiting(tickets, |_| Response::Refused(Refused::SetRefused)).await;
    }

    async fn answer_waiting(&mut self, tickets: &[u64], response: impl Fn(&Waiter) -> Response) {
        for part in tickets.chunks(WAKE_MAX) {
            let woken = self.backend.waiting().take_each(part.iter().copied());
            // If the notification and a recheck crossed, Redis may believe again that the request waits. To answer a get
            // twice does no harm, but a duplicate must not be executed again later.
            let rechecked = woken.iter().filter(|(ticket, _, _)| self.recheck.may_have_checked(*ticket));
            let duplicates = rechecked.filter(|(_, _, waiter)| waiter.duplicate_id().is_some());
            let cancels = duplicates.map(|(ticket, id, waiter)| Operation::cancel(*ticket, id, waiter));
            self.own_operations.extend(cancels);
            for (_, _, waiter) in woken {
                let response = response(&waiter);
                waiter.into_reply_to().send(response);
            }
            if part.len() == WAKE_MAX {
                // Thousands may have waited for one object: the first are written to while the others are looked up.
                yield_now().await;
            }
        }
    }

    fn totals(&self, fields: &[Bytes]) -> Totals {
        let waiting = self.backend.waiting().totals();
        let field = |index: usize| number(fields.get(index..).unwrap_or_default());
        Totals { ids: field(0), contents: field(1), bytes: field(2), waiting, ..Totals::default() }
    }
}

/// Length, metadata and age; the age is empty if it is not known.
fn stat(fields: &[Bytes]) -> Option<ObjectStat> {
    let [length, metadata, age] = fields else { return None };
    let age = text(age).and_then(|age| age.parse().ok()).map(Duration::from_secs);
    Some(ObjectStat { length: text(length)?.parse().ok()?, metadata: metadata.clone(), age })
}

fn legacy(id: ObjectId, reply: &[Bytes]) -> Response {
    Response::Remote(RemoteObject { length: number(reply), location: ContentLocation::Legacy(id) })
}

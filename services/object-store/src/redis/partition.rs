//! A partition of the store, as this node sees it: turns requests into operations of the script.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use chassis::unique;
use parking_lot::{Mutex, MutexGuard};
use redis_core::Key;
use tokio::sync::{mpsc, oneshot};

use super::content_store::ContentStore;
use super::keyspace::Keyspace;
use super::operation::{OnReply, Operation, id_hex};
use super::partition_ids::PartitionIds;
use super::record::{Record, encode_small_content};
use crate::id::ObjectId;
use crate::object::{Content, Hash};
use crate::reply_to::{ReplyTo, Waiter};
use crate::request::{Refused, Request};
use crate::wait_queue::WaitQueue;

/// The longest content that is sent as an argument of the script, in bytes. A script copies it several times.
const SMALL_MAX: usize = 8 << 10;
/// The longest content that is uploaded together with the operation that links it, unless this node knows that Redis has it.
const SEND_AHEAD_MAX: usize = 64 << 10;

/// One partition. On one Redis it is the store.
///
/// Cloning shares it.
#[derive(Clone)]
pub(crate) struct Partition(Arc<Inner>);

struct Inner {
    ids: PartitionIds,
    keyspace: Keyspace,
    /// What all partitions on this node share.
    contents: Arc<ContentStore>,
    queue: mpsc::UnboundedSender<Operation>,
    waiting: Mutex<WaitQueue<Waiter>>,
}

impl Partition {
    /// A partition, and the queue of its operations for the [batch loop](super::batch_loop).
    pub(super) fn new(
        ids: PartitionIds,
        keyspace: Keyspace,
        contents: Arc<ContentStore>,
        last_ticket: Arc<AtomicU64>,
    ) -> (Self, mpsc::UnboundedReceiver<Operation>) {
        let (sender, queue) = mpsc::unbounded_channel();
        let waiting = Mutex::new(WaitQueue::with_tickets(last_ticket));
        (Self(Arc::new(Inner { ids, keyspace, contents, queue: sender, waiting })), queue)
    }

    pub(super) fn ids(&self) -> PartitionIds {
        self.0.ids
    }

    pub(super) fn keyspace(&self) -> &Keyspace {
        &self.0.keyspace
    }

    pub(super) fn contents(&self) -> &ContentStore {
        &self.0.contents
    }

    /// Queues a request for an id of this partition; a duplicate for its original. The response is sent to `reply_to`.
    pub(crate) fn submit(&self, request: Request, reply_to: ReplyTo) {
        let operation = match request {
            Request::Set { id, content, metadata } => self.store(id, content, metadata, reply_to, None),
            Request::Get { id, or_wait, whole } => {
                let ticket = or_wait.then(|| self.waiting().next_ticket());
                let cached = if whole { None } else { self.0.contents.cached_object(&id) };
                let known = match (&cached, whole) {
                    (Some(cached), _) => cached.record.bytes().clone(),
                    (None, true) => Bytes::from_static(b"whole"),
                    (None, false) => Bytes::new(),
                };
                let on_reply = OnReply::Get { id: id.clone(), ticket, cached, reply_to };
                Operation::get(&id, &known, ticket, on_reply)
            }
            Request::Stat { id } => Operation::new(&[b"stat", &id_hex(&id)], OnReply::Stat { id, reply_to }),
            Request::Delete { id, older_than } => {
                let least = older_than.map(|least| least.as_secs().to_string()).unwrap_or_default();
                let args: [&[u8]; 3] = [b"delete", &id_hex(&id), least.as_bytes()];
                Operation::new(&args, OnReply::Delete { reply_to })
            }
            Request::Duplicate { id, original } => {
                let ticket = self.waiting().next_ticket();
                let on_reply =
                    OnReply::Duplicate { id: id.clone(), original: original.clone(), ticket, reply_to };
                match self.0.ids.has(&id) {
                    true => Operation::duplicate(&id, &original, ticket, on_reply),
                    false => Operation::hold(&original, ticket, on_reply),
                }
            }
            Request::Refuse { id } => Operation::refuse(&id, OnReply::Reject { reply_to }),
            Request::Reject => Operation::new(&[b"ping"], OnReply::Reject { reply_to }),
            Request::Totals => Operation::new(&[b"totals"], OnReply::Totals { reply_to }),
        };
        self.enqueue(operation);
    }

    /// The operation that stores an object. A small content goes with the operation, one of medium length right before it.
    /// For a large one the operation first checks whether Redis has it. If not, it is uploaded, and linked as `uploaded`.
    fn store(
        &self,
        id: ObjectId,
        content: Content,
        metadata: Bytes,
        reply_to: ReplyTo,
        uploaded: Option<Arc<str>>,
    ) -> Operation {
        let (hash, length) = (&content.hash, content.data.len());
        if length <= SMALL_MAX {
            let record = Record::new(hash, None, length, &metadata);
            let small = Some(encode_small_content(&content.data));
            let on_reply = OnReply::Store { id: id.clone(), content, metadata, upload: None, reply_to };
            let set = Operation::new(&[b"set", &id_hex(&id), record.bytes()], on_reply);
            return Operation { content: small, ..set };
        }
        let send_ahead = uploaded.is_none() && length <= SEND_AHEAD_MAX && !self.0.contents.is_cached(hash);
        let is_uploaded = if send_ahead || uploaded.is_some() { b"1" } else { b"0" };
        let upload = uploaded.unwrap_or_else(new_upload_name);
        let record = Record::new(hash, Some(&upload), length, &metadata);
        let chunk = send_ahead.then(|| {
            let key = Key::ObjectChunk { prefix: self.0.keyspace.prefix(), upload: &upload, index: 0 };
            (key.to_string(), content.data.clone())
        });
        let on_reply = OnReply::Store { id: id.clone(), content, metadata, upload: Some(upload), reply_to };
        Operation { chunk, ..Operation::new(&[b"link", &id_hex(&id), record.bytes(), is_uploaded], on_reply) }
    }

    /// True if storing a content of this length takes several steps.
    pub(crate) fn uploads(length: usize) -> bool {
        length > SMALL_MAX
    }

    /// Tells whoever waits for an object of this partition that its set was refused.
    pub(super) fn refuse(&self, id: &ObjectId) {
        let (nobody, _) = oneshot::channel();
        let (reason, reply_to) = (Refused::SetRefused, ReplyTo::Caller(nobody));
        self.enqueue(Operation::refuse(id, OnReply::Refuse { reason, reply_to }));
    }

    /// Ends the hold that a duplicate in another partition has on a content.
    pub(super) fn release(&self, ticket: u64, hash: &Hash) {
        self.enqueue(Operation::release(ticket, hash));
    }

    fn enqueue(&self, operation: Operation) {
        // Fails only when the process is ending: then nobody waits for the response.
        let _ = self.0.queue.send(operation);
    }

    /// Cancels the waiting requests of an owner, here and in Redis.
    pub(crate) fn cancel_waiting(&self, owner: u64) {
        let cancelled = self.waiting().take_owner(owner);
        for one in cancelled {
            self.enqueue(Operation::cancel(one.ticket, &one.id, &one.waiter, self.0.ids));
        }
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, WaitQueue<Waiter>> {
        self.0.waiting.lock()
    }

    /// Uploads the chunks of a large content, then links the id to it.
    pub(super) async fn upload(
        self,
        upload: Arc<str>,
        id: ObjectId,
        content: Content,
        metadata: Bytes,
        reply_to: ReplyTo,
    ) {
        if self.0.contents.upload(&self.0.keyspace, &upload, &content).await {
            self.enqueue(self.store(id, content, metadata, reply_to, Some(upload)));
        } else {
            self.enqueue(Operation::refuse(&id, OnReply::Refuse { reason: Refused::RedisFull, reply_to }));
        }
    }
}

/// A unique name for an upload: 16 characters, 96 random bits.
fn new_upload_name() -> Arc<str> {
    const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.";
    let digits =
        |number: u64| (0..8).map(move |digit| char::from(DIGITS[(number >> (6 * digit)) as usize & 63]));
    digits(unique::instance_id()).chain(digits(unique::instance_id())).collect::<String>().into()
}

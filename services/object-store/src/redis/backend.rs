//! The store in Redis: its partitions, and which of them a request is for. On one Redis there is one.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use redis_core::Redis;
use tokio::sync::{mpsc, oneshot};

use super::content_store::ContentStore;
use super::keyspace::Keyspace;
use super::operation::Operation;
use super::partition::Partition;
use super::partition_ids::{PartitionIds, partition_of};
use super::record::LoadedObject;
use crate::budget::TransferBudget;
use crate::id::ObjectId;
use crate::object::{Content, Object};
use crate::reply_to::ReplyTo;
use crate::request::{ContentLocation, RemoteObject, Request, Response, Totals};
use crate::wait_queue::{Awaited, merge_awaited};

/// Requests of one connection that may be in flight to one partition: a batch.
const IN_FLIGHT_MAX: usize = 256;
/// With more partitions than this the batches of one connection are smaller: what is in flight takes memory.
const FILLED_PARTITIONS: usize = 16;
/// Memory for contents that are being copied from one partition to another, in bytes. Further ones wait.
const COPIED_MAX: u64 = 256 << 20;

/// A node's view of the shared store.
///
/// Cloning shares it.
#[derive(Clone)]
pub(crate) struct RedisBackend(Arc<Inner>);

struct Inner {
    redis: Redis,
    /// The prefix of the configuration.
    prefix: String,
    partitions: Vec<Partition>,
    contents: Arc<ContentStore>,
    copied: TransferBudget,
}

/// A duplicate whose original is in another partition.
pub(super) struct Copy {
    pub(super) id: ObjectId,
    pub(super) original: ObjectId,
    /// By which the original's content is held.
    pub(super) ticket: u64,
    pub(super) object: LoadedObject,
    pub(super) reply_to: ReplyTo,
}

impl RedisBackend {
    /// A backend, and the queues of its partitions. Each partition's keys begin with one of `partition_prefixes`.
    pub(super) fn new(
        redis: Redis,
        prefix: String,
        partition_prefixes: &[String],
        cache_bytes: usize,
    ) -> (Self, Vec<mpsc::UnboundedReceiver<Operation>>) {
        let contents = Arc::new(ContentStore::new(cache_bytes));
        let last_ticket = Arc::<AtomicU64>::default();
        let count = u16::try_from(partition_prefixes.len()).unwrap_or(u16::MAX);
        let made = (0..count).zip(partition_prefixes).map(|(number, partition_prefix)| {
            let keyspace = Keyspace::new(redis.clone(), partition_prefix);
            let ids = PartitionIds { number, count };
            Partition::new(ids, keyspace, Arc::clone(&contents), Arc::clone(&last_ticket))
        });
        let (partitions, queues) = made.unzip();
        let copied = TransferBudget::new(COPIED_MAX);
        (Self(Arc::new(Inner { redis, prefix, partitions, contents, copied })), queues)
    }

    pub(super) fn redis(&self) -> &Redis {
        &self.0.redis
    }

    /// The prefix of the configuration, with which all keys begin.
    pub(super) fn prefix(&self) -> &str {
        &self.0.prefix
    }

    pub(super) fn partitions(&self) -> &[Partition] {
        &self.0.partitions
    }

    pub(super) fn clear_cache(&self) {
        self.0.contents.clear_cache();
    }

    /// The partition that has this id.
    pub(super) fn partition(&self, id: &ObjectId) -> &Partition {
        // There are as many.
        &self.0.partitions[usize::from(partition_of(id, self.partition_count()))]
    }

    fn partition_count(&self) -> u16 {
        self.0.partitions.len() as u16
    }

    /// Queues a request. The response is sent to `reply_to`.
    pub(crate) fn submit(&self, request: Request, reply_to: ReplyTo) {
        let partition = match &request {
            Request::Set { id, .. }
            | Request::Get { id, .. }
            | Request::Stat { id }
            | Request::Delete { id, .. }
            | Request::Refuse { id } => self.partition(id),
            Request::Duplicate { id: _, original } => self.partition(original),
            Request::Totals if self.partition_count() > 1 => return self.sum_totals(reply_to),
            Request::Totals | Request::Reject => &self.0.partitions[0],
        };
        partition.submit(request, reply_to);
    }

    /// Requests of one connection that may be in flight at a time. They spread over the partitions.
    pub(crate) fn in_flight_max(&self) -> usize {
        IN_FLIGHT_MAX * self.0.partitions.len().min(FILLED_PARTITIONS)
    }

    /// True if storing a content of this length takes several steps.
    pub(crate) fn uploads(length: usize) -> bool {
        Partition::uploads(length)
    }

    /// True if duplicating this object takes several steps.
    pub(crate) fn copies(&self, id: &ObjectId, original: &ObjectId) -> bool {
        partition_of(id, self.partition_count()) != partition_of(original, self.partition_count())
    }

    /// Cancels the waiting requests of an owner, here and in Redis.
    pub(crate) fn cancel_waiting(&self, owner: u64) {
        self.0.partitions.iter().for_each(|partition| partition.cancel_waiting(owner));
    }

    /// Number of waiting requests of an owner.
    pub(crate) fn waiting_count(&self, owner: u64) -> usize {
        self.0.partitions.iter().map(|partition| partition.waiting().count_of(owner)).sum()
    }

    /// What requests on this node wait for.
    pub(crate) fn awaited(&self, after: u64, max: usize) -> (Vec<Awaited>, Option<u64>) {
        let pages = self.0.partitions.iter().map(|partition| partition.waiting().awaited(after, max));
        merge_awaited(pages, max)
    }

    /// Reads an object with at least the first `length` bytes of its content. `None` if it no longer exists.
    pub(crate) async fn fetch(&self, object: &RemoteObject, length: u64) -> Option<Object> {
        let partition = match &object.location {
            ContentLocation::Chunks { partition, .. } => self.0.partitions.get(usize::from(*partition))?,
            ContentLocation::Legacy(id) => self.partition(id),
            ContentLocation::Spilled(_) => return None,
        };
        self.0.contents.fetch(partition.keyspace(), object, length).await
    }

    fn sum_totals(&self, reply_to: ReplyTo) {
        let parts = self.0.partitions.iter().map(|partition| {
            let (sender, receiver) = oneshot::channel();
            partition.submit(Request::Totals, ReplyTo::Caller(sender));
            receiver
        });
        let parts: Vec<_> = parts.collect();
        tokio::spawn(async move {
            let mut sum = Totals::default();
            for part in parts {
                match part.await {
                    Ok(Response::Totals(totals)) => sum = sum.and(totals),
                    Ok(response) => return reply_to.send(response),
                    // The process is ending.
                    Err(_) => return,
                }
            }
            reply_to.send(Response::Totals(sum));
        });
    }

    /// Stores the original's content in the partition of the id. Until it is read there, the original's partition holds it.
    pub(super) async fn copy(self, copy: Copy) {
        let Copy { id, original, ticket, object, reply_to } = copy;
        let source = self.partition(&original);
        let claim = self.0.copied.acquire(object.record.length().min(COPIED_MAX) as usize).await;
        let found = match object.response(source.ids().number) {
            Response::Remote(remote) => self.fetch(&remote, remote.length).await,
            Response::Object(object) => Some(object),
            _ => None,
        };
        if !object.record.is_small() {
            source.release(ticket, &object.record.hash());
        }
        let content = |data| Content { permit: Some(claim), ..Content::new(data) };
        self.submit(store_or_duplicate(found, id, original, content), reply_to);
    }

    /// Duplicates an object that the original server stored: reads it and stores it as one of ours.
    pub(super) async fn duplicate_legacy(
        self,
        id: ObjectId,
        original: ObjectId,
        length: u64,
        reply_to: ReplyTo,
    ) {
        let object = RemoteObject { length, location: ContentLocation::Legacy(original.clone()) };
        let found = self.fetch(&object, length).await;
        self.submit(store_or_duplicate(found, id, original, Content::new), reply_to);
    }

    /// A duplicate in another partition is refused because its original is: so is who waits for it. Its own response follows.
    pub(super) fn refuse(&self, id: &ObjectId) {
        self.partition(id).refuse(id);
    }
}

/// What to do for a duplicate when its original was read: it is stored; or it was replaced or deleted meanwhile, and what it is now
/// is duplicated.
fn store_or_duplicate(
    found: Option<Object>,
    id: ObjectId,
    original: ObjectId,
    content: impl FnOnce(bytes::Bytes) -> Content,
) -> Request {
    match found {
        Some(Object { data, metadata }) => Request::Set { id, content: content(data), metadata },
        None => Request::Duplicate { id, original },
    }
}

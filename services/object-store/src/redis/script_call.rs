//! Calls of the script.
//!
//! A call costs Redis and the node as much as some operations. On a Cluster each partition has batches of its own, often of one
//! operation, so those of a shard's partitions share a call: while one is in flight, the next ones wait for it and go together.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::scripts::Script;
use fred::types::{Key as RedisKey, Value};
use parking_lot::Mutex;
use redis_core::{Channel, ErrorClass, WaitReplicas};
use tokio::sync::oneshot;

use super::chunks::CHUNK_LEN;

const SCRIPT: &str = concat!(
    include_str!("script/arguments.lua"),
    include_str!("script/contents.lua"),
    include_str!("script/objects.lua"),
    include_str!("script/waiters.lua"),
    include_str!("script/operations.lua"),
);

/// Operations in a call, and their bytes: some milliseconds of Redis's time. They end a batch too.
pub(super) const OPERATIONS_MAX: usize = 256;
pub(super) const BYTES_MAX: usize = 4 << 20;

/// One batch as the script reads it. Cloning shares it.
#[derive(Clone)]
pub(super) struct BatchArgs {
    /// The keys that the script has as KEYS.
    pub(super) keys: Arc<[RedisKey]>,
    pub(super) args: Arc<[Value]>,
    /// Number of its operations.
    pub(super) operations: usize,
    /// The length of the arguments.
    pub(super) bytes: usize,
}

/// Calls the script for a node.
///
/// Cloning shares it.
#[derive(Clone)]
pub(super) struct ScriptCaller(Arc<Inner>);

struct Inner {
    script: Script,
    /// The arguments that are the same for all batches.
    common_args: [Value; 3],
    wait_replicas: WaitReplicas,
    /// By connection, while it has a call in flight: the batches for its next call.
    waiting: Mutex<HashMap<String, VecDeque<WaitingBatch>>>,
}

struct WaitingBatch {
    batch: BatchArgs,
    reply_to: oneshot::Sender<Result<Value, Error>>,
}

impl ScriptCaller {
    /// Calls for the node of this name. With `wait_replicas` a call succeeds when replicas have what it wrote. Channels begin with
    /// `channel_prefix`.
    pub(super) fn new(wait_replicas: WaitReplicas, channel_prefix: &str, node: &str) -> Self {
        let channel_prefix = Channel::ObjectNode { prefix: channel_prefix, node: "" }.to_string();
        let common_args = [channel_prefix.into(), node.into(), CHUNK_LEN.to_string().into()];
        let (script, waiting) = (Script::from_lua(SCRIPT), Mutex::default());
        Self(Arc::new(Inner { script, common_args, wait_replicas, waiting }))
    }

    /// Whether a call succeeds only when replicas have it.
    pub(super) fn waits_for_replicas(&self) -> bool {
        self.0.wait_replicas.is_enabled()
    }

    /// Has Redis execute a batch in a call of its own. Returns the replies to its operations.
    pub(super) async fn call(&self, client: &Client, batch: BatchArgs) -> Result<Value, Error> {
        let mut results = self.call_with(client, vec![batch]).await?;
        results.pop().unwrap_or_else(|| Err(wrong_number()))
    }

    /// As [`call`](Self::call), with the batches of other partitions that are sent over this connection meanwhile. Those of one
    /// partition are executed in their order.
    pub(super) async fn call_shared(&self, client: &Client, batch: BatchArgs) -> Result<Value, Error> {
        let (reply_to, reply) = oneshot::channel();
        let waiting = WaitingBatch { batch: batch.clone(), reply_to };
        if self.add_waiting(client, waiting) {
            tokio::spawn(self.clone().call_for_waiting(client.clone()));
        }
        let ended = |_| Err(Error::new(ErrorKind::Canceled, "the call of the script was ended"));
        match reply.await.unwrap_or_else(ended) {
            // Its slot is elsewhere, or that of the first batch of the call is. By itself it is told where.
            Err(error) if ErrorClass::of(&error) == ErrorClass::Cluster => self.call(client, batch).await,
            result => result,
        }
    }

    /// Adds a batch to those that wait. True if nobody calls for them yet.
    fn add_waiting(&self, client: &Client, batch: WaitingBatch) -> bool {
        let mut waiting = self.0.waiting.lock();
        let is_idle = !waiting.contains_key(client.id());
        waiting.entry(client.id().to_owned()).or_default().push_back(batch);
        is_idle
    }

    /// Calls until nothing waits.
    async fn call_for_waiting(self, client: Client) {
        while let Some(next) = self.take_waiting(client.id()) {
            let (batches, reply_to): (Vec<_>, Vec<_>) =
                next.into_iter().map(|next| (next.batch, next.reply_to)).unzip();
            let results = self.call_with(&client, batches).await;
            let results = results.unwrap_or_else(|error| vec![Err(error); reply_to.len()]);
            for (reply_to, result) in reply_to.into_iter().zip(results) {
                // Fails only if the node is ending.
                let _ = reply_to.send(result);
            }
        }
    }

    /// The batches of the next call: until they are at a limit, which the last one may exceed. `None` if there are none: then
    /// nobody calls any more.
    fn take_waiting(&self, connection: &str) -> Option<Vec<WaitingBatch>> {
        let mut waiting = self.0.waiting.lock();
        let queue = waiting.get_mut(connection)?;
        let (mut next, mut operations, mut bytes) = (Vec::new(), 0, 0);
        while operations < OPERATIONS_MAX && bytes < BYTES_MAX {
            let Some(batch) = queue.pop_front() else { break };
            operations += batch.batch.operations;
            bytes += batch.batch.bytes;
            next.push(batch);
        }
        if next.is_empty() {
            waiting.remove(connection);
            return None;
        }
        Some(next)
    }

    /// One call. Returns the result of each batch.
    async fn call_with(
        &self,
        client: &Client,
        batches: Vec<BatchArgs>,
    ) -> Result<Vec<Result<Value, Error>>, Error> {
        let Inner { script, common_args, wait_replicas, .. } = &*self.0;
        let count = batches.len();
        let mut args = common_args.to_vec();
        let mut first_keys = None;
        for BatchArgs { keys, args: own, .. } in batches {
            match first_keys {
                None => first_keys = Some(keys.to_vec()),
                Some(_) => args.extend(keys.iter().cloned().map(Value::from)),
            }
            args.extend(own.iter().cloned());
        }
        let call = script.evalsha_with_reload::<Value, _, _>(client, first_keys.unwrap_or_default(), args);
        let results = wait_replicas.confirm(client, call).await?.into_array();
        match results.len() == count {
            true => Ok(results.into_iter().map(batch_result).collect()),
            false => Err(wrong_number()),
        }
    }
}

/// The replies to the operations of a batch, or its error, which is text.
fn batch_result(result: Value) -> Result<Value, Error> {
    match result {
        Value::Array(_) => Ok(result),
        error => Err(Error::new(ErrorKind::Unknown, error.as_str_lossy().unwrap_or_default().into_owned())),
    }
}

fn wrong_number() -> Error {
    Error::new(ErrorKind::Protocol, "the script returned a wrong number of replies")
}

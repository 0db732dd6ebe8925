//! A batch of operations, and how it is sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::KeysInterface;
use fred::types::{Key as RedisKey, Value};
use futures_util::future::try_join_all;
use redis_core::{ErrorClass, Key};
use tokio::try_join;
use tracing::warn;

use super::chunks::store_chunk;
use super::keyspace::Keyspace;
use super::operation::Operation;
use super::script_call::{BatchArgs, ScriptCaller};

/// Operations that are executed atomically.
pub(super) struct Batch {
    /// Number among the batches of this node. The script executes the writes of each number once.
    pub(super) number: u64,
    /// The number of the last batch before it that has a write, 0 for none.
    pub(super) after: u64,
    pub(super) operations: Vec<Operation>,
}

/// One reply for each operation of a batch, each of one or several fields.
pub(super) type Replies = Vec<Vec<Bytes>>;

/// How a batch is sent.
#[derive(Clone, Copy)]
pub(super) enum SendMode {
    /// No other batch is in flight.
    Alone,
    /// The batch before it is still in flight.
    Follows,
    /// Redis is full, and the batch needs no further memory.
    Full,
}

impl SendMode {
    /// As the script knows it.
    fn word(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Follows => "follows",
            Self::Full => "full",
        }
    }
}

/// Sends batches over one connection, so that they keep their order.
pub(super) struct BatchSender {
    keyspace: Keyspace,
    caller: ScriptCaller,
    /// Whether there are other partitions, with which calls can be shared.
    is_one_of_many: bool,
    /// KEYS of the script.
    keys: Arc<[RedisKey]>,
    /// The arguments that are the same for every batch: prefixes of keys.
    key_prefixes: Vec<Value>,
    /// How often the script tries the commands that it may need, and says that the node is alive.
    trial_interval: Duration,
    tried_at: Option<Instant>,
}

/// How often the script tries its commands in one of the partitions. It takes Redis some microseconds.
const TRIAL_INTERVAL: Duration = Duration::from_millis(2);

impl BatchSender {
    /// Sends the batches of a node to one of so many partitions.
    pub(super) fn new(keyspace: Keyspace, partitions: u16, caller: ScriptCaller, node: &str) -> Self {
        let prefix = keyspace.prefix();
        let keys = [
            Key::ObjectStats(prefix),
            Key::ObjectTotalSize(prefix),
            Key::ObjectGarbage(prefix),
            Key::ObjectWaited(prefix),
            Key::ObjectRefused(prefix),
            Key::ObjectNodeAlive(prefix, node),
            Key::ObjectTrial(prefix, node),
            Key::ObjectHolds(prefix),
            Key::ObjectBatch(prefix, node),
        ];
        // The script appends the last part of these keys.
        let key_prefixes = [
            Key::Object(prefix, ""),
            Key::ObjectContents(prefix),
            Key::ObjectChunks(prefix),
            Key::ObjectWaiters(prefix, ""),
            Key::ObjectRefusedId(prefix, ""),
            Key::ObjectNotifications(prefix, ""),
            Key::ObjectNodeAlive(prefix, ""),
        ];
        let keys = keys.iter().map(|key| key.to_string().into()).collect();
        let key_prefixes = key_prefixes.iter().map(|key| key.to_string().into()).collect();
        let trial_interval = TRIAL_INTERVAL * u32::from(partitions);
        let is_one_of_many = partitions > 1;
        Self { keyspace, caller, is_one_of_many, keys, key_prefixes, trial_interval, tried_at: None }
    }

    /// Sends a batch once.
    pub(super) fn send(
        &mut self,
        batch: Batch,
        mode: SendMode,
    ) -> impl Future<Output = (Batch, Result<Replies, Error>)> + use<> {
        let args = self.args(&batch, mode);
        let chunks = batch.operations.iter().filter_map(|operation| operation.chunk.clone());
        // In a shared call, a write that a full Redis allows would have it allow those of other batches.
        let is_shared = self.is_one_of_many && !matches!(mode, SendMode::Full);
        let call = Call { chunks: chunks.collect(), args, caller: self.caller.clone(), is_shared };
        let keyspace = self.keyspace.clone();
        async move {
            let executed = keyspace.run_in_order(|client| call.clone().execute(client)).await;
            let result = executed.and_then(|replies| parse_replies(replies, batch.operations.len()));
            (batch, result)
        }
    }

    /// What the script does for the node besides, as the script knows it. With `REDIS_WAIT_REPLICAS` there is always something to
    /// write, which replicas must have: an old primary that has lost them in a failover does not know what was written since.
    fn upkeep(&mut self) -> &'static str {
        if self.tried_at.is_some_and(|at| at.elapsed() < self.trial_interval) {
            return if self.caller.waits_for_replicas() { "alive" } else { "" };
        }
        self.tried_at = Some(Instant::now());
        "trial"
    }

    fn args(&mut self, batch: &Batch, mode: SendMode) -> BatchArgs {
        let operations: Vec<&[u8]> = batch.operations.iter().map(|next| next.encoded.as_slice()).collect();
        let contents: Vec<Bytes> = batch.operations.iter().filter_map(|next| next.content.clone()).collect();
        let head: [Value; 6] = [
            batch.number.to_string().into(),
            batch.after.to_string().into(),
            mode.word().into(),
            self.upkeep().into(),
            Bytes::from(operations.concat()).into(),
            contents.len().to_string().into(),
        ];
        let args = self.key_prefixes.iter().cloned().chain(head).chain(contents.into_iter().map(Value::from));
        let bytes = batch.operations.iter().map(Operation::size).sum();
        BatchArgs {
            keys: Arc::clone(&self.keys),
            args: args.collect(),
            operations: batch.operations.len(),
            bytes,
        }
    }

    /// Forgets which batches were executed.
    pub(super) async fn forget(&self) -> Result<(), Error> {
        // KEYS ends with the key of this node's batch.
        let batch = self.keys.last();
        let unlink = |client: Client| {
            let batch = batch.cloned();
            async move { client.unlink(batch).await }
        };
        self.keyspace.run_in_order(unlink).await
    }
}

/// One batch for the script, and the chunks that are stored right before it.
#[derive(Clone)]
struct Call {
    chunks: Vec<(String, Bytes)>,
    args: BatchArgs,
    caller: ScriptCaller,
    is_shared: bool,
}

impl Call {
    async fn execute(self, client: Client) -> Result<Value, Error> {
        let Self { chunks, args, caller, is_shared } = self;
        let chunks = try_join_all(chunks.into_iter().map(|(key, chunk)| store_chunk(&client, key, chunk)));
        let replies = async {
            match is_shared {
                true => caller.call_shared(&client, args).await,
                false => caller.call(&client, args).await,
            }
        };
        try_join!(chunks, replies).map(|(_, replies)| replies)
    }
}

/// The index of the operation that failed by its own fault.
pub(super) fn failed_operation(error: &Error) -> Option<usize> {
    let (_, rest) =
        error.details().rsplit_once("(operation ").filter(|_| ErrorClass::of(error).is_invalid())?;
    rest.strip_suffix(')')?.parse::<usize>().ok()?.checked_sub(1)
}

fn parse_replies(replies: Value, operations: usize) -> Result<Replies, Error> {
    let mut replies: Replies = replies.into_array().into_iter().map(fields).collect();
    if let Some(repaired) = replies.pop_if(|last| last.first().is_some_and(|word| word == "repaired")) {
        for key in &repaired[1..] {
            warn!(key = %key.escape_ascii(), "replaced a damaged value in redis");
        }
    }
    match replies.len() == operations {
        true => Ok(replies),
        false => Err(Error::new(ErrorKind::Protocol, "the script returned a wrong number of replies")),
    }
}

/// A reply is a word or an array.
fn fields(reply: Value) -> Vec<Bytes> {
    reply.into_array().into_iter().map(|field| field.into_bytes().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests;

//! A batch of operations, and how it is sent: one call of the script.

use std::time::{Duration, Instant};

use bytes::Bytes;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::KeysInterface;
use fred::types::scripts::Script;
use fred::types::{Key as RedisKey, Value};
use futures_util::future::try_join_all;
use redis_core::{Channel, ErrorClass, Key, WaitReplicas};
use tokio::try_join;
use tracing::warn;

use super::chunks::{CHUNK_LEN, store_chunk};
use super::keyspace::Keyspace;
use super::operation::Operation;

const SCRIPT: &str = concat!(
    include_str!("script/arguments.lua"),
    include_str!("script/contents.lua"),
    include_str!("script/objects.lua"),
    include_str!("script/waiters.lua"),
    include_str!("script/operations.lua"),
);

/// Operations that are executed atomically.
pub(super) struct Batch {
    /// Number among the batches of this node. The script executes each number once.
    pub(super) number: u64,
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
    wait_replicas: WaitReplicas,
    script: Script,
    /// KEYS of the script.
    keys: Vec<RedisKey>,
    /// The arguments that are the same for every batch: prefixes of keys, and the node.
    fixed_args: Vec<Value>,
    /// How often the script tries the commands that it may need.
    trial_interval: Duration,
    tried_at: Option<Instant>,
}

/// How often the script tries its commands in one of the partitions. It takes Redis some microseconds.
const TRIAL_INTERVAL: Duration = Duration::from_millis(2);

impl BatchSender {
    /// Sends the batches of a node to one of so many partitions. Channels begin with `channel_prefix`.
    pub(super) fn new(
        keyspace: Keyspace,
        partitions: u16,
        wait_replicas: WaitReplicas,
        channel_prefix: &str,
        node: &str,
    ) -> Self {
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
        let channel_prefix = Channel::ObjectNode { prefix: channel_prefix, node: "" };
        let fixed_args = key_prefixes.iter().map(Key::to_string);
        let fixed_args = fixed_args.chain([channel_prefix.to_string(), node.to_owned()]);
        let keys = keys.iter().map(|key| key.to_string().into()).collect();
        let fixed_args = fixed_args.map(Value::from).collect();
        let (script, trial_interval) = (Script::from_lua(SCRIPT), TRIAL_INTERVAL * u32::from(partitions));
        Self { keyspace, wait_replicas, script, keys, fixed_args, trial_interval, tried_at: None }
    }

    /// Sends a batch once. With `REDIS_WAIT_REPLICAS` it succeeds when replicas have it, also if it only reads: an old primary
    /// that has lost its replicas in a failover does not know what was written since.
    pub(super) fn send(
        &mut self,
        batch: Batch,
        mode: SendMode,
    ) -> impl Future<Output = (Batch, Result<Replies, Error>)> + use<> {
        let operations = batch.operations.iter().map(|operation| operation.encoded.as_slice());
        let operations = operations.collect::<Vec<_>>().concat();
        let contents = batch.operations.iter().filter_map(|next| next.content.clone().map(Value::from));
        let is_trial = self.tried_at.is_none_or(|at| at.elapsed() >= self.trial_interval);
        if is_trial {
            self.tried_at = Some(Instant::now());
        }
        let head: [Value; 5] = [
            batch.number.to_string().into(),
            mode.word().into(),
            CHUNK_LEN.to_string().into(),
            if is_trial { "1" } else { "0" }.into(),
            Bytes::from(operations).into(),
        ];
        let args: Vec<Value> = self.fixed_args.iter().cloned().chain(head).chain(contents).collect();
        let chunks = batch.operations.iter().filter_map(|operation| operation.chunk.clone());
        let call = Call {
            chunks: chunks.collect(),
            script: self.script.clone(),
            keys: self.keys.clone(),
            args,
            wait_replicas: self.wait_replicas,
        };
        let keyspace = self.keyspace.clone();
        async move {
            let executed = keyspace.run_in_order(|client| call.clone().execute(client)).await;
            let result = executed.and_then(|replies| parse_replies(replies, batch.operations.len()));
            (batch, result)
        }
    }

    /// Forgets which batches were executed.
    pub(super) async fn forget(&self) -> Result<(), Error> {
        // KEYS ends with the key of this node's batch.
        let batch = self.keys.last().cloned();
        let unlink = |client: Client| {
            let batch = batch.clone();
            async move { client.unlink(batch).await }
        };
        self.keyspace.run_in_order(unlink).await
    }
}

/// One call of the script, and the chunks that are stored right before it.
#[derive(Clone)]
struct Call {
    chunks: Vec<(String, Bytes)>,
    script: Script,
    keys: Vec<RedisKey>,
    args: Vec<Value>,
    wait_replicas: WaitReplicas,
}

impl Call {
    async fn execute(self, client: Client) -> Result<Value, Error> {
        let Self { chunks, script, keys, args, wait_replicas } = self;
        let chunks = try_join_all(chunks.into_iter().map(|(key, chunk)| store_chunk(&client, key, chunk)));
        let replies = script.evalsha_with_reload(&client, keys, args);
        let executed = wait_replicas.confirm(&client, async { try_join!(chunks, replies) });
        executed.await.map(|(_, replies)| replies)
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

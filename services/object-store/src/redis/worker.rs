//! Connects the backend, and runs what it needs in the background.

use std::sync::Arc;

use chassis::unique;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis_core::key::spread_tags;
use redis_core::{Key, Layout, Redis, State, WaitReplicas};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::backend::RedisBackend;
use super::batch::BatchSender;
use super::batch_loop::BatchLoop;
use super::garbage_collector::collect_garbage;
use super::hints::Hints;
use super::listener::{PartitionHints, listen};
use super::needs::needs;
use super::operation::Operation;
use super::options::{RedisError, RedisOptions};
use super::partition::Partition;
use super::partition_count;
use super::script_call::ScriptCaller;

/// The background work of a backend. Nothing is sent to Redis unless it runs.
pub(crate) struct RedisWorker {
    backend: RedisBackend,
    queues: Vec<mpsc::UnboundedReceiver<Operation>>,
    /// Name of this node among the others.
    node: String,
    wait_replicas: WaitReplicas,
}

/// Makes a backend that connects in the background.
///
/// # Errors
/// When the address or the credentials are malformed.
pub(crate) fn connect(
    options: RedisOptions,
) -> Result<(RedisBackend, RedisWorker, watch::Receiver<State>), RedisError> {
    let RedisOptions { redis: config, key_prefix, partitions, cache_bytes } = options;
    let prefixes: Vec<String> = match config.layout() {
        Layout::One => vec![key_prefix.clone()],
        Layout::Cluster => {
            let prefix = key_prefix.as_str();
            let tags = spread_tags("", partitions);
            tags.iter().map(|tag| Key::ObjectPartition { prefix, tag }.to_string()).collect()
        }
    };
    let example = prefixes.first().map_or("", String::as_str);
    let redis = Redis::connect(&config, needs(&key_prefix, example))?;
    let state = redis.state();
    let (backend, queues) = RedisBackend::new(redis, key_prefix, &prefixes, cache_bytes);
    let node = format!("{:016x}", unique::instance_id());
    let worker =
        RedisWorker { backend: backend.clone(), queues, node, wait_replicas: config.wait_replicas() };
    Ok((backend, worker, state))
}

impl RedisWorker {
    /// Runs until `stopped`.
    ///
    /// # Errors
    /// When the subscriber cannot be set up, or the store has another number of partitions.
    pub(crate) async fn run(self, stopped: CancellationToken) -> anyhow::Result<()> {
        stopped.run_until_cancelled(self.work()).await.unwrap_or(Ok(()))
    }

    async fn work(self) -> anyhow::Result<()> {
        let Self { backend, queues, node, wait_replicas } = self;
        let (redis, prefix) = (backend.redis(), backend.prefix());
        if redis.layout() == Layout::Cluster {
            let count = u16::try_from(backend.partitions().len())?;
            partition_count::settle(redis, wait_replicas, prefix, count).await?;
        }
        let subscriber = redis.subscriber()?;
        let caller = ScriptCaller::new(wait_replicas, prefix, &node);
        // One task for all partitions: they are woken together, and what they send goes together.
        let (mut loops, mut hints) = (FuturesUnordered::new(), PartitionHints::new());
        for (partition, queue) in backend.partitions().iter().zip(queues) {
            let keyspace = partition.keyspace().clone();
            let partition_hints = Arc::<Hints>::default();
            hints.insert(keyspace.prefix().to_owned(), Arc::clone(&partition_hints));
            let sender = BatchSender::new(keyspace, partition.ids().count, caller.clone(), &node);
            let batches = BatchLoop::new(backend.clone(), partition.clone(), queue, sender, partition_hints);
            loops.push(run_partition(batches, partition, &node));
        }
        tokio::select! {
            () = listen(subscriber, prefix, &node, hints) => anyhow::bail!("the subscriber of the store has ended"),
            // Their queues are closed: the node is ending.
            _ = loops.next() => Ok(()),
        }
    }
}

async fn run_partition(batches: BatchLoop, partition: &Partition, node: &str) {
    tokio::select! {
        () = batches.run() => {}
        () = collect_garbage(partition, node) => {}
    }
}

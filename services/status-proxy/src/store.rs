//! Everything that speaks Redis.
//!
//! There are two kinds of connections, however many viewers there are: one that subscribes, and a pool for everything
//! else, on a Cluster one for each primary.

mod events;
mod history;
mod missed;
mod needs;
mod page;
mod recorded_runs;
mod run_history;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fred::interfaces::PubsubInterface;
use redis_core::key::hash_slot;
use redis_core::{
    Channel, ConnectError, Key, Layout, PubSubConnection, Redis, RedisConfig, RedisError, Shard,
    ShardedEvent, ShardedPubSub, State,
};
use tokio::sync::{mpsc, watch};

pub(crate) use self::events::{PubSubEvent, PubSubEvents, PubSubMessage};
use self::history::epochs_channel;
pub(crate) use self::history::{HistoryStore, RecordedBy, Recording, RecordingState, Take};
#[cfg(test)]
pub(crate) use self::page::test_page;
pub(crate) use self::page::{PAGE_BYTES, RecordedSpan, StoredPage};
pub(crate) use self::recorded_runs::RecordedRuns;
use crate::partition::Partitions;

/// The most messages that wait to be taken from the subscribing connection; 11 MB are allocated for them. More are
/// dropped, and announced as a gap.
pub(crate) const EVENT_CAPACITY: usize = 16_384;

/// The most messages of a shard that wait to be taken, of those that are published by SPUBLISH; 3 MB are allocated for them.
const SHARDED_EVENT_CAPACITY: usize = 4096;

/// Redis, as status-proxy uses it.
pub(crate) struct Store {
    pub(crate) pubsub: PubSubConnection,
    redis: Redis,
    pub(crate) partitions: Partitions,
    instance: String,
}

impl Store {
    /// Starts to connect in the background. The events begin with the first connection.
    ///
    /// # Errors
    /// When the configuration is wrong. An absent server is not an error here.
    pub(crate) fn new(
        config: &RedisConfig,
        instance: String,
        has_history_in_redis: bool,
        has_sharded_pubsub: bool,
    ) -> Result<(Self, PubSubEvents), ConnectError> {
        let partitions = Partitions::new(config.layout());
        let recorded = has_history_in_redis.then_some(&partitions);
        let needs = needs::needs(&instance, recorded, has_sharded_pubsub, config.layout());
        let redis = Redis::connect(config, needs)?;
        let pubsub = if has_history_in_redis {
            // All instances number lines alike only if they hear them in the same order. While the shard that has the last epoch is
            // away, they go on in the present one.
            let epoch = Key::StatusEpoch { tag: &partitions.first().tag }.name(config.layout());
            redis.pubsub_at_common_node(hash_slot(epoch), EVENT_CAPACITY)?
        } else {
            redis.pubsub(EVENT_CAPACITY)?
        };
        let events = PubSubEvents::new(&pubsub);
        Ok((Self { pubsub, redis, partitions, instance }, events))
    }

    /// Subscriptions to what is published by SPUBLISH, and what they tell.
    pub(crate) fn sharded_pubsub(&self) -> (ShardedPubSub, mpsc::Receiver<ShardedEvent>) {
        self.redis.sharded_pubsub(SHARDED_EVENT_CAPACITY)
    }

    /// The recorded history. `age`: how long a channel is kept after its last line.
    pub(crate) fn history(&self, age: Duration) -> HistoryStore {
        HistoryStore::new(self.redis.clone(), self.partitions.clone(), self.instance.clone(), age)
    }

    /// The runs with recorded history.
    pub(crate) fn recorded_runs(&self) -> RecordedRuns {
        RecordedRuns { redis: self.redis.clone(), partitions: self.partitions.clone() }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.redis.layout() == Layout::Cluster
    }

    /// Whether Redis does what this instance needs.
    pub(crate) fn redis_state(&self) -> watch::Receiver<State> {
        self.redis.state()
    }

    /// The channel on which this instance publishes to itself.
    pub(crate) fn probe_channel(&self) -> Arc<str> {
        Channel::StatusProbe(&self.instance).to_string().into()
    }

    /// The pattern of every channel that can be a status channel.
    pub(crate) fn every_channel(&self) -> String {
        Channel::StatusPattern.to_string()
    }

    /// On a Cluster the node that the subscriptions are at.
    pub(crate) fn node(&self) -> Arc<str> {
        self.pubsub.node().unwrap_or_default()
    }

    /// The channel on which epochs are published for those who are subscribed at this node.
    pub(crate) fn epochs_channel(&self, node: &str) -> Arc<str> {
        epochs_channel(self.redis.layout(), node).into()
    }

    /// How many instances number lines in the order of this node. It is asked that node.
    pub(crate) async fn count_instances(&self, node: &str) -> Result<usize, RedisError> {
        let channel = epochs_channel(self.redis.layout(), node);
        let counts: HashMap<String, usize> = self.pubsub.client().pubsub_numsub(channel.as_str()).await?;
        Ok(counts.get(&channel).copied().unwrap_or_default())
    }

    /// Where a probe is published: on one Redis there; on a Cluster by each primary, since each of them tells the others.
    pub(crate) fn publishers(&self) -> Vec<Shard> {
        self.redis.shards().to_vec()
    }

    /// Publishes a probe by one of the [`publishers`](Self::publishers), whose name it has.
    pub(crate) async fn publish_probe(&self, publisher: &Shard) -> Result<(), RedisError> {
        let channel = self.probe_channel().to_string();
        publisher.client().publish::<(), _, _>(channel, publisher.to_string()).await
    }
}

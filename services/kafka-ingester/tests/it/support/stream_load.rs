//! Messages for keys on known shards of a Redis Cluster, and what must be in the stream of each key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::{HashesInterface, StreamsInterface};
use fred::types::FromValue;
use redis_core::key::hash_slot;
use redis_core::{Needs, Redis, RedisError};
use test_support::{eventually, is_full_size};
use tokio::time::{sleep, timeout};

use super::{DEAD_LETTERS, World};

/// Sends numbered messages. For each shard there is a partition whose offset and keys are on this shard; one more partition has
/// keys on all shards, and bad messages.
pub(crate) struct StreamLoad {
    redis: Redis,
    lanes: Vec<Lane>,
    /// By key, the numbers of its messages.
    sent: BTreeMap<String, Vec<u64>>,
    bad: BTreeSet<(i32, i64)>,
    number: u64,
}

struct Lane {
    partition: i32,
    ids: Vec<u32>,
    /// Messages in the partition.
    count: i64,
}

impl StreamLoad {
    pub(crate) async fn start(world: &World) -> Self {
        let url = world.cluster.as_ref().unwrap().url();
        let redis = Redis::connect(&url.parse().unwrap(), Needs::default()).unwrap();
        eventually("the test is connected", async || redis.state().borrow().is_ok()).await;
        let shard_of = |name: &str| (hash_slot(name) / 5_461).min(2);
        let partition_on = |shard| {
            (0..12)
                .find(|partition| shard_of(&world.offsets_key(*partition)) == shard)
                .expect("one of 12 is there")
        };
        let mut lanes: Vec<Lane> = (0..3)
            .map(|shard| {
                // On the first shard some keys are in slots that are moved first.
                let is_low =
                    |id: &u32| shard > 0 || id.is_multiple_of(2) || hash_slot(key(*id)) < MOVED_SLOTS;
                let ids = (0..).filter(|id| shard_of(&key(*id)) == shard).filter(is_low).take(20).collect();
                Lane { partition: partition_on(shard), ids, count: 0 }
            })
            .collect();
        let used: Vec<i32> = lanes.iter().map(|lane| lane.partition).collect();
        let mixed = (0..12).find(|partition| !used.contains(partition)).unwrap();
        lanes.push(Lane { partition: mixed, ids: (1_000_000..1_000_060).collect(), count: 0 });
        Self { redis, lanes, sent: BTreeMap::new(), bad: BTreeSet::new(), number: 0 }
    }

    /// Sends so many messages.
    pub(crate) fn send(&mut self, world: &World, count: usize) {
        for _ in 0..count {
            self.number += 1;
            let number = self.number;
            let lane_count = self.lanes.len() as u64;
            let lane = &mut self.lanes[(number % lane_count) as usize];
            let is_bad = number % 100 == 3;
            let value = if is_bad {
                self.bad.insert((lane.partition, lane.count));
                format!("bad {number}")
            } else {
                let id = lane.ids[(number / lane_count) as usize % lane.ids.len()];
                self.sent.entry(key(id)).or_default().push(number);
                format!(r#"{{"battery_id":{id},"n":{number}}}"#)
            };
            world.kafka.enqueue(&world.topic, lane.partition, None, Some(value.as_bytes()));
            lane.count += 1;
        }
    }

    /// Sends messages until `is_so`.
    pub(crate) async fn until(&mut self, world: &World, what: &str, is_so: impl AsyncFn() -> bool) {
        let started = Instant::now();
        while !is_so().await {
            assert!(started.elapsed() < limit(), "{what}: not within {:?}", limit());
            self.send(world, 20);
            sleep(Duration::from_millis(10)).await;
        }
        println!("{:>6} ms: {what}", started.elapsed().as_millis());
    }

    /// Sends messages until those of a lane that are sent from now on are applied. The last lane has keys on all shards.
    pub(crate) async fn until_goes_on(&mut self, world: &World, lane: usize) {
        let Lane { partition, count, .. } = self.lanes[lane];
        let redis = self.redis.clone();
        let is_so = async || read_offset(&redis, world, partition).await > Some(count);
        self.until(world, &format!("lane {lane} goes on"), is_so).await;
    }

    pub(crate) async fn until_all_go_on(&mut self, world: &World) {
        for lane in 0..self.lanes.len() {
            self.until_goes_on(world, lane).await;
        }
    }

    /// Waits until all messages are applied.
    pub(crate) async fn settle(&self, world: &World) {
        world.kafka.flush();
        for lane in &self.lanes {
            let what = format!("the offset of partition {} is {}", lane.partition, lane.count);
            eventually(&what, async || {
                read_offset(&self.redis, world, lane.partition).await == Some(lane.count)
            })
            .await;
        }
    }

    /// Each message is in the stream of its key, once and in order, and each bad one is a dead letter, once.
    pub(crate) async fn expect_each_once(&self, world: &World) {
        self.settle(world).await;
        for (key, numbers) in &self.sent {
            // Behind the offset may be what a shard has lost, until the partition is read again.
            let what = format!("{key} has its {} messages", numbers.len());
            eventually(&what, async || self.read_stream(key, "n").await.len() >= numbers.len()).await;
            let found: Vec<u64> =
                self.read_stream(key, "n").await.iter().map(|number| number.parse().unwrap()).collect();
            assert_eq!(&found, numbers, "{key}");
        }
        let (partitions, offsets) = (
            self.read_stream(DEAD_LETTERS, "partition").await,
            self.read_stream(DEAD_LETTERS, "offset").await,
        );
        let mut dead: Vec<(i32, i64)> = partitions
            .iter()
            .zip(&offsets)
            .map(|(partition, offset)| (partition.parse().unwrap(), offset.parse().unwrap()))
            .collect();
        dead.sort_unstable();
        assert_eq!(dead, self.bad.iter().copied().collect::<Vec<_>>());
        println!("{} messages, {} of them bad: each applied once", self.number, dead.len());
    }

    /// How many good messages were sent.
    pub(crate) fn count(&self) -> usize {
        self.sent.values().map(Vec::len).sum()
    }

    /// Those of them whose keys were on this shard at the start.
    pub(crate) fn count_of_shard(&self, shard: u16) -> usize {
        let is_there = |key: &str| (hash_slot(key) / 5_461).min(2) == shard;
        self.sent.iter().filter(|(key, _)| is_there(key)).map(|(_, numbers)| numbers.len()).sum()
    }

    /// A field of each entry of a stream.
    async fn read_stream(&self, key: &str, field: &str) -> Vec<String> {
        let read = |client: Client| async move { client.xrange(key, "-", "+", None).await };
        let entries: Vec<(String, BTreeMap<String, bytes::Bytes>)> =
            ask(&self.redis, key, read).await.unwrap_or_default();
        let text = |bytes: &bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        entries.iter().map(|(_, fields)| text(&fields[field])).collect()
    }
}

async fn read_offset(redis: &Redis, world: &World, partition: i32) -> Option<i64> {
    let (key, field) = (&world.offsets_key(partition), &partition.to_string());
    ask(redis, key, |client: Client| async move { client.hget::<Option<i64>, _, _>(key, field).await })
        .await?
}

/// `None` if there is no answer.
async fn ask<T: FromValue, F: Future<Output = Result<T, RedisError>>>(
    redis: &Redis,
    key: &str,
    op: impl Fn(Client) -> F,
) -> Option<T> {
    timeout(Duration::from_secs(1), redis.run(key, op)).await.ok()?.ok()
}

fn key(id: u32) -> String {
    format!("battery:{id}:data")
}

/// How many of the first shard's slots are moved. Some keys are in them.
pub(crate) const MOVED_SLOTS: u16 = 40;

/// How long any wait may take on a busy machine.
fn limit() -> Duration {
    Duration::from_secs(if is_full_size("KAFKA_INGESTER_TEST_FULL") { 600 } else { 90 })
}

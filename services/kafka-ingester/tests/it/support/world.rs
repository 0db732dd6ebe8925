//! Kafka, Redis, and the ingester between them.

use std::collections::HashMap;

use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface, SetsInterface, StreamsInterface};
use fred::types::Builder;
use fred::types::config::Config;
use redis_core::{Key, Layout};
use test_support::{RedisCluster, ServiceProcess, TestRedis, eventually, is_full_size};

use super::kafka::Kafka;
use super::notifications::Notifications;
use super::{BINARY, DEAD_LETTERS, unique_name};

/// A topic, a group and a Redis of one test. With `KAFKA_INGESTER_TEST_CLUSTER=1` the service and `client` are on a Redis
/// Cluster; tests that do something to `redis` do not hold there.
pub(crate) struct World {
    pub(crate) kafka: Kafka,
    pub(crate) redis: TestRedis,
    pub(crate) cluster: Option<RedisCluster>,
    pub(crate) client: Client,
    pub(crate) topic: String,
    pub(crate) group: String,
}

impl World {
    pub(crate) async fn new(partitions: i32) -> Self {
        Self::with(Kafka::start(), TestRedis::start().await, partitions).await
    }

    pub(crate) async fn with(kafka: Kafka, redis: TestRedis, partitions: i32) -> Self {
        let topic = kafka.create_unique_topic(partitions).await;
        let (client, group) = (redis.client().await, unique_name("group"));
        let mut world = Self { kafka, redis, cluster: None, client, topic, group };
        if is_full_size("KAFKA_INGESTER_TEST_CLUSTER") {
            world.move_to(RedisCluster::start().await).await;
        }
        world
    }

    /// A world on a Redis Cluster, whatever the variable says.
    pub(crate) async fn on_cluster(kafka: Kafka, partitions: i32) -> Self {
        let topic = kafka.create_unique_topic(partitions).await;
        let redis = TestRedis::start().await;
        let (client, group) = (redis.client().await, unique_name("group"));
        let mut world = Self { kafka, redis, cluster: None, client, topic, group };
        world.move_to(RedisCluster::start().await).await;
        world
    }

    async fn move_to(&mut self, cluster: RedisCluster) {
        let [first, others @ ..] = &cluster.nodes[..3] else { panic!("a Cluster has three primaries") };
        let others: Vec<String> =
            others.iter().map(|node| format!("node=127.0.0.1:{}", node.port())).collect();
        let url = format!("redis-cluster://127.0.0.1:{}?{}", first.port(), others.join("&"));
        self.client = Builder::from_config(Config::from_url(&url).unwrap()).build().unwrap();
        self.client.init().await.unwrap();
        self.cluster = Some(cluster);
    }

    /// Starts an ingester with these further variables, and waits until it is ready.
    pub(crate) async fn start_ingester(&self, vars: &[(&str, &str)]) -> ServiceProcess {
        let service = self.spawn_ingester(vars).await;
        service.wait_until_ready().await;
        service
    }

    /// Starts an ingester with these further variables.
    pub(crate) async fn spawn_ingester(&self, vars: &[(&str, &str)]) -> ServiceProcess {
        let redis_vars = self.redis_vars();
        let redis_vars: Vec<(&str, &str)> =
            redis_vars.iter().map(|(name, value)| (*name, &**value)).collect();
        let session =
            [("KAFKA_CONF_SESSION_TIMEOUT_MS", "6000"), ("KAFKA_CONF_HEARTBEAT_INTERVAL_MS", "300")];
        let vars = [&self.kafka_vars()[..], &redis_vars, &session, vars].concat();
        ServiceProcess::start(BINARY, &vars).await
    }

    /// Where the topic is, for a service or a command.
    pub(crate) fn kafka_vars(&self) -> [(&str, &str); 3] {
        [("KAFKA_TOPIC", &self.topic), ("KAFKA_BROKER", &self.kafka.broker), ("KAFKA_GROUP", &self.group)]
    }

    /// Where Redis is, for a service or a command.
    pub(crate) fn redis_vars(&self) -> Vec<(&'static str, String)> {
        match &self.cluster {
            Some(cluster) => vec![("REDIS_URL", cluster.url())],
            None => {
                vec![("REDIS_HOST", "127.0.0.1".to_owned()), ("REDIS_PORT", self.redis.port().to_string())]
            }
        }
    }

    /// Sends a message to partition 0, and waits until the broker has it.
    pub(crate) fn send(&self, value: &str) {
        self.kafka.send(&self.topic, value);
    }

    /// What is published on `pattern` from now on.
    pub(crate) async fn subscribe(&self, pattern: &str) -> Notifications {
        // The first node of a Cluster is killed by tests.
        let redis = self.cluster.as_ref().map_or(&self.redis, |cluster| &cluster.nodes[1]);
        Notifications::subscribe(&redis.url(), pattern).await
    }

    pub(crate) async fn read_field(&self, key: &str, field: &str) -> Option<String> {
        self.client.hget(key, field).await.unwrap()
    }

    pub(crate) async fn wait_for_field(&self, key: &str, field: &str, value: &str) {
        let what = format!("{key} {field} is {value}");
        eventually(&what, async || self.read_field(key, field).await.as_deref() == Some(value)).await;
    }

    pub(crate) async fn read_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.client.smembers("info:batteries:ids").await.unwrap();
        ids.sort();
        ids
    }

    pub(crate) async fn count_dead_letters(&self) -> u64 {
        self.client.xlen(DEAD_LETTERS).await.unwrap()
    }

    /// The reason of the one dead letter that there is.
    pub(crate) async fn dead_letter_reason(&self) -> String {
        let entries: Vec<(String, HashMap<String, bytes::Bytes>)> =
            self.client.xrange(DEAD_LETTERS, "-", "+", None).await.unwrap();
        assert_eq!(entries.len(), 1);
        String::from_utf8(entries[0].1["reason"].to_vec()).unwrap()
    }

    /// The key in which Redis has the offset of a partition.
    pub(crate) fn offsets_key(&self, partition: i32) -> String {
        let layout = if self.cluster.is_some() { Layout::Cluster } else { Layout::One };
        Key::KafkaOffsets { group: &self.group, topic: &self.topic, partition }.name(layout)
    }

    /// What Redis has about a partition, such as `applied`.
    pub(crate) async fn read_state(&self, partition: i32, field: &str) -> Option<i64> {
        self.client.hget(self.offsets_key(partition), format!("{partition}:{field}")).await.unwrap()
    }

    /// The offset that Redis has for a partition.
    pub(crate) async fn read_offset(&self, partition: i32) -> Option<i64> {
        self.client.hget(self.offsets_key(partition), partition.to_string()).await.unwrap()
    }

    pub(crate) async fn wait_for_offset(&self, partition: i32, offset: i64) {
        let what = format!("the offset of partition {partition} is {offset}");
        eventually(&what, async || self.read_offset(partition).await == Some(offset)).await;
    }
}

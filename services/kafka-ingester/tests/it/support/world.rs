//! Kafka, Redis, and the ingester between them.

use std::collections::HashMap;

use fred::clients::Client;
use fred::interfaces::{HashesInterface, SetsInterface, StreamsInterface};
use test_support::{ServiceProcess, TestRedis, eventually};

use super::kafka::Kafka;
use super::notifications::Notifications;
use super::{BINARY, DEAD_LETTERS, unique_name};

/// A topic, a group and a Redis of one test.
pub(crate) struct World {
    pub(crate) kafka: Kafka,
    pub(crate) redis: TestRedis,
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
        let client = redis.client().await;
        Self { kafka, redis, client, topic, group: unique_name("group") }
    }

    /// Starts an ingester with these further variables, and waits until it is ready.
    pub(crate) async fn start_ingester(&self, vars: &[(&str, &str)]) -> ServiceProcess {
        let service = self.spawn_ingester(vars).await;
        service.wait_until_ready().await;
        service
    }

    /// Starts an ingester with these further variables.
    pub(crate) async fn spawn_ingester(&self, vars: &[(&str, &str)]) -> ServiceProcess {
        let port = self.redis.port().to_string();
        let defaults = [
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
            ("KAFKA_CONF_SESSION_TIMEOUT_MS", "6000"),
            ("KAFKA_CONF_HEARTBEAT_INTERVAL_MS", "300"),
        ];
        ServiceProcess::start(BINARY, &[&self.kafka_vars()[..], &defaults, vars].concat()).await
    }

    /// Where the topic is, for a service or a command.
    pub(crate) fn kafka_vars(&self) -> [(&str, &str); 3] {
        [("KAFKA_TOPIC", &self.topic), ("KAFKA_BROKER", &self.kafka.broker), ("KAFKA_GROUP", &self.group)]
    }

    /// Sends a message to partition 0, and waits until the broker has it.
    pub(crate) fn send(&self, value: &str) {
        self.kafka.send(&self.topic, value);
    }

    /// What is published on `pattern` from now on.
    pub(crate) async fn subscribe(&self, pattern: &str) -> Notifications {
        Notifications::subscribe(&self.redis.url(), pattern).await
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

    /// The key in which Redis has the offsets of the topic.
    pub(crate) fn offsets_key(&self) -> String {
        format!("kafka-ingester:{}:{}:offsets", self.group, self.topic)
    }

    /// The offset that Redis has for a partition.
    pub(crate) async fn read_offset(&self, partition: i32) -> Option<i64> {
        self.client.hget(self.offsets_key(), partition.to_string()).await.unwrap()
    }

    pub(crate) async fn wait_for_offset(&self, partition: i32, offset: i64) {
        let what = format!("the offset of partition {partition} is {offset}");
        eventually(&what, async || self.read_offset(partition).await == Some(offset)).await;
    }
}

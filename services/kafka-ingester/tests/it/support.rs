//! A world per test: Kafka, Redis, and the ingester between them.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{
    ClientLike, EventInterface, HashesInterface, PubsubInterface, SetsInterface, StreamsInterface,
};
use fred::types::Builder;
use fred::types::config::Config;
use nix::sys::signal::{SigSet, SigmaskHow};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::util::Timeout;
use test_support::{ServiceProcess, TestRedis, eventually};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_kafka-ingester");
pub(crate) const DEAD_LETTERS: &str = "kafka-ingester:dead-letters";

/// A broker: librdkafka's mock cluster in this process, or a real one.
pub(crate) struct Kafka {
    pub(crate) broker: String,
    pub(crate) mock: Option<MockCluster<'static, DefaultProducerContext>>,
    producer: BaseProducer,
}

#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
pub(crate) fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Kafka {
    pub(crate) fn start() -> Self {
        match var("KAFKA_BROKER") {
            Some(broker) => Self::real(broker),
            None => Self::start_mock(),
        }
    }

    pub(crate) fn real(broker: String) -> Self {
        Self::new(broker, None)
    }

    pub(crate) fn start_mock() -> Self {
        // A signal that interrupts its thread ends the cluster (librdkafka's issue 4727), and each child that ends is a
        // signal. The thread inherits what this one blocks.
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).unwrap();
        let mock = MockCluster::new(1).unwrap();
        before.thread_set_mask().unwrap();
        Self::new(mock.bootstrap_servers(), Some(mock))
    }

    fn new(broker: String, mock: Option<MockCluster<'static, DefaultProducerContext>>) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &broker)
            .set("linger.ms", "5")
            // A broker that is restarted would get some messages twice.
            .set("enable.idempotence", "true")
            .set("reconnect.backoff.max.ms", "500")
            .set("queue.buffering.max.messages", "1000000");
        let producer = config.create().unwrap();
        Self { broker, mock, producer }
    }

    /// A topic of this test alone.
    pub(crate) async fn topic(&self, partitions: i32) -> String {
        let topic = unique("topic");
        self.create(&topic, partitions).await;
        topic
    }

    pub(crate) async fn create(&self, topic: &str, partitions: i32) {
        match &self.mock {
            Some(mock) => mock.create_topic(topic, partitions, 1).unwrap(),
            None => {
                let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
                self.admin().create_topics([&new], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
            }
        }
    }

    pub(crate) async fn delete(&self, topic: &str) {
        self.admin().delete_topics(&[topic], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    }

    pub(crate) fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.broker).create().unwrap()
    }

    pub(crate) fn consumer(&self, group: &str) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.broker)
            .set("group.id", group)
            .set("enable.auto.commit", "false");
        config.set("auto.offset.reset", "earliest").create().unwrap()
    }

    /// Messages in a topic: its log's ends added up.
    pub(crate) fn end(&self, topic: &str, partition: i32) -> i64 {
        self.consumer("end").fetch_watermarks(topic, partition, Duration::from_secs(10)).unwrap().1
    }

    /// Sends without waiting; the partition is the caller's choice.
    pub(crate) fn queue(&self, topic: &str, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>) {
        loop {
            let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(partition);
            record.key = key;
            record.payload = value;
            match self.producer.send(record) {
                Ok(()) => break,
                Err(_) => self.producer.poll(Duration::from_millis(10)),
            };
        }
        self.producer.poll(Duration::ZERO);
    }

    pub(crate) fn flush(&self) {
        self.producer.flush(Timeout::After(Duration::from_secs(60))).unwrap();
    }

    pub(crate) fn send(&self, topic: &str, value: &str) {
        self.queue(topic, 0, None, Some(value.as_bytes()));
        self.flush();
    }
}

/// One ingester's surroundings.
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
        let topic = kafka.topic(partitions).await;
        let client = redis.client().await;
        Self { kafka, redis, client, topic, group: unique("group") }
    }

    /// An ingester with these further variables, ready.
    pub(crate) async fn ingester(&self, vars: &[(&str, &str)]) -> ServiceProcess {
        let service = self.starting(vars).await;
        service.wait_until_ready().await;
        service
    }

    pub(crate) async fn starting(&self, vars: &[(&str, &str)]) -> ServiceProcess {
        let port = self.redis.port().to_string();
        let own = [
            ("KAFKA_TOPIC", self.topic.as_str()),
            ("KAFKA_BROKER", &self.kafka.broker),
            ("KAFKA_GROUP", &self.group),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
            ("KAFKA_CONF_SESSION_TIMEOUT_MS", "6000"),
            ("KAFKA_CONF_HEARTBEAT_INTERVAL_MS", "300"),
        ];
        ServiceProcess::start(BINARY, &[&own, vars].concat()).await
    }

    pub(crate) fn send(&self, value: &str) {
        self.kafka.send(&self.topic, value);
    }

    /// Channel and text of what is published on `pattern`, from now on.
    pub(crate) async fn notices(&self, pattern: &str) -> Notices {
        let mut builder = Builder::from_config(Config::from_url(&self.redis.url()).unwrap());
        builder.with_performance_config(|performance| performance.broadcast_channel_capacity = 2_000_000);
        let client = builder.build().unwrap();
        client.init().await.unwrap();
        let messages = client.message_rx();
        client.psubscribe(pattern).await.unwrap();
        Notices { messages, _client: client }
    }

    pub(crate) async fn field(&self, key: &str, field: &str) -> Option<String> {
        self.client.hget(key, field).await.unwrap()
    }

    pub(crate) async fn field_becomes(&self, key: &str, field: &str, value: &str) {
        let what = format!("{key} {field} is {value}");
        eventually(&what, async || self.field(key, field).await.as_deref() == Some(value)).await;
    }

    pub(crate) async fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.client.smembers("info:batteries:ids").await.unwrap();
        ids.sort();
        ids
    }

    pub(crate) async fn dead_letter_count(&self) -> u64 {
        self.client.xlen(DEAD_LETTERS).await.unwrap()
    }

    /// The offset that Redis holds for a partition.
    pub(crate) async fn offset(&self, partition: i32) -> Option<i64> {
        let key = format!("kafka-ingester:{}:{}:offsets", self.group, self.topic);
        self.client.hget(key, partition.to_string()).await.unwrap()
    }

    pub(crate) async fn offset_becomes(&self, partition: i32, offset: i64) {
        let what = format!("the offset of partition {partition} is {offset}");
        eventually(&what, async || self.offset(partition).await == Some(offset)).await;
    }
}

/// A subscriber that misses nothing.
pub(crate) struct Notices {
    messages: tokio::sync::broadcast::Receiver<fred::types::Message>,
    _client: Client,
}

impl Notices {
    pub(crate) async fn next(&mut self) -> (String, String) {
        let message = tokio::time::timeout(Duration::from_secs(60), self.messages.recv()).await;
        let message = message.expect("a notice comes").unwrap();
        (message.channel.to_string(), message.value.as_string().unwrap())
    }

    /// Those that have come so far.
    pub(crate) fn so_far(&self) -> usize {
        self.messages.len()
    }
}

/// Says past the capture of tests that pass that something was left out.
pub(crate) fn not_run(what: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "NOT RUN: {what}").unwrap();
}

pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    format!("{what}-{since}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

//! What the benchmark runs on: a broker, a Redis, topics and messages.

use std::time::{Duration, SystemTime};

use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface};
use fred::types::Builder;
use fred::types::config::Config;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{Offset, TopicPartitionList};

pub(crate) const PARTITIONS: usize = 6;
pub(crate) const KEYS: usize = 10_000;
/// The key of [`message`].
pub(crate) const TOP_LEVEL_KEY: &str = "battery:{battery_id}:data";
/// The key of [`nested_message`].
pub(crate) const NESTED_KEY: &str = "battery:{meta.battery_id}:data";

pub(crate) struct World {
    pub(crate) mock: Option<MockCluster<'static, DefaultProducerContext>>,
    pub(crate) broker: String,
    pub(crate) redis_port: String,
    pub(crate) bin: String,
    pub(crate) redis: Client,
    /// The stand-in for a schema registry.
    pub(crate) registry_url: String,
    /// `REDIS_WAIT_REPLICAS` of the ingesters.
    pub(crate) wait_replicas: &'static str,
    /// Their `KEY_TEMPLATE`.
    pub(crate) key_template: &'static str,
}

pub(crate) fn env_var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The battery that a message is about: one of [`KEYS`].
pub(crate) fn key(number: usize) -> usize {
    number.wrapping_mul(2_654_435_761) % KEYS
}

/// A report of seven fields.
pub(crate) fn message(number: usize) -> Vec<u8> {
    let key = key(number);
    let text = format!(
        r#"{{"battery_id":{key},"soc":{},"voltage":402.{:02},"current":-12.50,"temperature":{},"status":"charging","site":"north-east-{}","ts":{}}}"#,
        number % 101,
        number % 100,
        20 + number % 15,
        number % 50,
        1_700_000_000_000_u64 + number as u64
    );
    text.into_bytes()
}

/// The same report, and as many fields to store, with the id inside of one.
pub(crate) fn nested_message(number: usize) -> Vec<u8> {
    let text = String::from_utf8(message(number)).unwrap();
    let (id, fields) = text[1..].split_once(',').unwrap();
    let (fields, ts) = fields.rsplit_once(',').unwrap();
    format!(r#"{{"meta":{{{id},{ts},{fields}}}"#).into_bytes()
}

/// The same, but each hundredth is not JSON.
pub(crate) fn message_or_bad(number: usize) -> Vec<u8> {
    let mut value = message(number);
    if number % 100 == 42 {
        value.remove(0);
    }
    value
}

impl World {
    pub(crate) async fn start() -> Self {
        let mock = if env_var("KAFKA_BROKER").is_none() { Some(MockCluster::new(1).unwrap()) } else { None };
        let broker =
            mock.as_ref().map_or_else(|| env_var("KAFKA_BROKER").unwrap(), MockCluster::bootstrap_servers);
        let redis_port = env_var("REDIS_PORT").unwrap();
        let config = Config::from_url(&format!("redis://127.0.0.1:{redis_port}")).unwrap();
        let redis = Builder::from_config(config).build().unwrap();
        redis.init().await.unwrap();
        let (bin, registry_url) = (env_var("BIN").unwrap(), env_var("REGISTRY_URL").unwrap());
        Self {
            mock,
            broker,
            redis_port,
            bin,
            redis,
            registry_url,
            wait_replicas: "0",
            key_template: TOP_LEVEL_KEY,
        }
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.broker);
        config
    }

    /// Creates a topic with a unique name.
    pub(crate) async fn create_topic(&self, name: &str) -> String {
        let now_ms = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let topic = format!("bench-{name}-{now_ms}");
        if let Some(mock) = &self.mock {
            mock.create_topic(&topic, PARTITIONS as i32, 1).unwrap();
        } else {
            let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
            let new = NewTopic::new(&topic, PARTITIONS as i32, TopicReplication::Fixed(1));
            admin.create_topics([&new], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
        }
        topic
    }

    /// Sends `total` messages as fast as the broker takes them.
    pub(crate) fn produce(&self, topic: &str, total: usize, message: impl Fn(usize) -> Vec<u8>) {
        let producer: BaseProducer = self.config().set("linger.ms", "5").create().unwrap();
        for number in 0..total {
            send(&producer, topic, number, &message(number));
        }
        producer.flush(Duration::from_secs(60)).unwrap();
    }

    /// A consumer that reads all partitions from `offset` on, without joining a group.
    pub(crate) fn bare_consumer(&self, topic: &str, offset: Offset) -> BaseConsumer {
        let mut config = self.config();
        // As the service sets them.
        config.set("group.id", "bare").set("fetch.wait.max.ms", "100").set("fetch.queue.backoff.ms", "10");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(topic, partition as i32, offset).unwrap();
        }
        consumer.assign(&list).unwrap();
        consumer
    }

    /// How many messages of a topic were applied or became dead letters.
    pub(crate) async fn count_handled(&self, topic: &str) -> i64 {
        let of = |partition| [format!("{partition}:applied"), format!("{partition}:dead")];
        let fields: Vec<String> = (0..PARTITIONS).flat_map(of).collect();
        let key = format!("kafka-ingester:{topic}:{topic}:offsets");
        let counts: Vec<Option<i64>> = self.redis.hmget(key, fields).await.unwrap();
        counts.into_iter().flatten().sum()
    }

    pub(crate) async fn wait_until_handled(&self, topic: &str, total: i64) {
        while self.count_handled(topic).await < total {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Hands message `number` to the producer. The number decides the partition.
pub(crate) fn send(producer: &BaseProducer, topic: &str, number: usize, value: &[u8]) {
    while producer
        .send(BaseRecord::<(), _>::to(topic).partition((number % PARTITIONS) as i32).payload(value))
        .is_err()
    {
        producer.poll(Duration::from_millis(1));
    }
}

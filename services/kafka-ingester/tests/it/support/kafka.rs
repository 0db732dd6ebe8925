//! A Kafka cluster of one broker, and a producer for it.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::util::Timeout;

use super::{MockCluster, env_var, unique_name};

/// A broker: librdkafka's mock cluster, or a real one.
pub(crate) struct Kafka {
    pub(crate) broker: String,
    pub(crate) mock: Option<MockCluster>,
    producer: BaseProducer,
}

impl Kafka {
    /// The broker of `KAFKA_BROKER`, or a mock cluster.
    pub(crate) fn start() -> Self {
        match env_var("KAFKA_BROKER") {
            Some(broker) => Self::connect(broker),
            None => Self::start_mock(),
        }
    }

    pub(crate) fn connect(broker: String) -> Self {
        Self::new(broker, None)
    }

    pub(crate) fn start_mock() -> Self {
        let mock = MockCluster::start();
        Self::new(mock.bootstrap_servers(), Some(mock))
    }

    fn new(broker: String, mock: Option<MockCluster>) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &broker)
            .set("linger.ms", "5")
            // Without it, a broker that is restarted would get some messages twice.
            .set("enable.idempotence", "true")
            .set("reconnect.backoff.max.ms", "500")
            .set("queue.buffering.max.messages", "1000000");
        let producer = config.create().unwrap();
        Self { broker, mock, producer }
    }

    pub(crate) async fn create_unique_topic(&self, partitions: i32) -> String {
        let topic = unique_name("topic");
        self.create_topic(&topic, partitions).await;
        topic
    }

    pub(crate) async fn create_topic(&self, topic: &str, partitions: i32) {
        match &self.mock {
            Some(mock) => mock.create_topic(topic, partitions),
            None => {
                let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
                let options = AdminOptions::new();
                self.admin_client().create_topics([&new], &options).await.unwrap()[0].as_ref().unwrap();
            }
        }
    }

    pub(crate) async fn delete_topic(&self, topic: &str) {
        let options = AdminOptions::new();
        self.admin_client().delete_topics(&[topic], &options).await.unwrap()[0].as_ref().unwrap();
    }

    pub(crate) fn admin_client(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.broker).create().unwrap()
    }

    pub(crate) fn create_consumer(&self, group: &str) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.broker)
            .set("group.id", group)
            .set("enable.auto.commit", "false");
        config.set("auto.offset.reset", "earliest").create().unwrap()
    }

    /// The offset after the last message of a partition.
    pub(crate) fn log_end(&self, topic: &str, partition: i32) -> i64 {
        let consumer = self.create_consumer("end");
        consumer.fetch_watermarks(topic, partition, Duration::from_secs(10)).unwrap().1
    }

    /// Hands a message to the producer, without waiting for the broker.
    pub(crate) fn enqueue(&self, topic: &str, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>) {
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

    /// Like [`Kafka::enqueue`], with a header.
    pub(crate) fn enqueue_with_header(
        &self,
        topic: &str,
        partition: i32,
        key: &[u8],
        value: &[u8],
        (name, text): (&str, &[u8]),
    ) {
        let headers = OwnedHeaders::new().insert(Header { key: name, value: Some(text) });
        let record = BaseRecord::to(topic).partition(partition).key(key).payload(value).headers(headers);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    /// Like [`Kafka::enqueue`] to partition 0, with a timestamp in ms since 1970.
    pub(crate) fn enqueue_at(&self, topic: &str, timestamp_ms: i64, key: &[u8], value: Option<&[u8]>) {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(0).key(key);
        record.payload = value;
        self.producer.send(record.timestamp(timestamp_ms)).map_err(|(error, _)| error).unwrap();
    }

    /// Waits until the broker has all messages.
    pub(crate) fn flush(&self) {
        self.producer.flush(Timeout::After(Duration::from_secs(60))).unwrap();
    }

    /// Sends a message to partition 0, and waits until the broker has it.
    pub(crate) fn send(&self, topic: &str, value: &str) {
        self.enqueue(topic, 0, None, Some(value.as_bytes()));
        self.flush();
    }
}

//! Moves dead letters on to a Kafka topic. The stream in Redis is the outbox: each dead letter is in it
//! exactly once.
//!
//! A dead letter is removed from Redis after the topic's brokers have it. A crash between the two sends it
//! again. Its headers hold the topic, partition and offset of the message, by which a reader can tell.

use std::time::Duration;

use anyhow::Context;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::OwnedDeliveryResult;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::kafka::BootstrapBrokers;
use crate::metrics::Metrics;
use crate::store::{DeadLetter, DeadLetterStore};

/// Moves dead letters on to one topic.
pub(crate) struct DeadLetterForwarder {
    pub(crate) store: DeadLetterStore,
    pub(crate) client_config: ClientConfig,
    pub(crate) bootstrap_brokers: BootstrapBrokers,
    pub(crate) topic: String,
    pub(crate) metrics: Metrics,
}

impl DeadLetterForwarder {
    /// Forwards until `stopping`. Of several instances, the one that holds the lease forwards.
    ///
    /// # Errors
    /// If the producer cannot be created.
    pub(crate) async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let producer: FutureProducer<BootstrapBrokers> = self
            .client_config
            .create_with_context(self.bootstrap_brokers.clone())
            .context("create a producer for the dead letters")?;
        let instance = chassis::unique::instance_id().to_string();
        loop {
            self.bootstrap_brokers.add_brokers_if_forgotten(producer.client());
            let pause = match self.forward_page(&producer, &instance).await {
                Ok(0) => IDLE_PAUSE,
                Ok(count) => {
                    self.metrics.forwarded.inc_by(count);
                    Duration::ZERO
                }
                Err(reason) => {
                    warn!("forward dead letters to {}: {reason:#}", self.topic);
                    FAILED_PAUSE
                }
            };
            if stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Forwards the first dead letters, and returns how many. 0 also if another instance holds the lease.
    async fn forward_page(
        &self,
        producer: &FutureProducer<BootstrapBrokers>,
        instance: &str,
    ) -> anyhow::Result<u64> {
        if !self.store.acquire_forwarder_lease(instance, LEASE).await? {
            return Ok(0);
        }
        let dead_letters = self.store.list("0", PAGE_SIZE).await?;
        let sending = dead_letters.iter().map(|dead_letter| send(producer, &self.topic, dead_letter));
        for delivery in futures_util::future::join_all(sending).await {
            delivery.map_err(|(error, _)| error)?;
        }
        let ids: Vec<String> = dead_letters.into_iter().map(|dead_letter| dead_letter.id).collect();
        let count = ids.len() as u64;
        if count > 0 {
            self.store.remove(ids).await?;
        }
        Ok(count)
    }
}

async fn send(
    producer: &FutureProducer<BootstrapBrokers>,
    topic: &str,
    dead_letter: &DeadLetter,
) -> OwnedDeliveryResult {
    let headers = [
        ("topic", &dead_letter.topic),
        ("partition", &dead_letter.partition),
        ("offset", &dead_letter.offset),
        ("reason", &dead_letter.reason),
    ];
    let headers = headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value.as_str()) })
    });
    let record = FutureRecord::to(topic).key(&*dead_letter.key).payload(&*dead_letter.value).headers(headers);
    producer.send(record, SEND_TIMEOUT).await
}

const PAGE_SIZE: u64 = 100;
const LEASE: Duration = Duration::from_secs(60);
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_PAUSE: Duration = Duration::from_secs(1);
const FAILED_PAUSE: Duration = Duration::from_secs(5);

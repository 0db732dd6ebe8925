//! Moves dead letters on to a Kafka topic. The stream in Redis is the outbox: each dead letter is in it
//! exactly once.
//!
//! A dead letter is removed from Redis after the topic's brokers have it. A crash between the two sends it
//! again. Its headers hold the topic, partition and offset of the message, by which a reader can tell.

use std::time::Duration;

use anyhow::Context;
use chassis::Gate;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::OwnedDeliveryResult;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::kafka::ClientHandler;
use crate::metrics::Metrics;
use crate::store::{DeadLetter, DeadLetterStore, NO_ENTRY};

/// Moves dead letters on to one topic.
pub(crate) struct DeadLetterForwarder {
    pub(crate) store: DeadLetterStore,
    pub(crate) client_config: ClientConfig,
    pub(crate) client_handler: ClientHandler,
    pub(crate) topic: String,
    pub(crate) metrics: Metrics,
    /// Closed while dead letters cannot be moved on.
    pub(crate) gate: Gate,
}

impl DeadLetterForwarder {
    /// Forwards until `stopping`. Of several instances, the one that holds the lease forwards.
    ///
    /// # Errors
    /// If the producer cannot be created.
    pub(crate) async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let producer: FutureProducer<ClientHandler> = self
            .client_config
            .create_with_context(self.client_handler.clone())
            .context("create a producer for the dead letters")?;
        let instance = chassis::unique::instance_id().to_string();
        // All dead letters up to this entry are forwarded, or too large.
        let mut position = "0".to_owned();
        loop {
            self.client_handler.bootstrap_brokers.add_brokers_if_forgotten(producer.client());
            let forwarding = self.forward_all(&producer, &instance, &mut position);
            match stopping.run_until_cancelled(forwarding).await {
                None => return Ok(()),
                Some(Ok(())) => self.gate.open(),
                Some(Err(reason)) => {
                    self.gate.close(format!("cannot forward dead letters to {}: {reason:#}", self.topic));
                }
            }
            if stopping.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Forwards all dead letters after `position`, unless another instance holds the lease.
    async fn forward_all(
        &self,
        producer: &FutureProducer<ClientHandler>,
        instance: &str,
        position: &mut String,
    ) -> anyhow::Result<()> {
        while self.store.acquire_forwarder_lease(instance, LEASE).await? {
            let dead_letters = self.store.list(position, PAGE_SIZE).await?;
            let Some(last) = dead_letters.last().map(|dead_letter| dead_letter.id.clone()) else { break };
            // What could not be removed later would be sent again and again.
            self.store.remove(vec![NO_ENTRY.to_owned()]).await?;
            let (forwarded, failure) = self.forward(producer, dead_letters).await;
            if !forwarded.is_empty() {
                self.metrics.forwarded.inc_by(forwarded.len() as u64);
                self.store.remove(forwarded).await?;
            }
            if let Some(failure) = failure {
                return Err(failure.into());
            }
            *position = last;
        }
        Ok(())
    }

    /// Sends dead letters. Returns the ids of those that the brokers have, and why they do not have another.
    /// One that is too large for the topic stays in Redis.
    async fn forward(
        &self,
        producer: &FutureProducer<ClientHandler>,
        dead_letters: Vec<DeadLetter>,
    ) -> (Vec<String>, Option<KafkaError>) {
        let sending = dead_letters.iter().map(|dead_letter| send(producer, &self.topic, dead_letter));
        let deliveries = futures_util::future::join_all(sending).await;
        let (mut forwarded, mut failure) = (Vec::new(), None);
        for (dead_letter, delivery) in dead_letters.into_iter().zip(deliveries) {
            let DeadLetter { id, topic, partition, offset, .. } = dead_letter;
            match delivery.map_err(|(error, _)| error) {
                Ok(_) => forwarded.push(id),
                Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    warn!(
                        "the dead letter of {topic}/{partition} offset {offset} is too large for {}, and stays \
                         in redis: {id}",
                        self.topic
                    );
                }
                Err(error) => failure = Some(error),
            }
        }
        (forwarded, failure)
    }
}

async fn send(
    producer: &FutureProducer<ClientHandler>,
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
/// Time between two looks at the stream.
const PAUSE: Duration = Duration::from_secs(1);

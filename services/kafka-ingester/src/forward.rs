//! Moves dead letters on to a Kafka topic: the stream in Redis, where they arrive exactly once, is the outbox.
//!
//! A dead letter leaves Redis when the topic's brokers have it. A crash between the two sends it again; its headers name
//! its place, so that a reader can tell.

use std::time::Duration;

use anyhow::Context;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::kafka::Brokers;
use crate::metrics::Metrics;
use crate::store::{DeadLetter, Store};

/// Forwards to `topic` until `stopping`; of several instances one does at a time.
///
/// # Errors
/// When the producer cannot be made.
pub(crate) async fn run(
    store: Store,
    properties: ClientConfig,
    brokers: Brokers,
    topic: String,
    metrics: Metrics,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let producer: FutureProducer<Brokers> =
        properties.create_with_context(brokers.clone()).context("make a producer for the dead letters")?;
    let instance = format!(
        "{}-{}",
        std::process::id(),
        std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos())
    );
    loop {
        brokers.tell(producer.client());
        let pause = match forward(&store, &producer, &topic, &instance).await {
            Ok(0) => IDLE_PAUSE,
            Ok(count) => {
                metrics.forwarded.inc_by(count);
                Duration::ZERO
            }
            Err(reason) => {
                warn!("forward dead letters to {topic}: {reason:#}");
                FAILED_PAUSE
            }
        };
        if stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(());
        }
    }
}

async fn forward(
    store: &Store,
    producer: &FutureProducer<Brokers>,
    topic: &str,
    instance: &str,
) -> anyhow::Result<u64> {
    if !store.may_forward(instance, LEASE).await? {
        return Ok(0);
    }
    let dead_letters = store.dead_letters("0", PAGE).await?;
    let sent = dead_letters.iter().map(|dead_letter| send(producer, topic, dead_letter));
    for sent in futures_util::future::join_all(sent).await {
        sent.map_err(|(error, _)| error)?;
    }
    let ids: Vec<String> = dead_letters.into_iter().map(|dead_letter| dead_letter.id).collect();
    let count = ids.len() as u64;
    if count > 0 {
        store.remove(ids).await?;
    }
    Ok(count)
}

async fn send(
    producer: &FutureProducer<Brokers>,
    topic: &str,
    dead_letter: &DeadLetter,
) -> rdkafka::producer::future_producer::OwnedDeliveryResult {
    let places = [
        ("topic", &dead_letter.topic),
        ("partition", &dead_letter.partition),
        ("offset", &dead_letter.offset),
        ("reason", &dead_letter.reason),
    ];
    let headers = places.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value.as_str()) })
    });
    let record = FutureRecord::to(topic).key(&*dead_letter.key).payload(&*dead_letter.value).headers(headers);
    producer.send(record, SEND_TIMEOUT).await
}

const PAGE: u64 = 100;
const LEASE: Duration = Duration::from_secs(60);
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_PAUSE: Duration = Duration::from_secs(1);
const FAILED_PAUSE: Duration = Duration::from_secs(5);

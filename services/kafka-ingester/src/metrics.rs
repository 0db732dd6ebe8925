//! What is counted. Every name begins with `kafka_ingester_`.

use prometheus::{
    Counter, Histogram, HistogramOpts, HistogramVec, IntCounter, IntGauge, IntGaugeVec, Opts, Registry,
    exponential_buckets,
};

/// The counters of this process. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) applied: IntCounter,
    pub(crate) dead_letters: IntCounter,
    pub(crate) forwarded: IntCounter,
    pub(crate) fenced: IntCounter,
    pub(crate) rewinds: IntCounter,
    pub(crate) lost: IntCounter,
    pub(crate) paused_seconds: Counter,
    pub(crate) partitions: IntGauge,
    pub(crate) lag: IntGaugeVec,
    pub(crate) batch_messages: Histogram,
    pub(crate) batch_seconds: HistogramVec,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When a name is taken.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| {
            register(registry, IntCounter::new(format!("kafka_ingester_{name}"), help)?)
        };
        Ok(Self {
            applied: counter("messages_applied_total", "messages that had their effect in Redis")?,
            dead_letters: counter(
                "dead_letters_total",
                "messages that could not be applied and were put aside",
            )?,
            forwarded: counter(
                "dead_letters_forwarded_total",
                "dead letters moved on to DEAD_LETTERS_TOPIC",
            )?,
            fenced: counter(
                "fenced_total",
                "batches that Redis refused because the partition has another owner",
            )?,
            rewinds: counter(
                "rewinds_total",
                "times a partition was read again from Redis's own, earlier offset",
            )?,
            lost: counter("messages_lost_total", "messages that Kafka had deleted before they were read")?,
            paused_seconds: register(
                registry,
                Counter::new(
                    "kafka_ingester_paused_seconds_total",
                    "time that partitions waited for Redis, added up",
                )?,
            )?,
            partitions: register(registry, IntGauge::new("kafka_ingester_partitions", "partitions owned")?)?,
            lag: register(
                registry,
                IntGaugeVec::new(
                    Opts::new("kafka_ingester_lag", "messages in Kafka that are not yet in Redis"),
                    &["topic", "partition"],
                )?,
            )?,
            batch_messages: register(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new("kafka_ingester_batch_messages", "messages in a batch")
                        .buckets(exponential_buckets(1.0, 4.0, 7)?),
                )?,
            )?,
            batch_seconds: register(
                registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "kafka_ingester_batch_seconds",
                        "time to apply a batch, by its outcome",
                    )
                    .buckets(exponential_buckets(0.000_25, 2.0, 16)?),
                    &["outcome"],
                )?,
            )?,
        })
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

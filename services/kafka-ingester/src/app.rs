//! Wires the parts.

use std::sync::Arc;

use anyhow::Context;
use chassis::probe::Probes;
use chassis::{Gate, Lifecycle, Settings, http};
use redis_core::connect;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::info;

use crate::config::{Command, Config};
use crate::kafka::{self, Brokers, Events};
use crate::metrics::Metrics;
use crate::owned::Owned;
use crate::partition::Shared;
use crate::store::Store;
use crate::{dead_letters, forward, ingest, memory, topics};

/// Starts the ingester's tasks.
///
/// # Errors
/// When the address is taken, or a client cannot be made.
pub fn start(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let registry = chassis::metrics::registry(Config::SERVICE)?;
    let metrics = Metrics::new(&registry)?;
    let readiness = lifecycle.readiness();
    let listener = http::listen(&config.process.listen_addr)
        .with_context(|| format!("listen on {}", config.process.listen_addr))?;
    let probes = Probes::new(readiness.clone(), registry);
    lifecycle.spawn("http", http::serve(listener, http::probe_routes(probes), lifecycle.stopping()));

    let redis = connect::pool(&config.redis)?;
    info!("redis at {}, kafka at {}", config.redis, config.kafka.broker());
    let store = Store::new(redis.client, config.kafka.group(), &config.write);
    follow(readiness.gate("redis"), redis.state);
    let (room, memory) = watch::channel(Ok(()));
    follow(readiness.gate("redis memory"), memory.clone());
    lifecycle.spawn(
        "memory",
        memory::watch(store.clone(), config.write.redis_memory_pause, room, lifecycle.stopping()),
    );
    let writing = readiness.gate("writing");
    writing.open();

    let properties = kafka::properties(&config.kafka)?;
    if let Some(topic) = config.write.dead_letters_topic.clone() {
        let forward = forward::run(
            store.clone(),
            properties.clone(),
            Brokers::new(config.kafka.broker()),
            topic,
            metrics.clone(),
            lifecycle.stopping(),
        );
        lifecycle.spawn("forward", forward);
    }
    let owned = Owned::default();
    let events = Events::new(owned.clone(), metrics.clone(), Brokers::new(config.kafka.broker()));
    let consumer = Arc::new(kafka::consumer(properties, events).context("make the consumer")?);
    let (ids, topic_ids) = watch::channel(Default::default());
    let all = config.kafka.topics();
    let watching =
        topics::watch(Arc::clone(&consumer), all.clone(), readiness.gate("kafka"), ids, lifecycle.stopping());
    lifecycle.spawn("topics", watching);

    let policy = config.write.policy();
    let batch_max = usize::from(config.write.batch_max);
    let shared = Arc::new(Shared { consumer, store, policy, metrics, batch_max, topic_ids, memory, writing });
    let (runtime, stopping) = (Handle::current(), lifecycle.stopping());
    lifecycle.spawn("ingest", async move {
        tokio::task::spawn_blocking(move || ingest::run(&shared, &owned, &all, &runtime, &stopping)).await?
    });
    Ok(())
}

/// Runs the command that was asked for; false if none was.
///
/// # Errors
/// When the command fails.
pub async fn run_command(config: &Config) -> anyhow::Result<bool> {
    match config.command {
        Some(Command::DeadLetters(command)) => dead_letters::run(config, command).await.map(|()| true),
        None => Ok(false),
    }
}

fn follow(gate: Gate, state: watch::Receiver<Result<(), String>>) {
    tokio::spawn(gate.follow(state));
}

//! Wires the parts of the service.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use chassis::probe::Probes;
use chassis::{Gate, Lifecycle, Settings};
use redis_core::{Redis, State};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::info;

use crate::assignments::Assignments;
use crate::bad_message_log::BadMessageLog;
use crate::config::{Command, Config};
use crate::dead_letter_forwarder::DeadLetterForwarder;
use crate::dead_letter_replay::DeadLetterReplay;
use crate::http::{self, DeadLetterRoutes};
use crate::kafka::{self, ClientHandler, Consumer, EventHandler};
use crate::mappings::Mappings;
use crate::metrics::Metrics;
use crate::partition::{IngestContext, PartitionGate};
use crate::schema_registry::SchemaRegistry;
use crate::store::{self, DeadLetterStore, RedisMemory, Stores};
use crate::topic_monitor::TopicIds;
use crate::{
    check_command, dead_letter_commands, dead_letter_monitor, memory_monitor, poll_loop, topic_monitor,
};

/// Runs the command of the settings, or ingests until a signal.
///
/// # Errors
/// If a command fails, the address is taken, or a client cannot be created.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    match config.command {
        Some(Command::DeadLetters(command)) => {
            dead_letter_commands::run(&config, command).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Check { sample }) => {
            tokio::task::spawn_blocking(move || check_command::run(&config, sample)).await??;
            return Ok(ExitCode::SUCCESS);
        }
        None => {}
    }
    let lifecycle = Lifecycle::new(config.process());
    start(&config, &lifecycle)?;
    Ok(lifecycle.run().await)
}

/// Starts all tasks.
fn start(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let registry = chassis::metrics::registry(Config::SERVICE)?;
    let metrics = Metrics::new(&registry)?;
    let probes = lifecycle.probes(registry);
    let server = chassis::http::Server::bind(&config.process, &config.http)?;
    info!("redis at {}, kafka at {}", config.redis, config.kafka.broker());
    let mappings = Arc::new(config.mappings()?);
    let registry = Arc::new(SchemaRegistry::new(&config.registry)?);
    let stores = connect_redis(config, lifecycle, &mappings)?;
    let replay = DeadLetterReplay {
        store: stores.dead_letters.clone(),
        mappings: Arc::clone(&mappings),
        registry: Arc::clone(&registry),
    };
    spawn_http(config, lifecycle, server, probes, replay);
    let memory = spawn_memory_monitor(config, lifecycle, stores.memory);
    let monitor =
        dead_letter_monitor::run(stores.dead_letters.clone(), metrics.waiting.clone(), lifecycle.stopping());
    lifecycle.spawn("dead letter monitor", monitor);
    spawn_dead_letter_forwarder(config, lifecycle, stores.dead_letters, &metrics)?;
    let assignments = Assignments::default();
    let consumer = create_consumer(config, &assignments, &metrics)?;
    let topic_ids = spawn_topic_monitor(lifecycle, &consumer, &mappings);
    let partition_gate = |name| PartitionGate::new(lifecycle.readiness().gate(name));
    let group_gate = lifecycle.readiness().gate("group");
    group_gate.open();
    let context = Arc::new(IngestContext {
        consumer,
        store: stores.partitions,
        mappings,
        registry,
        metrics,
        batch_max: usize::from(config.write.batch_max),
        topic_ids,
        memory,
        has_broker_protocol: config.kafka.has_broker_protocol(),
        group_gate,
        writing_gate: partition_gate("writing"),
        bad_messages_gate: partition_gate("bad messages"),
        registry_gate: partition_gate("schema registry"),
        bad_message_log: spawn_bad_message_log(lifecycle),
    });
    spawn_poll_loop(lifecycle, context, assignments);
    Ok(())
}

/// The page, dead letters, and the probes.
fn spawn_http(
    config: &Config,
    lifecycle: &Lifecycle,
    server: chassis::http::Server,
    probes: Probes,
    replay: DeadLetterReplay,
) {
    let dead_letters =
        DeadLetterRoutes { replay: Arc::new(replay), can_change: config.http.operator_token.is_some() };
    lifecycle.spawn("http", server.run(http::routes(dead_letters, probes), lifecycle.stopping()));
}

fn connect_redis(config: &Config, lifecycle: &Lifecycle, mappings: &Mappings) -> anyhow::Result<Stores> {
    let (group, wait) = (config.kafka.group(), config.redis.wait_replicas());
    let needs = store::needs(group, mappings, &config.write, wait, config.redis.layout());
    let redis = Redis::connect(&config.redis, needs)?;
    spawn_gate(lifecycle.readiness().gate("redis"), redis.state());
    Ok(Stores::new(&redis, group, &config.write, wait))
}

fn spawn_memory_monitor(
    config: &Config,
    lifecycle: &Lifecycle,
    memory: RedisMemory,
) -> watch::Receiver<State> {
    let (sender, state) = watch::channel(Ok(None));
    spawn_gate(lifecycle.readiness().gate("redis memory"), state.clone());
    let monitor = memory_monitor::run(memory, config.write.redis_memory_pause, sender, lifecycle.stopping());
    lifecycle.spawn("memory monitor", monitor);
    state
}

fn spawn_dead_letter_forwarder(
    config: &Config,
    lifecycle: &Lifecycle,
    store: DeadLetterStore,
    metrics: &Metrics,
) -> anyhow::Result<()> {
    if let Some(topic) = config.write.dead_letters_topic.clone() {
        let forwarder = DeadLetterForwarder {
            store,
            client_config: config.kafka.client_config()?,
            client_handler: ClientHandler::new(&config.kafka)?,
            topic,
            metrics: metrics.clone(),
            gate: lifecycle.readiness().gate("dead letters"),
        };
        lifecycle.spawn("dead letter forwarder", forwarder.run(lifecycle.stopping()));
    }
    Ok(())
}

fn create_consumer(
    config: &Config,
    assignments: &Assignments,
    metrics: &Metrics,
) -> anyhow::Result<Arc<Consumer>> {
    let event_handler =
        EventHandler::new(assignments.clone(), metrics.clone(), ClientHandler::new(&config.kafka)?);
    let consumer = kafka::create_consumer(config.kafka.client_config()?, event_handler);
    Ok(Arc::new(consumer.context("create the consumer")?))
}

fn spawn_topic_monitor(
    lifecycle: &Lifecycle,
    consumer: &Arc<Consumer>,
    mappings: &Mappings,
) -> watch::Receiver<TopicIds> {
    let (sender, topic_ids) = watch::channel(TopicIds::default());
    let gate = lifecycle.readiness().gate("kafka");
    let monitor =
        topic_monitor::run(Arc::clone(consumer), mappings.clone(), gate, sender, lifecycle.stopping());
    lifecycle.spawn("topic monitor", monitor);
    topic_ids
}

fn spawn_bad_message_log(lifecycle: &Lifecycle) -> BadMessageLog {
    let log = BadMessageLog::default();
    lifecycle.spawn("bad message log", log.clone().run(lifecycle.stopping()));
    log
}

/// The poll loop blocks, so it gets a thread of its own.
fn spawn_poll_loop(lifecycle: &Lifecycle, context: Arc<IngestContext>, assignments: Assignments) {
    let (runtime, stopping) = (Handle::current(), lifecycle.stopping());
    let run = move || poll_loop::run(&context, &assignments, &runtime, &stopping);
    lifecycle.spawn("poll loop", async move { tokio::task::spawn_blocking(run).await? });
}

/// Opens and closes a gate with a state.
fn spawn_gate(gate: Gate, state: watch::Receiver<State>) {
    tokio::spawn(gate.follow(state));
}

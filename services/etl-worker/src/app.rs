//! Wires the parts together: the one file that knows all of them.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::probe::Probes;
use chassis::{Lifecycle, Settings, http, metrics};
use jiff::Timestamp;
use redis_core::{Connection, connect};
use tracing::info;

use crate::config::{Command, Config, Dead};
use crate::listener::Listener;
use crate::metrics::Metrics;
use crate::output::Output;
use crate::reconciler::Reconciler;
use crate::store::{Cleaning, Store};
use crate::worker::{Manner, Worker};
use crate::{compact, dead};

/// Does what the settings say: a command, or the work of a worker until a signal.
///
/// # Errors
/// When it cannot start, or the command fails.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    match &config.command {
        None => work(config).await,
        Some(command) => {
            let store = Store::new(connect::connected_pool(&config.redis).await?, &consumer(&config));
            match command {
                Command::Dead(Dead::List) => dead::list(&store, io::stdout().lock()).await?,
                Command::Dead(Dead::Retry { games }) => {
                    println!("{} games will be tried again", dead::retry(&store, games).await?);
                }
                Command::Compact => {
                    let output = Output::new(&config.output, &consumer(&config))?;
                    println!("{}", compact::run(&store, output, config.output.etl_codec).await?);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn work(config: Config) -> anyhow::Result<ExitCode> {
    let lifecycle = Lifecycle::new(&config.process);
    let (readiness, stopping) = (lifecycle.readiness(), lifecycle.stopping());
    let registry = metrics::registry(Config::SERVICE)?;
    let metrics = Metrics::new(&registry)?;
    let listener = http::listen(&config.process.listen_addr)
        .with_context(|| format!("listen on {}", config.process.listen_addr))?;

    let consumer = consumer(&config);
    let (store, redis) = Store::connect(&config.redis, &consumer)?;
    let Connection { client: subscriber, state: subscribed } = connect::subscriber(&config.redis)?;
    let output = Output::new(&config.output, &consumer)?;
    info!(
        logger = config.games.logger_module,
        "worker {consumer}: redis {}, channel {}, output {}",
        config.redis,
        config.games.worker_channel,
        config.output.etl_output
    );

    for (name, state) in [("redis", redis), ("channel", subscribed)] {
        tokio::spawn(readiness.gate(name).follow(state));
    }
    let manner = Manner {
        name: config.games.worker().into(),
        consumer: Arc::from(consumer),
        codec: config.output.etl_codec,
        batch_games: config.output.etl_batch_games.into(),
        batch_wait: Duration::from_millis(config.output.etl_batch_ms.into()),
        lease: config.games.etl_lease,
        cleaning: Cleaning { enabled: config.games.clean_routine, expiry_s: config.games.redis_expiry },
    };
    let gate = readiness.gate("output");
    let Connection { client: blocking, .. } = connect::client(&config.redis)?;
    let (store_of, output_of) = (|| store.clone(), || output.clone());
    let worker =
        Worker { manner, store: store_of(), blocking, output: output_of(), gate, metrics: metrics.clone() };
    lifecycle.spawn("worker", worker.run(stopping.clone()));
    let settle = config.games.etl_settle;
    let reconciler = Reconciler { store: store_of(), output: output_of(), settle, metrics: metrics.clone() };
    lifecycle.spawn("reconciler", reconciler.run(stopping.clone()));
    let channel = config.games.worker_channel;
    let listening = Listener { store, subscriber, channel, metrics };
    lifecycle.spawn("listener", listening.run(stopping.clone()));
    let probes = Probes::new(readiness, registry);
    lifecycle.spawn("http", http::serve(listener, http::probe_routes(probes), stopping));
    Ok(lifecycle.run().await)
}

/// A name that no other process has, now or later.
fn consumer(config: &Config) -> String {
    let (worker, pid, now) = (config.games.worker(), std::process::id(), Timestamp::now().as_millisecond());
    format!("{worker}-{pid}-{now:x}")
}

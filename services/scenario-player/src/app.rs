//! Builds the parts and connects them. No other file knows all of them. Each function below `app/` wires one part.

mod backend;
mod http;
mod parts;
mod publishing;

use std::process::ExitCode;

use chassis::http::Server;
use chassis::{Lifecycle, Settings};

use self::parts::Shared;
use crate::config::{Command, Config};
use crate::dead_letter_monitor;
use crate::lanes::Lanes;
use crate::metrics::Metrics;
use crate::record;

/// Runs the command that was given, or the service until a signal or a failed task ends it.
///
/// # Errors
/// When the port is taken or a part cannot be built, or the command fails.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    if let Some(Command::Record { topics }) = &config.command {
        return record::run(&config.mqtt, topics).await;
    }
    let lifecycle = Lifecycle::new(&config.process);
    let server = Server::bind(&config.process, &config.http)?;
    spawn(&config, server, &lifecycle)?;
    Ok(lifecycle.run().await)
}

/// Starts every task.
fn spawn(config: &Config, server: Server, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let registry = chassis::metrics::registry(Config::SERVICE)?;
    let lanes = match config.timeline.use_redis_backend {
        true => Lanes::of_layout(config.redis.layout()),
        false => Lanes::ONE,
    };
    let shared = Shared::new(lanes, Metrics::new(&registry)?, lifecycle.stopping());
    let backend = if config.timeline.use_redis_backend {
        backend::spawn_redis(config, &shared, lifecycle)?
    } else {
        backend::spawn_memory(&shared, lifecycle)
    };
    let timeline = backend.timeline.clone();
    publishing::spawn(config, backend, &shared, lifecycle)?;
    let monitor = dead_letter_monitor::run(timeline.clone(), shared.metrics.clone(), shared.stopping.clone());
    lifecycle.spawn("dead letter monitor", monitor);
    let service = http::spawn_service(config, timeline, &shared, lifecycle);
    let probes = lifecycle.probes(registry);
    http::spawn_server(config, service, probes, server, &shared, lifecycle);
    Ok(())
}

//! Carries the status lines of long-running work from Redis Pub/Sub to browsers.

use std::process::ExitCode;

use chassis::Lifecycle;
use status_proxy::{App, Config};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let config: Config = chassis::settings::from_env();
    chassis::telemetry::init(&config.process);
    let lifecycle = Lifecycle::new(&config.process);
    App::build(&config, &lifecycle)?.spawn(&lifecycle);
    Ok(lifecycle.run().await)
}

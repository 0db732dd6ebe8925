//! Tells browsers, live, which steps of a run's preparation are done and still current.

use std::process::ExitCode;

use chassis::Lifecycle;
use preflight::{App, Config};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let config: Config = chassis::settings::from_env();
    chassis::telemetry::init(&config.process);
    let lifecycle = Lifecycle::new(&config.process);
    App::build(&config, &lifecycle)?.spawn(&lifecycle);
    Ok(lifecycle.run().await)
}

//! kafka-ingester: see the README.

use std::process::ExitCode;

use chassis::{Lifecycle, Settings, settings, telemetry};
use kafka_ingester::{Config, app};

#[tokio::main]
async fn main() -> ExitCode {
    let config: Config = settings::from_env();
    telemetry::init(config.process());
    match start(&config).await {
        Ok(Some(lifecycle)) => lifecycle.run().await,
        Ok(None) => ExitCode::SUCCESS,
        Err(reason) => {
            tracing::error!("{reason:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(config: &Config) -> anyhow::Result<Option<Lifecycle>> {
    if app::run_command(config).await? {
        return Ok(None);
    }
    let lifecycle = Lifecycle::new(config.process());
    app::start(config, &lifecycle)?;
    Ok(Some(lifecycle))
}

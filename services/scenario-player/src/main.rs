//! The scenario-player service; see the library's documentation.

use std::process::ExitCode;

use chassis::{Lifecycle, settings, telemetry};
use scenario_player::{App, Config};
use tracing::error;

#[tokio::main]
async fn main() -> ExitCode {
    let config: Config = settings::from_env();
    telemetry::init(&config.process);
    let lifecycle = Lifecycle::new(&config.process);
    if let Err(reason) = App::build(config).and_then(|app| app.spawn(&lifecycle)) {
        error!("start: {reason:#}");
        return ExitCode::FAILURE;
    }
    lifecycle.run().await
}

//! object-store: the object storage of an opengris-scaler cluster. See the README.

use std::process::ExitCode;

use chassis::{Lifecycle, Settings, settings, telemetry};
use object_store::app;
use object_store::config::{Command, Config, check_file};

/// Gives memory back: a store's objects come and go, in every size and order.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let config: Config = settings::from_env_over(Config::file());
    if let Some(Command::Check { file }) = &config.command {
        return check_file(file);
    }
    telemetry::init(config.process());
    let lifecycle = Lifecycle::new(config.process());
    match app::start(&config, &lifecycle).await {
        Ok(_) => lifecycle.run().await,
        Err(reason) => {
            tracing::error!("{reason:#}");
            ExitCode::FAILURE
        }
    }
}

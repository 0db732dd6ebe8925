//! etl-worker: the records of finished games, from Redis to Parquet.

use std::process::ExitCode;

use chassis::{Settings, settings, telemetry};
use etl_worker::{Config, app};

/// Each column of each small file takes 300 KB for a moment to be compressed, which glibc asks the kernel for every time
/// and keeps in every thread.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let config: Config = settings::from_env();
    telemetry::init(config.process());
    app::run(config).await.unwrap_or_else(|error| {
        eprintln!("etl-worker: {error:#}");
        ExitCode::FAILURE
    })
}

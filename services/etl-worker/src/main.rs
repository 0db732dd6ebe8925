//! etl-worker: writes the records of finished games from Redis to Parquet.

use std::process::ExitCode;

use chassis::settings;
use etl_worker::{Config, app};

/// Compressing a small file needs 300 KB per column for a moment. glibc asks the kernel for that memory each time, and
/// every thread keeps some of it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let config: Config = settings::from_env();
    chassis::run(config, app::run)
}

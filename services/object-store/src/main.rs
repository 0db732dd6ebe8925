//! object-store: the object storage of an opengris-scaler cluster. See the README.

use std::process::ExitCode;

use chassis::{Lifecycle, Settings, settings, telemetry};
use object_store::app;
use object_store::config::{Command, Config, check_file};

/// Gives memory back: a store's objects come and go, in every size and order.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What was freed is given back some seconds later and not at once, large or small: the next large object takes it, and is
/// spared the page faults, which would halve the speed of a set.
#[expect(unsafe_code, reason = "jemalloc reads its settings from a symbol of this name")]
// SAFETY: nothing else defines the symbol, and it is the pointer to a C string that jemalloc takes it for.
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: &[u8; 58] = b"oversize_threshold:0,dirty_decay_ms:2000,muzzy_decay_ms:0\0";

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

//! object-store: the object storage of an opengris-scaler cluster. See the README.

use std::process::ExitCode;

use chassis::settings;
use object_store::app;
use object_store::config::Config;

/// jemalloc returns freed memory to the system. A store's objects come and go in every size and order.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Freed memory, of large and small objects alike, is returned after some seconds and not at once. The next large object
/// reuses it and is spared the page faults, which would halve the speed of a set.
#[expect(unsafe_code, reason = "jemalloc reads its settings from a symbol of this name")]
// SAFETY: nothing else defines the symbol, and it is a pointer to a C string, as jemalloc expects.
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: &[u8; 58] = b"oversize_threshold:0,dirty_decay_ms:2000,muzzy_decay_ms:0\0";

fn main() -> ExitCode {
    let config: Config = settings::from_env_over(Config::file());
    chassis::run(config, app::run)
}

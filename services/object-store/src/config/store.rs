//! Settings of the store: its backend, and its limits.

use std::path::PathBuf;

use chassis::parsers;
use clap::ValueEnum;

#[derive(clap::Args)]
#[command(next_help_heading = "Store")]
pub(crate) struct StoreSettings {
    /// Where objects are stored: memory, or redis to share them among nodes
    #[arg(long, env = "OBJECT_STORE_BACKEND", value_enum, default_value = "memory")]
    pub(crate) backend: BackendKind,

    /// Longest object in MiB; longer ones are refused; 0 for what max_transfer_memory allows
    #[arg(long, env = "OBJECT_STORE_MAX_OBJECT_SIZE_MB", default_value_t = 0)]
    max_object_size_mb: u32,

    /// Memory backend: most bytes of distinct contents; beyond them sets are refused [default: three quarters of this machine's memory]
    #[arg(long, env = "OBJECT_STORE_MAX_MEMORY", value_parser = size)]
    max_memory: Option<u64>,

    /// Memory backend: folder for contents beyond max_memory; without it their sets are refused
    #[arg(long, env = "OBJECT_STORE_SPILL_DIR")]
    pub(crate) spill_dir: Option<PathBuf>,

    /// What every key in Redis begins with
    #[arg(long, env = "OBJECT_STORE_KEY_PREFIX", default_value = "scaler:obj:")]
    pub(crate) key_prefix: String,

    /// Redis backend on a Redis Cluster: number of partitions, over which its shards share the objects; fixed when the store is first used
    #[arg(long, env = "OBJECT_STORE_PARTITIONS", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) partitions: u16,

    /// Redis backend: memory of the node's cache of contents
    #[arg(long, env = "OBJECT_STORE_CACHE_SIZE", default_value = "256MB", value_parser = parsers::size)]
    pub(crate) cache_size: usize,
}

/// Where objects are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendKind {
    Memory,
    Redis,
}

impl StoreSettings {
    /// Longest object, in bytes; `None` for no limit of its own.
    pub(super) fn max_object(&self) -> Option<u64> {
        (self.max_object_size_mb > 0).then_some(u64::from(self.max_object_size_mb) << 20)
    }

    /// The most bytes that the memory backend may hold.
    pub(super) fn max_memory(&self) -> u64 {
        self.max_memory.unwrap_or_else(|| machine_memory() / 4 * 3)
    }
}

fn size(text: &str) -> Result<u64, String> {
    parsers::size(text).map(|bytes| bytes as u64)
}

/// Memory that this process may use, in bytes: the machine's, or the limit of its container.
fn machine_memory() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/meminfo");
    let total = info
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limits = group.iter().filter_map(|path| read(path).trim().parse::<u64>().ok());
    limits.chain(total.map(|kib: u64| kib << 10)).min().unwrap_or(u64::MAX)
}

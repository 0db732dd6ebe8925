//! Settings of the store: what it keeps, and where.

use chassis::parsers;
use clap::ValueEnum;

#[derive(clap::Args)]
#[command(next_help_heading = "Store")]
pub(crate) struct StoreSettings {
    /// Where objects are kept: memory, or redis to share them among nodes
    #[arg(long, env = "OBJECT_STORE_BACKEND", value_enum, default_value = "memory")]
    pub(crate) backend: Backend,

    /// Longest object in MiB; a longer one is refused; 0 for what max_transfer_memory allows [default: 0, with redis 100]
    #[arg(long, env = "OBJECT_STORE_MAX_OBJECT_SIZE_MB")]
    max_object_size_mb: Option<u32>,

    /// Memory backend: most bytes of distinct contents; more are refused [default: three quarters of this machine's memory]
    #[arg(long, env = "OBJECT_STORE_MAX_MEMORY", value_parser = size)]
    max_memory: Option<u64>,

    /// What every key in Redis begins with
    #[arg(long, env = "OBJECT_STORE_KEY_PREFIX", default_value = "scaler:obj:")]
    pub(crate) key_prefix: String,

    /// Redis backend: memory for contents that were stored or read lately
    #[arg(long, env = "OBJECT_STORE_CACHE_SIZE", default_value = "256MB", value_parser = parsers::size)]
    pub(crate) cache_size: usize,
}

/// Where objects are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    Memory,
    Redis,
}

impl StoreSettings {
    /// Longest object, in bytes; `None` for what is possible.
    pub(super) fn max_object(&self) -> Option<u64> {
        let default = if self.backend == Backend::Redis { 100 } else { 0 };
        let mib = self.max_object_size_mb.unwrap_or(default);
        (mib > 0).then_some(u64::from(mib) << 20)
    }

    /// Bytes that the memory backend may hold.
    pub(super) fn max_memory(&self) -> u64 {
        self.max_memory.unwrap_or_else(|| machine_memory() / 4 * 3)
    }
}

fn size(text: &str) -> Result<u64, String> {
    parsers::size(text).map(|bytes| bytes as u64)
}

/// Bytes of memory that this process may come to use: the machine's, or less in a container.
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

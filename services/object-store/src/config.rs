//! Settings, each documented where it stands. The TOML file's keys are the same in small letters, see the README.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chassis::{Invalid, ProcessSettings, Service, Settings, settings, value};
use clap::{CommandFactory, Subcommand, ValueEnum};
use redis_core::RedisConfig;

use crate::node::Limits;
use crate::toml_file;
use crate::ymq::IDENTITY_MAX;

/// The settings of object-store.
#[derive(clap::Parser)]
#[command(about = "Object storage of an opengris-scaler cluster, in memory or shared in Redis")]
pub struct Config {
    /// The section that every process has.
    #[command(flatten)]
    pub process: ProcessSettings,
    #[command(flatten)]
    redis: RedisConfig,
    #[command(flatten)]
    pub(crate) store: StoreSettings,
    #[command(flatten)]
    clients: ClientSettings,

    /// TOML file with these settings, as the original's; variables and flags override it
    #[arg(long, env = CONFIG, value_name = "FILE")]
    config: Option<PathBuf>,

    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

const CONFIG: &str = "OBJECT_STORE_CONFIG";

/// What to do instead of serving.
#[derive(Subcommand)]
pub enum Command {
    /// Say whether a configuration file can be used
    Check {
        /// The file
        file: PathBuf,
    },
}

/// Where objects are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    Memory,
    Redis,
}

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

    /// Redis backend: memory for large contents that were stored or read lately
    #[arg(long, env = "OBJECT_STORE_CACHE_SIZE", default_value = "256MB", value_parser = value::size)]
    pub(crate) cache_size: usize,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Clients")]
struct ClientSettings {
    /// Where clients connect: tcp://HOST:PORT or tls://HOST:PORT
    #[arg(long, env = "OBJECT_STORE_ADDRESS", default_value = "tcp://127.0.0.1:2346", value_parser = address)]
    address: Address,

    /// PEM file with the certificate chain, for tls://
    #[arg(long, env = "OBJECT_STORE_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<String>,

    /// PEM file with its private key
    #[arg(long, env = "OBJECT_STORE_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<String>,

    /// Who the server says it is; the nodes of a cluster say the same
    #[arg(long, env = "OBJECT_STORE_IDENTITY", default_value = "ObjectStorageServer", value_parser = identity)]
    identity: String,

    /// Connections at a time; more are refused
    #[arg(long, env = "OBJECT_STORE_MAX_CONNECTIONS", default_value_t = 10_000)]
    max_connections: usize,

    /// Requests of one client that may wait for objects; a client with more is closed
    #[arg(long, env = "OBJECT_STORE_MAX_WAITING", default_value_t = 100_000)]
    max_waiting: usize,

    /// Memory for objects on their way between clients and store, all connections together
    #[arg(long, env = "OBJECT_STORE_MAX_TRANSFER_MEMORY", default_value = "1GB", value_parser = value::size)]
    max_transfer_memory: usize,

    /// A client that moves less than 256 KiB of what it owes or is owed in this time is cut off
    #[arg(long, env = "OBJECT_STORE_STALL_TIMEOUT", default_value = "60s", value_parser = positive)]
    stall_timeout: Duration,

    /// A client that asks nothing for this long is cut off; 0 for never
    #[arg(long, env = "OBJECT_STORE_IDLE_TIMEOUT", default_value = "0", value_parser = value::duration)]
    idle_timeout: Duration,

    /// How long what a client waits for is kept after its connection was reset
    #[arg(long, env = "OBJECT_STORE_RECONNECT_GRACE", default_value = "60s", value_parser = value::duration)]
    reconnect_grace: Duration,
}

impl Settings for Config {
    const SERVICE: Service = Service {
        name: "object-store",
        version: env!("CARGO_PKG_VERSION"),
        prefix: "OBJECT_STORE_",
        defaults: &[("LISTEN_ADDR", ":9103"), ("REDIS_POOL_SIZE", "10")],
    };

    fn process(&self) -> &ProcessSettings {
        &self.process
    }

    fn check(&self) -> Result<(), Invalid> {
        if self.clients.address.tls && self.clients.tls_cert.is_none() {
            return Err(Invalid::new("OBJECT_STORE_TLS_CERT", "must be set for a tls:// address"));
        }
        if self.max_object() > self.clients.max_transfer_memory as u64 {
            let problem = "must be at least as large as the longest object (OBJECT_STORE_MAX_OBJECT_SIZE_MB)";
            return Err(Invalid::new("OBJECT_STORE_MAX_TRANSFER_MEMORY", problem));
        }
        Ok(())
    }
}

impl Config {
    /// What the configuration file says, if one is named by the flag or the variable.
    ///
    /// # Errors
    /// When it cannot be read or used.
    pub fn file() -> Result<Vec<(String, String)>, Invalid> {
        let mut args = std::env::args_os();
        let flag = std::iter::from_fn(|| {
            let arg = args.next()?;
            if arg == "--config" {
                return Some(args.next());
            }
            Some(arg.to_str().and_then(|arg| arg.strip_prefix("--config=")).map(OsString::from))
        });
        let from_flag = flag.flatten().last();
        let variable = || std::env::vars_os().find(|(name, text)| name == CONFIG && !text.is_empty());
        match from_flag.or_else(|| variable().map(|(_, text)| text)) {
            Some(path) => read_file(Path::new(&path)),
            None => Ok(Vec::new()),
        }
    }

    pub(crate) fn redis(&self) -> &RedisConfig {
        &self.redis
    }

    pub(crate) fn address(&self) -> &Address {
        &self.clients.address
    }

    /// Files of certificate chain and key.
    pub(crate) fn tls(&self) -> Option<(&str, &str)> {
        let files = self.clients.tls_cert.as_deref().zip(self.clients.tls_key.as_deref());
        files.filter(|_| self.clients.address.tls)
    }

    pub(crate) fn identity(&self) -> &str {
        &self.clients.identity
    }

    /// Longest object, in bytes.
    pub(crate) fn max_object(&self) -> u64 {
        let default = if self.store.backend == Backend::Redis { 100 } else { 0 };
        match self.store.max_object_size_mb.unwrap_or(default) {
            0 => self.clients.max_transfer_memory as u64,
            mib => u64::from(mib) << 20,
        }
    }

    /// Bytes that the memory backend may hold.
    pub(crate) fn max_memory(&self) -> u64 {
        self.store.max_memory.unwrap_or_else(|| machine_memory() / 4 * 3)
    }

    pub(crate) fn transfer_memory(&self) -> u64 {
        self.clients.max_transfer_memory as u64
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_object: self.max_object(),
            max_waits: self.clients.max_waiting,
            max_connections: self.clients.max_connections,
            stall: self.clients.stall_timeout,
            idle: Some(self.clients.idle_timeout).filter(|idle| !idle.is_zero()),
            grace: self.clients.reconnect_grace,
        }
    }
}

/// `object-store check FILE`: says whether it can be used, and where not.
pub fn check_file(file: &Path) -> ExitCode {
    match read_file(file).and_then(settings::from_pairs::<Config>) {
        Ok(_) => {
            println!("{}: can be used", file.display());
            ExitCode::SUCCESS
        }
        Err(invalid) => {
            eprintln!("object-store: {invalid}");
            ExitCode::from(2)
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<(String, String)>, Invalid> {
    let command = Config::command();
    let known = |name: &str| command.get_arguments().any(|arg| arg.get_env().is_some_and(|env| env == name));
    toml_file::read(path, known)
}

/// Where clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) tls: bool,
    /// HOST:PORT
    pub(crate) host: String,
}

fn address(text: &str) -> Result<Address, String> {
    let fail = || "must be tcp://HOST:PORT or tls://HOST:PORT".to_owned();
    let (scheme, host) = text.split_once("://").ok_or_else(fail)?;
    let tls = match scheme {
        "tcp" => false,
        "tls" => true,
        _ => return Err(fail()),
    };
    let host = host.trim_end_matches('/').replacen("*:", "0.0.0.0:", 1);
    let (name, port) = host.rsplit_once(':').ok_or_else(fail)?;
    if name.is_empty() || port.parse::<u16>().is_err() { Err(fail()) } else { Ok(Address { tls, host }) }
}

fn identity(text: &str) -> Result<String, String> {
    match text.len() {
        1..=IDENTITY_MAX => Ok(text.to_owned()),
        _ => Err(format!("must have 1 to {IDENTITY_MAX} bytes")),
    }
}

fn size(text: &str) -> Result<u64, String> {
    value::size(text).map(|bytes| bytes as u64)
}

fn positive(text: &str) -> Result<Duration, String> {
    value::duration(text)
        .and_then(|time| if time.is_zero() { Err("must be more than 0".to_owned()) } else { Ok(time) })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_scaler_writes_them() {
        let plain = |host: &str| Ok(Address { tls: false, host: host.to_owned() });
        assert_eq!(address("tcp://127.0.0.1:2346"), plain("127.0.0.1:2346"));
        assert_eq!(address("tcp://[::1]:2346"), plain("[::1]:2346"));
        assert_eq!(address("tcp://*:2346"), plain("0.0.0.0:2346"));
        assert!(address("tls://localhost:2346").unwrap().tls);
        for bad in ["", "127.0.0.1:2346", "ws://h:1", "tcp://h", "tcp://:1", "tcp://h:x"] {
            assert_eq!(address(bad), Err("must be tcp://HOST:PORT or tls://HOST:PORT".to_owned()), "{bad}");
        }
    }

    #[test]
    fn the_longest_object_is_the_original_s_hundred_mib_with_redis() {
        let max = |vars: &[(&'static str, &'static str)]| {
            settings::from_vars::<Config>(vars.iter().copied()).map(|c| c.max_object())
        };
        assert_eq!(max(&[]), Ok(1 << 30));
        assert_eq!(max(&[("OBJECT_STORE_BACKEND", "redis")]), Ok(100 << 20));
        assert_eq!(max(&[("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "1")]), Ok(1 << 20));
        let refused = max(&[("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "2000")]).unwrap_err().to_string();
        assert!(refused.starts_with("OBJECT_STORE_MAX_TRANSFER_MEMORY must be"), "{refused}");
    }

    #[test]
    fn tls_needs_a_certificate() {
        let refused =
            settings::from_vars::<Config>([("OBJECT_STORE_ADDRESS", "tls://h:1")]).map(drop).unwrap_err();
        assert_eq!(refused.to_string(), "OBJECT_STORE_TLS_CERT must be set for a tls:// address");
    }
}

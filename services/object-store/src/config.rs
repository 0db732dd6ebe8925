//! The settings of the service. The keys of the TOML file are the same names in lower case, see the README.

mod address;
mod clients;
mod command;
mod http;
mod store;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chassis::http::HttpSettings;
use chassis::settings::FileValue;
use chassis::{ProcessSettings, Service, SettingError, Settings, settings};
use clap::CommandFactory;
use redis_core::{Layout, RedisConfig};

use crate::http::Writes;
use crate::limits::Limits;
use crate::tls::TlsFiles;
use crate::toml_file;
pub(crate) use address::{Address, Place};
use clients::ClientSettings;
pub use command::Command;
pub(crate) use command::{NodeCommand, Selection};
use http::StoreHttpSettings;
pub(crate) use store::BackendKind;
use store::StoreSettings;

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
    #[command(flatten)]
    http: StoreHttpSettings,

    /// TOML file with these settings, in the original's format; variables and flags override it
    #[arg(long, env = CONFIG, value_name = "FILE")]
    config: Option<PathBuf>,

    /// A command to run instead of the service.
    #[command(subcommand)]
    pub command: Option<Command>,
}

const CONFIG: &str = "OBJECT_STORE_CONFIG";

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

    fn check(&self) -> Result<(), SettingError> {
        if self.clients.address.tls && self.clients.tls_cert.is_none() {
            let problem = "must be set for a tls:// or wss:// address";
            return Err(SettingError::new("OBJECT_STORE_TLS_CERT", problem));
        }
        if !self.clients.address.tls && self.clients.tls_client_ca.is_some() {
            let problem =
                "must be unset unless the address is tls:// or wss://: nothing else asks for certificates";
            return Err(SettingError::new("OBJECT_STORE_TLS_CLIENT_CA", problem));
        }
        if self.redis.layout() == Layout::Cluster && self.store.key_prefix.contains('{') {
            let problem = "must have no { on a Redis Cluster: it would decide where all keys are";
            return Err(SettingError::new("OBJECT_STORE_KEY_PREFIX", problem));
        }
        if self.max_object() > self.transfer_memory() {
            let problem = "must be at least as large as the longest object (OBJECT_STORE_MAX_OBJECT_SIZE_MB)";
            return Err(SettingError::new("OBJECT_STORE_MAX_TRANSFER_MEMORY", problem));
        }
        Ok(())
    }

    fn file_key(variable: &str) -> Option<String> {
        toml_file::key_of(variable)
    }

    fn max_connections(&self) -> Option<usize> {
        Some(self.clients.max_connections)
    }
}

impl Config {
    /// Reads the configuration file, if the flag or the variable names one.
    ///
    /// # Errors
    /// When the file cannot be read or used.
    pub fn file() -> Result<Vec<FileValue>, SettingError> {
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

    /// Whether clients need a certificate.
    pub(crate) fn asks_for_certificates(&self) -> bool {
        self.clients.tls_client_ca.is_some()
    }

    /// The files of the certificates and the private key, if the address is one with TLS.
    pub(crate) fn tls(&self) -> Option<TlsFiles> {
        let (cert, key) = self.clients.tls_cert.clone().zip(self.clients.tls_key.clone())?;
        let client_ca = self.clients.tls_client_ca.clone();
        self.clients.address.tls.then_some(TlsFiles { cert, key, client_ca })
    }

    pub(crate) fn identity(&self) -> &str {
        &self.clients.identity
    }

    /// Longest object, in bytes.
    pub(crate) fn max_object(&self) -> u64 {
        self.store.max_object().unwrap_or(self.transfer_memory())
    }

    /// The most bytes that the memory backend may hold.
    pub(crate) fn max_memory(&self) -> u64 {
        self.store.max_memory()
    }

    pub(crate) fn transfer_memory(&self) -> u64 {
        self.clients.max_transfer_memory as u64
    }

    /// The node that commands talk to, and the token for it.
    pub(crate) fn remote(&self) -> (&str, Option<&str>) {
        self.http.remote()
    }

    /// Who may use HTTP.
    pub(crate) fn http_access(&self) -> HttpSettings {
        self.http.access()
    }

    /// Whether who may use HTTP may also store and delete.
    pub(crate) fn http_writes(&self) -> Writes {
        Writes(self.http.writes())
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_object: self.max_object(),
            max_waiting: self.clients.max_waiting,
            max_connections: self.clients.max_connections,
            stall_timeout: self.clients.stall_timeout,
            idle_timeout: Some(self.clients.idle_timeout).filter(|idle| !idle.is_zero()),
            reconnect_grace: self.clients.reconnect_grace,
        }
    }
}

/// `object-store check FILE`: prints whether the file can be used, and what is wrong with it if not.
pub(crate) fn check_file(file: &Path) -> ExitCode {
    match read_file(file).and_then(settings::from_file::<Config>) {
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

fn read_file(path: &Path) -> Result<Vec<FileValue>, SettingError> {
    let command = Config::command();
    let known = |name: &str| command.get_arguments().any(|arg| arg.get_env().is_some_and(|env| env == name));
    toml_file::read(path, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_object_is_what_may_be_in_transfer_or_what_a_setting_says() {
        let max = |vars: &[(&'static str, &'static str)]| {
            settings::from_vars::<Config>(vars.iter().copied()).map(|c| c.max_object())
        };
        assert_eq!(max(&[]), Ok(1 << 30));
        assert_eq!(max(&[("OBJECT_STORE_BACKEND", "redis")]), Ok(1 << 30));
        assert_eq!(max(&[("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "1")]), Ok(1 << 20));
        let refused = max(&[("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "2000")]).unwrap_err().to_string();
        assert!(refused.starts_with("OBJECT_STORE_MAX_TRANSFER_MEMORY must be"), "{refused}");
    }

    #[test]
    fn the_prefix_of_keys_decides_no_hash_slot() {
        let check = |url| {
            let vars = [("OBJECT_STORE_KEY_PREFIX", "a{b}"), ("REDIS_URL", url)];
            settings::from_vars::<Config>(vars).map(drop).map_err(|refused| refused.to_string())
        };
        assert_eq!(check("redis://h:1"), Ok(()));
        let refused = check("redis-cluster://h:1").unwrap_err();
        assert!(refused.starts_with("OBJECT_STORE_KEY_PREFIX must have no {"), "{refused}");
    }

    #[test]
    fn tls_needs_a_certificate() {
        let refused =
            settings::from_vars::<Config>([("OBJECT_STORE_ADDRESS", "tls://h:1")]).map(drop).unwrap_err();
        assert_eq!(refused.to_string(), "OBJECT_STORE_TLS_CERT must be set for a tls:// or wss:// address");
        let plain = [("OBJECT_STORE_ADDRESS", "ws://h:1"), ("OBJECT_STORE_TLS_CLIENT_CA", "ca.pem")];
        let refused = settings::from_vars::<Config>(plain).map(drop).unwrap_err().to_string();
        assert!(refused.starts_with("OBJECT_STORE_TLS_CLIENT_CA must be unset"), "{refused}");
    }
}

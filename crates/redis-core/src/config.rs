mod env;
mod error;
mod parse;
mod url;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use fred::types::config::{Config, Server, ServerConfig, TlsConnector};
use serde::Deserialize;
use tls_client::{PemFile, TlsClient};

pub use self::error::ConfigError;
use self::url::RedisUrl;
use crate::{Layout, WaitReplicas};

/// Where Redis is and how to sign in.
///
/// `REDIS_URL` wins over the single variables; what the URL leaves out (database, user, password) they fill in.
/// There is no `Debug`: a password must not reach a log. `Display` names the server and the database only.
///
/// It is a section of a command line for clap; without one, [`RedisConfig::from_env`] reads the same variables.
#[derive(Clone, clap::Args, Deserialize)]
#[command(next_help_heading = "Redis")]
#[serde(default)]
pub struct RedisConfig {
    /// redis://[user:password@]host[:port][/db], rediss:// for TLS, redis+unix:///path/to/socket, redis-sentinel://host:port[/db]?sentinelServiceName=NAME[&node=host:port], or redis-cluster://host:port,host:port; valkey instead of redis is the same
    #[arg(long, env = "REDIS_URL", value_parser = url::parse, hide_env_values = true)]
    #[serde(deserialize_with = "parse::url")]
    redis_url: Option<RedisUrl>,

    /// Host of the Redis server, without REDIS_URL [default: localhost]
    #[arg(long, env = "REDIS_HOST")]
    redis_host: Option<String>,

    /// Port of the Redis server, without REDIS_URL
    #[arg(long, env = "REDIS_PORT", default_value_t = PORT)]
    redis_port: u16,

    /// Database number, where REDIS_URL names none
    #[arg(long, env = "REDIS_DB", default_value_t = DB)]
    redis_db: u8,

    /// User to sign in as, where REDIS_URL names none
    #[arg(long, env = "REDIS_USERNAME")]
    redis_username: Option<String>,

    /// Password, where REDIS_URL has none
    #[arg(long, env = "REDIS_PASSWORD", hide_env_values = true)]
    redis_password: Option<String>,

    /// The same as REDIS_PASSWORD, which wins
    #[arg(long, env = "REDIS_PASS", hide_env_values = true)]
    redis_pass: Option<String>,

    /// PEM file with the certificates that are trusted with rediss://, in place of the system's
    #[arg(long, env = "REDIS_TLS_CA", value_parser = tls_client::parse_file)]
    #[serde(deserialize_with = "parse::file")]
    redis_tls_ca: Option<PathBuf>,

    /// PEM file with the client's certificate, for a server that asks for one
    #[arg(long, env = "REDIS_TLS_CERT", value_parser = tls_client::parse_file, requires = "redis_tls_key")]
    #[serde(deserialize_with = "parse::file")]
    redis_tls_cert: Option<PathBuf>,

    /// PEM file with the private key of REDIS_TLS_CERT
    #[arg(long, env = "REDIS_TLS_KEY", value_parser = tls_client::parse_file, requires = "redis_tls_cert")]
    #[serde(deserialize_with = "parse::file")]
    redis_tls_key: Option<PathBuf>,

    /// Connections in the pool, 1 to 64
    #[arg(long, env = "REDIS_POOL_SIZE", default_value_t = POOL_SIZE, value_parser = parse::parse_number::<1, 64>)]
    #[serde(deserialize_with = "parse::number::<_, 1, 64>")]
    redis_pool_size: u8,

    /// Replicas that must have a write before it is acknowledged to anybody, 0 to 9; 0: the primary alone
    #[arg(long, env = "REDIS_WAIT_REPLICAS", default_value_t = WAIT_REPLICAS, value_parser = parse::parse_number::<0, 9>)]
    #[serde(deserialize_with = "parse::number::<_, 0, 9>")]
    redis_wait_replicas: u8,
}

const PORT: u16 = 6379;
const DB: u8 = 0;
const POOL_SIZE: u8 = 2;
const WAIT_REPLICAS: u8 = 0;

impl RedisConfig {
    /// True if a server was named: `REDIS_URL` or `REDIS_HOST` is set.
    pub fn is_set(&self) -> bool {
        self.redis_url.is_some() || self.redis_host.is_some()
    }

    /// The database in use.
    pub fn db(&self) -> u8 {
        self.redis_url.as_ref().and_then(|url| url.config.database).unwrap_or(self.redis_db)
    }

    /// The same settings with database 0 on a Cluster, which has no other; for a service whose default is another one.
    #[must_use]
    pub fn in_the_only_database(&self) -> Self {
        let mut config = self.clone();
        if config.layout() == Layout::Cluster {
            config.redis_db = 0;
        }
        config
    }

    /// How keys are named on this Redis.
    pub fn layout(&self) -> Layout {
        if self.is_cluster() || self.is_cluster_node() { Layout::Cluster } else { Layout::One }
    }

    /// Whether the URL names the nodes of a Redis Cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.redis_url.as_ref().is_some_and(|url| url.config.server.is_clustered())
    }

    /// Whether this is [`at`](Self::at) one node of a Cluster.
    pub(crate) fn is_cluster_node(&self) -> bool {
        self.redis_url.as_ref().is_some_and(|url| url.is_cluster_node)
    }

    /// The same settings for one node of the Cluster.
    pub(crate) fn at(&self, node: &Server) -> Self {
        let mut config = self.clone();
        if let Some(url) = &mut config.redis_url {
            url.config.server = ServerConfig::Centralized { server: node.clone() };
            url.is_cluster_node = true;
        }
        config
    }

    /// The nodes that the URL of a Cluster names.
    pub(crate) fn nodes(&self) -> Vec<Server> {
        self.server().server.hosts()
    }

    /// How the URL begins, for messages.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.redis_url.as_ref().is_some_and(|url| url.tls) { "rediss" } else { "redis" }
    }

    /// How many replicas must have a write before it is acknowledged.
    pub fn wait_replicas(&self) -> WaitReplicas {
        WaitReplicas(self.redis_wait_replicas)
    }

    pub(crate) fn pool_size(&self) -> usize {
        usize::from(self.redis_pool_size)
    }

    /// The configuration for fred. Reads the files of TLS.
    pub(crate) fn to_fred(&self) -> Result<Config, ConfigError> {
        let mut config = self.server();
        if self.redis_url.as_ref().is_some_and(|url| url.tls) {
            let tls = self.tls().config().map_err(|error| ConfigError::new(error.to_string()))?;
            config.tls = Some(TlsConnector::from(tls).into());
        } else if self.tls().has_files() {
            return Err(ConfigError::new(
                "REDIS_TLS_CA, REDIS_TLS_CERT and REDIS_TLS_KEY need a REDIS_URL with rediss://",
            ));
        }
        if self.layout() == Layout::Cluster && self.db() != 0 {
            return Err(ConfigError::new(format!("REDIS_DB must be 0: {}", url::CLUSTER_DB)));
        }
        config.database = Some(self.db());
        config.username = config.username.or_else(|| self.redis_username.clone());
        config.password =
            config.password.or_else(|| self.redis_password.clone()).or_else(|| self.redis_pass.clone());
        Ok(config)
    }

    fn tls(&self) -> TlsClient {
        TlsClient {
            ca: PemFile { setting: "REDIS_TLS_CA", path: self.redis_tls_ca.clone() },
            cert: PemFile { setting: "REDIS_TLS_CERT", path: self.redis_tls_cert.clone() },
            key: PemFile { setting: "REDIS_TLS_KEY", path: self.redis_tls_key.clone() },
            server_name: None,
            is_insecure: false,
        }
    }

    fn server(&self) -> Config {
        self.redis_url.as_ref().map(|url| url.config.clone()).unwrap_or_else(|| Config {
            server: ServerConfig::new_centralized(
                self.redis_host.as_deref().unwrap_or("localhost"),
                self.redis_port,
            ),
            ..Config::default()
        })
    }
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            redis_url: None,
            redis_host: None,
            redis_port: PORT,
            redis_db: DB,
            redis_username: None,
            redis_password: None,
            redis_pass: None,
            redis_tls_ca: None,
            redis_tls_cert: None,
            redis_tls_key: None,
            redis_pool_size: POOL_SIZE,
            redis_wait_replicas: WAIT_REPLICAS,
        }
    }
}

impl FromStr for RedisConfig {
    type Err = ConfigError;

    /// The server of this URL, for programs that have no settings of ours.
    fn from_str(url: &str) -> Result<Self, ConfigError> {
        let url = url::parse(url).map_err(ConfigError::new)?;
        Ok(Self { redis_url: Some(url), ..Self::default() })
    }
}

impl fmt::Display for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.server().server {
            ServerConfig::Unix { path } => write!(f, "{}", path.display())?,
            server => {
                let servers: Vec<String> = server.hosts().iter().map(ToString::to_string).collect();
                f.write_str(&servers.join(","))?;
            }
        }
        write!(f, "/{}", self.db())
    }
}

#[cfg(test)]
mod tests;

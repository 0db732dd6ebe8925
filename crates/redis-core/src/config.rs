use std::fmt;
use std::str::FromStr;

use fred::types::config::{Config, ServerConfig};

use crate::WaitReplicas;

/// Where Redis is and how to sign in.
///
/// `REDIS_URL` wins over the single variables; what the URL leaves out (database, user, password) they fill in.
/// There is no `Debug`: a password must not reach a log. `Display` names the server and the database only.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Redis")]
pub struct RedisConfig {
    /// redis://[user:password@]host[:port][/db], rediss:// for TLS, or redis-sentinel://host:port[/db]?sentinelServiceName=NAME[&node=host:port]
    #[arg(long, env = "REDIS_URL", value_parser = parse_url, hide_env_values = true)]
    redis_url: Option<Config>,

    /// Host of the Redis server, without REDIS_URL [default: localhost]
    #[arg(long, env = "REDIS_HOST")]
    redis_host: Option<String>,

    /// Port of the Redis server, without REDIS_URL
    #[arg(long, env = "REDIS_PORT", default_value_t = 6379)]
    redis_port: u16,

    /// Database number, where REDIS_URL names none
    #[arg(long, env = "REDIS_DB", default_value_t = 0)]
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

    /// Connections in the pool, 1 to 64
    #[arg(long, env = "REDIS_POOL_SIZE", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    redis_pool_size: u8,

    /// Replicas that must have a write before it is acknowledged to anybody, 0 to 9; 0: the primary alone
    #[arg(long, env = "REDIS_WAIT_REPLICAS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=9))]
    redis_wait_replicas: u8,
}

impl RedisConfig {
    /// True if a server was named: `REDIS_URL` or `REDIS_HOST` is set.
    pub fn is_set(&self) -> bool {
        self.redis_url.is_some() || self.redis_host.is_some()
    }

    /// The database in use.
    pub fn db(&self) -> u8 {
        self.redis_url.as_ref().and_then(|url| url.database).unwrap_or(self.redis_db)
    }

    /// The user that signs in, as in `ACL WHOAMI`.
    pub(crate) fn user(&self) -> String {
        self.to_fred().username.unwrap_or_else(|| "default".to_owned())
    }

    /// How many replicas must have a write before it is acknowledged.
    pub fn wait_replicas(&self) -> WaitReplicas {
        WaitReplicas(self.redis_wait_replicas)
    }

    pub(crate) fn pool_size(&self) -> usize {
        usize::from(self.redis_pool_size)
    }

    pub(crate) fn to_fred(&self) -> Config {
        let mut config = self.redis_url.clone().unwrap_or_else(|| Config {
            server: ServerConfig::new_centralized(self.host(), self.redis_port),
            ..Config::default()
        });
        config.database = Some(self.db());
        config.username = config.username.or_else(|| self.redis_username.clone());
        config.password =
            config.password.or_else(|| self.redis_password.clone()).or_else(|| self.redis_pass.clone());
        config
    }

    fn host(&self) -> &str {
        self.redis_host.as_deref().unwrap_or("localhost")
    }
}

impl FromStr for RedisConfig {
    type Err = String;

    /// The server of this URL, for programs that have no settings of ours.
    fn from_str(url: &str) -> Result<Self, String> {
        Ok(Self {
            redis_url: Some(parse_url(url)?),
            redis_host: None,
            redis_port: 6379,
            redis_db: 0,
            redis_username: None,
            redis_password: None,
            redis_pass: None,
            redis_pool_size: 2,
            redis_wait_replicas: 0,
        })
    }
}

impl fmt::Display for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.to_fred().server.hosts().iter().map(ToString::to_string).collect();
        write!(f, "{}/{}", servers.join(","), self.db())
    }
}

fn parse_url(url: &str) -> Result<Config, String> {
    const MUST_BE: &str = "must be redis://, rediss:// or redis-sentinel://[user:password@]host[:port][/db]";
    let known = ["redis://", "rediss://", "redis-sentinel://", "rediss-sentinel://"];
    if !known.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(MUST_BE.to_owned());
    }
    Config::from_url(url).map_err(|error| format!("{MUST_BE}: {}", error.details()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        redis: RedisConfig,
    }

    fn config(args: &[&str]) -> RedisConfig {
        Cli::try_parse_from([&["test"], args].concat()).map(|cli| cli.redis).unwrap()
    }

    #[test]
    fn single_variables_name_a_server_and_the_display_keeps_the_secret() {
        let config = config(&["--redis-host=db", "--redis-port=7000", "--redis-db=3", "--redis-pass=hush"]);
        assert_eq!(config.to_string(), "db:7000/3");
        assert_eq!(config.to_fred().password.as_deref(), Some("hush"));
    }

    #[test]
    fn a_url_wins_and_the_single_variables_fill_its_gaps() {
        let config =
            config(&["--redis-url=redis://ann:key@db:7000", "--redis-db=2", "--redis-password=hush"]);
        assert_eq!(config.to_string(), "db:7000/2");
        let fred = config.to_fred();
        assert_eq!((fred.username.as_deref(), fred.password.as_deref()), (Some("ann"), Some("key")));
        assert_eq!(config.db(), 2);
    }

    #[test]
    fn redis_password_serves_a_url_that_has_none() {
        let config = config(&["--redis-url=rediss://db/5", "--redis-password=hush"]);
        assert_eq!(config.to_fred().password.as_deref(), Some("hush"));
        assert_eq!(config.db(), 5);
        assert!(config.to_fred().uses_tls());
    }

    #[test]
    fn a_url_alone_is_a_configuration() {
        assert_eq!("redis://db:7000/3".parse::<RedisConfig>().unwrap().to_string(), "db:7000/3");
        assert!("db:7000".parse::<RedisConfig>().is_err());
    }

    #[test]
    fn a_sentinel_url_is_understood() {
        let config =
            config(&["--redis-url=redis-sentinel://a:26379/1?sentinelServiceName=main&node=b:26380"]);
        assert!(config.to_fred().server.is_sentinel());
        assert_eq!(config.db(), 1);
    }

    #[test]
    fn a_url_of_another_scheme_is_refused() {
        assert!(parse_url("http://db").unwrap_err().starts_with("must be redis://"));
        assert!(parse_url("redis://:port").is_err());
    }
}

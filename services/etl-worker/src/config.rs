//! The settings: every field is a variable, a flag, and a line of `--help`.

use std::time::Duration;

use chassis::parsers;
use chassis::settings::{ProcessSettings, Service, SettingError, Settings};
use clap::{Args, Parser, Subcommand};
use redis_core::RedisConfig;
use redis_core::id::GameToken;

use crate::part::Codec;

/// Settings of a process of etl-worker.
#[derive(Clone, Parser)]
#[command(about = "Writes the records of finished games from Redis to Parquet, each game exactly once")]
pub struct Config {
    /// Where to listen, how to stop, how to log.
    #[command(flatten)]
    pub process: ProcessSettings,

    /// Where Redis is.
    #[command(flatten)]
    pub redis: RedisConfig,

    /// Which games, and what becomes of their records.
    #[command(flatten)]
    pub games: GameSettings,

    /// Where files go and how they are made.
    #[command(flatten)]
    pub output: OutputSettings,

    /// What to do instead of working.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Which games, and what becomes of their records.
#[derive(Clone, Args)]
#[command(next_help_heading = "Games")]
pub struct GameSettings {
    /// Channel on which the game server logs (lib.server.lobby in the simulator)
    #[arg(long, env = "WORKER_CHANNEL", default_value = "CLEAN")]
    pub worker_channel: String,

    /// Let the records of a game go once its rows are written
    #[arg(long, env = "CLEAN_ROUTINE", default_value = "False", action = clap::ArgAction::Set, value_parser = parsers::boolean)]
    pub clean_routine: bool,

    /// Seconds after which records that are let go expire
    #[arg(long, env = "REDIS_EXPIRY", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=31_536_000))]
    pub redis_expiry: u32,

    /// How long a game must have been Completed and unchanged to be taken up without its message
    #[arg(long, env = "ETL_SETTLE", default_value = "20s", value_parser = parsers::duration)]
    pub etl_settle: Duration,

    /// How long a job may go without a sign of life before another worker takes it over, 500ms to 1h
    #[arg(long, env = "ETL_LEASE", default_value = "10s", value_parser = parsers::duration)]
    pub etl_lease: Duration,

    /// This worker's name in file names; the host's name if unset
    #[arg(long, env = "ETL_WORKER")]
    pub etl_worker: Option<String>,

    /// Name of the logger in the original; the first log line shows it
    #[arg(long, env = "LOGGER_MODULE", default_value = "Default")]
    pub logger_module: String,
}

/// Where files go and how they are made.
#[derive(Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputSettings {
    /// Folder, or s3://BUCKET[/PREFIX], that holds GAME_META/ and GAME_PODIUM/
    #[arg(long, env = "ETL_OUTPUT", default_value = "data/superhero")]
    pub etl_output: String,

    /// Compression: gzip, zstd or snappy
    #[arg(long, env = "ETL_CODEC", default_value = "gzip", value_enum)]
    pub etl_codec: Codec,

    /// Games in a file at most, 1 to 10000; 1 is a file per game
    #[arg(long, env = "ETL_BATCH_GAMES", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub etl_batch_games: u16,

    /// Milliseconds that a file may wait for more games, with ETL_BATCH_GAMES above 1, at most 600000
    #[arg(long, env = "ETL_BATCH_MS", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(..=600_000))]
    pub etl_batch_ms: u32,

    /// The object storage's address, for s3://; Amazon's if unset. http:// is taken as it stands
    #[arg(long, env = "AWS_ENDPOINT_URL")]
    pub aws_endpoint_url: Option<String>,

    /// Its region
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    pub aws_region: String,

    /// Key to sign with; without one, what the machine's role gives
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    pub aws_access_key_id: Option<String>,

    /// Secret of that key
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub aws_secret_access_key: Option<String>,

    /// Token of a temporary key
    #[arg(long, env = "AWS_SESSION_TOKEN", hide_env_values = true)]
    pub aws_session_token: Option<String>,
}

/// What to do instead of working.
#[derive(Clone, Subcommand)]
pub enum Command {
    /// Look at or retry the games that failed for good
    #[command(subcommand)]
    Dead(Dead),
    /// Merge the files that are committed now into few
    Compact,
}

/// Dead letters.
#[derive(Clone, Subcommand)]
pub enum Dead {
    /// Print them as JSON lines: game, reason, when, tries
    List,
    /// Make jobs of them again
    Retry {
        /// These games; all if none is named
        #[arg(value_name = "GAME", value_parser = |text: &str| GameToken::parse(text))]
        games: Vec<GameToken>,
    },
}

impl Settings for Config {
    const SERVICE: Service = Service {
        name: "etl-worker",
        version: env!("CARGO_PKG_VERSION"),
        prefix: "",
        defaults: &[("LISTEN_ADDR", ":9102")],
    };

    fn process(&self) -> &ProcessSettings {
        &self.process
    }

    fn check(&self) -> Result<(), SettingError> {
        let lease = self.games.etl_lease;
        if lease < Duration::from_millis(500) || lease > Duration::from_secs(3600) {
            return Err(SettingError::new("ETL_LEASE", "must be from 500ms to 1h"));
        }
        if self.games.etl_settle > Duration::from_secs(86_400) {
            return Err(SettingError::new("ETL_SETTLE", "must be at most 24h"));
        }
        if self.games.worker_channel.is_empty() {
            return Err(SettingError::new("WORKER_CHANNEL", "must not be empty"));
        }
        if self.games.etl_worker.as_deref().is_some_and(|name| name != plain(name)) {
            return Err(SettingError::new("ETL_WORKER", "must be 1 to 64 of A-Z a-z 0-9 _ . -"));
        }
        if self.output.etl_output.contains("://") && bucket(&self.output.etl_output).is_none() {
            return Err(SettingError::new("ETL_OUTPUT", "must be a folder or s3://BUCKET[/PREFIX]"));
        }
        let both = (&self.output.aws_access_key_id, &self.output.aws_secret_access_key);
        if let (Some(_), None) | (None, Some(_)) = both {
            return Err(SettingError::new(
                "AWS_SECRET_ACCESS_KEY",
                "must be set with AWS_ACCESS_KEY_ID, and only then",
            ));
        }
        Ok(())
    }
}

impl GameSettings {
    /// The worker's name in file names.
    pub fn worker(&self) -> String {
        let host = || plain(&rustix::system::uname().nodename().to_string_lossy());
        self.etl_worker.clone().unwrap_or_else(host)
    }
}

impl OutputSettings {
    /// The bucket and the prefix, if the output is object storage.
    pub fn bucket(&self) -> Option<(&str, &str)> {
        bucket(&self.etl_output)
    }
}

fn bucket(output: &str) -> Option<(&str, &str)> {
    let rest = output.strip_prefix("s3://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    ((3..=63).contains(&bucket.len()) && bucket.chars().all(known))
        .then_some((bucket, prefix.trim_matches('/')))
}

fn plain(name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric() && !"_.-".contains(c), "-");
    if name.is_empty() { "worker".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chassis::settings::from_vars;

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let config = from_vars::<Config>([]).unwrap();
        assert_eq!(config.process.listen_addr, "0.0.0.0:9102");
        assert_eq!(config.redis.to_string(), "localhost:6379/0");
        assert_eq!((config.games.worker_channel.as_str(), config.games.redis_expiry), ("CLEAN", 30));
        assert_eq!((config.games.clean_routine, config.games.logger_module.as_str()), (false, "Default"));
        assert_eq!(config.games.etl_settle, Duration::from_secs(20));
        assert_eq!((config.output.etl_output.as_str(), config.output.etl_batch_games), ("data/superhero", 1));
        assert!(!config.games.worker().is_empty());
    }

    #[test]
    fn the_originals_spelling_of_yes_is_read() {
        assert!(from_vars::<Config>([("CLEAN_ROUTINE", "True")]).unwrap().games.clean_routine);
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named() {
        let refusal = |name, text| from_vars::<Config>([(name, text)]).err().unwrap().to_string();
        assert_eq!(refusal("ETL_OUTPUT", "s3://"), "ETL_OUTPUT must be a folder or s3://BUCKET[/PREFIX]");
        assert_eq!(refusal("ETL_OUTPUT", "gs://b"), "ETL_OUTPUT must be a folder or s3://BUCKET[/PREFIX]");
        assert_eq!(refusal("ETL_WORKER", "../x"), "ETL_WORKER must be 1 to 64 of A-Z a-z 0-9 _ . -");
        assert_eq!(refusal("ETL_LEASE", "1ms"), "ETL_LEASE must be from 500ms to 1h");
        assert_eq!(refusal("CLEAN_ROUTINE", "perhaps"), "CLEAN_ROUTINE must be true or false");
        assert!(refusal("ETL_CODEC", "lzo").starts_with("ETL_CODEC must be one of"));
        assert!(refusal("REDIS_EXPIRY", "0").starts_with("REDIS_EXPIRY must be"));
        assert!(refusal("AWS_ACCESS_KEY_ID", "k").starts_with("AWS_SECRET_ACCESS_KEY must be set"));
    }

    #[test]
    fn a_bucket_may_have_a_prefix() {
        assert_eq!(bucket("s3://games"), Some(("games", "")));
        assert_eq!(bucket("s3://games/a/b/"), Some(("games", "a/b")));
        assert_eq!(bucket("data/superhero"), None);
        assert_eq!(bucket("s3://Not_A_Bucket"), None);
    }
}

//! The settings: every field is a variable, a flag, and a line of `--help`.

mod bucket_address;
mod command;
mod games;
mod output;

use chassis::http::HttpSettings;
use chassis::settings::{ProcessSettings, Service, SettingError, Settings};
use clap::Parser;
use redis_core::RedisConfig;

use crate::part::Layout;

pub use bucket_address::{BucketAddress, Provider};
pub use command::{Command, DeadCommand};
pub use games::GameSettings;
pub use output::OutputSettings;
pub(crate) use output::is_endpoint;

/// The settings of an etl-worker process.
#[derive(Clone, Parser)]
#[command(about = "Writes the records of finished games from Redis to Parquet, each game exactly once")]
pub struct Config {
    /// Where to listen, how to stop, how to log.
    #[command(flatten)]
    pub process: ProcessSettings,

    /// Who may use HTTP.
    #[command(flatten)]
    pub http: HttpSettings,

    /// Where Redis is.
    #[command(flatten)]
    pub redis: RedisConfig,

    /// Which games to write, and what happens to their records afterwards.
    #[command(flatten)]
    pub games: GameSettings,

    /// Where the files go and how they are written.
    #[command(flatten)]
    pub output: OutputSettings,

    /// A command to run instead of a worker.
    #[command(subcommand)]
    pub command: Option<Command>,
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
        self.games.check()?;
        self.output.check()?;
        let mut tables = self.games.etl_dataset.iter().flat_map(|dataset| dataset.tables.iter());
        match tables.find(|table| !table.partition().is_empty()) {
            Some(table) if self.output.etl_layout == Layout::Flat => {
                let reason = format!("must be partitioned, as the table {} is", table.name());
                Err(SettingError::new("ETL_LAYOUT", reason))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use chassis::settings::from_vars;

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let config = from_vars::<Config>([]).unwrap();
        assert_eq!(config.process.listen_addr, "0.0.0.0:9102");
        assert_eq!(config.redis.to_string(), "localhost:6379/0");
        let [dataset] = config.games.etl_dataset.as_slice() else { panic!("there is one dataset") };
        assert_eq!(dataset.name, "superhero");
        let channels = ["CLEAN", "lib.server.lobby", "redis.lib.server.lobby"];
        assert_eq!(config.games.channels(dataset), channels);
        assert_eq!(config.games.redis_expiry, 30);
        assert_eq!((config.games.clean_routine, config.games.logger_module.as_str()), (false, "Default"));
        assert_eq!(config.games.etl_settle, Duration::from_secs(20));
        assert_eq!((config.output.etl_output.as_str(), config.output.etl_batch_games), ("data/superhero", 1));
        assert!(!config.games.worker_name().is_empty());
    }

    #[test]
    fn the_originals_spelling_of_true_is_accepted() {
        assert!(from_vars::<Config>([("CLEAN_ROUTINE", "True")]).unwrap().games.clean_routine);
    }

    #[test]
    fn the_error_names_the_setting_that_is_invalid() {
        let error = |name, text| from_vars::<Config>([(name, text)]).err().unwrap().to_string();
        let output = "ETL_OUTPUT must be a folder, s3://BUCKET[/PREFIX], az://CONTAINER[/PREFIX] or gs://BUCKET[/PREFIX]";
        assert_eq!(
            (error("ETL_OUTPUT", "s3://"), error("ETL_OUTPUT", "ftp://b")),
            (output.into(), output.into())
        );
        assert_eq!(
            error("ETL_WORKER", "../x"),
            "ETL_WORKER must be 1 to 64 of A-Z a-z 0-9 _ . -, and begin with none of _ . -"
        );
        assert_eq!(error("ETL_LEASE", "1ms"), "ETL_LEASE must be from 500ms to 1h");
        let channel = "WORKER_CHANNEL must be a channel, or several with commas between them";
        assert_eq!(error("WORKER_CHANNEL", "CLEAN,,x"), channel);
        assert_eq!(error("CLEAN_ROUTINE", "perhaps"), "CLEAN_ROUTINE must be true or false");
        assert!(error("ETL_CODEC", "lzo").starts_with("ETL_CODEC must be one of"));
        assert!(error("REDIS_EXPIRY", "0").starts_with("REDIS_EXPIRY must be"));
        let endpoint = "AWS_ENDPOINT_URL must be http://HOST[:PORT] or https://HOST[:PORT]";
        assert_eq!(error("AWS_ENDPOINT_URL", "minio:9000"), endpoint);
        assert!(error("AWS_ACCESS_KEY_ID", "k").starts_with("AWS_SECRET_ACCESS_KEY must be set"));
    }
}

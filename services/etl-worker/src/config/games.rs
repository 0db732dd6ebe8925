use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chassis::SettingError;
use chassis::parsers;
use clap::Args;

use crate::dataset::{self, Dataset, SUPERHERO};

/// Which games to write, and what happens to their records afterwards.
#[derive(Clone, Args)]
#[command(next_help_heading = "Games")]
pub struct GameSettings {
    /// What is written: superhero, which is built in, or TOML files, with commas between them
    #[arg(long, env = "ETL_DATASET", value_name = "DATASET", value_delimiter = ',', default_value = SUPERHERO, value_parser = dataset::load)]
    pub etl_dataset: Vec<Arc<Dataset>>,

    /// Channels of the messages that say that a game ended, with commas between them; those of the dataset if unset
    #[arg(long, env = "WORKER_CHANNEL", value_delimiter = ',')]
    pub worker_channel: Vec<String>,

    /// Remove the records of a game from Redis once its rows are written
    #[arg(long, env = "CLEAN_ROUTINE", default_value = "False", action = clap::ArgAction::Set, value_parser = parsers::boolean)]
    pub clean_routine: bool,

    /// Seconds until the records of a written game expire, with CLEAN_ROUTINE
    #[arg(long, env = "REDIS_EXPIRY", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=31_536_000))]
    pub redis_expiry: u32,

    /// How long a game must be Completed and unchanged before it is written without its message
    #[arg(long, env = "ETL_SETTLE", default_value = "20s", value_parser = parsers::duration)]
    pub etl_settle: Duration,

    /// How long a job stays with a worker that does not renew it; then another worker takes it over. 500ms to 1h
    #[arg(long, env = "ETL_LEASE", default_value = "10s", value_parser = parsers::duration)]
    pub etl_lease: Duration,

    /// The most dead letters that are kept; the oldest are dropped
    #[arg(long, env = "ETL_DEAD_MAX", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub etl_dead_max: u64,

    /// How long a dead letter is kept, such as 30d; for ever if unset
    #[arg(long, env = "ETL_DEAD_MAX_AGE", value_parser = parsers::positive_duration)]
    pub etl_dead_max_age: Option<Duration>,

    /// Name of this worker in file names; the host name if unset
    #[arg(long, env = "ETL_WORKER")]
    pub etl_worker: Option<String>,

    /// Logger name of the original; only shown in the first log line
    #[arg(long, env = "LOGGER_MODULE", default_value = "Default")]
    pub logger_module: String,
}

impl GameSettings {
    /// The worker's name in file names.
    pub fn worker_name(&self) -> String {
        let host_name = || sanitize(&rustix::system::uname().nodename().to_string_lossy());
        self.etl_worker.clone().unwrap_or_else(host_name)
    }

    /// The channels of a dataset.
    pub fn channels<'s>(&'s self, dataset: &'s Dataset) -> &'s [String] {
        if self.worker_channel.is_empty() { &dataset.end.channels } else { &self.worker_channel }
    }

    pub(super) fn check(&self) -> Result<(), SettingError> {
        self.check_datasets().map_err(|reason| SettingError::new("ETL_DATASET", reason))?;
        if self.etl_lease < Duration::from_millis(500) || self.etl_lease > Duration::from_secs(3600) {
            return Err(SettingError::new("ETL_LEASE", "must be from 500ms to 1h"));
        }
        if self.etl_settle > Duration::from_secs(86_400) {
            return Err(SettingError::new("ETL_SETTLE", "must be at most 24h"));
        }
        if self.worker_channel.iter().any(String::is_empty) {
            return Err(SettingError::new(
                "WORKER_CHANNEL",
                "must be a channel, or several with commas between them",
            ));
        }
        if self.etl_worker.as_deref().is_some_and(|name| name != sanitize(name)) {
            return Err(SettingError::new(
                "ETL_WORKER",
                "must be 1 to 64 of A-Z a-z 0-9 _ . -, and begin with none of _ . -",
            ));
        }
        Ok(())
    }

    /// Whether no dataset gets in the way of another.
    fn check_datasets(&self) -> Result<(), String> {
        let (mut names, mut tables) = (BTreeSet::new(), BTreeSet::new());
        for dataset in &self.etl_dataset {
            if !names.insert(&dataset.name) {
                return Err(format!("has two datasets {}", dataset.name));
            }
            let mut is_new = |table: &str| tables.insert(table.to_ascii_lowercase());
            if let Some(table) = dataset.tables.iter().map(|table| table.name()).find(|table| !is_new(table))
            {
                return Err(format!("has two tables {table}"));
            }
            if let Some((other, key)) = self
                .etl_dataset
                .iter()
                .filter(|other| other.name != dataset.name && self.clean_routine)
                .find_map(|other| Some((other, dataset::removed_by(dataset, other)?)))
            {
                return Err(format!(
                    "has two datasets that share records: with CLEAN_ROUTINE, {} removes {key}, which {} needs",
                    dataset.name, other.name
                ));
            }
        }
        Ok(())
    }
}

/// Makes a name safe to be part of a file name.
fn sanitize(name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric() && !"_.-".contains(c), "-");
    // Readers leave files out whose names begin with a dot or _, and a name may begin with that of the worker.
    let name = name.trim_start_matches(['_', '.', '-']);
    if name.is_empty() { "worker".to_owned() } else { name.to_owned() }
}

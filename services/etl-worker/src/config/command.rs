use std::sync::Arc;
use std::time::Duration;

use chassis::parsers;
use clap::Subcommand;
use redis_core::id::GameToken;

use crate::dataset::{self, Dataset};

/// A command to run instead of a worker.
#[derive(Clone, Subcommand)]
pub enum Command {
    /// List, retry or drop the games that failed for good
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Merge the committed small files into large ones
    Compact {
        /// Keep the small files of a folder and write the large ones beside them, as in a bucket: no reader finds a file replaced
        #[arg(long)]
        snapshot: bool,
    },
    /// Check a dataset file, and print the rows of a session as JSON lines
    Check {
        /// The file
        #[arg(value_name = "FILE", value_parser = dataset::load)]
        dataset: Arc<Dataset>,
        /// The token of a session in Redis
        #[arg(long, value_name = "TOKEN", value_parser = |text: &str| GameToken::parse(text))]
        sample: Option<GameToken>,
    },
}

/// The commands for dead letters.
#[derive(Clone, Subcommand)]
pub enum DeadCommand {
    /// Print them as JSON lines: game, reason, when, tries
    List,
    /// Queue them again
    Retry {
        /// The games to retry; all if none is named
        #[arg(value_name = "GAME", value_parser = |text: &str| GameToken::parse(text))]
        games: Vec<GameToken>,
    },
    /// Forget them. The records of the games stay in Redis, and the games are not tried again
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Drop {
        /// The games to forget
        #[arg(value_name = "GAME", group = "which", value_parser = |text: &str| GameToken::parse(text))]
        games: Vec<GameToken>,
        /// All that failed longer ago, such as 7d
        #[arg(long, value_name = "AGE", group = "which", value_parser = parsers::duration)]
        older_than: Option<Duration>,
    },
}

use clap::Subcommand;
use redis_core::id::GameToken;

/// A command to run instead of a worker.
#[derive(Clone, Subcommand)]
pub enum Command {
    /// List or retry the games that failed for good
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Merge the committed small files into large ones
    Compact,
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
}

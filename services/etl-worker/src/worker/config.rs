use std::sync::Arc;
use std::time::Duration;

use crate::part::{Codec, Layout};
use crate::store::Cleanup;

/// The settings of a worker.
#[derive(Clone)]
pub struct WorkerConfig {
    /// The worker's name in file names.
    pub name: Arc<str>,
    /// The process's name in the consumer group, and in the names of files of several games.
    pub consumer: Arc<str>,
    /// The compression of new files.
    pub codec: Codec,
    /// Where new files are in a table's folder.
    pub layout: Layout,
    /// Maximum number of games in a file; 1 writes a file per game.
    pub batch_games: usize,
    /// How long a file waits for more games.
    pub batch_wait: Duration,
    /// How long a job stays with a worker that does not renew it.
    pub lease: Duration,
    /// What happens to the records of a game after the commit.
    pub cleanup: Cleanup,
}

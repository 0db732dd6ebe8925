//! Where the list of runs comes from.

use std::sync::Arc;

use redis_core::catalog::{RunEntry, RunSource};
use redis_core::id::RunId;
use redis_core::{KeyScan, RedisError};

use crate::rules::Rules;
use crate::run_progress::RunProgress;
use crate::store::Store;

/// The runs in Redis, and how far each is by the rules.
pub(crate) struct StoredRuns {
    pub(crate) store: Arc<Store>,
    pub(crate) rules: Rules,
}

impl RunSource for StoredRuns {
    type About = RunProgress;

    fn scan(&self) -> KeyScan {
        self.store.scan()
    }

    fn run_of(&self, key: &str) -> Option<RunId> {
        RunId::parse(key).ok()
    }

    async fn read(&self, run: &RunId) -> Result<Option<RunEntry<RunProgress>>, RedisError> {
        // Too large a run cannot be watched either.
        let hash = self.store.read(run).await?;
        let progress = hash.and_then(|hash| self.rules.progress(&hash));
        Ok(progress.map(|about| RunEntry { changed_at: about.last_modified, about }))
    }
}

//! Finds the runs in Redis, for those who choose one. Nothing is done while nobody asks.
//!
//! Redis keeps no list of runs, so all keys are looked at, a page at a time, for a second at most. Where that is not enough, the
//! next look goes on where the last one has ended. What one look has found is the answer to everybody for some seconds.

mod recent_runs;

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::RedisError;
use crate::error::reason;
use crate::id::RunId;
use crate::key_scan::KeyScan;
pub use recent_runs::{RecentRuns, RunEntry, RunList};

/// How long an answer holds.
const FRESH_FOR: Duration = Duration::from_secs(4);
/// After so long no further page is asked for.
const LOOK_TIME: Duration = Duration::from_secs(1);
/// Runs that are read at once.
const READS: usize = 16;

/// Where runs are found.
pub trait RunSource: Sync {
    /// What is listed of a run.
    type About: Serialize + Send;

    /// A walk over the keys of all runs, perhaps with others.
    fn scan(&self) -> KeyScan;

    /// The run to which a key belongs, if it is one's.
    fn run_of(&self, key: &str) -> Option<RunId>;

    /// The run's entry in the list. `None` if it is no run, or no more.
    fn read(
        &self,
        run: &RunId,
    ) -> impl Future<Output = Result<Option<RunEntry<Self::About>>, RedisError>> + Send;
}

/// The runs that were found up to now.
pub struct RunCatalog<S: RunSource> {
    source: S,
    found: Mutex<Found<S::About>>,
}

struct Found<T> {
    runs: RecentRuns<T>,
    /// Whether all keys were looked at.
    is_complete: bool,
    /// Why some could not be looked at.
    problem: Option<String>,
    scan: Option<KeyScan>,
    looked_at: Option<Instant>,
}

impl<S: RunSource> RunCatalog<S> {
    /// A catalog that is empty until somebody asks.
    pub fn new(source: S) -> Self {
        let runs = RecentRuns::default();
        let found = Found { runs, is_complete: false, problem: None, scan: None, looked_at: None };
        Self { source, found: Mutex::new(found) }
    }

    /// What `view` makes of the runs that were found.
    pub async fn view<R>(&self, view: impl FnOnce(&RunList<'_, S::About>) -> R) -> R {
        let found = &mut *self.found.lock().await;
        if found.looked_at.is_none_or(|time| time.elapsed() > FRESH_FOR) {
            let known = found.runs.ids();
            self.read(found, known).await;
            self.look(found).await;
            found.runs.forget_oldest();
            found.looked_at = Some(Instant::now());
        }
        view(&RunList::new(&found.runs, found.is_complete, found.problem.as_deref()))
    }

    async fn look(&self, found: &mut Found<S::About>) {
        let started = Instant::now();
        let mut scan = found.scan.take().unwrap_or_else(|| {
            found.problem = None;
            self.source.scan()
        });
        while started.elapsed() < LOOK_TIME {
            match scan.next_page().await {
                Ok(Some(keys)) => {
                    let runs = keys.iter().filter_map(|key| self.source.run_of(key)).collect();
                    self.read(found, runs).await;
                }
                Ok(None) => {
                    found.is_complete = found.problem.is_none();
                    return;
                }
                Err(error) => found.problem = Some(reason(&error)),
            }
        }
        found.scan = Some(scan);
    }

    /// A run that cannot be read is left as it was: one that may not be read is never in the list.
    async fn read(&self, found: &mut Found<S::About>, runs: Vec<RunId>) {
        let reads = runs.into_iter().map(|run| async {
            let about = self.source.read(&run).await;
            (run, about)
        });
        let mut reads = stream::iter(reads).buffer_unordered(READS);
        while let Some((run, about)) = reads.next().await {
            if let Ok(about) = about {
                found.runs.set(run, about);
            }
        }
    }
}

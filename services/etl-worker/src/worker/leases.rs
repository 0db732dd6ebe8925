use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis_core::error::reason;
use tokio::time::interval;
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use crate::store::{Job, Store};

/// Renews the leases of a worker's jobs three times per lease, until it is dropped. It does not notice when a job is lost:
/// that is checked before the files are published.
pub(super) struct Leases {
    entry_ids: Arc<Mutex<Vec<String>>>,
    _renewal: AbortOnDropHandle<()>,
}

impl Leases {
    pub(super) fn new(store: Store, lease: Duration) -> Self {
        let entry_ids = Arc::new(Mutex::new(Vec::new()));
        let to_renew = Arc::clone(&entry_ids);
        let renewal = tokio::spawn(async move {
            let mut ticks = interval(lease / 3);
            // The first tick is at once, and the jobs have just been taken.
            ticks.tick().await;
            loop {
                ticks.tick().await;
                let entry_ids: Vec<String> = to_renew.lock().clone();
                if let Err(error) = store.renew(&entry_ids).await {
                    debug!("renew jobs: {}", reason(&error));
                }
            }
        });
        Self { entry_ids, _renewal: AbortOnDropHandle::new(renewal) }
    }

    /// Adds jobs that the worker has just taken.
    pub(super) fn add(&self, jobs: &[Job]) {
        self.entry_ids.lock().extend(jobs.iter().map(|job| job.entry_id.clone()));
    }
}

//! Keeping jobs ours.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::interval;
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use crate::store::{Job, Store};

/// Jobs of ours, which are renewed three times a lease as long as this lives. That they still are ours is checked before
/// files are published.
pub(super) struct Leases {
    entries: Entries,
    _renewing: AbortOnDropHandle<()>,
}

impl Leases {
    pub(super) fn new(store: Store, lease: Duration) -> Self {
        let entries = Entries::default();
        let held = Arc::clone(&entries);
        let renewing = tokio::spawn(async move {
            let mut ticks = interval(lease / 3);
            ticks.tick().await;
            loop {
                ticks.tick().await;
                let entries = held.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Err(error) = store.renew(&entries).await {
                    debug!("renew jobs: {}", error.details());
                }
            }
        });
        Self { entries, _renewing: AbortOnDropHandle::new(renewing) }
    }

    /// Adds jobs that have just become ours.
    pub(super) fn add(&self, jobs: &[Job]) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.extend(jobs.iter().map(|job| job.entry.clone()));
    }
}

type Entries = Arc<Mutex<Vec<String>>>;

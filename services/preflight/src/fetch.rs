//! The requests to Redis for one run.

use std::time::{Duration, Instant};

use redis_core::error::reason;
use redis_core::id::RunId;

use crate::run_hash::RunHash;
use crate::store::Store;

/// How a request has ended.
pub(crate) enum FetchOutcome {
    /// The run's hash, the epoch of the connection that reports its changes, if one does, and how long the
    /// request took.
    Read { hash: RunHash, subscribed_epoch: Option<u64>, elapsed: Duration },
    /// Why the run could not be read.
    Failed(String),
    /// The run's subscription has ended.
    Unsubscribed,
}

/// Whether the current connection is subscribed to a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subscription {
    /// It is.
    Active,
    /// It is not yet, and has to be.
    Needed,
    /// It is not, and cannot be.
    Unavailable,
}

/// Reads a run. If a subscription is needed it is made before the read: no change can fall between the two
/// unseen.
pub(crate) async fn fetch(
    store: &Store,
    run: &RunId,
    subscription: Subscription,
    connection_epoch: u64,
) -> FetchOutcome {
    let started = Instant::now();
    let subscribed = match subscription {
        Subscription::Active => Ok(true),
        Subscription::Needed => store.subscribe(run).await,
        Subscription::Unavailable => Ok(false),
    };
    let read = match subscribed {
        Ok(subscribed) => store.read(run).await.map(|hash| (hash, subscribed.then_some(connection_epoch))),
        Err(error) => Err(error),
    };
    match read {
        Ok((hash, subscribed_epoch)) => {
            FetchOutcome::Read { hash, subscribed_epoch, elapsed: started.elapsed() }
        }
        Err(error) => FetchOutcome::Failed(reason(&error)),
    }
}

/// Ends a run's subscription.
pub(crate) async fn unsubscribe(store: &Store, run: &RunId) -> FetchOutcome {
    // If this fails the connection is lost, and with it the subscription.
    let _ = store.unsubscribe(run).await;
    FetchOutcome::Unsubscribed
}

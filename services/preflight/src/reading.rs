//! What is asked of Redis for one run, and what has come of it.

use std::time::{Duration, Instant};

use redis_core::id::RunId;

use crate::run::RunHash;
use crate::store::Store;

/// What has come of a question.
pub(crate) enum Outcome {
    /// The run as it was, the connection on which its changes are told, if any, and how long it took.
    Read { hash: RunHash, subscribed_on: Option<u64>, took: Duration },
    /// Why it could not be read.
    Failed(String),
    /// It is no longer subscribed to.
    Unsubscribed,
}

/// How a run stands to the present subscribing connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subscription {
    /// Its changes are told.
    Stands,
    /// They will be, once it is subscribed to.
    Wanted,
    /// There is none to be had.
    Refused,
}

/// Reads a run, after subscribing to it where that is wanted: whatever changes later will be told.
pub(crate) async fn read(store: &Store, run: &RunId, subscription: Subscription, connection: u64) -> Outcome {
    let begun = Instant::now();
    let subscribed = match subscription {
        Subscription::Stands => Ok(true),
        Subscription::Wanted => store.subscribe(run).await,
        Subscription::Refused => Ok(false),
    };
    let read = match subscribed {
        Ok(subscribed) => store.read(run).await.map(|hash| (hash, subscribed.then_some(connection))),
        Err(error) => Err(error),
    };
    match read {
        Ok((hash, subscribed_on)) => Outcome::Read { hash, subscribed_on, took: begun.elapsed() },
        Err(error) => Outcome::Failed(error.details().to_owned()),
    }
}

/// Ends a run's subscription.
pub(crate) async fn unsubscribe(store: &Store, run: &RunId) -> Outcome {
    // Where it fails the connection is gone, and the subscription with it.
    let _ = store.unsubscribe(run).await;
    Outcome::Unsubscribed
}

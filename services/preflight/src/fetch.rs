//! The requests to Redis for one run.

use std::time::{Duration, Instant};

use redis_core::error::reason;
use redis_core::id::RunId;
use redis_core::{ErrorClass, RedisError};

use crate::run_hash::RunHash;
use crate::run_refusal::RunRefusal;
use crate::shard_name::ShardName;
use crate::store::Store;

/// How a request has ended.
pub(crate) enum FetchOutcome {
    /// The run's hash, whether its changes are reported, and how long the request took.
    Read { hash: RunHash, subscription: Subscription, elapsed: Duration },
    /// Redis does not let this user read the run, or it is too large.
    Refused(RunRefusal),
    /// Why the run could not be read now.
    Failed(String),
    /// The run's subscription has ended.
    Unsubscribed,
}

/// Whether the current connection is subscribed to a run.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Subscription {
    /// It is.
    Active,
    /// It is not yet, and has to be, at this shard.
    Needed(ShardName),
    /// It is not, because nothing can be subscribed to.
    Unavailable,
    /// It is not, because this run may not be subscribed to.
    Forbidden,
}

/// Reads a run. If a subscription is needed it is made before the read: no change can fall between the two
/// unseen.
pub(crate) async fn fetch(store: &Store, run: &RunId, subscription: Subscription) -> FetchOutcome {
    let started = Instant::now();
    let read = async {
        let subscription = match subscription {
            Subscription::Needed(shard) if store.subscribe(&shard, run).await? => Subscription::Active,
            Subscription::Needed(_) => Subscription::Forbidden,
            other => other,
        };
        Ok::<_, RedisError>((store.read(run).await?, subscription))
    };
    match read.await {
        Ok((Some(hash), subscription)) => {
            FetchOutcome::Read { hash, subscription, elapsed: started.elapsed() }
        }
        Ok((None, _)) => FetchOutcome::Refused(RunRefusal::TooLarge),
        Err(error) if ErrorClass::of(&error) == ErrorClass::Forbidden && !store.is_refused(run) => {
            FetchOutcome::Refused(RunRefusal::Forbidden)
        }
        Err(error) => FetchOutcome::Failed(reason(&error)),
    }
}

/// Ends a run's subscription.
pub(crate) async fn unsubscribe(store: &Store, shard: &ShardName, run: &RunId) -> FetchOutcome {
    store.unsubscribe(shard, run).await;
    FetchOutcome::Unsubscribed
}

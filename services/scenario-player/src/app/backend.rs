//! The timeline, in memory or in Redis, and what decides about this instance's partitions.

use std::sync::Arc;

use chassis::Lifecycle;
use tokio::sync::watch;

use super::parts::{Backend, Shared};
use crate::assignment::Assignment;
use crate::claimed::ClaimedEvents;
use crate::config::Config;
use crate::membership::Membership;
use crate::memory::MemoryTimeline;
use crate::store::Store;
use crate::timeline::Timeline;

/// The timeline in Redis: one task each for the gates of the connections and of the keys, the lease, and the hints of other
/// instances.
pub(super) fn spawn_redis(
    config: &Config,
    shared: &Shared,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Backend> {
    let store = Arc::new(Store::connect(&config.redis)?);
    let claimed = Arc::new(ClaimedEvents::default());
    let (assignment, assignments) = watch::channel(Membership::initial_assignment());
    let (has_work, has_work_receiver) = watch::channel(false);

    let (connected, gate) = (Arc::clone(&store), lifecycle.readiness().gate("redis"));
    let finished = shared.finished.clone();
    lifecycle.spawn("redis", async move {
        tokio::select! {
            () = connected.update_gate(gate) => anyhow::bail!("the redis client has ended"),
            () = finished.cancelled() => Ok(()),
        }
    });

    let (keys, gate) = (Arc::clone(&store), lifecycle.readiness().gate("timeline"));
    let finished = shared.finished.clone();
    lifecycle.spawn("key types", async move {
        tokio::select! {
            () = keys.watch_key_types(gate) => anyhow::bail!("the check of the keys has ended"),
            () = finished.cancelled() => Ok(()),
        }
    });

    let membership = Membership {
        store: Arc::clone(&store),
        claimed: Arc::clone(&claimed),
        consume_from: config.timeline.consume_from,
        assignment,
        has_work: has_work_receiver,
        finished: shared.finished.clone(),
    };
    lifecycle.spawn("membership", membership.run());

    let (subscriber, stopping) = (Arc::clone(&store), shared.stopping.clone());
    lifecycle.spawn("hints", async move {
        tokio::select! {
            ended = subscriber.run_subscriber() => ended,
            () = stopping.cancelled() => Ok(()),
        }
    });
    Ok(Backend { timeline: Timeline::Redis(store), claimed, assignment: assignments, has_work })
}

/// The timeline in memory. This instance has all partitions for as long as it lives.
pub(super) fn spawn_memory(shared: &Shared, lifecycle: &Lifecycle) -> Backend {
    let (assignment, assignments) = watch::channel(Assignment::all());
    let finished = shared.finished.clone();
    lifecycle.spawn("membership", async move {
        finished.cancelled().await;
        // If the sender were dropped earlier, the reader would stop.
        drop(assignment);
        Ok(())
    });
    Backend {
        timeline: Timeline::Memory(Arc::new(MemoryTimeline::default())),
        claimed: Arc::new(ClaimedEvents::for_all_partitions()),
        assignment: assignments,
        has_work: watch::channel(false).0,
    }
}

//! The timeline, in memory or in Redis, and what decides about this instance's partitions.

use std::sync::Arc;

use chassis::Lifecycle;
use tokio::sync::watch;

use super::parts::{Backend, OwnLane, Shared};
use crate::assignment::Assignment;
use crate::claimed::ClaimedEvents;
use crate::config::Config;
use crate::holdings::Holdings;
use crate::membership::Membership;
use crate::memory::MemoryTimeline;
use crate::store::Store;
use crate::timeline::Timeline;

/// The timeline in Redis: one task each for the gates of the connections and of the keys, the lease on each lane, and the hints of
/// other instances.
pub(super) fn spawn_redis(
    config: &Config,
    shared: &Shared,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Backend> {
    let store = Arc::new(Store::connect(&config.redis)?);
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

    let holdings = Arc::new(Holdings::new(shared.lanes));
    let spawn_membership = |lane| {
        let claimed = Arc::new(ClaimedEvents::default());
        let (assignment, assignments) = watch::channel(Membership::initial_assignment());
        let membership = Membership {
            lane,
            store: Arc::clone(&store),
            clocks: Arc::clone(&shared.clocks),
            holdings: Arc::clone(&holdings),
            claimed: Arc::clone(&claimed),
            consume_from: config.timeline.consume_from,
            assignment,
            work: Arc::clone(&shared.work),
            player: Arc::clone(&shared.player),
            finished: shared.finished.clone(),
        };
        lifecycle.spawn("membership", membership.run());
        OwnLane { lane, claimed, assignment: assignments }
    };
    let lanes = shared.lanes.iter().map(spawn_membership).collect();

    let (subscriber, stopping) = (Arc::clone(&store), shared.stopping.clone());
    lifecycle.spawn("hints", async move {
        tokio::select! {
            ended = subscriber.run_subscriber() => ended,
            () = stopping.cancelled() => Ok(()),
        }
    });
    Ok(Backend { timeline: Timeline::Redis(store), lanes })
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
    let claimed = Arc::new(ClaimedEvents::for_all_partitions());
    let own = |lane| OwnLane { lane, claimed: Arc::clone(&claimed), assignment: assignments.clone() };
    Backend {
        timeline: Timeline::Memory(Arc::new(MemoryTimeline::default())),
        lanes: shared.lanes.iter().map(own).collect(),
    }
}

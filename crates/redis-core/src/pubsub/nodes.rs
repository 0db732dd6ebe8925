//! The nodes of a Cluster that a subscriber can be at.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use fred::types::config::Server;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::RedisConfig;
use crate::cluster::{NodeId, Topology, first_view};

/// Time between two looks at whether a node that could not be reached can be now.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// A node that cannot be reached for so long is left for another, whatever the Cluster says of it.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same where all others would stay.
const COMMON_PATIENCE: Duration = Duration::from_secs(3);

/// Chooses nodes for one subscriber.
pub(crate) struct Nodes {
    config: RedisConfig,
    topology: watch::Receiver<Topology>,
    choice: Choice,
}

enum Choice {
    /// Each in turn. It begins anywhere, so that subscribers spread.
    Any { turn: u64 },
    /// The first of [`Topology::apart_from`] this slot that can be reached. It is the same for all subscribers.
    Common { apart_from: u16, failed: Vec<NodeId> },
}

/// A node.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) server: Server,
    /// `None`: it is one of the settings, and not known yet.
    pub(super) node: Option<NodeId>,
}

impl Nodes {
    /// Any node that is not down. `config` has the names of some, for as long as nothing else is known.
    pub(crate) fn any(config: &RedisConfig, topology: watch::Receiver<Topology>) -> Self {
        let choice = Choice::Any { turn: RandomState::new().hash_one(0) };
        Self { config: config.clone(), topology, choice }
    }

    /// The same node for all who name the same slot. It is not of the shard that has the slot.
    pub(crate) fn common(config: &RedisConfig, topology: watch::Receiver<Topology>, apart_from: u16) -> Self {
        let choice = Choice::Common { apart_from, failed: Vec::new() };
        Self { config: config.clone(), topology, choice }
    }

    pub(super) fn config(&self) -> &RedisConfig {
        &self.config
    }

    pub(super) fn topology(&self) -> watch::Receiver<Topology> {
        self.topology.clone()
    }

    /// How long a node may be away.
    pub(super) fn patience(&self) -> Duration {
        if matches!(self.choice, Choice::Any { .. }) { PATIENCE } else { COMMON_PATIENCE }
    }

    /// Whether a subscriber can stay there. One that goes where all others go must know the nodes first.
    pub(super) fn can_stay_at(&self, place: &Place) -> bool {
        place.node.is_some() || matches!(self.choice, Choice::Any { .. })
    }

    /// Waits until the nodes are known.
    pub(super) async fn known(&self) {
        let mut topology = self.topology.clone();
        // It ends only with the process.
        let _ = topology.wait_for(|topology| topology.living().next().is_some()).await;
    }

    /// The next node to connect to. The last one has failed if `has_failed`.
    pub(super) fn next(&mut self, last: Option<&Place>, has_failed: bool) -> Place {
        let known = self.topology.borrow_and_update().clone();
        let candidates = match &self.choice {
            Choice::Any { .. } => known.living().collect(),
            Choice::Common { apart_from, .. } => known.apart_from(*apart_from),
        };
        let mut places: Vec<Place> = candidates
            .into_iter()
            .map(|member| Place { server: member.server.clone(), node: Some(member.id.clone()) })
            .collect();
        if places.is_empty() {
            places = self.config.nodes().into_iter().map(|server| Place { server, node: None }).collect();
        }
        let index = match &mut self.choice {
            Choice::Any { turn } => {
                *turn = turn.wrapping_add(1);
                usize::try_from(*turn % places.len().max(1) as u64).unwrap_or_default()
            }
            Choice::Common { failed, .. } => {
                if !has_failed {
                    failed.clear();
                }
                failed.extend(last.filter(|_| has_failed).and_then(|last| last.node.clone()));
                let has_not_failed =
                    |place: &Place| !place.node.as_ref().is_some_and(|id| failed.contains(id));
                places.iter().position(has_not_failed).unwrap_or_else(|| {
                    failed.clear();
                    0
                })
            }
        };
        places.swap_remove(index)
    }

    /// Waits until a node can be reached at which all should be rather than here.
    pub(super) async fn better_than(&self, place: &Place) {
        let Choice::Common { apart_from, failed } = &self.choice else {
            return std::future::pending().await;
        };
        if !failed.is_empty() {
            // It has just been left.
            sleep(RETRY_INTERVAL).await;
        }
        let mut topology = self.topology.clone();
        loop {
            let best = topology.borrow_and_update().apart_from(*apart_from).first().copied().cloned();
            if let Some(best) = best.filter(|best| Some(&best.id) != place.node.as_ref())
                && first_view(&self.config, &[best.server]).await.is_ok()
            {
                return;
            }
            // An error means that nobody follows the Cluster any more.
            if matches!(timeout(RETRY_INTERVAL, topology.changed()).await, Ok(Err(_))) {
                return std::future::pending().await;
            }
        }
    }
}

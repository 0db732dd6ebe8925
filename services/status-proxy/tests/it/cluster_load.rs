//! Numbers that are published by the nodes of a Cluster, and what of them has come.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fred::interfaces::PubsubInterface;
use redis_core::{Redis, RedisError};
use serde_json::Value;
use test_support::{RedisCluster, within_patience};
use tokio::task::JoinHandle;

use crate::support::{Viewer, is_full};

/// What happens to a Cluster under load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Event {
    Kill,
    FailOver,
    MoveSlots,
    AddNode,
}

impl Event {
    pub(crate) async fn happen(self, cluster: &mut RedisCluster) {
        match self {
            Self::Kill => drop(cluster.kill_primary(0).await),
            Self::FailOver => drop(cluster.fail_over(0).await),
            Self::MoveSlots => cluster.move_slots(if is_full() { 4000 } else { 100 }, 1, 2).await,
            Self::AddNode => {
                let added = cluster.add_node().await;
                cluster.move_slots(10, 1, added).await;
            }
        }
    }
}

/// Publishes numbers by one node on a channel of its own, with this pause between them, and keeps those that the node took.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    publishing: JoinHandle<Vec<usize>>,
}

impl Load {
    pub(crate) async fn start(cluster: &RedisCluster, node: usize, run: &str, pause: Duration) -> Self {
        let client = cluster.nodes[node].client().await;
        let channel = format!("{run}:{node}");
        Self::start_with(pause, move |number| {
            let (client, channel) = (client.clone(), channel.clone());
            async move { client.publish::<i64, _, _>(channel, number).await.is_ok() }
        })
    }

    /// As [`start`](Self::start), by SPUBLISH, wherever the channel's slot is.
    pub(crate) fn start_sharded(redis: &Redis, channel: String, pause: Duration) -> Self {
        let redis = redis.clone();
        Self::start_with(pause, move |number| {
            let (redis, channel) = (redis.clone(), channel.clone());
            async move { spublish(&redis, &channel, &number).await.is_ok() }
        })
    }

    fn start_with<F: Future<Output = bool> + Send>(
        pause: Duration,
        publish: impl Fn(String) -> F + Send + 'static,
    ) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = is_over.clone();
        let publishing = tokio::spawn(async move {
            let mut taken = Vec::new();
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let published = publish(number.to_string());
                if tokio::time::timeout(Duration::from_secs(1), published).await.is_ok_and(|taken| taken) {
                    taken.push(number);
                }
                tokio::time::sleep(pause).await;
            }
            taken
        });
        Self { is_over, publishing }
    }

    pub(crate) async fn finish(self) -> Vec<usize> {
        self.is_over.store(true, Ordering::Relaxed);
        within_patience("the producer's end", self.publishing).await.unwrap()
    }
}

/// SPUBLISH at the shard of the channel. Returns how many subscribers of that shard got it.
pub(crate) async fn spublish(redis: &Redis, channel: &str, text: &str) -> Result<i64, RedisError> {
    redis.run(channel, |client| async move { client.spublish(channel, text).await }).await
}

/// Reads until `end` has come from each of these nodes: what they took before has come, too.
pub(crate) fn read(mut viewer: Viewer, nodes: &[usize], seen: Arc<AtomicUsize>) -> JoinHandle<Vec<Value>> {
    let mut ends: BTreeSet<String> = nodes.iter().map(usize::to_string).collect();
    tokio::spawn(async move {
        let mut all = Vec::new();
        while !ends.is_empty() {
            let frame = viewer.next_json().await;
            seen.fetch_add(1, Ordering::Relaxed);
            if frame["data"] == "end" {
                ends.remove(frame["channel"].as_str().unwrap());
            } else {
                all.push(frame);
            }
        }
        all
    })
}

/// Counts what is missing of what each node took. Fails if that was not told, or if a line came twice.
pub(crate) fn count_missing(frames: &[Value], taken: &[Vec<usize>]) -> usize {
    let mut missing = 0;
    let is_incomplete = frames.iter().any(|frame| frame["recovered"] == false);
    for (node, taken) in taken.iter().enumerate() {
        let (channel, mut taken) = (node.to_string(), taken.iter().peekable());
        let (mut is_told, mut next) = (is_incomplete, 0);
        for frame in frames {
            is_told |= frame["type"] == "gap" && (frame["channel"] == "*" || frame["channel"] == channel);
            if frame["type"] != "status" || frame["channel"] != channel {
                continue;
            }
            let number: usize = frame["data"].as_str().unwrap().parse().unwrap();
            assert!(number >= next, "node {node}: {number} came twice or late");
            // A line whose answer was lost with the connection may have been published, too.
            while let Some(before) = taken.next_if(|taken| **taken <= number) {
                assert!(*before == number || is_told, "node {node}: {before} is missing without a gap");
                missing += usize::from(*before != number);
            }
            (next, is_told) = (number + 1, is_incomplete);
        }
        let rest = taken.count();
        assert!(rest == 0 || is_told, "node {node}: the last {rest} lines are missing without a gap");
        missing += rest;
    }
    missing
}

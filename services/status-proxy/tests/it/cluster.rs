//! On a Redis Cluster: what is published by any node reaches every viewer, and what is missed is told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fred::interfaces::PubsubInterface;
use futures_util::future::join_all;
use serde_json::Value;
use test_support::{RedisCluster, ServiceProcess, eventually, within_patience};
use tokio::task::JoinHandle;

use crate::support::{BINARY, Producer, Viewer, is_full};

async fn start(cluster: &RedisCluster) -> ServiceProcess {
    let service = ServiceProcess::start(BINARY, &[("REDIS_URL", &cluster.url())]).await;
    service.wait_until_ready().await;
    service
}

#[tokio::test]
async fn lines_that_are_published_by_any_node_reach_the_viewers_of_all_instances_once_and_in_order() {
    let cluster = RedisCluster::start().await;
    let instances = [start(&cluster).await, start(&cluster).await, start(&cluster).await];
    let mut viewers = Vec::new();
    for service in &instances {
        for path in ["r:0,1,2,3,4,5", "r:*", "r:0,1,2,3,4,5?history=0"] {
            viewers.push(Viewer::connect(service, path).await);
        }
    }
    join_all(cluster.nodes.iter().enumerate().map(async |(number, node)| {
        let producer = Producer::connect(node).await;
        for line in 0..50 {
            producer.publish(&format!("r:{number}"), line.to_string()).await;
        }
    }))
    .await;
    for viewer in &mut viewers {
        let mut next = [0; 6];
        while next != [50; 6] {
            let frame = viewer.next_json().await;
            if frame["type"] == "status" {
                let producer: usize = frame["channel"].as_str().unwrap().parse().unwrap();
                assert_eq!(frame["data"], next[producer].to_string(), "{frame}");
                next[producer] += 1;
            }
        }
    }
    eventually("a probe by each primary has arrived", async || {
        instances[0].metric("status_proxy_probe_seconds_count").await >= 3.0
    })
    .await;
}

/// Publishes numbers by one node on a channel of its own, a millisecond apart, and keeps those that the node took.
struct Load {
    is_over: Arc<AtomicBool>,
    publishing: JoinHandle<Vec<usize>>,
}

impl Load {
    async fn start(cluster: &RedisCluster, node: usize) -> Self {
        let client = cluster.nodes[node].client().await;
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = is_over.clone();
        let publishing = tokio::spawn(async move {
            let mut taken = Vec::new();
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let published = client.publish::<i64, _, _>(format!("r:{node}"), number.to_string());
                if tokio::time::timeout(Duration::from_secs(1), published)
                    .await
                    .is_ok_and(|sent| sent.is_ok())
                {
                    taken.push(number);
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            taken
        });
        Self { is_over, publishing }
    }

    async fn finish(self) -> Vec<usize> {
        self.is_over.store(true, Ordering::Relaxed);
        within_patience("the producer's end", self.publishing).await.unwrap()
    }
}

/// Reads until `end` has come from each of these nodes: what they took before has come, too.
fn read(mut viewer: Viewer, nodes: &[usize], seen: Arc<AtomicUsize>) -> JoinHandle<Vec<Value>> {
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

/// Counts what is missing of what each node took. Fails if that was not told as a gap, or if a line came twice.
fn count_missing(frames: &[Value], taken: &[Vec<usize>]) -> usize {
    let mut missing = 0;
    for (node, taken) in taken.iter().enumerate() {
        let (channel, mut taken) = (node.to_string(), taken.iter().peekable());
        let (mut is_told, mut next) = (false, 0);
        for frame in frames {
            is_told |= frame["type"] == "gap";
            if frame["channel"] != channel {
                continue;
            }
            let number: usize = frame["data"].as_str().unwrap().parse().unwrap();
            assert!(number >= next, "node {node}: {number} came twice or late");
            // A line whose answer was lost with the connection may have been published, too.
            while let Some(before) = taken.next_if(|taken| **taken <= number) {
                assert!(*before == number || is_told, "node {node}: {before} is missing without a gap");
                missing += usize::from(*before != number);
            }
            (next, is_told) = (number + 1, false);
        }
        let rest = taken.count();
        assert!(rest == 0 || is_told, "node {node}: the last {rest} lines are missing without a gap");
        missing += rest;
    }
    missing
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Kill,
    FailOver,
    MoveSlots,
    AddNode,
}

async fn check(events: &[Event]) {
    let mut cluster = RedisCluster::start().await;
    let service = start(&cluster).await;
    let mut viewer = Viewer::connect(&service, "r:*?history=0").await;
    viewer.next_text().await;
    let seen = Arc::new(AtomicUsize::new(0));
    let living: &[usize] = if events.contains(&Event::Kill) { &[1, 2] } else { &[0, 1, 2] };
    let reading = read(viewer, living, seen.clone());
    let flows = async || {
        let before = seen.load(Ordering::Relaxed);
        eventually("lines flow", async || seen.load(Ordering::Relaxed) > before + 200).await;
    };
    let loads = join_all((0..3).map(|node| Load::start(&cluster, node))).await;
    for event in events {
        flows().await;
        match event {
            Event::Kill => drop(cluster.kill_primary(0).await),
            Event::FailOver => drop(cluster.fail_over(0).await),
            Event::MoveSlots => cluster.move_slots(if is_full() { 4000 } else { 100 }, 1, 2).await,
            Event::AddNode => {
                let added = cluster.add_node().await;
                cluster.move_slots(10, 1, added).await;
            }
        }
    }
    flows().await;
    service.wait_until_ready().await;
    let taken = join_all(loads.into_iter().map(Load::finish)).await;
    for &node in living {
        Producer::connect(&cluster.nodes[node]).await.publish(&format!("r:{node}"), "end").await;
    }
    let frames = within_patience("the end", reading).await.unwrap();
    let missing = count_missing(&frames, &taken);
    let gaps = frames.iter().filter(|frame| frame["type"] == "gap").count();
    let count: usize = taken.iter().map(Vec::len).sum();
    println!("{events:?}: {missing} of {count} lines missed, {gaps} gaps told");
    if events.contains(&Event::Kill) {
        assert!(gaps > 0, "what the node took last may be missing");
    } else {
        assert_eq!(missing, 0, "{events:?}");
    }
}

#[tokio::test]
async fn what_may_be_missing_when_a_primary_is_killed_is_told_and_planned_changes_cost_no_line() {
    for _ in 0..if is_full() { 10 } else { 1 } {
        let planned = [Event::FailOver, Event::MoveSlots, Event::AddNode];
        tokio::join!(check(&[Event::Kill]), check(&planned));
    }
}

#[tokio::test]
async fn recorded_history_is_refused_by_name() {
    let vars = [("REDIS_URL", "redis-cluster://127.0.0.1:1"), ("STATUS_HISTORY", "redis")];
    let mut service = ServiceProcess::spawn(BINARY, &vars);
    assert_eq!(service.wait_for_exit().await, 2);
    assert_eq!(
        service.log().trim_end(),
        "status-proxy: STATUS_HISTORY must be memory on a Redis Cluster, whose nodes publish in different orders"
    );
}

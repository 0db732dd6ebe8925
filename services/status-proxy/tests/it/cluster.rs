//! On a Redis Cluster: what is published by any node reaches every viewer, and what is missed is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use test_support::{RedisCluster, eventually, within_patience};

use crate::cluster_load::{Event, Load, count_missing, read};
use crate::support::{Producer, Viewer, is_full, start_service};

#[tokio::test]
async fn lines_that_are_published_by_any_node_reach_the_viewers_of_all_instances_once_and_in_order() {
    let cluster = RedisCluster::start().await;
    let instances = [(); 3].map(async |()| start_service(&cluster, &[]).await);
    let instances = join_all(instances).await;
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

async fn check(events: &[Event]) {
    let mut cluster = RedisCluster::start().await;
    let service = start_service(&cluster, &[]).await;
    let mut viewer = Viewer::connect(&service, "r:*?history=0").await;
    viewer.next_text().await;
    let seen = Arc::new(AtomicUsize::new(0));
    let living: &[usize] = if events.contains(&Event::Kill) { &[1, 2] } else { &[0, 1, 2] };
    let reading = read(viewer, living, seen.clone());
    let flows = async || {
        let before = seen.load(Ordering::Relaxed);
        eventually("lines flow", async || seen.load(Ordering::Relaxed) > before + 200).await;
    };
    let loads = join_all((0..3).map(|node| Load::start(&cluster, node, "r", Duration::from_millis(1)))).await;
    for event in events {
        flows().await;
        event.happen(&mut cluster).await;
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

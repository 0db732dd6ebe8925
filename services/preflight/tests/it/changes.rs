//! One read for a burst, whatever the number of viewers; the last state is always the last one sent.

use std::time::Duration;

use fred::interfaces::HashesInterface;
use futures_util::future::join_all;
use test_support::eventually;

use crate::world::{World, percent};

/// Where reads are counted; a busy machine could take so long that a recheck is among them.
const NO_RECHECK: [(&str, &str); 1] = [("PREFLIGHT_RECHECK_INTERVAL", "1h")];

#[tokio::test]
async fn a_burst_of_changes_takes_at_most_two_reads_whatever_the_number_of_viewers() {
    let world = World::start(&NO_RECHECK).await;
    let mut viewers = join_all((0..300).map(|_| world.watch("run"))).await;
    for viewer in &mut viewers {
        viewer.text().await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = world.reads().await;
    let burst = world.producer.pipeline();
    for second in 1..=32 {
        burst
            .hset::<(), _, _>("run", (format!("timestamps:task_{second}"), second.to_string()))
            .await
            .unwrap();
    }
    burst.all::<()>().await.unwrap();
    for viewer in &mut viewers {
        viewer.until_last_modified(32).await;
    }
    let reads = world.reads().await - before;
    assert!(reads <= 2, "{reads} reads");
}

#[tokio::test]
async fn viewers_who_come_at_once_share_one_read_of_their_run() {
    let world = World::start(&NO_RECHECK).await;
    let (runs, viewers_each) = (5 * percent(), 20);
    let (before, connections) = (world.reads().await, world.redis_connections().await);
    let names: Vec<String> = (0..runs).map(|n| format!("run-{n}")).collect();
    let mut viewers = Vec::new();
    for _ in 0..viewers_each {
        viewers.extend(join_all(names.iter().map(|run| world.watch(run))).await);
    }
    for viewer in &mut viewers {
        viewer.text().await;
    }
    let reads = world.reads().await - before;
    assert!(reads as usize <= runs + runs / 20, "{reads} reads for {} viewers of {runs} runs", viewers.len());
    assert_eq!(world.redis_connections().await, connections, "whatever the number of viewers");
}

#[tokio::test]
async fn a_change_while_the_first_viewer_comes_is_never_missed() {
    let world = World::start(&[]).await;
    for round in 0..10 * percent() {
        let run = format!("run-{round}");
        // The change falls before, between or after the subscription and the read; the delay moves it about.
        let change = async {
            tokio::time::sleep(Duration::from_micros(37 * (round as u64 % 60))).await;
            world.set(&run, "timestamps:a", 1).await;
        };
        let (mut viewer, ()) = tokio::join!(world.watch(&run), change);
        viewer.until_last_modified(1).await;
    }
}

#[tokio::test]
async fn the_last_change_is_the_last_sent_however_changes_follow_each_other() {
    let world = World::start(&[]).await;
    let mut viewer = world.watch("run").await;
    viewer.text().await;
    for round in 1..=10_u64 {
        for change in 1..=20 {
            world.set("run", "timestamps:a", round * 100 + change).await;
            tokio::time::sleep(Duration::from_millis(change % 4 * round)).await;
        }
        viewer.until_last_modified(round * 100 + 20).await;
    }
}

#[tokio::test]
async fn a_run_that_nobody_watches_any_more_is_forgotten_and_one_that_is_watched_again_is_fresh() {
    let world = World::start(&[]).await;
    let mut viewer = world.watch("run").await;
    viewer.text().await;
    world.until_subscribed(1).await;
    drop(viewer);
    // Within the time for which it is kept: what changed meanwhile must not be hidden.
    eventually("the viewer has left", async || {
        world.service.metric("preflight_connections{transport=\"websocket\"}").await == 0.0
    })
    .await;
    world.set("run", "timestamps:a", 1).await;
    let first = world.watch("run").await.answer().await;
    assert_eq!(first["last_modified"], 1);
    world.until_subscribed(0).await;
    assert_eq!(world.service.metric("preflight_runs").await, 0.0);
    world.set("run", "timestamps:a", 2).await;
    assert_eq!(world.watch("run").await.answer().await["last_modified"], 2);
}

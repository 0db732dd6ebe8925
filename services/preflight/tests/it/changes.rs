//! How many reads a change costs, and that viewers always end with the newest state.

use std::time::Duration;

use fred::interfaces::HashesInterface;
use futures_util::future::join_all;
use test_support::eventually;

use crate::support::{TestEnv, test_percent};

/// For tests that count reads: on a busy machine a recheck could fall into the test and be counted too.
const NO_RECHECK: [(&str, &str); 1] = [("PREFLIGHT_RECHECK_INTERVAL", "1h")];

#[tokio::test]
async fn a_burst_of_changes_takes_at_most_two_reads_whatever_the_number_of_viewers() {
    let env = TestEnv::start(&NO_RECHECK).await;
    let mut viewers = join_all((0..300).map(|_| env.watch("run"))).await;
    for viewer in &mut viewers {
        viewer.next_text().await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let reads_before = env.read_count().await;
    let burst = env.producer("run").pipeline();
    for second in 1..=32 {
        burst
            .hset::<(), _, _>("run", (format!("timestamps:task_{second}"), second.to_string()))
            .await
            .unwrap();
    }
    burst.all::<()>().await.unwrap();
    for viewer in &mut viewers {
        viewer.read_until_modified(32).await;
    }
    let reads = env.read_count().await - reads_before;
    assert!(reads <= 2, "{reads} reads");
}

#[tokio::test]
async fn viewers_that_connect_together_share_one_read_of_their_run() {
    let env = TestEnv::start(&NO_RECHECK).await;
    let (runs, viewers_each) = (5 * test_percent(), 20);
    let (reads_before, connections) = (env.read_count().await, env.connection_count().await);
    let names: Vec<String> = (0..runs).map(|n| format!("run-{n}")).collect();
    let mut viewers = Vec::new();
    for _ in 0..viewers_each {
        viewers.extend(join_all(names.iter().map(|run| env.watch(run))).await);
    }
    for viewer in &mut viewers {
        viewer.next_text().await;
    }
    let reads = env.read_count().await - reads_before;
    assert!(reads as usize <= runs + runs / 20, "{reads} reads for {} viewers of {runs} runs", viewers.len());
    assert_eq!(env.connection_count().await, connections, "whatever the number of viewers");
}

#[tokio::test]
async fn a_change_while_the_first_viewer_connects_is_never_missed() {
    let env = TestEnv::start(&[]).await;
    for round in 0..10 * test_percent() {
        let run = format!("run-{round}");
        // The delay varies: the change comes before, between or after the subscription and the read.
        let change = async {
            tokio::time::sleep(Duration::from_micros(37 * (round as u64 % 60))).await;
            env.set(&run, "timestamps:a", 1).await;
        };
        let (mut viewer, ()) = tokio::join!(env.watch(&run), change);
        viewer.read_until_modified(1).await;
    }
}

#[tokio::test]
async fn the_last_checklist_sent_has_the_last_change_whatever_the_time_between_changes() {
    let env = TestEnv::start(&[]).await;
    let mut viewer = env.watch("run").await;
    viewer.next_text().await;
    for round in 1..=10_u64 {
        for change in 1..=20 {
            env.set("run", "timestamps:a", round * 100 + change).await;
            tokio::time::sleep(Duration::from_millis(change % 4 * round)).await;
        }
        viewer.read_until_modified(round * 100 + 20).await;
    }
}

#[tokio::test]
async fn a_run_without_viewers_is_forgotten_and_a_returning_viewer_gets_the_current_state() {
    let env = TestEnv::start(&[]).await;
    let mut viewer = env.watch("run").await;
    viewer.next_text().await;
    env.wait_until_subscribed(1).await;
    drop(viewer);
    // The run is still subscribed. A viewer that returns now must see the change made without viewers.
    eventually("the viewer has left", async || {
        env.service.metric("preflight_connections{transport=\"websocket\"}").await == 0.0
    })
    .await;
    env.set("run", "timestamps:a", 1).await;
    let first = env.watch("run").await.next_checklist().await;
    assert_eq!(first["last_modified"], 1);
    env.wait_until_subscribed(0).await;
    assert_eq!(env.service.metric("preflight_runs").await, 0.0);
    env.set("run", "timestamps:a", 2).await;
    assert_eq!(env.watch("run").await.next_checklist().await["last_modified"], 2);
}

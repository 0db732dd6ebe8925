//! Redis is killed, cut off, stalled or replaced. No viewer is disconnected, and all checklists recover by
//! themselves.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use test_support::{FlakyProxy, TestRedis, eventually};

use crate::support::{TestEnv, start, test_percent};

#[tokio::test]
async fn killing_redis_closes_no_socket_and_all_checklists_are_current_after_its_return() {
    let mut env = TestEnv::start(&[]).await;
    let runs: Vec<String> = (0..50).map(|n| format!("run-{n}")).collect();
    let mut viewers = join_all(runs.iter().map(|run| env.watch(run))).await;
    for run in &runs {
        env.set(run, "timestamps:a", 1).await;
    }
    for viewer in &mut viewers {
        viewer.read_until_modified(1).await;
    }
    env.redis.kill().await;
    eventually("the service is not ready", async || env.service.get("/ready").await.0 == 503).await;
    // A viewer that connects now waits.
    let mut late = env.watch("run-0").await;
    tokio::time::sleep(Duration::from_millis(100 * test_percent() as u64)).await;

    env.redis.restart().await;
    let restarted = Instant::now();
    env.connect_producer().await;
    for run in &runs {
        env.set(run, "timestamps:a", 2).await;
    }
    for viewer in viewers.iter_mut().chain([&mut late]) {
        viewer.read_until_modified(2).await;
    }
    println!("all checklists current {:?} after the return of Redis", restarted.elapsed());
    env.service.wait_until_ready().await;
    for run in &runs {
        env.set(run, "timestamps:a", 3).await;
    }
    for viewer in &mut viewers {
        viewer.read_until_modified(3).await;
    }
}

#[tokio::test]
async fn it_starts_without_redis_and_serves_once_redis_is_up() {
    let mut redis = TestRedis::start_with(&["--notify-keyspace-events", "Kghxe"]).await;
    redis.kill().await;
    let service = start(&redis.url(), &[]).await;
    assert_eq!(service.get("/ready").await.0, 503);
    let env = TestEnv::without_producer(redis, service);
    let mut viewer = env.watch("run").await;
    let mut env = env;
    env.redis.restart().await;
    env.connect_producer().await;
    env.set("run", "timestamps:a", 1).await;
    viewer.read_until_modified(1).await;
}

#[tokio::test]
async fn a_connection_that_is_cut_or_stalls_is_replaced_and_changes_during_that_time_are_seen() {
    let redis = TestRedis::start_with(&["--notify-keyspace-events", "Kghxe"]).await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let service = start(&format!("redis://127.0.0.1:{}", proxy.port()), &[]).await;
    service.wait_until_ready().await;
    let env = TestEnv::on(redis, service).await;
    let mut viewer = env.watch("run").await;
    viewer.next_text().await;
    for second in 1..=5 {
        proxy.cut();
        env.set("run", "timestamps:a", second).await;
        proxy.restore();
        viewer.read_until_modified(second).await;
    }
    // The connection is open but carries nothing. Only a PING without a reply shows that.
    proxy.stall();
    env.set("run", "timestamps:a", 6).await;
    eventually("the stall is noticed", async || env.service.get("/ready").await.0 == 503).await;
    proxy.restore();
    viewer.read_until_modified(6).await;
    env.service.wait_until_ready().await;
}

#[tokio::test]
async fn after_a_restart_that_turned_notifications_off_runs_are_polled() {
    let mut env = TestEnv::start_with(&[], &[("PREFLIGHT_POLL_INTERVAL", "300ms")]).await;
    let args = vec!["SET", "notify-keyspace-events", "Kghxe"];
    fred::interfaces::ClientLike::custom::<(), _>(env.producer("run"), fred::cmd!("CONFIG"), args)
        .await
        .unwrap();
    let mut viewer = env.watch("run").await;
    viewer.next_text().await;
    eventually("changes are reported", async || {
        env.service.metric("preflight_notifications_enabled").await == 1.0
    })
    .await;
    env.redis.restart().await;
    env.connect_producer().await;
    env.set("run", "timestamps:a", 1).await;
    viewer.read_until_modified(1).await;
    eventually("runs are polled", async || {
        env.service.metric("preflight_notifications_enabled").await == 0.0
    })
    .await;
    env.set("run", "timestamps:a", 2).await;
    viewer.read_until_modified(2).await;
}

//! Redis away, cut off, silent or replaced: nobody is disconnected, and what is shown is right again by itself.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use test_support::{FlakyProxy, TestRedis, eventually};

use crate::world::{World, percent, start};

#[tokio::test]
async fn redis_killed_closes_no_socket_and_all_is_right_when_it_is_back() {
    let mut world = World::start(&[]).await;
    let runs: Vec<String> = (0..50).map(|n| format!("run-{n}")).collect();
    let mut viewers = join_all(runs.iter().map(|run| world.watch(run))).await;
    for run in &runs {
        world.set(run, "timestamps:a", 1).await;
    }
    for viewer in &mut viewers {
        viewer.until_last_modified(1).await;
    }
    world.redis.kill().await;
    eventually("it is not ready", async || world.service.get("/ready").await.0 == 503).await;
    // Who comes now waits.
    let mut late = world.watch("run-0").await;
    tokio::time::sleep(Duration::from_millis(100 * percent() as u64)).await;

    world.redis.restart().await;
    let back = Instant::now();
    world.producer = world.redis.client().await;
    for run in &runs {
        world.set(run, "timestamps:a", 2).await;
    }
    for viewer in viewers.iter_mut().chain([&mut late]) {
        viewer.until_last_modified(2).await;
    }
    println!("all right {:?} after the return of Redis", back.elapsed());
    world.service.wait_until_ready().await;
    for run in &runs {
        world.set(run, "timestamps:a", 3).await;
    }
    for viewer in &mut viewers {
        viewer.until_last_modified(3).await;
    }
}

#[tokio::test]
async fn it_starts_without_redis_and_serves_when_redis_comes() {
    let mut redis = TestRedis::start_with(&["--notify-keyspace-events", "Kghxe"]).await;
    redis.kill().await;
    let service = start(&redis.url(), &[]).await;
    assert_eq!(service.get("/ready").await.0, 503);
    let world = World { producer: fred::clients::Client::default(), redis, service };
    let mut viewer = world.watch("run").await;
    let mut world = world;
    world.redis.restart().await;
    world.producer = world.redis.client().await;
    world.set("run", "timestamps:a", 1).await;
    viewer.until_last_modified(1).await;
}

#[tokio::test]
async fn a_connection_that_is_cut_or_falls_silent_is_replaced_and_the_change_meanwhile_is_seen() {
    let redis = TestRedis::start_with(&["--notify-keyspace-events", "Kghxe"]).await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let service = start(&format!("redis://127.0.0.1:{}", proxy.port()), &[]).await;
    service.wait_until_ready().await;
    let world = World { producer: redis.client().await, redis, service };
    let mut viewer = world.watch("run").await;
    viewer.text().await;
    for second in 1..=5 {
        proxy.cut();
        world.set("run", "timestamps:a", second).await;
        proxy.restore();
        viewer.until_last_modified(second).await;
    }
    // Nothing flows, and nothing says so: only a question without an answer shows it.
    proxy.stall();
    world.set("run", "timestamps:a", 6).await;
    eventually("the silence is noticed", async || world.service.get("/ready").await.0 == 503).await;
    proxy.restore();
    viewer.until_last_modified(6).await;
    world.service.wait_until_ready().await;
}

#[tokio::test]
async fn a_redis_that_comes_back_without_notifications_is_polled() {
    let mut world = World::start_with(&[], &[("PREFLIGHT_POLL_INTERVAL", "300ms")]).await;
    let set = vec!["SET", "notify-keyspace-events", "Kghxe"];
    fred::interfaces::ClientLike::custom::<(), _>(&world.producer, fred::cmd!("CONFIG"), set).await.unwrap();
    let mut viewer = world.watch("run").await;
    viewer.text().await;
    eventually("changes are told", async || {
        world.service.metric("preflight_notifications_enabled").await == 1.0
    })
    .await;
    world.redis.restart().await;
    world.producer = world.redis.client().await;
    world.set("run", "timestamps:a", 1).await;
    viewer.until_last_modified(1).await;
    eventually("it is polled", async || world.service.metric("preflight_notifications_enabled").await == 0.0)
        .await;
    world.set("run", "timestamps:a", 2).await;
    viewer.until_last_modified(2).await;
}

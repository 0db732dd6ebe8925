//! Failovers, and `REDIS_WAIT_REPLICAS`, with which they forget no plan of a file that appeared.

use std::time::{Duration, Instant};

use crate::tables::Table;
use fred::interfaces::KeysInterface;
use fred::types::Value;
use test_support::{FlakyProxy, ManagedRedis, TestRedis, eventually};

use crate::support::World;

async fn replicate(primary: &TestRedis, replica: &TestRedis) {
    replica.admin(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).await;
    eventually("the replica is up to date", async || {
        matches!(replica.admin("INFO replication").await, Value::String(info) if info.contains("master_link_status:up"))
    })
    .await;
}

const REDIS_ERRORS: &str = "etl_worker_redis_errors_total";

#[tokio::test]
async fn no_file_appears_while_replicas_are_missing() {
    let world = World::start_on_one().await;
    let mut replica = TestRedis::start().await;
    replicate(&world.redis, &replica).await;
    let worker = world.start_worker("w", &[("REDIS_WAIT_REPLICAS", "1")]).await;
    let mut expected = world.play_small_game("g1").await;
    world.publish_game_ended("g1").await;
    world.wait_until_written(&expected).await;

    replica.kill().await;
    eventually("the worker says that replicas are missing", async || {
        worker.get("/ready").await.1.contains("replicas")
    })
    .await;
    expected.add(world.play_small_game("g2").await);
    world.publish_game_ended("g2").await;
    eventually("a round has failed", async || worker.metric(REDIS_ERRORS).await >= 1.0).await;
    assert_eq!(world.files(Table::Meta).len(), 1);
    let lines = worker.log().lines().count();
    assert!(lines < 25, "{lines} lines: {}", worker.log());

    replica.restart().await;
    replicate(&world.redis, &replica).await;
    world.wait_until_written(&expected).await;
    worker.wait_until_ready().await;
}

/// The primary and the worker die while the replica is behind. The other worker knows nothing of what they did.
#[tokio::test]
async fn a_game_is_written_once_although_a_failover_forgot_its_plan() {
    let mut world = World::start_on_one().await;
    let replica = TestRedis::start().await;
    let proxy = FlakyProxy::start(world.redis.port()).await;
    world.url = format!("redis://127.0.0.1:{}", proxy.port());
    replicate(&world.redis, &replica).await;
    let vars = [("REDIS_WAIT_REPLICAS", "1"), ("ETL_SETTLE", "1s")];
    let mut first = world.start_worker("first", &vars).await;
    let expected = world.play_small_game("g1").await;
    eventually("the replica has the game", async || {
        replica.admin("EXISTS games:g1:status").await == Value::Integer(1)
    })
    .await;
    replica.pause().await;
    world.publish_game_ended("g1").await;
    eventually("the first worker would write it", async || first.metric(REDIS_ERRORS).await >= 1.0).await;
    first.kill().await;
    world.redis.kill().await;
    replica.resume().await;
    replica.admin("REPLICAOF NO ONE").await;
    proxy.redirect(replica.port());
    world.client = replica.client().await;

    let _second = world.start_worker("second", &[("ETL_SETTLE", "1s")]).await;
    world.wait_until_written(&expected).await;
    assert_eq!(world.files(Table::Meta).len(), 1);
}

/// New connections lead to the new primary; the old ones stay open, and lead to the old one.
#[tokio::test]
async fn a_managed_failover_is_followed_and_costs_no_game() {
    let mut world = World::start_on_one().await;
    let managed = ManagedRedis::start().await;
    (world.url, world.client) = (managed.url(), managed.first.client().await);
    let worker = world.start_worker("w", &[("ETL_SETTLE", "1s"), ("ETL_LEASE", "1s")]).await;
    let mut expected = world.play_small_game("before").await;
    expected.add(world.play_small_game("meanwhile").await);
    world.publish_game_ended("before").await;
    managed.fail_over().await;
    let since = Instant::now();
    world.client = managed.second.client().await;
    expected.add(world.play_small_game("after").await);
    // Only a message tells of its end, so the subscription has moved when it is written.
    world.client.del::<(), _>("games:after:status").await.unwrap();
    eventually("a message arrives", async || {
        world.publish_game_ended("after").await;
        world.is_done("after").await
    })
    .await;
    world.wait_until_written(&expected).await;
    worker.wait_until_ready().await;
    println!("{:>5} ms until everything has moved", since.elapsed().as_millis());
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}: {}", since.elapsed(), worker.log());
}

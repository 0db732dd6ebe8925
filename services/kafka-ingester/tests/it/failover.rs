//! Failovers under load.

use std::time::Duration;

use futures_util::future::join_all;
use test_support::{Loss, ManagedRedis, TestSentinel, is_full_size};

use super::refusals::{send_until, send_within};
use crate::support::World;

async fn expect_all_applied(world: &World, sent: i64) {
    world.kafka.flush();
    world.wait_for_offset(0, sent).await;
    assert_eq!(world.read_state(0, "applied").await, Some(sent));
    assert_eq!(world.count_dead_letters().await, 0);
    for number in sent - 10..sent {
        let key = format!("battery:{}:data", number % 10);
        assert_eq!(world.read_field(&key, "n").await, Some(number.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_failover_under_load_takes_seconds_and_loses_nothing() {
    let managed = ManagedRedis::start().await;
    let mut world = World::new(1).await;
    world.client = managed.first.client().await;
    let service = world.start_ingester(&[("REDIS_PORT", &managed.endpoint.port().to_string())]).await;
    let mut sent = 0;
    send_until(&world, &mut sent, "some are applied", async || world.read_offset(0).await >= Some(20)).await;
    managed.fail_over().await;
    world.client = managed.second.client().await;
    let target = sent + 1;
    send_until(&world, &mut sent, "the new primary is used", async || {
        service.get("/ready").await.0 == 200 && world.read_offset(0).await >= Some(target)
    })
    .await;
    expect_all_applied(&world, sent).await;
}

/// `KAFKA_INGESTER_TEST_FULL=1`: as many rounds as give a figure.
fn rounds() -> usize {
    if is_full_size("KAFKA_INGESTER_TEST_FULL") { 10 } else { 1 }
}

/// The time in which work must go on. With one replica nothing is confirmed until the old primary is a replica.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn with_a_replica_that_confirms_failovers_by_sentinel_lose_nothing_and_repeat_no_batch() {
    let runs = tokio::join!(run(Loss::Killed, "1"), run(Loss::Hung, "1"), run(Loss::Planned, "1"));
    assert_eq!(<[f64; 3]>::from(runs), [0.0; 3], "rewinds");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_one_failovers_by_sentinel_lose_nothing_either_because_messages_are_read_again() {
    let losses =
        if rounds() == 1 { &[Loss::Planned][..] } else { &[Loss::Killed, Loss::Hung, Loss::Planned] };
    join_all(losses.iter().map(|loss| run(*loss, "0"))).await;
}

/// Loses one primary after the other under load. Returns how often a partition was read again from an earlier offset.
async fn run(loss: Loss, wait_replicas: &str) -> f64 {
    let mut sentinel = TestSentinel::start(3).await;
    let mut world = World::new(1).await;
    world.client = sentinel.servers[sentinel.primary().await].client().await;
    let vars = [("REDIS_URL", &*sentinel.url()), ("REDIS_WAIT_REPLICAS", wait_replicas)];
    let service = world.start_ingester(&vars).await;
    let mut sent = 0;
    for round in 0..rounds() {
        let target = sent + 20;
        let what = format!("{loss:?}, {wait_replicas} replicas, round {round}");
        let is_applied = async || world.read_offset(0).await >= Some(target);
        send_within(PATIENCE, &world, &mut sent, &format!("{what}: some are applied"), is_applied).await;
        let old = sentinel.lose_primary(loss).await;
        sentinel.recover(loss, old).await;
        world.client = sentinel.servers[1 - old].client().await;
        let target = sent + 1;
        let is_applied = async || world.read_offset(0).await >= Some(target);
        send_within(PATIENCE, &world, &mut sent, &format!("{what}: work goes on"), is_applied).await;
        sentinel.wait_until_stable().await;
    }
    expect_all_applied(&world, sent).await;
    let rewinds = service.metric("kafka_ingester_rewinds_total").await;
    println!("{loss:?}, REDIS_WAIT_REPLICAS={wait_replicas}: {sent} messages, none lost, {rewinds} rewinds");
    rewinds
}

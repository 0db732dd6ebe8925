//! Failovers under load.

use fred::interfaces::HashesInterface;
use test_support::{ManagedRedis, TestSentinel};

use super::refusals::send_until;
use crate::support::World;

async fn expect_all_applied(world: &World, sent: i64) {
    world.kafka.flush();
    world.wait_for_offset(0, sent).await;
    assert_eq!(world.client.hget::<i64, _, _>(world.offsets_key(), "0:applied").await.unwrap(), sent);
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

#[tokio::test(flavor = "multi_thread")]
async fn with_a_replica_that_confirms_failovers_by_sentinel_lose_nothing_and_repeat_no_batch() {
    let sentinel = TestSentinel::start(3).await;
    let mut world = World::new(1).await;
    world.client = sentinel.servers[sentinel.primary().await].client().await;
    let vars = [("REDIS_URL", &*sentinel.url()), ("REDIS_WAIT_REPLICAS", "1")];
    let service = world.start_ingester(&vars).await;
    let mut sent = 0;
    for round in 0..3 {
        let target = sent + 20;
        send_until(&world, &mut sent, "some are applied", async || {
            world.read_offset(0).await >= Some(target)
        })
        .await;
        let old = sentinel.primary().await;
        sentinel.fail_over().await;
        world.client = sentinel.servers[1 - old].client().await;
        let target = sent + 1;
        send_until(&world, &mut sent, &format!("work goes on after failover {round}"), async || {
            world.read_offset(0).await >= Some(target)
        })
        .await;
        sentinel.wait_until_stable().await;
    }
    expect_all_applied(&world, sent).await;
    assert_eq!(service.metric("kafka_ingester_rewinds_total").await, 0.0, "{}", service.log());
}

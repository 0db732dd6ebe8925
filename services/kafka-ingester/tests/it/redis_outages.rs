use std::time::Duration;

use fred::interfaces::{ClientLike, ConfigInterface, HashesInterface, KeysInterface, SetsInterface};
use fred::types::{CustomCommand, Value};
use test_support::{FlakyProxy, TestRedis, eventually};

use crate::support::{Kafka, World};

fn send_values(world: &World, keys: std::ops::Range<i64>, value: i64) {
    for key in keys {
        let json = format!(r#"{{"battery_id":{key},"v":{value}}}"#);
        world.kafka.enqueue(&world.topic, (key % 2) as i32, None, Some(json.as_bytes()));
    }
    world.kafka.flush();
}

async fn wait_for_values(world: &World, keys: std::ops::Range<i64>, value: i64) {
    for key in keys {
        world.wait_for_field(&format!("battery:{key}:data"), "v", &value.to_string()).await;
    }
}

#[tokio::test]
async fn a_redis_that_was_flushed_is_filled_again() {
    let world = World::new(2).await;
    let _service = world.start_ingester(&[]).await;
    send_values(&world, 0..200, 1);
    wait_for_values(&world, 0..200, 1).await;
    // These committed offsets must not count after Redis is flushed.
    let consumer = world.kafka.create_consumer(&world.group);
    eventually("the group's offset is committed", async || {
        use rdkafka::consumer::Consumer;
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition(&world.topic, 0);
        let committed = consumer.committed_offsets(list, Duration::from_secs(5)).unwrap();
        committed.find_partition(&world.topic, 0).unwrap().offset() == rdkafka::Offset::Offset(100)
    })
    .await;
    world.client.flushall::<()>(false).await.unwrap();
    wait_for_values(&world, 0..200, 1).await;
    assert_eq!(world.read_ids().await.len(), 200);
    send_values(&world, 0..200, 2);
    wait_for_values(&world, 0..200, 2).await;
}

#[tokio::test]
async fn a_redis_that_was_restored_from_an_older_copy_catches_up() {
    let mut world = World::new(2).await;
    let service = world.start_ingester(&[]).await;
    send_values(&world, 0..100, 1);
    wait_for_values(&world, 0..100, 1).await;
    let save = CustomCommand::new("SAVE", None::<u16>, false);
    world.client.custom::<Value, String>(save, vec![]).await.unwrap();
    send_values(&world, 0..300, 2);
    wait_for_values(&world, 0..300, 2).await;
    world.redis.restart().await;
    world.client = world.redis.client().await;
    wait_for_values(&world, 0..300, 2).await;
    assert_eq!((world.read_offset(0).await, world.read_offset(1).await), (Some(200), Some(200)));
    assert_eq!(world.read_ids().await.len(), 300);
    eventually("the rewind is counted", async || service.metric("kafka_ingester_rewinds_total").await >= 1.0)
        .await;
    // Messages that come after the restore are applied too.
    send_values(&world, 0..300, 3);
    wait_for_values(&world, 0..300, 3).await;
}

#[tokio::test]
async fn a_cut_connection_and_a_stalled_redis_lose_and_repeat_nothing() {
    let world = World::new(2).await;
    let proxy = FlakyProxy::start(world.redis.port()).await;
    let port = proxy.port().to_string();
    let mut notifications = world.subscribe("battery:*").await;
    let service = world.start_ingester(&[("REDIS_PORT", &port), ("BATCH_MAX", "20")]).await;
    send_values(&world, 0..1000, 1);
    notifications.next().await;
    proxy.cut();
    eventually("/ready is red", async || service.get("/ready").await.0 == 503).await;
    send_values(&world, 0..1000, 2);
    proxy.restore();
    notifications.next().await;
    service.wait_until_ready().await;
    proxy.stall();
    send_values(&world, 0..1000, 3);
    eventually("/ready is red", async || service.get("/ready").await.0 == 503).await;
    proxy.restore();
    wait_for_values(&world, 0..1000, 3).await;
    world.wait_for_offset(0, 1500).await;
    world.wait_for_offset(1, 1500).await;
    service.wait_until_ready().await;
    eventually("all are counted", async || {
        service.metric("kafka_ingester_messages_applied_total").await == 3000.0
    })
    .await;
    eventually("all notifications have come", async || notifications.pending_count() >= 2998).await;
    assert_eq!(notifications.pending_count(), 2998);
    assert!(service.metric("kafka_ingester_paused_seconds_total").await > 1.0);
}

#[tokio::test]
async fn ingesting_pauses_while_redis_is_near_its_memory_limit() {
    let world = World::new(2).await;
    let service = world.start_ingester(&[("REDIS_MEMORY_PAUSE", "90")]).await;
    world.client.set::<(), _, _>("ballast", "x".repeat(8 << 20), None, None, false).await.unwrap();
    world.client.config_set("maxmemory", "11mb").await.unwrap();
    eventually("/ready names the memory limit", async || {
        let (status, body) = service.get("/ready").await;
        status == 503 && body.contains("redis memory: memory is at 90 % of maxmemory or more")
    })
    .await;
    send_values(&world, 0..10, 1);
    world.client.del::<(), _>("ballast").await.unwrap();
    wait_for_values(&world, 0..10, 1).await;
    service.wait_until_ready().await;
}

#[tokio::test]
async fn while_redis_refuses_writes_ingesting_waits_and_makes_no_dead_letters() {
    let world = World::new(2).await;
    let service = world.start_ingester(&[("REDIS_MEMORY_PAUSE", "0")]).await;
    send_values(&world, 0..10, 1);
    wait_for_values(&world, 0..10, 1).await;
    world.client.config_set("maxmemory", "1").await.unwrap();
    send_values(&world, 0..10, 2);
    eventually("/ready says why", async || {
        service.get("/ready").await.1.contains("writing: Redis is out of memory (maxmemory)")
    })
    .await;
    world.client.config_set("maxmemory", "0").await.unwrap();
    wait_for_values(&world, 0..10, 2).await;
    service.wait_until_ready().await;
    assert_eq!(world.count_dead_letters().await, 0);
}

#[tokio::test]
async fn a_stalled_redis_does_not_fill_the_memory() {
    let world = World::with(Kafka::start(), TestRedis::start().await, 6).await;
    let service = world.start_ingester(&[]).await;
    world.redis.pause().await;
    let value = format!(r#"{{"battery_id":1,"v":"{}"}}"#, "x".repeat(130));
    for number in 0..150_000 {
        world.kafka.enqueue(&world.topic, number % 6, None, Some(value.as_bytes()));
    }
    world.kafka.flush();
    eventually("/ready is red", async || service.get("/ready").await.0 == 503).await;
    let memory = service.metric("process_resident_memory_bytes").await / f64::from(1 << 20);
    assert!(memory < 256.0, "{memory} MB");
    world.redis.resume().await;
    for partition in 0..6 {
        world.wait_for_offset(partition, 25_000).await;
    }
    assert!(world.client.hexists::<bool, _, _>("battery:1:data", "v").await.unwrap());
    assert_eq!(world.client.scard::<u64, _>("info:batteries:ids").await.unwrap(), 1);
}

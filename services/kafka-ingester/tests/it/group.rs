use std::time::Duration;

use fred::interfaces::HashesInterface;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use test_support::{ServiceProcess, TestRedis, eventually};

use crate::support::{Kafka, World, not_run};

fn send(world: &World, partitions: i32, values: std::ops::Range<i32>) {
    for value in values {
        for partition in 0..partitions {
            let json = format!(r#"{{"battery_id":{partition},"v":{value}}}"#);
            world.kafka.queue(&world.topic, partition, None, Some(json.as_bytes()));
        }
    }
    world.kafka.flush();
}

async fn all_have(world: &World, partitions: i32, value: i32) {
    for partition in 0..partitions {
        world.field_becomes(&format!("battery:{partition}:data"), "v", &value.to_string()).await;
    }
}

#[tokio::test]
async fn the_offset_that_the_original_committed_is_where_reading_begins() {
    let world = World::new(1).await;
    send(&world, 1, 0..10);
    let consumer = world.kafka.consumer(&world.group);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&world.topic, 0, Offset::Offset(7)).unwrap();
    consumer.commit(&list, CommitMode::Sync).unwrap();
    let mut notices = world.notices("battery:*").await;
    let _service = world.ingester(&[]).await;
    world.offset_becomes(0, 10).await;
    for _ in 7..10 {
        notices.next().await;
    }
    assert_eq!(notices.so_far(), 0);
}

#[tokio::test]
async fn a_killed_instance_is_taken_over_and_a_restarted_one_goes_on() {
    let world = World::new(4).await;
    let mut notices = world.notices("battery:*").await;
    let mut first = world.ingester(&[]).await;
    let mut second = world.ingester(&[]).await;
    send(&world, 4, 0..100);
    all_have(&world, 4, 99).await;
    first.kill().await;
    send(&world, 4, 100..200);
    all_have(&world, 4, 199).await;
    assert_eq!(second.terminate().await, 0);
    let _third = world.ingester(&[]).await;
    send(&world, 4, 200..300);
    all_have(&world, 4, 299).await;
    for _ in 0..4 * 300 {
        notices.next().await;
    }
    assert_eq!(notices.so_far(), 0);
}

#[tokio::test]
async fn a_zombie_is_refused() {
    let world = World::new(1).await;
    let mut notices = world.notices("battery:*").await;
    let service = world.ingester(&[]).await;
    send(&world, 1, 0..10);
    all_have(&world, 1, 9).await;
    // Another owner, as after a rebalance that this one has not noticed.
    let offsets = format!("kafka-ingester:{}:{}:offsets", world.group, world.topic);
    world.client.hincrby::<i64, _, _>(&offsets, "0:epoch", 1).await.unwrap();
    send(&world, 1, 10..20);
    eventually("it is refused", async || service.metric("kafka_ingester_fenced_total").await >= 1.0).await;
    // The other never comes: the partition is still assigned to this one, which claims it again.
    all_have(&world, 1, 19).await;
    for _ in 0..20 {
        notices.next().await;
    }
    assert_eq!(notices.so_far(), 0);
}

#[tokio::test]
async fn a_rebalance_does_not_stop_partitions_that_stay() {
    let world = World::new(4).await;
    let first = world.ingester(&[]).await;
    send(&world, 4, 0..1);
    all_have(&world, 4, 0).await;
    let epochs = async || -> Vec<i64> {
        let offsets = format!("kafka-ingester:{}:{}:offsets", world.group, world.topic);
        let fields: Vec<String> = (0..4).map(|partition| format!("{partition}:epoch")).collect();
        world.client.hmget(offsets, fields).await.unwrap()
    };
    assert_eq!(epochs().await, [1; 4]);
    let second = world.ingester(&[]).await;
    eventually("the second has its share", async || second.metric("kafka_ingester_partitions").await == 2.0)
        .await;
    eventually("the first has its share", async || first.metric("kafka_ingester_partitions").await == 2.0)
        .await;
    send(&world, 4, 1..2);
    all_have(&world, 4, 1).await;
    let after = epochs().await;
    assert_eq!(after.iter().filter(|epoch| **epoch == 1).count(), 2, "two stayed: {after:?}");
}

/// The mock cluster lets a group wait for the whole session timeout before it shares the partitions anew.
#[tokio::test]
async fn partitions_are_read_while_the_group_rebalances() {
    let world = World::with(Kafka::start_mock(), TestRedis::start().await, 4).await;
    let vars =
        [("KAFKA_CONF_SESSION_TIMEOUT_MS", "30000"), ("KAFKA_CONF_DEBUG", "cgrp"), ("LOG_LEVEL", "DEBUG")];
    let first = world.ingester(&vars).await;
    send(&world, 4, 0..1);
    all_have(&world, 4, 0).await;
    let second = world.starting(&vars).await;
    eventually("the group rebalances", async || first.log().contains("Rejoining group")).await;
    send(&world, 4, 1..2);
    all_have(&world, 4, 1).await;
    assert!(!second.log().contains("partitions given"), "the rebalance was over before");
}

/// The mock cluster takes a static member that comes back for another one: this is shown against a real broker alone.
#[tokio::test]
async fn a_static_member_that_comes_back_in_time_moves_no_partition() {
    let world = World::new(4).await;
    if world.kafka.mock.is_some() {
        not_run(
            "a_static_member_that_comes_back_in_time_moves_no_partition needs a real broker, KAFKA_BROKER",
        );
        return;
    }
    let member = |name| [("KAFKA_CONF_GROUP_INSTANCE_ID", name), ("KAFKA_CONF_SESSION_TIMEOUT_MS", "30000")];
    let first = world.ingester(&member("a")).await;
    let mut second = world.ingester(&member("b")).await;
    let share = async |instance: &ServiceProcess| {
        eventually("it has its share", async || instance.metric("kafka_ingester_partitions").await == 2.0)
            .await;
    };
    share(&second).await;
    share(&first).await;
    send(&world, 4, 0..1);
    all_have(&world, 4, 0).await;
    let changes = || first.log().matches("partitions ").count();
    let before = changes();
    assert!(before > 0, "{}", first.log());

    for (round, killed) in [(1, true), (2, false)] {
        if killed {
            second.kill().await;
        } else {
            assert_eq!(second.terminate().await, 0);
        }
        second = world.ingester(&member("b")).await;
        send(&world, 4, round..round + 1);
        all_have(&world, 4, round).await;
        share(&second).await;
    }
    assert_eq!(changes(), before, "{}", first.log());
}

#[tokio::test]
async fn offsets_are_committed_for_lag_tools_and_the_lag_is_shown() {
    let world = World::new(1).await;
    let mut service = world.ingester(&[]).await;
    send(&world, 1, 0..10);
    all_have(&world, 1, 9).await;
    let lag = format!(r#"kafka_ingester_lag{{partition="0",topic="{}"}} 0"#, world.topic);
    eventually("the lag is 0", async || service.get("/metrics").await.1.contains(&lag)).await;
    assert_eq!(service.terminate().await, 0);
    assert!(!service.log().contains("ERROR"), "{}", service.log());
    let mut list = TopicPartitionList::new();
    list.add_partition(&world.topic, 0);
    let committed =
        world.kafka.consumer(&world.group).committed_offsets(list, Duration::from_secs(10)).unwrap();
    assert_eq!(committed.find_partition(&world.topic, 0).unwrap().offset(), Offset::Offset(10));
}

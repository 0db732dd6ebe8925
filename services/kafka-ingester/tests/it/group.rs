use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fred::interfaces::HashesInterface;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use test_support::{ServiceProcess, TestRedis, eventually};

use crate::support::{Kafka, World, report_not_run};

pub(crate) fn send_values(world: &World, partitions: i32, values: std::ops::Range<i32>) {
    for value in values {
        for partition in 0..partitions {
            let json = format!(r#"{{"battery_id":{partition},"v":{value}}}"#);
            world.kafka.enqueue(&world.topic, partition, None, Some(json.as_bytes()));
        }
    }
    world.kafka.flush();
}

pub(crate) async fn wait_for_value(world: &World, partitions: i32, value: i32) {
    for partition in 0..partitions {
        world.wait_for_field(&format!("battery:{partition}:data"), "v", &value.to_string()).await;
    }
}

#[tokio::test]
async fn reading_begins_at_the_offset_that_the_original_committed() {
    let world = World::new(1).await;
    send_values(&world, 1, 0..10);
    let consumer = world.kafka.create_consumer(&world.group);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&world.topic, 0, Offset::Offset(7)).unwrap();
    consumer.commit(&list, CommitMode::Sync).unwrap();
    let mut notifications = world.subscribe("battery:*").await;
    let _service = world.start_ingester(&[]).await;
    world.wait_for_offset(0, 10).await;
    for _ in 7..10 {
        notifications.next().await;
    }
    assert_eq!(notifications.pending_count(), 0);
}

#[tokio::test]
async fn a_killed_instance_is_replaced_and_a_restarted_one_continues() {
    let world = World::new(4).await;
    let mut notifications = world.subscribe("battery:*").await;
    let mut first = world.start_ingester(&[]).await;
    let mut second = world.start_ingester(&[]).await;
    send_values(&world, 4, 0..100);
    wait_for_value(&world, 4, 99).await;
    first.kill().await;
    send_values(&world, 4, 100..200);
    wait_for_value(&world, 4, 199).await;
    assert_eq!(second.terminate().await, 0);
    let _third = world.start_ingester(&[]).await;
    send_values(&world, 4, 200..300);
    wait_for_value(&world, 4, 299).await;
    for _ in 0..4 * 300 {
        notifications.next().await;
    }
    assert_eq!(notifications.pending_count(), 0);
}

#[tokio::test]
async fn an_instance_that_another_has_replaced_is_fenced() {
    let world = World::new(1).await;
    let mut notifications = world.subscribe("battery:*").await;
    let service = world.start_ingester(&[]).await;
    send_values(&world, 1, 0..10);
    wait_for_value(&world, 1, 9).await;
    // As if another instance owned the partition after a rebalance that this one has not noticed.
    world.client.hincrby::<i64, _, _>(world.offsets_key(0), "0:epoch", 1).await.unwrap();
    send_values(&world, 1, 10..20);
    eventually("the instance is fenced", async || service.metric("kafka_ingester_fenced_total").await >= 1.0)
        .await;
    // The other owner does not exist: the partition is still assigned to this instance, which claims it
    // again.
    wait_for_value(&world, 1, 19).await;
    for _ in 0..20 {
        notifications.next().await;
    }
    assert_eq!(notifications.pending_count(), 0);
}

#[tokio::test]
async fn a_rebalance_does_not_stop_partitions_that_stay_where_they_are() {
    let world = World::new(4).await;
    let first = world.start_ingester(&[]).await;
    send_values(&world, 4, 0..1);
    wait_for_value(&world, 4, 0).await;
    let read_epochs = async || {
        let mut epochs = Vec::new();
        for partition in 0..4 {
            epochs.push(world.read_state(partition, "epoch").await.unwrap());
        }
        epochs
    };
    assert_eq!(read_epochs().await, [1; 4]);
    let second = world.start_ingester(&[]).await;
    eventually("the second has its share", async || second.metric("kafka_ingester_partitions").await == 2.0)
        .await;
    eventually("the first has its share", async || first.metric("kafka_ingester_partitions").await == 2.0)
        .await;
    send_values(&world, 4, 1..2);
    wait_for_value(&world, 4, 1).await;
    let after = read_epochs().await;
    assert_eq!(after.iter().filter(|epoch| **epoch == 1).count(), 2, "two stayed: {after:?}");
}

/// A rebalance of the mock cluster lasts for the whole session timeout.
#[tokio::test]
async fn partitions_are_read_while_the_group_rebalances() {
    let world = World::with(Kafka::start_mock(), TestRedis::start().await, 4).await;
    let vars =
        [("KAFKA_CONF_SESSION_TIMEOUT_MS", "30000"), ("KAFKA_CONF_DEBUG", "cgrp"), ("LOG_LEVEL", "DEBUG")];
    let first = world.start_ingester(&vars).await;
    send_values(&world, 4, 0..1);
    wait_for_value(&world, 4, 0).await;
    let second = world.spawn_ingester(&vars).await;
    eventually("the group rebalances", async || first.log().contains("Rejoining group")).await;
    send_values(&world, 4, 1..2);
    wait_for_value(&world, 4, 1).await;
    assert!(
        !second.log().contains("partitions assigned"),
        "the rebalance was over before the messages were applied"
    );
}

/// This needs a real broker: the mock cluster treats a static member that comes back as a new one.
#[tokio::test]
async fn a_static_member_that_comes_back_in_time_moves_no_partition() {
    let world = World::new(4).await;
    if world.kafka.mock.is_some() {
        report_not_run(
            "a_static_member_that_comes_back_in_time_moves_no_partition needs a real broker, KAFKA_BROKER",
        );
        return;
    }
    let member = |name| [("KAFKA_CONF_GROUP_INSTANCE_ID", name), ("KAFKA_CONF_SESSION_TIMEOUT_MS", "30000")];
    let first = world.start_ingester(&member("a")).await;
    let mut second = world.start_ingester(&member("b")).await;
    let wait_for_share = async |instance: &ServiceProcess| {
        eventually("the instance has its share", async || {
            instance.metric("kafka_ingester_partitions").await == 2.0
        })
        .await;
    };
    wait_for_share(&second).await;
    wait_for_share(&first).await;
    send_values(&world, 4, 0..1);
    wait_for_value(&world, 4, 0).await;
    let count_rebalances = || first.log().matches("partitions ").count();
    let before = count_rebalances();
    assert!(before > 0, "{}", first.log());

    for (round, killed) in [(1, true), (2, false)] {
        if killed {
            second.kill().await;
        } else {
            assert_eq!(second.terminate().await, 0);
        }
        second = world.start_ingester(&member("b")).await;
        send_values(&world, 4, round..round + 1);
        wait_for_value(&world, 4, round).await;
        wait_for_share(&second).await;
    }
    assert_eq!(count_rebalances(), before, "{}", first.log());
}

/// The mock cluster answers as a broker does beside a member with another strategy.
#[tokio::test]
async fn a_group_that_does_not_take_the_instance_in_is_told_until_it_does() {
    let world = World::with(Kafka::start_mock(), TestRedis::start().await, 1).await;
    world.kafka.mock.as_ref().unwrap().refuse_joins(4);
    let service = world.spawn_ingester(&[]).await;
    eventually("/ready says what is wrong, and what to do", async || {
        let (status, body) = service.get("/ready").await;
        let told = "group: the group has a member with another assignment strategy";
        status == 503 && body.contains(told) && body.contains("ASSIGNMENT_STRATEGY=range,roundrobin")
    })
    .await;
    service.wait_until_ready().await;
    assert_eq!(service.log().matches("group is not ready").count(), 1, "{}", service.log());
    send_values(&world, 1, 0..1);
    wait_for_value(&world, 1, 0).await;
}

/// A consumer with the strategies that librdkafka has by default, as the original's.
#[tokio::test]
async fn a_group_is_taken_over_from_an_eager_member_without_stopping_it_first() {
    let world = World::new(4).await;
    let original = world.kafka.create_consumer(&world.group);
    original.subscribe(&[&world.topic]).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let polling = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                drop(original.poll(Duration::from_millis(50)));
            }
        }
    });
    let eager = [("KAFKA_CONF_PARTITION_ASSIGNMENT_STRATEGY", "range,roundrobin")];
    let service = world.start_ingester(&eager).await;
    eventually("the instance has its share", async || {
        service.metric("kafka_ingester_partitions").await == 2.0
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    polling.join().unwrap();
    if world.kafka.mock.is_some() {
        report_not_run(
            "that the instance gets what the eager member leaves needs a real broker, KAFKA_BROKER",
        );
        return;
    }
    eventually("the instance has all", async || service.metric("kafka_ingester_partitions").await == 4.0)
        .await;
    send_values(&world, 4, 0..1);
    wait_for_value(&world, 4, 0).await;
}

/// The mock cluster writes no control records.
#[tokio::test]
async fn the_lag_behind_a_transactional_producer_reaches_0() {
    let world = World::new(1).await;
    if world.kafka.mock.is_some() {
        report_not_run("the_lag_behind_a_transactional_producer_reaches_0 needs a real broker, KAFKA_BROKER");
        return;
    }
    let service = world.start_ingester(&[]).await;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &world.kafka.broker).set("transactional.id", &world.topic);
    let producer: BaseProducer = config.create().unwrap();
    let timeout = Duration::from_secs(30);
    producer.init_transactions(timeout).unwrap();
    for is_committed in [true, false] {
        producer.begin_transaction().unwrap();
        for value in 0..10 {
            let json = format!(r#"{{"battery_id":0,"v":{value},"committed":{is_committed}}}"#);
            producer.send(BaseRecord::<(), _>::to(&world.topic).partition(0).payload(&json)).unwrap();
        }
        if is_committed {
            producer.commit_transaction(timeout).unwrap();
        } else {
            producer.flush(timeout).unwrap();
            producer.abort_transaction(timeout).unwrap();
        }
    }
    world.wait_for_field("battery:0:data", "v", "9").await;
    let lag = format!(r#"kafka_ingester_lag{{partition="0",topic="{}"}} 0"#, world.topic);
    eventually("the lag is 0", async || service.get("/metrics").await.1.contains(&lag)).await;
    assert_eq!((world.kafka.log_end(&world.topic, 0), world.read_offset(0).await), (22, Some(10)));
    assert_eq!(world.read_field("battery:0:data", "committed").await.unwrap(), "true");
}

#[tokio::test]
async fn offsets_are_committed_for_lag_tools_and_the_lag_is_a_metric() {
    let world = World::new(1).await;
    let mut service = world.start_ingester(&[]).await;
    send_values(&world, 1, 0..10);
    wait_for_value(&world, 1, 9).await;
    let lag = format!(r#"kafka_ingester_lag{{partition="0",topic="{}"}} 0"#, world.topic);
    eventually("the lag is 0", async || service.get("/metrics").await.1.contains(&lag)).await;
    assert_eq!(service.terminate().await, 0);
    assert!(!service.log().contains("ERROR"), "{}", service.log());
    let mut list = TopicPartitionList::new();
    list.add_partition(&world.topic, 0);
    let committed =
        world.kafka.create_consumer(&world.group).committed_offsets(list, Duration::from_secs(10)).unwrap();
    assert_eq!(committed.find_partition(&world.topic, 0).unwrap().offset(), Offset::Offset(10));
}

//! KIP-848's protocol of groups, `group.protocol=consumer`.

use test_support::{ServiceProcess, TestRedis, eventually};

use crate::group::{send_values, wait_for_value};
use crate::support::{Kafka, World, report_not_run};

/// The broker has the session's timeout then, and librdkafka refuses one of ours.
const VARS: [(&str, &str); 3] = [
    ("KAFKA_CONF_GROUP_PROTOCOL", "consumer"),
    ("KAFKA_CONF_SESSION_TIMEOUT_MS", ""),
    ("KAFKA_CONF_HEARTBEAT_INTERVAL_MS", ""),
];

async fn wait_for_share(instance: &ServiceProcess, partitions: f64) {
    eventually("the instance has its share", async || {
        instance.metric("kafka_ingester_partitions").await == partitions
    })
    .await;
}

#[tokio::test]
async fn instances_share_the_partitions_by_the_protocol_of_the_broker() {
    let world = World::new(4).await;
    let mut notifications = world.subscribe("battery:*").await;
    let mut first = world.start_ingester(&VARS).await;
    send_values(&world, 4, 0..50);
    wait_for_value(&world, 4, 49).await;
    let mut second = world.start_ingester(&VARS).await;
    wait_for_share(&second, 2.0).await;
    wait_for_share(&first, 2.0).await;
    send_values(&world, 4, 50..100);
    wait_for_value(&world, 4, 99).await;
    assert_eq!(first.terminate().await, 0);
    wait_for_share(&second, 4.0).await;
    send_values(&world, 4, 100..150);
    wait_for_value(&world, 4, 149).await;
    if world.kafka.mock.is_none() {
        second.kill().await;
        let third = world.start_ingester(&VARS).await;
        wait_for_share(&third, 4.0).await;
        send_values(&world, 4, 150..200);
        wait_for_value(&world, 4, 199).await;
    } else {
        report_not_run(
            "that a killed member of the new protocol is replaced needs a real broker, KAFKA_BROKER",
        );
    }
    let sent = if world.kafka.mock.is_some() { 4 * 150 } else { 4 * 200 };
    for _ in 0..sent {
        notifications.next().await;
    }
    assert_eq!(notifications.pending_count(), 0);
}

#[tokio::test]
async fn brokers_that_do_not_know_the_protocol_are_told() {
    let world = World::with(Kafka::start_mock(), TestRedis::start().await, 1).await;
    let mock = world.kafka.mock.as_ref().unwrap();
    // rdkafka has no name for the request of the new protocol. Without this one, it is never sent.
    mock.forget_find_coordinator();
    let service = world.spawn_ingester(&VARS).await;
    eventually("/ready says what is needed", async || {
        let (status, body) = service.get("/ready").await;
        status == 503 && body.contains("KAFKA_CONF_GROUP_PROTOCOL=consumer needs Kafka 4.0")
    })
    .await;
}

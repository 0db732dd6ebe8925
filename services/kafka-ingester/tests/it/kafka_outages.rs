use std::time::Duration;

use test_support::{TestRedis, eventually};

use crate::support::{Kafka, World, report_not_run, unique_name};

#[tokio::test]
async fn a_topic_that_does_not_exist_is_named_not_created_and_read_once_it_exists() {
    let mut world = World::new(1).await;
    world.topic = unique_name("later");
    let service = world.spawn_ingester(&[]).await;
    let reason = format!("kafka: topic {} does not exist", world.topic);
    eventually("/ready names it", async || service.get("/ready").await.1.contains(&reason)).await;
    // Time for two more checks, each of which would create the topic if checking did.
    tokio::time::timeout(Duration::from_secs(7), std::future::pending::<()>()).await.unwrap_err();
    assert!(service.get("/ready").await.1.contains(&reason));
    world.kafka.create_topic(&world.topic, 1).await;
    world.send(r#"{"battery_id":1,"a":1}"#);
    world.wait_for_field("battery:1:data", "a", "1").await;
    service.wait_until_ready().await;
}

#[tokio::test]
async fn ingesting_resumes_after_the_broker_was_away() {
    let world = World::with(Kafka::start_mock(), TestRedis::start().await, 1).await;
    let service = world.start_ingester(&[]).await;
    world.send(r#"{"battery_id":1,"a":1}"#);
    world.wait_for_field("battery:1:data", "a", "1").await;
    let mock = world.kafka.mock.as_ref().unwrap();
    mock.stop_broker();
    eventually("/ready is red", async || service.get("/ready").await.0 == 503).await;
    mock.start_broker();
    world.send(r#"{"battery_id":1,"a":2}"#);
    world.wait_for_field("battery:1:data", "a", "2").await;
    service.wait_until_ready().await;
}

/// This needs a real broker: the mock cluster cannot delete topics.
#[tokio::test]
async fn a_topic_that_was_created_again_is_read_from_its_start() {
    let world = World::new(1).await;
    if world.kafka.mock.is_some() {
        report_not_run(
            "a_topic_that_was_created_again_is_read_from_its_start needs a real broker, KAFKA_BROKER",
        );
        return;
    }
    let _service = world.start_ingester(&[]).await;
    for (round, messages) in [(1, 10), (2, 5), (3, 50)] {
        for number in 0..messages {
            let json = format!(r#"{{"battery_id":{number},"round":{round}}}"#);
            world.kafka.enqueue(&world.topic, 0, None, Some(json.as_bytes()));
        }
        world.kafka.flush();
        for number in 0..messages {
            world.wait_for_field(&format!("battery:{number}:data"), "round", &round.to_string()).await;
        }
        world.wait_for_offset(0, messages).await;
        world.kafka.delete_topic(&world.topic).await;
        eventually("the topic is created again", async || {
            // The broker answers before the deletion is complete.
            let new =
                rdkafka::admin::NewTopic::new(&world.topic, 1, rdkafka::admin::TopicReplication::Fixed(1));
            world.kafka.admin_client().create_topics([&new], &Default::default()).await.unwrap()[0].is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_broker_that_is_away() {
    let world = World::with(Kafka::start_mock(), TestRedis::start().await, 1).await;
    // A commit that waits for the group's coordinator would wait this long.
    let mut service = world.start_ingester(&[("KAFKA_CONF_SESSION_TIMEOUT_MS", "45000")]).await;
    world.send(r#"{"battery_id":1,"a":1}"#);
    world.wait_for_field("battery:1:data", "a", "1").await;
    world.kafka.mock.as_ref().unwrap().stop_broker();
    eventually("/ready is red", async || service.get("/ready").await.0 == 503).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), service.terminate()).await;
    assert_eq!(ended.expect("the process ends in time"), 0);
}

use std::time::Duration;

use test_support::{TestRedis, eventually};

use crate::support::{Kafka, World, not_run, unique};

#[tokio::test]
async fn a_topic_that_does_not_exist_is_named_not_created_and_read_once_it_is_there() {
    let mut world = World::new(1).await;
    world.topic = unique("later");
    let service = world.starting(&[]).await;
    let reason = format!("kafka: topic {} does not exist", world.topic);
    eventually("/ready names it", async || service.get("/ready").await.1.contains(&reason)).await;
    // Two more looks, each of which would create it if looking did.
    tokio::time::timeout(Duration::from_secs(7), std::future::pending::<()>()).await.unwrap_err();
    assert!(service.get("/ready").await.1.contains(&reason));
    world.kafka.create(&world.topic, 1).await;
    world.send(r#"{"battery_id":1,"a":1}"#);
    world.field_becomes("battery:1:data", "a", "1").await;
    service.wait_until_ready().await;
}

#[tokio::test]
async fn a_broker_that_is_away_for_a_while_is_waited_for() {
    let world = World::with(Kafka::start_mock(), TestRedis::start().await, 1).await;
    let service = world.ingester(&[]).await;
    world.send(r#"{"battery_id":1,"a":1}"#);
    world.field_becomes("battery:1:data", "a", "1").await;
    let mock = world.kafka.mock.as_ref().unwrap();
    // Would keep the sockets open that the broker closes, if it had them.
    let _child = TestRedis::start().await;
    mock.broker_down(1).unwrap();
    eventually("/ready is red", async || service.get("/ready").await.0 == 503).await;
    mock.broker_up(1).unwrap();
    world.send(r#"{"battery_id":1,"a":2}"#);
    world.field_becomes("battery:1:data", "a", "2").await;
    service.wait_until_ready().await;
}

/// The mock cluster deletes no topics: this one is shown against a real broker alone.
#[tokio::test]
async fn a_topic_that_was_made_again_is_read_from_its_start() {
    let world = World::new(1).await;
    if world.kafka.mock.is_some() {
        not_run("a_topic_that_was_made_again_is_read_from_its_start needs a real broker, KAFKA_BROKER");
        return;
    }
    let _service = world.ingester(&[]).await;
    for (round, messages) in [(1, 10), (2, 5), (3, 50)] {
        for number in 0..messages {
            let json = format!(r#"{{"battery_id":{number},"round":{round}}}"#);
            world.kafka.queue(&world.topic, 0, None, Some(json.as_bytes()));
        }
        world.kafka.flush();
        for number in 0..messages {
            world.field_becomes(&format!("battery:{number}:data"), "round", &round.to_string()).await;
        }
        world.offset_becomes(0, messages).await;
        world.kafka.delete(&world.topic).await;
        eventually("it is made again", async || {
            // Deleting goes on for a moment after its answer.
            let new =
                rdkafka::admin::NewTopic::new(&world.topic, 1, rdkafka::admin::TopicReplication::Fixed(1));
            world.kafka.admin().create_topics([&new], &Default::default()).await.unwrap()[0].is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_broker_that_is_away() {
    let world = World::with(Kafka::start_mock(), TestRedis::start().await, 1).await;
    // So long would a commit wait for the group's coordinator.
    let mut service = world.ingester(&[("KAFKA_CONF_SESSION_TIMEOUT_MS", "45000")]).await;
    world.send(r#"{"battery_id":1,"a":1}"#);
    world.field_becomes("battery:1:data", "a", "1").await;
    world.kafka.mock.as_ref().unwrap().broker_down(1).unwrap();
    eventually("/ready is red", async || service.get("/ready").await.0 == 503).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), service.terminate()).await;
    assert_eq!(ended.expect("it ends in time"), 0);
}

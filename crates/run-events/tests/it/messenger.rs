use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use run_events::{ChannelName, Error, StatusMessenger, blocking};
use test_support::{TestRedis, eventually, free_port};

use crate::{config, run};

#[tokio::test]
async fn lines_arrive_in_order_on_the_channel_of_the_run_with_unchanged_text() {
    let redis = TestRedis::start().await;
    let subscriber = redis.client_for_db(2).await;
    let mut lines = subscriber.message_rx();
    subscriber.subscribe("decimal-pleasing:wepp.log").await.unwrap();
    subscriber.ping::<fred::types::Value>(None).await.unwrap();

    let (messenger, channel) =
        (StatusMessenger::new(config(&redis)), ChannelName::parse("wepp.log").unwrap());
    let texts: Vec<String> =
        (0..200).map(|n| format!("{n} \"quoted\"\nübrig {{}}")).chain([String::new()]).collect();
    for text in &texts {
        messenger.publish(&run(), &channel, text).await.unwrap();
        assert_eq!(lines.recv().await.unwrap().value.as_string().as_ref(), Some(text));
    }
}

#[tokio::test]
async fn it_connects_on_first_use_and_tries_again_after_a_failure() {
    let unreachable: run_events::RedisConfig = format!("redis://127.0.0.1:{}", free_port()).parse().unwrap();
    let messenger = StatusMessenger::new(unreachable);
    let channel = ChannelName::parse("wepp").unwrap();
    assert!(matches!(messenger.publish(&run(), &channel, "x").await, Err(Error::Connect(_))));

    let mut redis = TestRedis::start().await;
    let messenger = StatusMessenger::new(config(&redis));
    redis.kill().await;
    assert!(messenger.publish(&run(), &channel, "x").await.is_err());
    redis.restart().await;
    messenger.publish(&run(), &channel, "x").await.unwrap();
    redis.restart().await;
    eventually("a line is published", async || messenger.publish(&run(), &channel, "y").await.is_ok()).await;
}

#[test]
fn the_blocking_messenger_publishes_too() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (redis, mut lines) = runtime.block_on(async {
        let redis = TestRedis::start().await;
        let subscriber = redis.client().await;
        let lines = subscriber.message_rx();
        subscriber.subscribe("decimal-pleasing:wepp").await.unwrap();
        subscriber.ping::<fred::types::Value>(None).await.unwrap();
        (redis, lines)
    });
    let messenger = blocking::StatusMessenger::new(config(&redis)).unwrap();
    messenger.publish(&run(), &ChannelName::parse("wepp").unwrap(), "a line").unwrap();
    let message = runtime.block_on(lines.recv()).unwrap();
    assert_eq!(message.value.as_string().as_deref(), Some("a line"));
}

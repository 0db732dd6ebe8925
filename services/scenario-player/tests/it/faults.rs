//! A cut connection to Redis, and a restart of the broker.

use test_support::{FlakyProxy, TestMosquitto, TestRedis, eventually};

use crate::support::{
    Subscriber, now_ms, post, start_player, start_standalone, wait_for_empty_timeline, walk,
};

#[tokio::test]
async fn nothing_is_lost_when_redis_is_cut_and_the_broker_restarts_while_a_thousand_customers_walk() {
    let redis = TestRedis::start().await;
    let mut mqtt =
        TestMosquitto::start_with("allow_anonymous true\npersistence true\npersistence_location DIR/\n")
            .await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let subscriber = Subscriber::start(mqtt.port()).await;
    let (one, two) = (
        start_player(proxy.port(), mqtt.port(), &[]).await,
        start_player(proxy.port(), mqtt.port(), &[]).await,
    );
    one.wait_until_ready().await;
    two.wait_until_ready().await;
    let start = now_ms() + 4_000;
    for customer in 0..1_000 {
        post(&one, &walk(&format!("c{customer}"), start + customer % 500, 20, 500)).await;
    }
    subscriber.wait_for_steps(2_000).await;

    proxy.cut();
    eventually("/ready names redis", async || {
        let (status, body) = one.get("/ready").await;
        status == 503 && body.contains("redis: ")
    })
    .await;
    assert_eq!(one.get("/health").await.0, 200);
    let scenario = walk("late", now_ms(), 1, 1);
    assert_eq!(crate::support::send(&one, "POST", "/scenario", &scenario).await.0, 503);
    tokio::time::sleep(std::time::Duration::from_secs(9)).await;
    proxy.restore();
    one.wait_until_ready().await;
    two.wait_until_ready().await;
    subscriber.wait_for_steps(8_000).await;

    mqtt.stop().await;
    eventually("/ready names mqtt", async || {
        let (status, body) = two.get("/ready").await;
        status == 503 && body.contains("mqtt: ")
    })
    .await;
    mqtt.restart().await;
    subscriber.wait_until_subscribed().await;
    one.wait_until_ready().await;
    two.wait_until_ready().await;
    wait_for_empty_timeline(&one).await;
    subscriber.wait_for_steps(20_000).await;
    subscriber.assert_all_in_order(1_000, 20, usize::MAX);
}

#[tokio::test]
async fn an_instance_waits_for_a_broker_that_is_not_there_at_the_start() {
    let mut mqtt = TestMosquitto::start().await;
    mqtt.kill().await;
    let port = mqtt.port().to_string();
    let player =
        start_standalone(&[("TESTING_MOCK_MQTT", "false"), ("MQTT_HOST", "127.0.0.1"), ("MQTT_PORT", &port)])
            .await;
    assert_eq!(player.get("/ready").await.0, 503);
    post(&player, &walk("1", now_ms(), 10, 1)).await;
    mqtt.restart().await;
    let subscriber = Subscriber::start(mqtt.port()).await;
    // The first steps may have been published before the subscription. So others are posted.
    player.wait_until_ready().await;
    post(&player, &walk("2", now_ms(), 10, 1)).await;
    eventually("the steps have arrived", async || {
        subscriber.walks().0.get("2").is_some_and(|walk| walk.len() == 10)
    })
    .await;
}

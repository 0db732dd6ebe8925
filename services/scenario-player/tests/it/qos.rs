//! Every QoS in both protocol versions, with a broker that has its default settings.

use futures_util::future::join_all;
use test_support::{TestMosquitto, TestRedis, eventually};

use crate::support::{Subscriber, now_ms, post, start_player, walk};

/// What a Mosquitto has that nobody has configured.
const DEFAULTS: &str = "allow_anonymous true\nmax_inflight_messages 20\nmax_queued_messages 1000\n";
const BATCH: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_at_a_broker_with_default_settings_loses_nothing_at_any_qos() {
    join_all(all_kinds().map(async |(version, qos)| {
        let (redis, mqtt) = (TestRedis::start().await, TestMosquitto::start_with(DEFAULTS).await);
        let subscriber = Subscriber::start(mqtt.port()).await;
        let vars = [("MQTT_PROTOCOL_VERSION", version), ("MQTT_QOS", qos)];
        let player = start_player(redis.port(), mqtt.port(), &vars).await;
        player.wait_until_ready().await;
        let due_ms = now_ms() + 1_500;
        for customer in 0..10 {
            post(&player, &walk(&format!("c{customer}"), due_ms, 80, 0)).await;
        }
        subscriber.wait_for_steps(800).await;
        subscriber.assert_all_in_order(10, 80, 0);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_a_broker_with_default_settings_loses_nothing_at_qos_1_and_2() {
    join_all(all_kinds().filter(|(_, qos)| *qos != "0").map(async |(version, qos)| {
        let (redis, mqtt) = (TestRedis::start().await, TestMosquitto::start_with(DEFAULTS).await);
        let subscriber = Subscriber::start(mqtt.port()).await;
        let vars = [("MQTT_PROTOCOL_VERSION", version), ("MQTT_QOS", qos), ("CONSUME_BATCH_SIZE", "100")];
        let one = start_player(redis.port(), mqtt.port(), &vars).await;
        let mut two = start_player(redis.port(), mqtt.port(), &vars).await;
        one.wait_until_ready().await;
        two.wait_until_ready().await;
        let due_ms = now_ms() + 1_500;
        for customer in 0..20 {
            post(&one, &walk(&format!("c{customer}"), due_ms, 40, 50)).await;
        }
        eventually("both play", async || {
            let published = "scenario_player_events_published_total";
            one.metric(published).await > 100.0 && two.metric(published).await > 100.0
        })
        .await;
        two.kill().await;
        subscriber.wait_for_steps(800).await;
        subscriber.assert_all_in_order(20, 40, BATCH);
    }))
    .await;
}

fn all_kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    ["MQTTv311", "MQTTv5"].into_iter().flat_map(|version| ["0", "1", "2"].map(|qos| (version, qos)))
}

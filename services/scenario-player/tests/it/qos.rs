//! Every QoS in both protocol versions, with a broker that has its default settings.

use std::time::Duration;

use futures_util::future::join_all;
use test_support::{ServiceProcess, TestMosquitto, TestRedis, eventually};

use crate::support::{Subscriber, is_full_size, now_ms, post, start_player, wait_for_empty_timeline, walk};

/// What a Mosquitto has that nobody has configured.
const DEFAULTS: &str = "allow_anonymous true\nmax_inflight_messages 20\nmax_queued_messages 1000\n";
const BATCH: usize = 100;
const CUSTOMERS: usize = 20;
const STEPS: i64 = 40;
/// No more than the broker keeps for a subscriber that is slow.
const ALL_STEPS: usize = 800;
const PUBLISHED: &str = "scenario_player_events_published_total";

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
    join_all(all_kinds().filter(|(_, qos)| *qos != "0").map(async |kind| {
        let mut world = World::start(kind).await;
        world.two_plays().await;
        world.two.kill().await;
        world.assert_nothing_is_lost().await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_a_broker_with_default_settings_is_stalled_loses_nothing_at_qos_1_and_2() {
    let kinds = all_kinds().filter(|(_, qos)| *qos == "2" || (is_full_size() && *qos == "1"));
    join_all(kinds.map(async |kind| {
        let mut world = World::start(kind).await;
        world.two_plays().await;
        world.mqtt.pause().await;
        eventually("the second instance publishes nothing more while nothing is acknowledged", async || {
            let before = world.two.metric(PUBLISHED).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            world.two.metric(PUBLISHED).await == before
        })
        .await;
        world.two.kill().await;
        world.mqtt.resume().await;
        world.assert_nothing_is_lost().await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_qos_0_costs_no_more_than_a_batch_and_no_order() {
    join_all(all_kinds().filter(|(_, qos)| *qos == "0").map(async |kind| {
        let mut world = World::start(kind).await;
        world.two_plays().await;
        world.two.kill().await;
        wait_for_empty_timeline(&world.one).await;
        post(&world.one, &walk("last", now_ms(), 1, 1)).await;
        eventually("what comes after all others has arrived", async || {
            world.subscriber.walks().0.contains_key("last")
        })
        .await;
        let (walks, repeats) = world.subscriber.walks();
        assert!(walks.values().all(|walk| walk.is_sorted()), "{walks:?}");
        let arrived: usize = walks.values().map(Vec::len).sum();
        assert!(arrived + BATCH > ALL_STEPS && repeats <= BATCH, "{arrived} and {repeats} repeated");
    }))
    .await;
}

/// Two instances that walk some customers at a broker with default settings.
struct World {
    _redis: TestRedis,
    mqtt: TestMosquitto,
    subscriber: Subscriber,
    one: ServiceProcess,
    two: ServiceProcess,
}

impl World {
    async fn start((version, qos): (&str, &str)) -> Self {
        let (redis, mqtt) = (TestRedis::start().await, TestMosquitto::start_with(DEFAULTS).await);
        let subscriber = Subscriber::start(mqtt.port()).await;
        let vars = [("MQTT_PROTOCOL_VERSION", version), ("MQTT_QOS", qos), ("CONSUME_BATCH_SIZE", "100")];
        let one = start_player(redis.port(), mqtt.port(), &vars).await;
        let two = start_player(redis.port(), mqtt.port(), &vars).await;
        one.wait_until_ready().await;
        two.wait_until_ready().await;
        let due_ms = now_ms() + 1_500;
        for customer in 0..CUSTOMERS {
            post(&one, &walk(&format!("c{customer}"), due_ms, STEPS, 50)).await;
        }
        Self { _redis: redis, mqtt, subscriber, one, two }
    }

    async fn two_plays(&self) {
        eventually("the second instance plays", async || self.two.metric(PUBLISHED).await > 100.0).await;
    }

    async fn assert_nothing_is_lost(&self) {
        self.subscriber.wait_for_steps(ALL_STEPS).await;
        self.subscriber.assert_all_in_order(CUSTOMERS, STEPS, BATCH);
    }
}

/// Every protocol version with every QoS.
pub(crate) fn all_kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    ["MQTTv311", "MQTTv5"].into_iter().flat_map(|version| ["0", "1", "2"].map(|qos| (version, qos)))
}

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use test_support::{RedisCluster, ServiceProcess, TestMosquitto, TestRedis, eventually, eventually_ok};
use tokio::process::Command;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_scenario-player");

/// Whether tests run at the size that the README speaks of: `SCENARIO_PLAYER_TEST_FULL=1`.
pub(crate) fn is_full_size() -> bool {
    test_support::is_full_size("SCENARIO_PLAYER_TEST_FULL")
}

/// A Redis for the timeline. With `SCENARIO_PLAYER_TEST_CLUSTER=1` there is a Redis Cluster beside it, and instances use that. Tests
/// that look into the Redis, or do something to it, do not hold there.
pub(crate) struct TestBackend {
    redis: TestRedis,
    cluster: Option<RedisCluster>,
}

impl TestBackend {
    pub(crate) async fn start() -> Self {
        let cluster = match test_support::is_full_size("SCENARIO_PLAYER_TEST_CLUSTER") {
            true => Some(RedisCluster::start().await),
            false => None,
        };
        Self { redis: TestRedis::start().await, cluster }
    }

    /// Where the timeline is.
    pub(crate) fn url(&self) -> String {
        self.cluster.as_ref().map_or_else(|| self.redis.url(), RedisCluster::url)
    }
}

impl Deref for TestBackend {
    type Target = TestRedis;

    fn deref(&self) -> &TestRedis {
        &self.redis
    }
}

/// A Redis and a broker of this test's own.
pub(crate) struct TestServers {
    pub(crate) redis: TestBackend,
    pub(crate) mqtt: TestMosquitto,
}

impl TestServers {
    pub(crate) async fn start() -> Self {
        Self { redis: TestBackend::start().await, mqtt: TestMosquitto::start().await }
    }

    /// Starts an instance that uses these servers.
    pub(crate) async fn start_player(&self, vars: &[(&str, &str)]) -> ServiceProcess {
        start_player_at(&self.redis.url(), self.mqtt.port(), vars).await
    }
}

/// Starts an instance that uses the Redis and the broker at these ports.
pub(crate) async fn start_player(redis: u16, mqtt: u16, vars: &[(&str, &str)]) -> ServiceProcess {
    start_player_at(&format!("redis://127.0.0.1:{redis}"), mqtt, vars).await
}

/// The same with a Redis, or a Redis Cluster, that has this URL.
pub(crate) async fn start_player_at(redis: &str, mqtt: u16, vars: &[(&str, &str)]) -> ServiceProcess {
    let mqtt = mqtt.to_string();
    let common = [
        ("USE_REDIS_BACKEND", "true"),
        ("REDIS_URL", redis),
        ("MQTT_HOST", "127.0.0.1"),
        ("MQTT_PORT", &mqtt),
    ];
    ServiceProcess::start(BINARY, &[&common, vars].concat()).await
}

/// Starts an instance that keeps its timeline in memory and prints its messages.
pub(crate) async fn start_standalone(vars: &[(&str, &str)]) -> ServiceProcess {
    ServiceProcess::start(BINARY, &[&[("TESTING_MOCK_MQTT", "true")], vars].concat()).await
}

/// Starts an instance with its timeline in Redis, or in memory, that uses the broker at this port. Waits until it is ready.
pub(crate) async fn start_on(
    redis: Option<&TestBackend>,
    mqtt: u16,
    vars: &[(&str, &str)],
) -> ServiceProcess {
    let player = match redis {
        Some(redis) => start_player_at(&redis.url(), mqtt, vars).await,
        None => {
            let port = mqtt.to_string();
            let broker = [("MQTT_HOST", "127.0.0.1"), ("MQTT_PORT", &*port)];
            ServiceProcess::start(BINARY, &[&broker, vars].concat()).await
        }
    };
    player.wait_until_ready().await;
    player
}

/// The same with an instance that prints its messages.
pub(crate) async fn start_printing(redis: Option<&TestBackend>, vars: &[(&str, &str)]) -> ServiceProcess {
    start_on(redis, 1, &[&[("TESTING_MOCK_MQTT", "true")], vars].concat()).await
}

/// Runs `scenario-player record` with only these variables until it ends by itself. Returns its exit code and its log.
pub(crate) async fn record(args: &[&str], vars: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(BINARY);
    command.arg("record").args(args).env_clear().envs(vars.iter().copied()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await.unwrap().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

struct Received {
    topic: String,
    payload: Value,
    at_ms: i64,
}

/// An MQTT client that subscribes to `customer/#` and stores every message. It reconnects after a restart of the broker.
#[derive(Clone)]
pub(crate) struct Subscriber {
    messages: Arc<Mutex<Vec<Received>>>,
    subscribed: Arc<Mutex<bool>>,
}

impl Subscriber {
    pub(crate) async fn start(port: u16) -> Self {
        let subscriber = Self { messages: Arc::default(), subscribed: Arc::default() };
        let mut options = MqttOptions::new(format!("subscriber-{port}"), "127.0.0.1", port);
        // With a persistent session the broker queues messages while this client is disconnected.
        options.set_clean_session(false).set_keep_alive(Duration::from_secs(5));
        let (client, mut events) = AsyncClient::new(options, 10);
        let shared = subscriber.clone();
        tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        client.try_subscribe("customer/#", QoS::AtLeastOnce).unwrap();
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => *shared.subscribed.lock() = true,
                    Ok(Event::Incoming(Packet::Publish(message))) => {
                        let payload = serde_json::from_slice(&message.payload).unwrap();
                        let received = Received { topic: message.topic, payload, at_ms: now_ms() };
                        shared.messages.lock().push(received);
                    }
                    Ok(_) => {}
                    Err(_) => {
                        *shared.subscribed.lock() = false;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        });
        subscriber.wait_until_subscribed().await;
        subscriber
    }

    pub(crate) async fn wait_until_subscribed(&self) {
        eventually("the subscriber has subscribed", async || *self.subscribed.lock()).await;
    }

    pub(crate) fn messages(&self) -> Vec<(String, Value)> {
        let messages = self.messages.lock();
        messages.iter().map(|message| (message.topic.clone(), message.payload.clone())).collect()
    }

    /// How late the latest step was that arrived since `since_ms`, of the customers that are meant (ms). `ts` of a payload must be
    /// milliseconds.
    pub(crate) fn lateness_ms(&self, since_ms: i64, is_meant: impl Fn(&str) -> bool) -> i64 {
        let messages = self.messages.lock();
        let meant = messages.iter().filter(|message| {
            message.at_ms >= since_ms && message.payload["id"].as_str().is_some_and(&is_meant)
        });
        meant.map(|message| message.at_ms - message.payload["ts"].as_i64().unwrap()).max().unwrap_or_default()
    }

    /// The `x` of each customer's moves in the order they arrived, without repeated ones; and the number of repeated ones.
    pub(crate) fn walks(&self) -> (HashMap<String, Vec<i64>>, usize) {
        let (mut walks, mut repeats) = (HashMap::<String, Vec<i64>>::new(), 0);
        for (_, payload) in self.messages() {
            let walk = walks.entry(payload["id"].as_str().unwrap().to_owned()).or_default();
            let x = payload["x"].as_i64().unwrap();
            if walk.contains(&x) { repeats += 1 } else { walk.push(x) }
        }
        (walks, repeats)
    }

    /// Waits until this many different steps have arrived.
    pub(crate) async fn wait_for_steps(&self, steps: usize) {
        let what = format!("{steps} steps have arrived");
        eventually(&what, async || {
            let mut received: Vec<_> = self
                .messages()
                .into_iter()
                .map(|(_, payload)| (payload["id"].to_string(), payload["x"].as_i64()))
                .collect();
            received.sort();
            received.dedup();
            received.len() >= steps
        })
        .await;
    }

    /// Asserts that all steps of every customer arrived in order, and at most `max_repeats` of them twice.
    pub(crate) fn assert_all_in_order(&self, customers: usize, steps: i64, max_repeats: usize) {
        let (walks, repeats) = self.walks();
        assert_eq!(walks.len(), customers);
        for (customer, walk) in walks {
            assert_eq!(walk, (0..steps).collect::<Vec<_>>(), "customer {customer}");
        }
        assert!(repeats <= max_repeats, "{repeats} steps were repeated, more than {max_repeats}");
    }
}

/// A scenario: `steps` moves of one customer, one every `interval_ms` from `start_ms` on. Move number n is at x = n.
pub(crate) fn walk(customer: &str, start_ms: i64, steps: i64, interval_ms: i64) -> Value {
    let step =
        |n| json!({"type": "MOVE", "location": {"x": n, "y": 0}, "timestamp": start_ms + n * interval_ms});
    json!({"customer": {"customer_id": customer}, "path": (0..steps).map(step).collect::<Vec<_>>()})
}

pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Sends a request with a JSON body. Returns the status and the body of the answer.
pub(crate) async fn send(player: &ServiceProcess, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let method = method.parse().unwrap();
    let request = reqwest::Client::new().request(method, format!("{}{path}", player.base_url())).json(body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

pub(crate) async fn post(player: &ServiceProcess, scenario: &Value) {
    let (status, answer) = send(player, "POST", "/scenario", scenario).await;
    assert_eq!(status, 200, "{answer}");
}

pub(crate) async fn get_json(player: &ServiceProcess, path: &str) -> Value {
    let (status, text) = player.get(path).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

pub(crate) async fn wait_for_empty_timeline(player: &ServiceProcess) {
    eventually_ok("the timeline is empty", async || match player.get("/timeline").await.1 {
        empty if empty == "[]" => Ok(()),
        left => Err(format!("{left} {}", player.log())),
    })
    .await;
}

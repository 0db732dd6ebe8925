use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use test_support::{ServiceProcess, TestMosquitto, TestRedis, eventually};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_scenario-player");

/// A Redis and a broker, each behind its own port.
pub(crate) struct World {
    pub(crate) redis: TestRedis,
    pub(crate) mqtt: TestMosquitto,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self { redis: TestRedis::start().await, mqtt: TestMosquitto::start().await }
    }

    /// An instance on the shared Redis.
    pub(crate) async fn player(&self, more: &[(&str, &str)]) -> ServiceProcess {
        player(self.redis.port(), self.mqtt.port(), more).await
    }
}

/// An instance on Redis and a broker at these ports.
pub(crate) async fn player(redis: u16, mqtt: u16, more: &[(&str, &str)]) -> ServiceProcess {
    let (redis, mqtt) = (redis.to_string(), mqtt.to_string());
    let vars = [
        ("USE_REDIS_BACKEND", "true"),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &redis),
        ("MQTT_HOST", "127.0.0.1"),
        ("MQTT_PORT", &mqtt),
    ];
    ServiceProcess::start(BINARY, &[&vars, more].concat()).await
}

/// An instance alone, which prints its messages.
pub(crate) async fn alone(more: &[(&str, &str)]) -> ServiceProcess {
    ServiceProcess::start(BINARY, &[&[("TESTING_MOCK_MQTT", "true")], more].concat()).await
}

/// A subscriber that keeps every message of `customer/#`, through restarts of the broker.
#[derive(Clone)]
pub(crate) struct Listener {
    messages: Arc<Mutex<Vec<(String, Value)>>>,
    subscribed: Arc<Mutex<bool>>,
}

impl Listener {
    pub(crate) async fn start(port: u16) -> Self {
        let listener = Self { messages: Arc::default(), subscribed: Arc::default() };
        let mut options = MqttOptions::new(format!("listener-{port}"), "127.0.0.1", port);
        // What is published while it is away waits for it at the broker.
        options.set_clean_session(false).set_keep_alive(std::time::Duration::from_secs(5));
        let (client, mut events) = AsyncClient::new(options, 10);
        let kept = listener.clone();
        tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        client.try_subscribe("customer/#", QoS::AtLeastOnce).unwrap();
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => *kept.subscribed.lock().unwrap() = true,
                    Ok(Event::Incoming(Packet::Publish(message))) => {
                        let payload = serde_json::from_slice(&message.payload).unwrap();
                        kept.messages.lock().unwrap().push((message.topic, payload));
                    }
                    Ok(_) => {}
                    Err(_) => {
                        *kept.subscribed.lock().unwrap() = false;
                        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    }
                }
            }
        });
        listener.is_listening().await;
        listener
    }

    pub(crate) async fn is_listening(&self) {
        eventually("the listener has subscribed", async || *self.subscribed.lock().unwrap()).await;
    }

    pub(crate) fn all(&self) -> Vec<(String, Value)> {
        self.messages.lock().unwrap().clone()
    }

    /// The `x` of each customer's moves in the order they came, without repeats of what had come before.
    pub(crate) fn walks(&self) -> (HashMap<String, Vec<i64>>, usize) {
        let (mut walks, mut repeats) = (HashMap::<String, Vec<i64>>::new(), 0);
        for (_, payload) in self.all() {
            let walk = walks.entry(payload["id"].as_str().unwrap().to_owned()).or_default();
            let x = payload["x"].as_i64().unwrap();
            if walk.contains(&x) { repeats += 1 } else { walk.push(x) }
        }
        (walks, repeats)
    }

    pub(crate) async fn has_heard(&self, steps: usize) {
        let what = format!("{steps} steps were heard");
        eventually(&what, async || {
            let mut heard: Vec<_> = self
                .all()
                .into_iter()
                .map(|(_, payload)| (payload["id"].to_string(), payload["x"].as_i64()))
                .collect();
            heard.sort();
            heard.dedup();
            heard.len() >= steps
        })
        .await;
    }

    /// Every customer's every step came, in order; at most `most_repeats` came again.
    pub(crate) fn heard_all_in_order(&self, customers: usize, steps: i64, most_repeats: usize) {
        let (walks, repeats) = self.walks();
        assert_eq!(walks.len(), customers);
        for (customer, walk) in walks {
            assert_eq!(walk, (0..steps).collect::<Vec<_>>(), "customer {customer}");
        }
        assert!(repeats <= most_repeats, "{repeats} steps came again, more than {most_repeats}");
    }
}

/// `steps` moves of one customer, `apart_ms` apart from `start_ms` on; the n-th is at x = n.
pub(crate) fn walk(customer: &str, start_ms: i64, steps: i64, apart_ms: i64) -> Value {
    let step =
        |n| json!({"type": "MOVE", "location": {"x": n, "y": 0}, "timestamp": start_ms + n * apart_ms});
    json!({"customer": {"customer_id": customer}, "path": (0..steps).map(step).collect::<Vec<_>>()})
}

pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Status and body of a request with a JSON body.
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

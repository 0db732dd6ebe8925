//! Traces: from a request over the timeline to the message's user property, and to a collector.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAckProperties, Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::{Value, json};
use test_support::{Collector, ServiceProcess, TestMosquitto, TraceSpan, eventually};

use crate::fake_broker::{FakeBroker, Reply, no_properties};
use crate::support::{TestBackend, now_ms, start_on, walk};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OTHER_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "00f067aa0ba902b7";

/// A subscriber of everything in MQTT 5.
struct Subscriber(Arc<Mutex<Vec<Publish>>>);

impl Subscriber {
    async fn start(port: u16) -> Self {
        let mut options = MqttOptions::new("subscriber", "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(5));
        let (client, mut events) = AsyncClient::new(options, 10);
        client.try_subscribe("#", QoS::AtLeastOnce).unwrap();
        while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::SubAck(_))) {}
        let messages: Arc<Mutex<Vec<Publish>>> = Arc::default();
        let kept = Arc::clone(&messages);
        tokio::spawn(async move {
            // The client ends the connection when it is dropped.
            let _client = client;
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::Publish(message)) = event {
                    kept.lock().push(message);
                }
            }
        });
        Self(messages)
    }

    /// The `traceparent` of each message, once there are so many.
    async fn traceparents(&self, messages: usize) -> Vec<Option<String>> {
        let what = format!("{messages} messages have arrived");
        eventually(&what, async || self.0.lock().len() >= messages).await;
        self.0.lock().iter().map(traceparent).collect()
    }
}

fn traceparent(message: &Publish) -> Option<String> {
    let properties = message.properties.as_ref().map(|properties| &properties.user_properties);
    let found = properties.into_iter().flatten().find(|(name, _)| name == "traceparent");
    found.map(|(_, value)| value.clone())
}

async fn start_traced(
    redis: Option<&TestBackend>,
    mqtt: u16,
    collector: &Collector,
    vars: &[(&str, &str)],
) -> ServiceProcess {
    let traces = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())];
    start_on(redis, mqtt, &[&traces, vars].concat()).await
}

/// A request of a trace, which must succeed.
async fn send_in(trace: &str, player: &ServiceProcess, path: &str, body: String) {
    let request = reqwest::Client::new().post(format!("{}{path}", player.base_url())).body(body);
    let request = request.header("traceparent", format!("00-{trace}-{SPAN}-01"));
    let answer = request.header("content-type", "application/json").send().await.unwrap();
    assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
}

async fn post_in(trace: &str, player: &ServiceProcess, scenario: &Value) {
    send_in(trace, player, "/scenario", scenario.to_string()).await;
}

fn published(collector: &Collector) -> Vec<TraceSpan> {
    let mut spans = collector.spans();
    spans.retain(|span| span.name == "publish a message");
    spans
}

/// What the messages of these spans have.
fn names_of(spans: &[TraceSpan]) -> Vec<Option<String>> {
    let mut names: Vec<_> =
        spans.iter().map(|span| Some(format!("00-{}-{}-01", span.trace_id, span.span_id))).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_step_is_a_span_of_the_trace_of_its_post_and_its_message_names_that_span() {
    let (redis, mqtt) = (TestBackend::start().await, TestMosquitto::start().await);
    for redis in [None, Some(&redis)] {
        let (collector, subscriber) = (Collector::start().await, Subscriber::start(mqtt.port()).await);
        let vars = [("MQTT_USER_PROPERTIES", "shop=12")];
        let mut player = start_traced(redis, mqtt.port(), &collector, &vars).await;
        post_in(TRACE, &player, &walk("1", now_ms() + 200, 3, 50)).await;
        let mut names = subscriber.traceparents(3).await;
        assert_eq!(subscriber.0.lock()[0].properties.as_ref().unwrap().user_properties[0].0, "shop");
        assert_eq!(player.terminate().await, 0);
        let request = collector.span("scenario-player", "POST /scenario").await;
        assert_eq!((&*request.trace_id, &*request.parent_id), (TRACE, SPAN));
        let spans = published(&collector);
        assert!(spans.iter().all(|span| (&*span.trace_id, &span.parent_id) == (TRACE, &request.span_id)));
        names.sort();
        assert_eq!((spans.len(), names), (3, names_of(&spans)));
    }
}

#[tokio::test]
async fn another_instance_goes_on_with_the_trace_and_one_without_traces_plays_the_same_members() {
    let (redis, mqtt) = (TestBackend::start().await, TestMosquitto::start().await);
    let (collector, subscriber) = (Collector::start().await, Subscriber::start(mqtt.port()).await);
    let mut first = start_traced(Some(&redis), mqtt.port(), &collector, &[]).await;
    let due_ms = now_ms() / 1000 * 1000 + 6_000;
    post_in(TRACE, &first, &walk("1", due_ms, 2, 5_000)).await;
    post_in(OTHER_TRACE, &first, &walk("2", due_ms, 1, 1)).await;
    let text = |ms: i64| {
        let time = jiff::Timestamp::from_millisecond(ms).unwrap();
        time.strftime("%Y-%m-%d %H:%M:%S.000000+0000").to_string()
    };
    let members: Vec<String> = redis.admin("ZRANGE TIMELINE:CURRENT 0 -1").await.convert().unwrap();
    let expected = [("1", 0, 0), ("2", 0, 0), ("1", 1, 5_000)]
        .map(|(customer, x, after_ms)| format!("{customer}|{x}|0|MOVE|{}", text(due_ms + after_ms)));
    assert_eq!(members, expected, "the members are those of the contract");
    assert_eq!(first.terminate().await, 0);

    let mut second = start_traced(Some(&redis), mqtt.port(), &collector, &[]).await;
    subscriber.traceparents(2).await;
    assert_eq!(second.terminate().await, 0);
    let mut untraced = start_on(Some(&redis), mqtt.port(), &[]).await;
    let names = subscriber.traceparents(3).await;
    assert_eq!(untraced.terminate().await, 0);
    let spans = published(&collector);
    let mut traces: Vec<&str> = spans.iter().map(|span| &*span.trace_id).collect();
    traces.sort_unstable();
    assert_eq!(traces, [OTHER_TRACE, TRACE]);
    let (mut traced, rest) = (names[..2].to_vec(), &names[2..]);
    traced.sort();
    assert_eq!((traced, rest), (names_of(&spans), &[None][..]));
}

#[tokio::test]
async fn a_replay_and_a_recording_belong_to_the_traces_of_their_requests() {
    let (redis, mqtt) = (TestBackend::start().await, TestMosquitto::start().await);
    for redis in [None, Some(&redis)] {
        let (collector, subscriber) = (Collector::start().await, Subscriber::start(mqtt.port()).await);
        let mut player = start_traced(redis, mqtt.port(), &collector, &[]).await;
        let line = json!({"time": 0, "topic": "till", "payload": "open", "qos": 1, "retain": false});
        send_in(TRACE, &player, "/recordings?name=walk", line.to_string()).await;
        subscriber.traceparents(1).await;
        send_in(OTHER_TRACE, &player, "/recordings/walk/replay", "{}".to_owned()).await;
        subscriber.traceparents(2).await;
        post_in(TRACE, &player, &walk("1", now_ms(), 1, 1)).await;
        subscriber.traceparents(3).await;
        send_in(OTHER_TRACE, &player, "/scenarios/1/replay", "{}".to_owned()).await;
        let names = subscriber.traceparents(4).await;
        assert_eq!(player.terminate().await, 0);
        for (name, trace) in names.iter().zip([TRACE, OTHER_TRACE].repeat(2)) {
            let name = name.as_deref().unwrap_or_default();
            assert!(name.starts_with(&format!("00-{trace}-")), "{names:?}");
        }
        let mut sorted = names;
        sorted.sort();
        assert_eq!(names_of(&published(&collector)), sorted);
    }
}

#[tokio::test]
async fn with_mqtt_3_1_1_there_are_spans_and_no_property() {
    let mqtt = TestMosquitto::start().await;
    let (collector, subscriber) = (Collector::start().await, Subscriber::start(mqtt.port()).await);
    let vars = [("MQTT_PROTOCOL_VERSION", "MQTTv311")];
    let mut player = start_traced(None, mqtt.port(), &collector, &vars).await;
    post_in(TRACE, &player, &walk("1", now_ms(), 1, 1)).await;
    assert_eq!(subscriber.traceparents(1).await, [None]);
    assert_eq!(player.terminate().await, 0);
    assert_eq!(collector.span("scenario-player", "publish a message").await.trace_id, TRACE);
}

#[tokio::test]
async fn without_a_collector_no_message_and_no_key_names_a_trace() {
    let (redis, mqtt) = (TestBackend::start().await, TestMosquitto::start().await);
    let subscriber = Subscriber::start(mqtt.port()).await;
    let player = start_on(Some(&redis), mqtt.port(), &[]).await;
    post_in(TRACE, &player, &walk("1", now_ms(), 2, 1)).await;
    assert_eq!(subscriber.traceparents(2).await, [None, None]);
    let keys: Vec<String> = redis.admin("KEYS *TRACE*").await.convert().unwrap();
    assert_eq!(keys, [""; 0]);
}

#[tokio::test]
async fn a_message_that_leaves_no_room_for_the_property_is_sent_without_it() {
    // A step takes some 60 bytes, and the property 71.
    for (max_bytes, has_name) in [(120, false), (200, true)] {
        let collector = Collector::start().await;
        let properties = ConnAckProperties { max_packet_size: Some(max_bytes), ..no_properties() };
        let broker = FakeBroker::start(properties, |_| Reply::Accept).await;
        let mut player = start_traced(None, broker.port(), &collector, &[]).await;
        post_in(TRACE, &player, &walk("1", now_ms(), 1, 1)).await;
        eventually("the message has arrived", async || broker.seen(|seen| !seen.messages.is_empty())).await;
        assert_eq!(broker.seen(|seen| traceparent(&seen.messages[0]).is_some()), has_name, "{max_bytes}");
        assert_eq!(player.terminate().await, 0);
        assert_eq!(published(&collector).len(), 1);
    }
}

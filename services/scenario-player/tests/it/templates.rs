//! Topics, payloads, QoS and the retain flag by setting.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::ConnAckProperties;
use serde_json::{Value, json};
use test_support::{ServiceProcess, eventually};

use crate::fake_broker::{FakeBroker, Reply, no_properties};
use crate::support::{BINARY, post};

const TEMPLATES: [(&str, &str); 5] = [
    ("MOVE_TOPIC", "shop/{id}/{type}"),
    ("MOVE_PAYLOAD", r#"{"at":[{x},{y}],"who":"customer {id}"}"#),
    ("ENTER_RETAIN", "true"),
    ("MOVE_QOS", "0"),
    ("EXIT_QOS", "2"),
];

/// Plays one step of each kind of the customer `a/b`. Returns the messages: topic, payload, QoS, retain.
async fn play(properties: ConnAckProperties) -> Vec<(String, String, QoS, bool)> {
    let broker = FakeBroker::start(properties, |_| Reply::Accept).await;
    let port = broker.port().to_string();
    let vars = [&TEMPLATES[..], &[("MQTT_HOST", "127.0.0.1"), ("MQTT_PORT", &*port)]].concat();
    let player = ServiceProcess::start(BINARY, &vars).await;
    player.wait_until_ready().await;
    let path: Vec<Value> = ["ENTER", "MOVE", "FOCUS", "EXIT"]
        .iter()
        .map(|kind| json!({"type": kind, "location": {"x": 3, "y": -4}, "timestamp": 192_322_800}))
        .collect();
    post(&player, &json!({"customer": {"customer_id": "a/b"}, "path": path})).await;
    eventually("all arrive", async || broker.seen(|seen| seen.messages.len()) == 4).await;
    broker.seen(|seen| {
        let messages = seen.messages.iter();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        messages
            .map(|message| (text(&message.topic), text(&message.payload), message.qos, message.retain))
            .collect()
    })
}

#[tokio::test]
async fn each_kind_of_step_has_its_topic_payload_qos_and_retain_flag() {
    let plain = r#"{"id":"a/b","ts":192322800}"#;
    let moved = r#"{"at":[3,-4],"who":"customer a/b"}"#;
    let expected = [
        ("customer/enter", plain, QoS::AtLeastOnce, true),
        ("shop/a%2Fb/MOVE", moved, QoS::AtMostOnce, false),
        ("shop/a%2Fb/FOCUS", moved, QoS::AtMostOnce, false),
        ("customer/exit", plain, QoS::ExactlyOnce, false),
    ]
    .map(|(topic, payload, qos, retain)| (topic.to_owned(), payload.to_owned(), qos, retain));
    assert_eq!(play(no_properties()).await, expected);
}

#[tokio::test]
async fn a_broker_that_keeps_no_messages_is_not_asked_to() {
    let properties = ConnAckProperties { retain_available: Some(0), ..no_properties() };
    let messages = play(properties).await;
    assert!(messages.iter().all(|(.., retain)| !retain), "{messages:?}");
}

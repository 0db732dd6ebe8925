use chassis::settings::from_vars;

use super::mqtt::{MqttTarget, ProtocolVersion};
use super::*;
use crate::scenario::StepKind;

fn error_of(vars: &[(&'static str, &'static str)]) -> String {
    from_vars::<Config>(vars.iter().copied()).err().unwrap().to_string()
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = from_vars::<Config>([("MQTT_HOST", "broker")]).unwrap();
    assert!(!config.timeline.use_redis_backend && config.timeline.scenario_overwrite);
    assert_eq!(config.timeline.consume_from, ConsumeFrom::Latest);
    assert_eq!((config.timeline.max_body_bytes, config.timeline.max_scenario_steps), (32 << 20, 500_000));
    assert_eq!(config.process.listen_addr, "0.0.0.0:8000");
    let MqttTarget::Broker(broker) = config.mqtt.target() else { panic!("MQTT_HOST is set") };
    assert_eq!(broker.keep_alive, std::time::Duration::from_secs(5));
    assert_eq!((broker.port, broker.qos, broker.version), (1883, 1, ProtocolVersion::MQTTv5));
    assert!(broker.client_id().starts_with("demoClient-"));
    let topics = config.mqtt.topics();
    let topics = [StepKind::Enter, StepKind::Move, StepKind::Focus, StepKind::Exit]
        .map(|kind| topics.for_kind(kind).to_owned());
    assert_eq!(topics, ["customer/enter", "customer/move", "customer/move", "customer/exit"]);
}

#[test]
fn an_exact_client_id_has_no_suffix() {
    let vars = [("MQTT_HOST", "broker"), ("MQTT_CLIENT_ID", "till-7"), ("MQTT_CLIENT_ID_EXACT", "true")];
    let config = from_vars::<Config>(vars).unwrap();
    let MqttTarget::Broker(broker) = config.mqtt.target() else { panic!("MQTT_HOST is set") };
    assert_eq!(broker.client_id(), "till-7");
}

#[test]
fn an_unusable_setting_is_named_in_the_error() {
    assert_eq!(error_of(&[]), "MQTT_HOST must be set unless TESTING_MOCK_MQTT=true");
    let mock = ("TESTING_MOCK_MQTT", "true");
    assert_eq!(
        error_of(&[mock, ("USE_REDIS_BACKEND", "true")]),
        "REDIS_HOST must be set when USE_REDIS_BACKEND=true"
    );
    assert_eq!(
        error_of(&[mock, ("CONSUME_FROM", "2021-04-14T08:00:00")]),
        "CONSUME_FROM must be earliest, latest or an ISO 8601 time with a zone"
    );
    assert_eq!(
        error_of(&[mock, ("MQTT_PROTOCOL_VERSION", "4")]),
        "MQTT_PROTOCOL_VERSION must be one of MQTTv5, MQTTv311"
    );
    assert!(error_of(&[mock, ("MQTT_QOS", "3")]).starts_with("MQTT_QOS must be"));
    assert!(error_of(&[mock, ("MQTT_PORT", "mqtt")]).starts_with("MQTT_PORT must be"));
    assert!(
        error_of(&[mock, ("MQTT_BROKER_CERT_FILE", "/nowhere")])
            .starts_with("MQTT_BROKER_CERT_FILE must be a readable file")
    );
    for keep_alive in ["4s", "5500ms", "19h"] {
        assert_eq!(
            error_of(&[mock, ("MQTT_KEEP_ALIVE", keep_alive)]),
            "MQTT_KEEP_ALIVE must be whole seconds, from 5s to 18h"
        );
    }
    assert_eq!(error_of(&[mock, ("MOVE_TOPIC", "a/#")]), "MOVE_TOPIC must be a topic without wildcards");
    assert_eq!(
        error_of(&[mock, ("USE_REDIS_BACKEND", "perhaps")]),
        "USE_REDIS_BACKEND must be true or false"
    );
}

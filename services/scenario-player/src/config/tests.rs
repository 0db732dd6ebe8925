use std::sync::Arc;

use chassis::settings::from_vars;
use redis_core::id::CustomerId;

use super::mqtt::{MqttTarget, ProtocolVersion};
use super::*;
use crate::event::CustomerStep;
use crate::scenario::{Step, StepKind};
use crate::time::EpochMicros;

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
    let target = config.mqtt.target().unwrap();
    let MqttTarget::Broker(broker) = &*target else { panic!("MQTT_HOST is set") };
    assert_eq!(broker.keep_alive, std::time::Duration::from_secs(5));
    assert_eq!(
        (broker.url.port, config.mqtt.messages().max_qos(), broker.version),
        (1883, 1, ProtocolVersion::MQTTv5)
    );
    assert!(broker.client_id().starts_with("demoClient-"));
    let messages = config.mqtt.messages();
    for (kind, topic, payload) in [
        (StepKind::Enter, "customer/enter", r#"{"id":"1\"27","ts":192322800}"#),
        (StepKind::Move, "customer/move", r#"{"id":"1\"27","ts":192322800,"x":5,"y":-6}"#),
        (StepKind::Focus, "customer/move", r#"{"id":"1\"27","ts":192322800,"x":5,"y":-6}"#),
        (StepKind::Exit, "customer/exit", r#"{"id":"1\"27","ts":192322800}"#),
    ] {
        let step = Step { time: EpochMicros::parse("1976-02-04T23:00:00Z").unwrap(), x: 5, y: -6, kind };
        let customer = Arc::new(CustomerId::parse("1\"27").unwrap());
        let message = messages.message(&CustomerStep { customer, step });
        assert_eq!((&*message.topic, message.qos, message.retain), (topic, 1, false));
        assert_eq!(String::from_utf8(message.payload).unwrap(), payload);
    }
}

#[test]
fn an_exact_client_id_has_no_suffix() {
    let vars = [("MQTT_HOST", "broker"), ("MQTT_CLIENT_ID", "till-7"), ("MQTT_CLIENT_ID_EXACT", "true")];
    let config = from_vars::<Config>(vars).unwrap();
    let target = config.mqtt.target().unwrap();
    let MqttTarget::Broker(broker) = &*target else { panic!("MQTT_HOST is set") };
    assert_eq!(broker.client_id(), "till-7");
    assert!(Arc::ptr_eq(&target, &config.mqtt.target().unwrap()), "the files of TLS are read once");
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
    for (name, bad, problem) in [
        ("MOVE_TOPIC", "a/#", "must be a topic without wildcards, such as customer/{id}/enter"),
        (
            "ENTER_TOPIC",
            "{customer}",
            "must be made of known fields: {customer} is none of {id}, {ts}, {ts_ms}, {time}, {x}, {y}, {type}",
        ),
        (
            "EXIT_PAYLOAD",
            "{id",
            "must be JSON, such as {\"id\":{id},\"ts\":{ts}}: key must be a string at line 1 column 2",
        ),
    ] {
        assert_eq!(error_of(&[mock, (name, bad)]), format!("{name} {problem}"));
    }
    assert_eq!(
        error_of(&[mock, ("USE_REDIS_BACKEND", "perhaps")]),
        "USE_REDIS_BACKEND must be true or false"
    );
}

#[test]
fn a_url_wins_over_the_single_variables_which_fill_in_what_it_leaves_out() {
    let broker = |vars: &[(&'static str, &'static str)]| {
        let config = from_vars::<Config>(vars.iter().copied()).unwrap();
        let target = config.mqtt.target().unwrap();
        let MqttTarget::Broker(broker) = &*target else { panic!("a broker is named") };
        let (username, password) = (broker.username.clone(), broker.password.clone());
        (broker.url.address.clone(), broker.url.port, broker.tls.is_some(), username, password)
    };
    let single =
        [("MQTT_HOST", "short"), ("MQTT_PORT", "7"), ("MQTT_USERNAME", "ann"), ("MQTT_PASSWORD", "x")];
    let (ann, x) = (Some("ann".to_owned()), Some("x".to_owned()));
    assert_eq!(broker(&single), ("short".to_owned(), 7, false, ann.clone(), x.clone()));
    let with_url = |url| [&single[..], &[("MQTT_URL", url)]].concat();
    assert_eq!(broker(&with_url("mqtt://long")), ("long".to_owned(), 1883, false, ann, x.clone()));
    let (_, port, has_tls, username, _) = broker(&with_url("mqtts://bob:y@long"));
    assert_eq!((port, has_tls, username.as_deref()), (8883, true, Some("bob")));
    assert!(broker(&[("MQTT_HOST", "short"), ("MQTT_TLS", "true")]).2);
}

#[test]
fn settings_of_the_broker_that_do_not_fit_are_refused() {
    let plain = ("MQTT_URL", "mqtt://broker");
    assert_eq!(
        error_of(&[plain, ("MQTT_TLS_INSECURE", "true")]),
        "MQTT_URL must begin with mqtts:// or wss:// for TLS"
    );
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let tls = ("MQTT_URL", "mqtts://broker");
    assert_eq!(
        error_of(&[tls, ("MQTT_TLS_CERT", file)]),
        "MQTT_TLS_CERT: must be set together with MQTT_TLS_KEY"
    );
    assert_eq!(
        error_of(&[tls, ("MQTT_BROKER_CERT_FILE", file)]),
        format!("MQTT_BROKER_CERT_FILE: the file {file} has no certificate in PEM form")
    );
    assert_eq!(
        error_of(&[plain, ("MQTT_PROTOCOL_VERSION", "MQTTv311"), ("MQTT_SESSION_EXPIRY", "1h")]),
        "MQTT_PROTOCOL_VERSION must be MQTTv5 for MQTT_SESSION_EXPIRY and MQTT_USER_PROPERTIES"
    );
    for (name, bad, problem) in [
        ("MQTT_SESSION_EXPIRY", "1ms", "must be whole seconds, at most 136 years"),
        ("MQTT_USER_PROPERTIES", "a", "must be name=value,name=value"),
        ("MQTT_TLS_SERVER_NAME", "a b", "must be a host name or an IP address"),
    ] {
        assert_eq!(error_of(&[plain, (name, bad)]), format!("{name} {problem}"));
    }
}

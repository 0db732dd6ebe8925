use std::net::TcpListener;

use serde_json::Value;
use test_support::{ServiceProcess, check_other_sites, check_token};
use tokio::process::Command;

use crate::support::BINARY;

#[tokio::test]
async fn a_port_that_is_taken_ends_the_process_with_a_log_event_that_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let vars = [
        ("KAFKA_TOPIC", "t"),
        ("KAFKA_BROKER", "127.0.0.1:1"),
        ("KAFKA_GROUP", "g"),
        ("LISTEN_ADDR", &*address),
        ("LOG_FORMAT", "json"),
    ];
    let output = Command::new(BINARY).env_clear().envs(vars).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names_address = |event: &Value| {
        event["level"] == "ERROR"
            && event["message"].as_str().unwrap().contains(&format!("listen on {address}"))
    };
    assert!(events.iter().any(names_address), "{log}");
}

#[tokio::test]
async fn what_it_serves_needs_the_operators_token_if_there_is_one_and_is_not_for_other_sites() {
    let vars = [("KAFKA_TOPIC", "t"), ("KAFKA_BROKER", "127.0.0.1:1"), ("KAFKA_GROUP", "g")];
    let open = ServiceProcess::start(BINARY, &vars).await;
    check_other_sites(&open, &["POST /anything"]).await;
    let token = [("OPERATOR_TOKEN", "secret")];
    check_token(&ServiceProcess::start(BINARY, &[&vars[..], &token].concat()).await, &["GET /"]).await;
}

use std::net::TcpListener;

use serde_json::Value;
use tokio::process::Command;

use crate::support::BINARY;

#[tokio::test]
async fn a_port_that_is_taken_ends_the_process_with_a_log_event_that_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = Command::new(BINARY);
    command.env_clear().env("LISTEN_ADDR", &address).env("LOG_FORMAT", "json");
    let ended = command.output().await.unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let log = String::from_utf8(ended.stderr).unwrap();
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names_address = |event: &Value| {
        event["level"] == "ERROR"
            && event["message"].as_str().unwrap().contains(&format!("listen on {address}"))
    };
    assert!(events.iter().any(names_address), "{log}");
}

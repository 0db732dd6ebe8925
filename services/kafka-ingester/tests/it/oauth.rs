//! Tokens for SASL OAUTHBEARER, from a stand-in for an OpenID provider.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use test_support::TestRedis;

use crate::dead_letters::run_command;
use crate::security::{SecureBroker, wait_until_not_ready};
use crate::support::{Kafka, World, env_var, report_not_run};

/// Gives a token to the client `ingester` with the secret `s/3`, if it asks for the scope `kafka`.
struct StandInProvider {
    url: String,
    is_right: Arc<AtomicBool>,
}

impl StandInProvider {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let is_right = Arc::new(AtomicBool::new(false));
        let answers_right = Arc::clone(&is_right);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, answers_right.load(Ordering::Relaxed));
            }
        });
        Self { url, is_right }
    }
}

fn answer(mut stream: TcpStream, is_right: bool) {
    let mut request = String::new();
    let mut bytes = [0; 4096];
    while !request.ends_with("scope=kafka") {
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.push_str(&String::from_utf8_lossy(&bytes[..count])),
        }
    }
    let basic = format!("basic {}", STANDARD.encode("ingester:s/3")).to_lowercase();
    let is_asked_for =
        request.to_lowercase().contains(&basic) && request.contains("grant_type=client_credentials");
    let (status, body) = if is_right && is_asked_for {
        ("200 OK", json!({"access_token": unsecured_token(), "token_type": "Bearer", "expires_in": 60}))
    } else {
        ("401 Unauthorized", json!({"error": "invalid_client"}))
    };
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all((head + &body).as_bytes());
}

/// A token that is not signed, as Kafka's own validator for tests takes it.
fn unsecured_token() -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"sub": "ingester", "iat": now, "exp": now + 60});
    format!("{}.{}.", part(json!({"alg": "none"})), part(claims))
}

fn vars(provider: &StandInProvider) -> [(&str, &str); 5] {
    [
        ("KAFKA_OAUTH_TOKEN_URL", &provider.url),
        ("KAFKA_OAUTH_CLIENT_ID", "ingester"),
        ("KAFKA_OAUTH_CLIENT_SECRET", "s/3"),
        ("KAFKA_OAUTH_SCOPE", "kafka"),
        ("KAFKA_CONF_SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
    ]
}

#[tokio::test]
async fn a_provider_that_refuses_shows_in_ready() {
    let world = World::with(Kafka::start_mock(), TestRedis::start().await, 1).await;
    let provider = StandInProvider::start();
    let service = world.spawn_ingester(&vars(&provider)).await;
    wait_until_not_ready(&service, "answers 401 Unauthorized").await;
    assert!(!service.log().contains("s/3"));
}

#[tokio::test]
async fn a_token_of_the_provider_opens_the_broker_to_the_service_its_dead_letters_and_a_check() {
    let Some(libs) = env_var("KAFKA_LIBS") else {
        return report_not_run("OAUTHBEARER needs KAFKA_LIBS, the folder of the jars of Apache Kafka");
    };
    let broker = SecureBroker::start(libs).await;
    let world = World::with(Kafka::connect(broker.plain.clone()), TestRedis::start().await, 1).await;
    let dead = world.kafka.create_unique_topic(1).await;
    world.send(r#"{"battery_id":1,"a":1}"#);
    world.send("bad");
    let provider = StandInProvider::start();
    let vars =
        [&vars(&provider)[..], &[("KAFKA_BROKER", &*broker.sasl), ("DEAD_LETTERS_TOPIC", &*dead)]].concat();
    let service = world.spawn_ingester(&vars).await;
    wait_until_not_ready(&service, "answers 401 Unauthorized").await;
    provider.is_right.store(true, Ordering::Relaxed);
    service.wait_until_ready().await;
    world.wait_for_offset(0, 2).await;
    test_support::eventually("the dead letter is moved on", async || world.kafka.log_end(&dead, 0) == 1)
        .await;
    let vars = [&world.kafka_vars()[..], &vars].concat();
    let (code, lines, reason) = run_command(&world, &["check", "--sample", "2"], &vars).await;
    assert_eq!((code, lines.len()), (0, 2), "{reason}");
}

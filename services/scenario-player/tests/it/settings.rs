//! Settings, start and stop.

use test_support::{ServiceProcess, eventually};

use crate::fake_broker::{FakeBroker, Reply, no_properties};
use crate::support::{BINARY, now_ms, post, start_standalone, walk};

#[tokio::test]
async fn with_an_unusable_setting_the_process_prints_one_line_and_exits_2() {
    for (vars, line) in [
        (&[][..], "scenario-player: MQTT_HOST must be set unless TESTING_MOCK_MQTT=true\n"),
        (
            &[("TESTING_MOCK_MQTT", "true"), ("USE_REDIS_BACKEND", "true")][..],
            "scenario-player: REDIS_HOST must be set when USE_REDIS_BACKEND=true\n",
        ),
        (
            &[("TESTING_MOCK_MQTT", "true"), ("CONSUME_FROM", "whenever")][..],
            "scenario-player: CONSUME_FROM must be earliest, latest or an ISO 8601 time with a zone\n",
        ),
        (
            &[("TESTING_MOCK_MQTT", "true"), ("MAX_BODIES_BYTES", "31MB")][..],
            "scenario-player: MAX_BODIES_BYTES must be at least MAX_BODY_BYTES\n",
        ),
    ] {
        let mut player = ServiceProcess::spawn(BINARY, vars);
        assert_eq!(player.wait_for_exit().await, 2);
        assert_eq!(player.log(), line);
    }
}

#[tokio::test]
async fn a_failed_start_is_logged_as_json_and_exits_1() {
    let occupied = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = occupied.local_addr().unwrap().to_string();
    let vars = [("TESTING_MOCK_MQTT", "true"), ("LOG_FORMAT", "json"), ("LISTEN_ADDR", &addr)];
    let output = tokio::process::Command::new(BINARY).env_clear().envs(vars).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    for line in stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(event.is_object(), "{line}");
    }
    assert!(stderr.lines().any(|line| line.contains(&addr)), "{stderr}");
}

#[tokio::test]
async fn help_lists_every_setting_of_the_contract() {
    let help = tokio::process::Command::new(BINARY).arg("--help").output().await.unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for variable in [
        "USE_REDIS_BACKEND",
        "REDIS_HOST",
        "REDIS_PORT",
        "REDIS_DB",
        "REDIS_PASSWORD",
        "SCENARIO_OVERWRITE",
        "MQTT_URL",
        "MQTT_HOST",
        "MQTT_PORT",
        "MQTT_CLIENT_ID",
        "MQTT_CLIENT_ID_EXACT",
        "MQTT_KEEP_ALIVE",
        "MQTT_USERNAME",
        "MQTT_PASSWORD",
        "MQTT_SESSION_EXPIRY",
        "MQTT_USER_PROPERTIES",
        "MQTT_TLS",
        "MQTT_TLS_CERT",
        "MQTT_TLS_KEY",
        "MQTT_TLS_SERVER_NAME",
        "MQTT_TLS_INSECURE",
        "MQTT_BROKER_CERT_FILE",
        "MQTT_PROTOCOL_VERSION",
        "ENTER_TOPIC",
        "ENTER_PAYLOAD",
        "ENTER_QOS",
        "ENTER_RETAIN",
        "MOVE_TOPIC",
        "EXIT_TOPIC",
        "TESTING_MOCK_MQTT",
        "CONSUME_FROM",
        "CONSUME_BATCH_SIZE",
        "LOG_LEVEL",
        "MQTT_QOS",
        "MAX_BODY_BYTES",
        "MAX_BODIES_BYTES",
        "MAX_SCENARIO_STEPS",
        "LISTEN_ADDR",
        "DRAIN_DELAY",
        "DRAIN_TIMEOUT",
    ] {
        assert!(help.contains(&format!("[env: {variable}]")), "{variable} is not in {help}");
    }
}

#[tokio::test]
async fn a_dotenv_file_is_read_and_the_environment_wins() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), "TESTING_MOCK_MQTT=true\nMQTT_PORT=nonsense\n").unwrap();
    // An address of no machine, so that a process whose settings are valid ends too.
    let start = |port: &'static str| {
        let mut command = tokio::process::Command::new(BINARY);
        command.current_dir(dir.path()).env_clear().env("LISTEN_ADDR", "192.0.2.1:9").env("MQTT_PORT", port);
        command.output()
    };
    let refused = start("").await.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().starts_with("scenario-player: MQTT_PORT must be"));
    assert_eq!(
        start("1883").await.unwrap().status.code(),
        Some(1),
        "the settings are valid, but that address cannot be bound"
    );
}

#[tokio::test]
async fn the_health_flag_checks_the_running_instance() {
    let player = start_standalone(&[]).await;
    let exit_code = async |addr: String| {
        let mut command = tokio::process::Command::new(BINARY);
        command.env("TESTING_MOCK_MQTT", "true").env("LISTEN_ADDR", addr).arg("--health");
        command.status().await.unwrap().code()
    };
    assert_eq!(exit_code(format!(":{}", player.port())).await, Some(0));
    assert_eq!(exit_code(format!(":{}", test_support::free_port())).await, Some(1));
}

#[tokio::test]
async fn a_stopped_instance_drains_first_and_exits_0() {
    let mut player = start_standalone(&[("DRAIN_DELAY", "1s")]).await;
    player.wait_until_ready().await;
    post(&player, &walk("1", now_ms(), 100, 50)).await;
    eventually("steps are published", async || player.log().matches("customer/move").count() > 3).await;
    player.signal("TERM").await;
    eventually("/ready is 404", async || player.get("/ready").await.0 == 404).await;
    assert_eq!(player.get("/health").await.0, 200);
    assert_eq!(player.wait_for_exit().await, 0);
    assert!(player.log().matches("customer/move").count() > 15, "steps were published while it drained");
}

#[tokio::test]
async fn the_broker_gets_the_client_id_and_the_properties_that_are_set() {
    let broker = FakeBroker::start(no_properties(), |_| Reply::Accept).await;
    let port = broker.port().to_string();
    let vars = [
        ("MQTT_HOST", "127.0.0.1"),
        ("MQTT_PORT", &*port),
        ("MQTT_CLIENT_ID", "till-7"),
        ("MQTT_CLIENT_ID_EXACT", "true"),
        ("MQTT_KEEP_ALIVE", "1m"),
        ("MQTT_SESSION_EXPIRY", "1h"),
        ("MQTT_USER_PROPERTIES", "shop=12,floor=a=b"),
    ];
    let player = ServiceProcess::start(BINARY, &vars).await;
    player.wait_until_ready().await;
    let properties =
        [("shop", "12"), ("floor", "a=b")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let connect = broker.seen(|seen| seen.last_connect.clone().unwrap());
    assert_eq!((&*connect.client_id, connect.keep_alive), ("till-7", 60));
    let connected = connect.properties.unwrap();
    assert_eq!(
        (connected.session_expiry_interval, &connected.user_properties[..]),
        (Some(3600), &properties[..])
    );
    post(&player, &walk("1", now_ms(), 1, 1)).await;
    eventually("a message has arrived", async || broker.seen(|seen| !seen.accepted.is_empty())).await;
    let message = broker.seen(|seen| seen.messages[0].properties.clone().unwrap());
    assert_eq!(message.user_properties, properties);
}

//! A second broker of MQTT 5 beside Mosquitto: mochi-mqtt, as tests/mochi configures it.

use std::path::PathBuf;
use std::process::Stdio;

use futures_util::future::join_all;
use serde_json::Value;
use test_support::{ServiceProcess, eventually, free_port};
use tokio::process::{Child, Command};

use crate::support::{get_json, now_ms, post, record, start_on, wait_for_empty_timeline, walk};

struct Mochi {
    port: u16,
    output: PathBuf,
    _dir: tempfile::TempDir,
    _child: Child,
}

impl Mochi {
    /// `None` if it was not built.
    #[expect(clippy::disallowed_methods, reason = "a test has no settings of a service")]
    async fn start(max_qos: &str, receive_max: &str) -> Option<Self> {
        let Ok(binary) = std::env::var("BACKPLANE_MOCHI") else {
            eprintln!("NOT RUN: a second broker of MQTT 5 needs BACKPLANE_MOCHI; run scripts/test.sh");
            return None;
        };
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let output = dir.path().join("messages");
        let child = Command::new(binary)
            .args([&port.to_string(), max_qos, receive_max])
            .stdout(Stdio::from(std::fs::File::create(&output).unwrap()))
            .stderr(Stdio::from(std::fs::File::create(dir.path().join("log")).unwrap()))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        eventually("mochi serves", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        Some(Self { port, output, _dir: dir, _child: child })
    }

    async fn start_player(&self, qos: &str) -> ServiceProcess {
        start_on(None, self.port, &[("MQTT_QOS", qos)]).await
    }

    /// Topic, QoS and `x` of each message that it took.
    fn messages(&self) -> Vec<(String, u8, Option<i64>)> {
        let text = std::fs::read_to_string(&self.output).unwrap();
        let message = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let (topic, qos) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
            let payload: Value = serde_json::from_str(words.next()?).ok()?;
            Some((topic, qos, payload["x"].as_i64()))
        };
        text.lines().filter_map(message).collect()
    }
}

#[tokio::test]
async fn a_second_broker_refuses_a_step_by_puback_and_by_pubrec_and_others_go_on() {
    join_all(["1", "2"].map(async |qos| {
        let Some(mochi) = Mochi::start("2", "1024").await else { return };
        let player = mochi.start_player(qos).await;
        let mut scenario = walk("1", now_ms(), 60, 1);
        scenario["path"][20]["type"] = "ENTER".into();
        post(&player, &scenario).await;
        wait_for_empty_timeline(&player).await;
        let letters = get_json(&player, "/dead_letters").await;
        assert_eq!(letters.as_array().unwrap().len(), 1, "{letters}");
        assert_eq!(letters[0]["location"]["x"], 20);
        let reason = letters[0]["reason"].as_str().unwrap();
        assert!(reason.starts_with("the broker refuses it: NotAuthorized"), "{reason}");
        let expected: Vec<_> = (0..60).filter(|x| *x != 20).map(Some).collect();
        let arrived: Vec<_> = mochi.messages().into_iter().map(|(.., x)| x).collect();
        assert_eq!(arrived, expected);
        assert_eq!(
            player.metric("process_gate_closings_total{gate=\"mqtt\"}").await,
            0.0,
            "it stays connected"
        );
    }))
    .await;
}

#[tokio::test]
async fn a_second_broker_whose_quota_is_exceeded_is_asked_again() {
    let Some(mochi) = Mochi::start("2", "1024").await else { return };
    let player = mochi.start_player("1").await;
    let mut scenario = walk("1", now_ms(), 10, 1);
    scenario["path"][9]["type"] = "EXIT".into();
    post(&player, &scenario).await;
    wait_for_empty_timeline(&player).await;
    assert_eq!(get_json(&player, "/dead_letters").await, serde_json::json!([]));
    assert_eq!(mochi.messages().last(), Some(&("customer/exit".to_owned(), 1, None)));
    let published = player.metric("scenario_player_events_published_total").await;
    assert!((published - 13.0).abs() < 0.5, "{published} messages, 3 of them refused");
}

#[tokio::test]
async fn a_recorder_whose_subscription_is_refused_says_so_and_ends() {
    let Some(mochi) = Mochi::start("2", "1024").await else { return };
    let url = format!("mqtt://127.0.0.1:{}", mochi.port);
    for (version, reason) in [("MQTTv5", "NotAuthorized"), ("MQTTv311", "Failure")] {
        let vars = [("MQTT_URL", &*url), ("MQTT_PROTOCOL_VERSION", version)];
        let (code, log) = record(&["--topic", "shop/#", "--topic", "secret/#"], &vars).await;
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains(&format!("subscribe: the broker refuses it: {reason}")), "{log}");
    }
}

#[tokio::test]
async fn a_second_brokers_maximum_qos_and_receive_maximum_are_obeyed() {
    join_all([("0", "1"), ("1", "1"), ("2", "1"), ("2", "3")].map(async |(max_qos, receive_max)| {
        // A message beyond its Receive Maximum ends the connection.
        let Some(mochi) = Mochi::start(max_qos, receive_max).await else { return };
        let player = mochi.start_player("2").await;
        post(&player, &walk("1", now_ms() - 1_000, 300, 1)).await;
        wait_for_empty_timeline(&player).await;
        let qos: u8 = max_qos.parse().unwrap();
        let expected: Vec<_> = (0..300).map(|x| ("customer/move".to_owned(), qos, Some(x))).collect();
        eventually("all messages arrive once", async || mochi.messages() == expected).await;
        let warning = format!("the broker takes QoS {qos} at most");
        assert_eq!(player.log().contains(&warning), qos < 2, "{}", player.log());
    }))
    .await;
}

//! Recordings: the messages of a broker, recorded, posted and played.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use parking_lot::Mutex;
use rumqttc::v5::mqttbytes::v5::PubAckReason;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use test_support::{ServiceProcess, TestMosquitto, eventually, eventually_ok};
use tokio::process::Command;

use crate::fake_broker::{FakeBroker, Reply, no_properties};
use crate::support::{BINARY, TestBackend, get_json, record, send, start_on, start_printing};

/// A message as a subscriber gets it: topic, payload, QoS.
type Received = (String, Vec<u8>, u8);

/// An MQTT client that stores what it gets of `shop/#`, with the time of its arrival, and publishes what a test wants.
struct Client {
    client: AsyncClient,
    received: Arc<Mutex<Vec<(Instant, Received)>>>,
    subscribed: Arc<Mutex<bool>>,
}

impl Client {
    async fn start(port: u16, id: &str) -> Self {
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut events) = AsyncClient::new(options, 1_000);
        client.try_subscribe("shop/#", QoS::ExactlyOnce).unwrap();
        let started = Self { client, received: Arc::default(), subscribed: Arc::default() };
        let (received, subscribed) = (Arc::clone(&started.received), Arc::clone(&started.subscribed));
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => *subscribed.lock() = true,
                    Event::Incoming(Packet::Publish(message)) if !message.retain => {
                        let message = (message.topic, message.payload.to_vec(), message.qos as u8);
                        received.lock().push((Instant::now(), message));
                    }
                    _ => {}
                }
            }
        });
        eventually("the client has subscribed", async || *started.subscribed.lock()).await;
        started
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().iter().map(|(_, message)| message.clone()).collect()
    }
}

/// `scenario-player record`, whose output is a file.
fn recorder(port: u16, version: &str, output: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["record", "--topic", "shop/#"]).env_clear();
    command.envs([("MQTT_URL", &*format!("mqtt://127.0.0.1:{port}")), ("MQTT_PROTOCOL_VERSION", version)]);
    command.stdout(std::fs::File::create(output).unwrap()).kill_on_drop(true);
    command
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

async fn post_recording(
    player: &ServiceProcess,
    query: &str,
    body: impl Into<reqwest::Body>,
) -> (u16, Value) {
    let url = format!("{}/recordings{query}", player.base_url());
    let answer = reqwest::Client::new().post(url).body(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// A recording: `count` messages of the topic `shop/NAME`, one every `interval_ms`. The payload is the number of the message.
fn recording(name: &str, count: usize, interval_ms: usize) -> String {
    let line = |n: usize| json!({"time": n * interval_ms, "topic": format!("shop/{name}"), "payload": n.to_string()});
    (0..count).map(|n| format!("{}\n", line(n))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_is_played_with_the_same_messages_in_their_order_and_distances() {
    join_all([("MQTTv311", false), ("MQTTv5", true)].map(async |(version, in_redis)| {
        let (mqtt, redis) = (TestMosquitto::start().await, TestBackend::start().await);
        let publisher = Client::start(mqtt.port(), "publisher").await;
        let publish = async |topic: &str, qos: QoS, retain: bool, payload: Vec<u8>| {
            publisher.client.publish(topic, qos, retain, payload).await.unwrap();
        };
        publish("shop/open", QoS::AtLeastOnce, true, b"since nine".to_vec()).await;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("walk.jsonl");
        let mut recorder = recorder(mqtt.port(), version, &file).spawn().unwrap();
        eventually("the recorder has got the retained message", async || lines(&file).len() == 1).await;

        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
        for n in 0..30_u8 {
            let payload = match n {
                7 => vec![b'x'; 100_000],
                n if n % 5 == 0 => vec![n, 255, 0, 254],
                n => format!("ü {n}").into_bytes(),
            };
            publish(&format!("shop/{}", n % 4), qos[usize::from(n) / 10], n == 3, payload).await;
            tokio::time::sleep(Duration::from_millis(10 + 20 * u64::from(n % 3))).await;
        }
        eventually("all are recorded", async || lines(&file).len() == 31).await;
        let kill = Command::new("kill").args(["-TERM", &recorder.id().unwrap().to_string()]).status();
        assert!(kill.await.unwrap().success());
        assert!(recorder.wait().await.unwrap().success());
        let recorded = lines(&file);
        assert_eq!(recorded[0]["topic"], "shop/open");
        assert_eq!(recorded[6]["payload_base64"], "Bf8A/g==");
        // MQTT 3.1.1 does not tell a subscriber that a message is kept.
        assert_eq!(recorded[4]["retain"], version == "MQTTv5");
        let qos_sent: Vec<&Value> = recorded[1..].iter().map(|line| &line["qos"]).collect();
        assert_eq!(qos_sent, [vec![0; 10], vec![1; 10], vec![2; 10]].concat());

        let player =
            start_on(in_redis.then_some(&redis), mqtt.port(), &[("MQTT_PROTOCOL_VERSION", version)]).await;
        publisher.received.lock().clear();
        let (status, answer) = post_recording(&player, "?name=walk", std::fs::read(&file).unwrap()).await;
        assert_eq!((status, &answer["messages"]), (200, &json!(31)), "{answer}");
        eventually_ok("all messages arrive", async || match publisher.received().len() {
            31 => Ok(()),
            count => Err(format!("{count}: {}", player.log())),
        })
        .await;
        let received = publisher.received.lock().clone();
        let mut late_ms: Vec<i64> = Vec::new();
        for (n, (at, (topic, payload, qos))) in received.iter().enumerate() {
            let line = &recorded[n];
            assert_eq!((&line["topic"], &line["qos"]), (&json!(topic), &json!(qos)), "message {n}");
            match std::str::from_utf8(payload) {
                Ok(text) => assert_eq!(line["payload"], text),
                Err(_) => assert!(line["payload_base64"].is_string()),
            }
            let since_first_ms = i64::try_from((*at - received[0].0).as_millis()).unwrap();
            late_ms.push(since_first_ms - line["time"].as_i64().unwrap());
        }
        // What the recorder got at once was kept by the broker. Of the others any may have been held up, so the median counts.
        late_ms.remove(0);
        late_ms.sort_unstable();
        let median_ms = late_ms[15];
        let mut late_ms: Vec<i64> = late_ms.iter().map(|ms| ms - median_ms).collect();
        late_ms.sort_unstable_by_key(|ms| ms.abs());
        assert!(late_ms[15].abs() < 15 && late_ms[29].abs() < 500, "{late_ms:?}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_killed_while_it_plays_recordings_loses_no_message_at_qos_1() {
    let (mqtt, redis) = (TestMosquitto::start().await, TestBackend::start().await);
    let vars = [("CONSUME_BATCH_SIZE", "50")];
    let (one, mut two) =
        (start_on(Some(&redis), mqtt.port(), &vars).await, start_on(Some(&redis), mqtt.port(), &vars).await);
    let subscriber = Client::start(mqtt.port(), "subscriber").await;
    let names: Vec<String> = (0..8).map(|n| format!("walk-{n}")).collect();
    for name in &names {
        let (status, answer) = post_recording(&one, &format!("?name={name}"), recording(name, 300, 10)).await;
        assert_eq!(status, 200, "{answer}");
    }
    let published = "scenario_player_events_published_total";
    eventually("the second instance plays", async || two.metric(published).await > 50.0).await;
    two.kill().await;
    let of = |name: &str| -> Vec<usize> {
        let received =
            subscriber.received().into_iter().filter(|(topic, ..)| *topic == format!("shop/{name}"));
        received.map(|(_, payload, _)| String::from_utf8(payload).unwrap().parse().unwrap()).collect()
    };
    for name in &names {
        eventually(&format!("the last message of {name} arrives"), async || of(name).contains(&299)).await;
    }
    let mut repeated = 0;
    for name in &names {
        let mut seen = Vec::new();
        for n in of(name) {
            if seen.contains(&n) { repeated += 1 } else { seen.push(n) }
        }
        assert_eq!(seen, (0..300).collect::<Vec<_>>(), "{name}");
    }
    assert!(repeated <= 50, "{repeated} messages were repeated");
}

#[tokio::test]
async fn a_recording_pauses_seeks_changes_its_speed_loops_and_is_deleted() {
    let redis = TestBackend::start().await;
    join_all([true, false].map(async |in_redis| {
        let player = start_printing(in_redis.then_some(&redis), &[]).await;
        let printed = || -> Vec<usize> {
            let log = player.log();
            log.lines().filter_map(|line| line.strip_prefix("shop/a ")?.parse().ok()).collect()
        };
        let change = async |change: Value| {
            let (status, playback) = send(&player, "PATCH", "/recordings/a/playback", &change).await;
            assert_eq!(status, 200, "{playback}");
            playback
        };
        let (status, answer) = post_recording(&player, "?name=a&speed=2", recording("a", 400, 10)).await;
        assert_eq!((status, &answer["name"]), (200, &json!("a")), "{answer}");
        assert_eq!(answer["playback"]["length_ms"], 3_990);
        eventually("messages are published", async || printed().len() > 20).await;
        assert_eq!(change(json!({"paused": true})).await["state"], "paused");
        assert_eq!(get_json(&player, "/timeline").await, json!([]));
        assert_eq!(change(json!({"paused": false, "speed": 1})).await["state"], "running");
        let next = get_json(&player, "/timeline?limit=1").await;
        assert_eq!(next[0]["recording"], "a");
        let before = printed().len();
        eventually("more are published", async || printed().len() > before + 5).await;
        change(json!({"position_ms": 3_000, "speed": 10})).await;
        eventually("the last is published", async || printed().last() == Some(&399)).await;
        let all = printed();
        let at = all.iter().position(|n| *n == 300).unwrap();
        assert_eq!(all[..at], (0..at).collect::<Vec<_>>(), "none is lost or repeated");
        assert_eq!(all[at..], (300..400).collect::<Vec<_>>());

        let looping = json!({"speed": 1000, "loop": true});
        assert_eq!(send(&player, "POST", "/recordings/a/replay", &looping).await.0, 200);
        let iterations = || printed().iter().filter(|n| **n == 399).count();
        eventually("three iterations are published", async || iterations() > 3).await;
        assert_eq!(get_json(&player, "/recordings").await[0]["playback"]["loop"], true);
        assert_eq!(send(&player, "DELETE", "/recordings/a", &Value::Null).await.0, 204);
        assert_eq!(get_json(&player, "/timeline").await, json!([]));
        assert_eq!(get_json(&player, "/recordings").await, json!([]));
        assert_eq!(send(&player, "PATCH", "/recordings/a/playback", &json!({})).await.0, 404);

        let (status, _) = post_recording(&player, "?name=a&speed=max", recording("a", 5_000, 1_000)).await;
        assert_eq!(status, 200);
        eventually("all of a recording of 83 minutes is published", async || {
            printed().last() == Some(&4_999)
        })
        .await;
        let all = printed();
        assert_eq!(all[all.len() - 5_000..], (0..5_000).collect::<Vec<_>>());
    }))
    .await;
}

#[tokio::test]
async fn a_recording_can_be_posted_again_and_another_one_of_its_name_is_refused() {
    let redis = TestBackend::start().await;
    join_all([true, false].map(async |in_redis| {
        let player = start_printing(in_redis.then_some(&redis), &[("MAX_SCENARIO_STEPS", "5000")]).await;
        // More than one part.
        let body = recording("a", 4_500, 100);
        for _ in 0..2 {
            let (status, answer) = post_recording(&player, "?name=a", body.clone()).await;
            assert_eq!((status, &answer["messages"]), (200, &json!(4_500)), "{answer}");
        }
        let timeline = get_json(&player, "/timeline?limit=1000").await;
        let due: Vec<&Value> = timeline.as_array().unwrap().iter().map(|event| &event["index"]).collect();
        assert!(
            due.windows(2).all(|pair| pair[0].as_i64() < pair[1].as_i64()),
            "each is there once: {due:?}"
        );
        let (status, answer) = post_recording(&player, "?name=a", recording("a", 3, 1)).await;
        assert_eq!(
            (status, answer),
            (409, json!({"detail": "name: another recording has this name; delete it first"}))
        );
        let (status, answer) = post_recording(&player, "", recording("b", 3, 1)).await;
        assert_eq!((status, answer["name"].as_str().map(str::len)), (200, Some(12)), "{answer}");

        let good = r#"{"time":1,"topic":"t","payload":""}"#;
        for (query, body, status, detail) in [
            ("", String::new(), 422, "the recording must have at least one message"),
            ("", format!("{good}\n\n{{"), 400, "line 3: is not JSON: "),
            ("", format!("{good}\n{{\"time\":1}}"), 422, "line 2: missing field `topic`"),
            ("", good.replace("\"t\"", "\"a/+\""), 422, "line 1: topic: must be 1 to 65535 bytes"),
            ("?name=a%2Fb", good.to_owned(), 422, "name: a recording's name must be 1 to 128 of"),
            ("?speed=2000", good.to_owned(), 422, "speed: must lie between 0.1 and 1000, or be max"),
            ("?loop=maybe", good.to_owned(), 422, "loop: must be true or false"),
        ] {
            let (found, answer) = post_recording(&player, query, body.clone()).await;
            assert_eq!(found, status, "{body}: {answer}");
            assert!(answer["detail"].as_str().unwrap().starts_with(detail), "{body}: {answer}");
        }
        let (status, answer) = post_recording(&player, "", recording("c", 5_001, 1)).await;
        assert_eq!((status, &answer["detail"]), (413, &json!("the recording has more than 5000 messages")));
    }))
    .await;
}

#[tokio::test]
async fn a_recording_is_not_accepted_while_too_few_replicas_have_it_however_often_it_is_posted() {
    let redis = TestBackend::start().await;
    let player = start_printing(Some(&redis), &[("REDIS_WAIT_REPLICAS", "1")]).await;
    let without = start_printing(Some(&redis), &[]).await;
    let post = async |player: &ServiceProcess| post_recording(player, "?name=a", recording("a", 3, 1)).await;
    let (status, answer) = post(&player).await;
    assert_eq!(status, 503, "{answer}");
    let (status, answer) = post(&without).await;
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = post(&player).await;
    assert_eq!(status, 503, "it has begun: {answer}");
}

#[tokio::test]
async fn a_message_that_the_broker_refuses_is_a_dead_letter_that_can_be_replayed() {
    let redis = TestBackend::start().await;
    join_all([true, false].map(async |in_redis| {
        let refuses = Arc::new(Mutex::new(true));
        let refuses_now = Arc::clone(&refuses);
        let broker = FakeBroker::start(no_properties(), move |message| {
            match *refuses_now.lock() && message.payload.as_ref() == b"1" {
                true => Reply::Refuse(PubAckReason::NotAuthorized, "not one"),
                false => Reply::Accept,
            }
        })
        .await;
        let player = start_on(in_redis.then_some(&redis), broker.port(), &[]).await;
        let (status, answer) = post_recording(&player, "?name=a", recording("a", 3, 1)).await;
        assert_eq!(status, 200, "{answer}");
        eventually("one is a dead letter", async || {
            get_json(&player, "/dead_letters").await.as_array().unwrap().len() == 1
        })
        .await;
        let letter = get_json(&player, "/dead_letters").await[0].clone();
        assert_eq!((&letter["recording"], &letter["index"]), (&json!("a"), &json!(1)));
        assert_eq!(letter["reason"], "the broker refuses it: NotAuthorized: not one");
        eventually("the others are published", async || {
            broker.seen(|seen| seen.accepted.clone()) == ["0", "2"]
        })
        .await;
        *refuses.lock() = false;
        assert_eq!(send(&player, "POST", "/dead_letters/replay", &Value::Null).await.0, 200);
        eventually("it is published", async || broker.seen(|seen| seen.accepted.clone()) == ["0", "2", "1"])
            .await;
    }))
    .await;
}

#[tokio::test]
async fn a_recorder_goes_on_after_the_broker_was_away_and_says_that_messages_are_missing() {
    let mut mqtt = TestMosquitto::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("walk.jsonl");
    let log = dir.path().join("log");
    let mut command = recorder(mqtt.port(), "MQTTv5", &file);
    let _recorder = command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    // The broker keeps a message for those who subscribe later.
    let keep = async |port: u16, id: &str, payload: &str| {
        let publisher = Client::start(port, id).await;
        publisher.client.publish("shop/a", QoS::AtLeastOnce, true, payload).await.unwrap();
        eventually("it is recorded", async || {
            lines(&file).last().is_some_and(|line| line["payload"] == payload)
        })
        .await;
    };
    keep(mqtt.port(), "first", "before").await;
    mqtt.restart().await;
    keep(mqtt.port(), "second", "after").await;
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("so messages will be missing") && log.contains("connected again"), "{log}");
}

#[tokio::test]
async fn a_recorder_that_the_broker_does_not_serve_says_why_and_ends() {
    let nobody = format!("mqtt://127.0.0.1:{}", test_support::free_port());
    let (code, error) = record(&["--topic", "shop/#"], &[("MQTT_URL", &nobody)]).await;
    assert!(code == Some(1) && error.contains("connect to the broker: "), "{code:?} {error}");
    let mqtt = TestMosquitto::start_with("allow_anonymous false\n").await;
    let closed = format!("mqtt://127.0.0.1:{}", mqtt.port());
    let (code, error) = record(&["--topic", "shop/#"], &[("MQTT_URL", &closed)]).await;
    assert!(code == Some(1) && error.contains("NotAuthorized"), "{code:?} {error}");
    for (args, vars, problem) in [
        (&["--topic", "a/#/b"][..], &[("MQTT_URL", &*nobody)][..], "must be a topic filter, such as shop/#"),
        (&[], &[("MQTT_URL", &nobody)], "--topic"),
        (&["--topic", "#"], &[("TESTING_MOCK_MQTT", "true")], "TESTING_MOCK_MQTT must be false to record"),
        (&["--topic", "#"], &[], "MQTT_HOST must be set"),
    ] {
        let (code, error) = record(args, vars).await;
        assert!(code == Some(2) && error.contains(problem), "{code:?} {error}");
    }
}

//! The broker refuses a step: it becomes a dead letter, and costs no other.

use futures_util::future::join_all;
use rumqttc::v5::mqttbytes::v5::{ConnAckProperties, PubAckReason};
use serde_json::{Value, json};
use test_support::{ServiceProcess, TestMosquitto, eventually, eventually_ok};

use crate::fake_broker::{FakeBroker, Reply, no_properties};
use crate::support::{
    Subscriber, TestBackend, get_json, now_ms, post, send, start_on, wait_for_empty_timeline, walk,
};

async fn wait_for_dead_letters(player: &ServiceProcess, count: usize) -> Vec<Value> {
    eventually_ok(&format!("{count} steps are dead letters"), async || {
        let letters = get_json(player, "/dead_letters?limit=1000").await;
        match letters.as_array().unwrap().len() {
            found if found == count => Ok(()),
            found => Err(format!("{found}; {}", player.log())),
        }
    })
    .await;
    get_json(player, "/dead_letters?limit=1000").await.as_array().unwrap().clone()
}

/// More than the instance may have in flight.
const MOVES: usize = 60;

#[tokio::test]
async fn a_step_that_the_broker_refuses_becomes_a_dead_letter_and_others_go_on() {
    join_all(["1", "2"].map(async |qos| {
        refuse_moves(None, qos).await;
        refuse_moves(Some(TestBackend::start().await), qos).await;
    }))
    .await;
}

async fn refuse_moves(redis: Option<TestBackend>, qos: &str) {
    let dir = tempfile::tempdir().unwrap();
    let acl = dir.path().join("acl");
    let read_and_enter = "topic read customer/#\ntopic write customer/enter\ntopic write customer/exit\n";
    std::fs::write(&acl, read_and_enter).unwrap();
    // With its queue unlimited, as test-support has it, Mosquitto 2.0.11 ends a connection after a refusal.
    let configuration =
        format!("allow_anonymous true\nmax_queued_messages 1000\nacl_file {}\n", acl.display());
    let mut mqtt = TestMosquitto::start_with(&configuration).await;
    let subscriber = Subscriber::start(mqtt.port()).await;
    let player =
        start_on(redis.as_ref(), mqtt.port(), &[("MQTT_QOS", qos), ("CONSUME_BATCH_SIZE", "10")]).await;

    let mut path: Vec<Value> =
        walk("1", now_ms(), i64::try_from(MOVES).unwrap(), 1)["path"].as_array().unwrap().clone();
    let (mut enter, mut exit) = (path[0].clone(), path[MOVES - 1].clone());
    enter["type"] = "ENTER".into();
    exit["type"] = "EXIT".into();
    path.insert(0, enter);
    path.push(exit);
    post(&player, &json!({"customer": {"customer_id": "1"}, "path": path})).await;

    let letters = wait_for_dead_letters(&player, MOVES).await;
    wait_for_empty_timeline(&player).await;
    let topics = || -> Vec<String> { subscriber.messages().into_iter().map(|(topic, _)| topic).collect() };
    eventually("what is allowed has arrived", async || topics() == ["customer/enter", "customer/exit"]).await;
    for (x, letter) in letters.iter().enumerate() {
        assert_eq!(letter["reason"], "the broker refuses it: NotAuthorized");
        assert_eq!((&letter["location"]["x"], &letter["customer_id"]), (&json!(x), &json!("1")));
    }
    assert_eq!(player.metric("scenario_player_dead_letters_total").await, MOVES as f64);
    if redis.is_some() {
        let mut other = start_on(redis.as_ref(), mqtt.port(), &[]).await;
        let waiting = async || other.metric("scenario_player_dead_letters").await;
        eventually("another instance counts them", async || waiting().await == MOVES as f64).await;
        assert_eq!(other.terminate().await, 0);
    }
    assert_eq!(player.get("/ready").await.0, 200);
    assert_eq!(player.log().matches("a step becomes a dead letter").count(), 1, "{}", player.log());

    // A page of them, and one of them.
    let after = letters[9]["id"].as_str().unwrap();
    let page = get_json(&player, &format!("/dead_letters?limit=5&after={after}")).await;
    assert_eq!(page.as_array().unwrap()[..], letters[10..15]);
    let last = format!("/dead_letters/{}", letters[MOVES - 1]["id"].as_str().unwrap());
    assert_eq!(send(&player, "DELETE", &last, &Value::Null).await.0, 204);
    assert_eq!(send(&player, "DELETE", &last, &Value::Null).await.0, 404);
    assert_eq!(send(&player, "POST", &format!("{last}/replay"), &Value::Null).await.0, 404);
    assert_eq!(send(&player, "DELETE", "/dead_letters/last", &Value::Null).await.0, 422);

    // Once the broker takes them, they can be played.
    std::fs::write(&acl, format!("{read_and_enter}topic write customer/move\n")).unwrap();
    mqtt.restart().await;
    subscriber.wait_until_subscribed().await;
    player.wait_until_ready().await;
    let first = format!("/dead_letters/{}/replay", letters[0]["id"].as_str().unwrap());
    assert_eq!(send(&player, "POST", &first, &Value::Null).await.0, 204);
    eventually("the first arrives", async || topics().len() == 3).await;
    let rest = json!({"steps": MOVES - 2});
    assert_eq!(send(&player, "POST", "/dead_letters/replay", &Value::Null).await, (200, rest));
    eventually("the others arrive", async || topics().len() == MOVES + 1).await;
    let moves: Vec<Value> =
        subscriber.messages().into_iter().skip(2).map(|(_, payload)| payload["x"].clone()).collect();
    assert_eq!(moves, (0..MOVES - 1).map(|x| json!(x)).collect::<Vec<_>>());
    assert_eq!(get_json(&player, "/dead_letters").await, json!([]));
}

#[tokio::test]
async fn refusals_at_qos_2_do_not_use_up_the_places_of_others() {
    let broker = FakeBroker::start(no_properties(), |message| {
        if message.topic == "customer/move" {
            Reply::Refuse(PubAckReason::NotAuthorized, "not here")
        } else {
            Reply::Accept
        }
    })
    .await;
    let player = start_on(None, broker.port(), &[("MQTT_QOS", "2"), ("CONSUME_BATCH_SIZE", "10")]).await;
    let mut scenario = walk("1", now_ms(), 200, 1);
    for step in scenario["path"].as_array_mut().unwrap().iter_mut().step_by(2) {
        step["type"] = "ENTER".into();
    }
    post(&player, &scenario).await;
    let letters = wait_for_dead_letters(&player, 100).await;
    assert_eq!(letters[99]["reason"], "the broker refuses it: NotAuthorized: not here");
    wait_for_empty_timeline(&player).await;
    assert_eq!(broker.seen(|seen| (seen.accepted.len(), seen.connections)), (100, 1));
}

#[tokio::test]
async fn a_step_larger_than_the_broker_takes_becomes_a_dead_letter_without_being_sent() {
    let mqtt = TestMosquitto::start_with("allow_anonymous true\nmax_packet_size 250\n").await;
    let subscriber = Subscriber::start(mqtt.port()).await;
    let player = start_on(None, mqtt.port(), &[]).await;
    post(&player, &walk(&"x".repeat(250), now_ms(), 1, 1)).await;
    post(&player, &walk("small", now_ms(), 3, 1)).await;
    let letters = wait_for_dead_letters(&player, 1).await;
    assert_eq!(letters[0]["reason"], "it is larger than the 250 bytes that the broker takes");
    subscriber.wait_for_steps(3).await;
    assert_eq!(send(&player, "DELETE", "/dead_letters", &Value::Null).await.0, 204);
    assert_eq!(get_json(&player, "/dead_letters").await, json!([]));
}

#[tokio::test]
async fn steps_are_sent_with_the_highest_qos_that_the_broker_takes() {
    let mqtt = TestMosquitto::start_with("max_qos 0\nallow_anonymous true\n").await;
    let subscriber = Subscriber::start(mqtt.port()).await;
    let player = start_on(None, mqtt.port(), &[("MQTT_QOS", "2")]).await;
    post(&player, &walk("1", now_ms(), 50, 1)).await;
    subscriber.wait_for_steps(50).await;
    subscriber.assert_all_in_order(1, 50, 0);
    wait_for_empty_timeline(&player).await;
    assert!(player.log().contains("the broker takes QoS 0 at most"), "{}", player.log());
}

#[tokio::test]
async fn a_step_that_twice_ended_the_connection_is_put_aside_and_others_go_on() {
    // Mosquitto ends a 3.1.1 connection that publishes with a higher QoS than it takes. It cannot tell its limit.
    let mqtt = TestMosquitto::start_with("max_qos 0\nallow_anonymous true\n").await;
    let silent = start_on(None, mqtt.port(), &[("MQTT_PROTOCOL_VERSION", "MQTTv311")]).await;
    post(&silent, &walk("1", now_ms(), 1, 1)).await;
    let letters = wait_for_dead_letters(&silent, 1).await;
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("twice the connection ended when it was published: "), "{reason}");
    let published = silent.metric("scenario_player_events_published_total").await;
    assert!((2.0..=4.0).contains(&published), "published {published} times");

    // This one ends the connection at one topic only.
    let broker = FakeBroker::start(no_properties(), |message| {
        if message.topic == "customer/enter" { Reply::Close } else { Reply::Accept }
    })
    .await;
    let player = start_on(None, broker.port(), &[]).await;
    let mut enter = walk("enter", now_ms(), 1, 1);
    enter["path"][0]["type"] = "ENTER".into();
    post(&player, &walk("before", now_ms(), 100, 1)).await;
    post(&player, &enter).await;
    post(&player, &walk("after", now_ms(), 100, 1)).await;
    let letters = wait_for_dead_letters(&player, 1).await;
    assert_eq!(letters[0]["customer_id"], "enter");
    wait_for_empty_timeline(&player).await;
    let mut accepted = broker.seen(|seen| seen.accepted.clone());
    accepted.sort();
    accepted.dedup();
    assert_eq!(accepted.len(), 200);
    let connections = broker.seen(|seen| seen.connections);
    assert!(connections < 10, "{connections} connections");
}

#[tokio::test]
async fn what_a_broker_does_not_take_now_is_tried_again_with_a_pause() {
    let attempts = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&attempts);
    let broker = FakeBroker::start(no_properties(), move |_| {
        match counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0..23 => Reply::Refuse(PubAckReason::QuotaExceeded, "come back later"),
            _ => Reply::Accept,
        }
    })
    .await;
    let player = start_on(None, broker.port(), &[("CONSUME_BATCH_SIZE", "20")]).await;
    post(&player, &walk("1", now_ms() - 1_000, 100, 1)).await;
    wait_for_empty_timeline(&player).await;
    let accepted = broker.seen(|seen| seen.accepted.clone());
    let steps: Vec<i64> = accepted
        .iter()
        .map(|payload| serde_json::from_str::<Value>(payload).unwrap()["x"].as_i64().unwrap())
        .collect();
    assert_eq!(steps, (0..100).collect::<Vec<_>>(), "refused together, they keep their order");
    assert_eq!(get_json(&player, "/dead_letters").await, json!([]));
    let attempts = attempts.load(std::sync::atomic::Ordering::Relaxed);
    assert!(attempts < 140, "{attempts} messages");
}

#[tokio::test]
async fn the_brokers_own_words_are_the_reason_and_its_keep_alive_is_obeyed() {
    let properties =
        ConnAckProperties { server_keep_alive: Some(0), receive_max: Some(1), ..no_properties() };
    let broker = FakeBroker::start(properties, |_| {
        Reply::Refuse(PubAckReason::PayloadFormatInvalid, "no customers today")
    })
    .await;
    let player = start_on(None, broker.port(), &[]).await;
    post(&player, &walk("1", now_ms(), 20, 1)).await;
    let letters = wait_for_dead_letters(&player, 20).await;
    assert_eq!(letters[0]["reason"], "the broker refuses it: PayloadFormatInvalid: no customers today");
    let (connections, pings) = broker.seen(|seen| (seen.connections, seen.pings));
    assert!(connections == 1 && pings <= 3, "{connections} connections, {pings} pings");
}

//! The literal bytes of the contract: routes, topics, payloads, and the layout in Redis.

use fred::prelude::{HashesInterface, ListInterface, SortedSetsInterface};
use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::{TestMosquitto, eventually};

use crate::qos::all_kinds;
use crate::support::{Subscriber, TestServers, get_json, now_ms, post, send, start_standalone, walk};

fn scenario() -> Value {
    json!({"customer": {"customer_id": "1"}, "path": [
        {"type": "ENTER", "location": {"x": 935, "y": 50}, "timestamp": "2021-04-14T08:40:15.513000+00:00"},
        {"type": "move", "location": {"x": 936.9, "y": -51.9}, "timestamp": 1_618_389_616_513_i64},
        {"type": "Focus", "location": {"x": 7, "y": 8}, "timestamp": "2021-04-14T10:40:17.513+02:00"},
        {"type": "EXIT", "location": {"x": 1, "y": 2}, "timestamp": "2021-04-14T08:40:18Z"},
    ]})
}

#[tokio::test]
async fn messages_have_the_topics_and_payloads_of_the_contract_in_both_protocols() {
    join_all(all_kinds().map(async |(protocol, qos)| {
        let mqtt = TestMosquitto::start().await;
        let subscriber = Subscriber::start(mqtt.port()).await;
        let port = mqtt.port().to_string();
        let vars = [("MQTT_HOST", "127.0.0.1"), ("MQTT_PORT", &port), ("MQTT_QOS", qos)];
        let more = [("MQTT_PROTOCOL_VERSION", protocol), ("USE_REDIS_BACKEND", "false")];
        let player =
            crate::support::start_standalone(&[&vars[..], &more, &[("TESTING_MOCK_MQTT", "false")]].concat())
                .await;
        player.wait_until_ready().await;
        post(&player, &scenario()).await;
        eventually("four messages have arrived", async || subscriber.messages().len() == 4).await;
        let expected = [
            ("customer/enter", r#"{"id":"1","ts":1618389615}"#),
            ("customer/move", r#"{"id":"1","ts":1618389616,"x":936,"y":-51}"#),
            ("customer/move", r#"{"id":"1","ts":1618389617,"x":7,"y":8}"#),
            ("customer/exit", r#"{"id":"1","ts":1618389618}"#),
        ];
        let received = subscriber.messages();
        for ((topic, payload), (expected_topic, expected_payload)) in received.iter().zip(expected) {
            assert_eq!(topic, expected_topic);
            assert_eq!(payload, &serde_json::from_str::<Value>(expected_payload).unwrap());
        }
    }))
    .await;
}

#[tokio::test]
async fn without_a_broker_messages_are_printed_byte_for_byte() {
    let player = start_standalone(&[]).await;
    post(&player, &scenario()).await;
    eventually("all are printed", async || player.log().contains("customer/exit")).await;
    for line in [
        "customer/enter {\"id\":\"1\",\"ts\":1618389615}\n",
        "customer/move {\"id\":\"1\",\"ts\":1618389616,\"x\":936,\"y\":-51}\n",
        "customer/exit {\"id\":\"1\",\"ts\":1618389618}\n",
    ] {
        assert!(player.log().contains(line), "{line:?} is not in {}", player.log());
    }
}

#[tokio::test]
async fn redis_holds_the_layout_that_operators_look_at() {
    let servers = TestServers::start().await;
    let player = servers.start_player(&[]).await;
    player.wait_until_ready().await;
    let start = 4_000_000_000_000_i64;
    let path = json!([
        {"type": "ENTER", "location": {"x": 935, "y": 50}, "timestamp": start},
        {"type": "MOVE", "location": {"x": 1, "y": 2}, "timestamp": start + 1},
    ]);
    post(&player, &json!({"customer": {"customer_id": "1"}, "path": path})).await;
    let redis = servers.redis.client().await;
    let list: Vec<String> = redis.lrange("SCENARIO:1", 0, -1).await.unwrap();
    assert_eq!(
        list,
        ["2096-10-02 07:06:40.000000+0000|ENTER|935|50", "2096-10-02 07:06:40.001000+0000|MOVE|1|2"]
    );
    let timeline: Vec<(String, f64)> =
        redis.zrange("TIMELINE:CURRENT", 0, -1, None, false, None, true).await.unwrap();
    assert_eq!(
        timeline,
        [
            ("1|935|50|ENTER|2096-10-02 07:06:40.000000+0000".to_owned(), 4e12),
            ("1|1|2|MOVE|2096-10-02 07:06:40.001000+0000".to_owned(), 4e12 + 1.0),
        ]
    );
    assert_eq!(redis.hget::<i64, _, _>("TIMELINE:META", "posts").await.unwrap(), 1);
}

#[tokio::test]
async fn a_list_that_the_original_wrote_can_be_shown_and_replayed() {
    let servers = TestServers::start().await;
    let redis = servers.redis.client().await;
    let list = ["2021-04-14 08:40:15.513000+0000|ENTER|935|50", "2021-04-14 08:40:15.613000+0000|EXIT|1|2"];
    redis.rpush::<(), _, _>("SCENARIO:old", list.to_vec()).await.unwrap();
    let player = servers.start_player(&[]).await;
    player.wait_until_ready().await;
    let subscriber = Subscriber::start(servers.mqtt.port()).await;
    let shown = get_json(&player, "/scenarios/old").await;
    assert_eq!(
        shown["path"][0],
        json!({"type": "ENTER", "location": {"x": 935, "y": 50}, "timestamp": "2021-04-14T08:40:15.513000+00:00"})
    );
    assert_eq!(send(&player, "POST", "/scenarios/old/replay", &json!({})).await.0, 200);
    eventually("it was published", async || subscriber.messages().len() == 2).await;
}

#[tokio::test]
async fn a_scenario_posted_again_replaces_the_stored_one_unless_overwriting_is_off() {
    join_all([("true", 3), ("false", 6)].map(async |(overwrite, stored)| {
        let servers = TestServers::start().await;
        let redis = servers.redis.client().await;
        let player = servers.start_player(&[("SCENARIO_OVERWRITE", overwrite)]).await;
        player.wait_until_ready().await;
        for n in 0..2 {
            post(&player, &walk("1", 4_000_000_000_000 + n * 10, 3, 1000)).await;
        }
        assert_eq!(redis.llen::<usize, _>("SCENARIO:1").await.unwrap(), stored);
        assert_eq!(
            redis.zcard::<usize, _>("TIMELINE:CURRENT").await.unwrap(),
            6,
            "steps on the timeline stay there"
        );
        assert_eq!(get_json(&player, "/scenarios").await[0]["steps"], stored);
    }))
    .await;
}

#[tokio::test]
async fn equal_steps_are_all_published_and_ids_may_contain_any_character() {
    let servers = TestServers::start().await;
    let player = servers.start_player(&[]).await;
    player.wait_until_ready().await;
    let subscriber = Subscriber::start(servers.mqtt.port()).await;
    let unusual_id = "a|b\"\n{}:ü 1.2|3";
    let step = json!({"type": "MOVE", "location": {"x": 5, "y": 5}, "timestamp": now_ms() + 200});
    let scenario = json!({"customer": {"customer_id": unusual_id}, "path": [step, step, step]});
    post(&player, &scenario).await;
    post(&player, &scenario).await;
    eventually("six equal steps have arrived", async || subscriber.messages().len() == 6).await;
    assert!(subscriber.messages().iter().all(|(_, payload)| payload["id"] == unusual_id));
    let redis = servers.redis.client().await;
    eventually("the timeline is empty", async || {
        redis.zcard::<usize, _>("TIMELINE:CURRENT").await.unwrap() == 0
    })
    .await;
}

#[tokio::test]
async fn steps_of_one_millisecond_keep_their_order() {
    let servers = TestServers::start().await;
    let player = servers.start_player(&[]).await;
    player.wait_until_ready().await;
    let subscriber = Subscriber::start(servers.mqtt.port()).await;
    let time = now_ms() + 300;
    let path: Vec<Value> = (0..3000)
        .map(|n| json!({"type": "MOVE", "location": {"x": n, "y": 9000 - n}, "timestamp": time}))
        .collect();
    post(&player, &json!({"customer": {"customer_id": "hasty"}, "path": path})).await;
    subscriber.wait_for_steps(3000).await;
    subscriber.assert_all_in_order(1, 3000, 0);
}

#[tokio::test]
async fn reading_the_state_changes_nothing_and_returns_who_is_present() {
    join_all([true, false].map(async |redis| {
        let servers = TestServers::start().await;
        let player = if redis { servers.start_player(&[]).await } else { start_standalone(&[]).await };
        player.wait_until_ready().await;
        let start = 4_000_000_000_000_i64;
        let path = json!([
            {"type": "ENTER", "location": {"x": 935, "y": 50}, "timestamp": start},
            {"type": "MOVE", "location": {"x": 1, "y": 2}, "timestamp": start + 1000},
            {"type": "EXIT", "location": {"x": 3, "y": 4}, "timestamp": start + 2000},
        ]);
        post(&player, &json!({"customer": {"customer_id": "1"}, "path": path})).await;
        let before = get_json(&player, "/timeline").await;
        for (time, state) in [
            ("2096-10-02T07:06:39.999%2B00:00", json!([])),
            (
                "2096-10-02T07:06:41.5+00:00",
                json!([{"customer_description": {"customer_id": "1"}, "location": {"x": 1, "y": 2}, "status": "MOVE",
                        "timestamp": "2096-10-02T07:06:41.000000+00:00"}]),
            ),
            ("2096-10-02T07:06:42Z", json!([])),
        ] {
            assert_eq!(get_json(&player, &format!("/state?timestamp={time}")).await, state, "{time}");
        }
        assert_eq!(get_json(&player, "/timeline").await, before);
        assert_eq!(before.as_array().unwrap().len(), 3);
    }))
    .await;
}

#[tokio::test]
async fn the_answer_to_a_draft_has_its_times_and_it_is_started() {
    let player = start_standalone(&[]).await;
    let draft = json!({"customer": {"customer_id": "d"}, "path": [
        {"type": "ENTER", "location": {"x": 0, "y": 0}},
        {"type": "FOCUS", "location": {"x": 300, "y": 400}, "timestamp": "ignored"},
    ]});
    let (status, scenario) = send(&player, "POST", "/scenario_draft", &draft).await;
    assert_eq!(status, 200, "{scenario}");
    let path = scenario["path"].as_array().unwrap();
    assert_eq!(path.len(), 7);
    assert!(path.iter().all(|step| step["type"] == "MOVE"));
    assert_eq!(get_json(&player, "/scenarios/d").await, scenario);
    assert_eq!(get_json(&player, "/timeline").await.as_array().unwrap().len(), 7);
    let time_ms = |n: usize| {
        path[n]["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
    };
    assert_eq!(time_ms(1) - time_ms(0), 15_000);
    assert_eq!(time_ms(6) - time_ms(1), 37_500);
    assert!((time_ms(0) - now_ms() - 10_000).abs() < 2_000);
}

#[tokio::test]
async fn a_stream_of_events_has_the_events_of_every_instance() {
    let servers = TestServers::start().await;
    let (one, two) = (servers.start_player(&[]).await, servers.start_player(&[]).await);
    one.wait_until_ready().await;
    two.wait_until_ready().await;
    let stream = reqwest::get(format!("{}/events", one.base_url())).await.unwrap();
    let received = std::sync::Arc::new(parking_lot::Mutex::new(String::new()));
    let shared = received.clone();
    tokio::spawn(async move {
        let mut stream = stream;
        while let Ok(Some(chunk)) = stream.chunk().await {
            shared.lock().push_str(&String::from_utf8_lossy(&chunk));
        }
    });
    let redis = servers.redis.client().await;
    eventually("the instance has subscribed to published events", async || {
        use fred::prelude::PubsubInterface;
        if servers.redis.is_cluster() {
            // Nobody knows who has heard of it. A far step that is taken back shows it.
            post(&two, &walk("probe", now_ms(), 1, 1)).await;
            let has_arrived = received.lock().contains("probe");
            received.lock().clear();
            return has_arrived;
        }
        let counts: Vec<(String, i64)> = redis.pubsub_numsub("TIMELINE:PUBLISHED").await.unwrap();
        counts.first().is_some_and(|(_, count)| *count == 1)
    })
    .await;
    for customer in 0..20 {
        post(&two, &walk(&customer.to_string(), now_ms() + 1500, 5, 50)).await;
    }
    eventually("all events have arrived", async || received.lock().matches("data: {").count() == 100).await;
    let text = received.lock().clone();
    assert!(text.starts_with("retry: 1000\n\n"));
    assert!(
        text.contains(r#"data: {"customer_id":"7","type":"MOVE","location":{"x":4,"y":0},"timestamp":""#),
        "{text}"
    );
}

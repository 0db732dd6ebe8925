//! Replay, pause, seek, speed, loops and deletion, on both backends.

use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::{ServiceProcess, eventually, free_port};

use crate::support::{
    BINARY, TestBackend, TestServers, get_json, now_ms, post, send, start_player, start_printing, walk,
};

/// The `x` of each move that was printed.
fn printed_moves(player: &ServiceProcess) -> Vec<i64> {
    printed_moves_of(player, |_| true)
}

fn printed_moves_of(player: &ServiceProcess, is_meant: impl Fn(&Value) -> bool) -> Vec<i64> {
    let log = player.log();
    let payloads = log.lines().filter_map(|line| line.strip_prefix("customer/move "));
    let steps = payloads.map(|json| serde_json::from_str::<Value>(json).unwrap());
    steps.filter(|step| is_meant(&step["id"])).map(|step| step["x"].as_i64().unwrap()).collect()
}

async fn change_playback(player: &ServiceProcess, change: Value) -> Value {
    let (status, playback) = send(player, "PATCH", "/scenarios/1/playback", &change).await;
    assert_eq!(status, 200, "{playback}");
    playback
}

#[tokio::test]
async fn a_walk_pauses_resumes_seeks_and_changes_its_speed() {
    let servers = TestServers::start().await;
    join_all([true, false].map(async |redis| {
        let player = start_printing(redis.then_some(&servers.redis), &[]).await;
        post(&player, &walk("1", now_ms() + 100, 100, 50)).await;
        eventually("steps are published", async || printed_moves(&player).len() > 5).await;

        let paused = change_playback(&player, json!({"paused": true})).await;
        assert_eq!(paused["state"], "paused");
        let position_ms = get_json(&player, "/scenarios/1/playback").await["position_ms"].as_i64().unwrap();
        assert_eq!(get_json(&player, "/timeline").await, json!([]), "no step is due while it is paused");
        let moves_before = printed_moves(&player).len();
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        assert_eq!(printed_moves(&player).len(), moves_before, "no step is published while it is paused");
        assert_eq!(get_json(&player, "/scenarios/1/playback").await["position_ms"], position_ms);

        assert_eq!(change_playback(&player, json!({"paused": false})).await["state"], "running");
        eventually("more steps are published", async || printed_moves(&player).len() > moves_before + 5)
            .await;
        let walk = printed_moves(&player);
        assert_eq!(walk, (0..).take(walk.len()).collect::<Vec<i64>>(), "no step was lost or repeated");

        let changed = change_playback(&player, json!({"position_ms": 4000, "speed": 10})).await;
        assert_eq!((&changed["speed"], &changed["length_ms"]), (&json!(10.0), &json!(4950)));
        eventually("it has ended", async || {
            get_json(&player, "/scenarios/1/playback").await["state"] == "ended"
        })
        .await;
        eventually("the last step is published", async || printed_moves(&player).last() == Some(&99)).await;
        let tail: Vec<i64> = printed_moves(&player).into_iter().filter(|x| *x >= 80).collect();
        assert_eq!(tail, (80..100).collect::<Vec<_>>());
        // The other backend uses the same customer.
        assert_eq!(send(&player, "DELETE", "/scenarios/1", &json!({})).await.0, 204);
    }))
    .await;
}

#[tokio::test]
async fn steps_that_fall_due_while_a_playback_is_changed_are_published_once() {
    let servers = TestServers::start().await;
    join_all([true, false].map(async |redis| {
        let player = start_printing(redis.then_some(&servers.redis), &[]).await;
        // A step every other millisecond, so that some fall due in each change. A change also makes loops be scheduled.
        post(&player, &walk("loop", now_ms() + 3_600_000, 1_000, 2)).await;
        let looping = json!({"loop": true});
        assert_eq!(send(&player, "POST", "/scenarios/loop/replay", &looping).await.0, 200);
        post(&player, &walk("1", now_ms() + 100, 1_500, 2)).await;
        let changes =
            [json!({"paused": true}), json!({"paused": false}), json!({"speed": 0.7}), json!({"speed": 1})];
        for change in changes.into_iter().cycle().take(16) {
            change_playback(&player, change).await;
        }
        let walk = || printed_moves_of(&player, |id| id == "1");
        eventually("the last step is published", async || walk().contains(&1_499)).await;
        assert_eq!(walk(), (0..1_500).collect::<Vec<_>>());
        let looped = printed_moves_of(&player, |id| id == "loop");
        assert_eq!(looped, (0..1_000).cycle().take(looped.len()).collect::<Vec<_>>());
        for customer in ["1", "loop"] {
            let path = format!("/scenarios/{customer}");
            assert_eq!(send(&player, "DELETE", &path, &json!({})).await.0, 204);
        }
    }))
    .await;
}

#[tokio::test]
async fn a_loop_begins_again_until_looping_is_turned_off() {
    let servers = TestServers::start().await;
    join_all([true, false].map(async |redis| {
        let player = start_printing(redis.then_some(&servers.redis), &[]).await;
        post(&player, &walk("1", now_ms() - 60_000, 5, 100)).await;
        let (status, playback) =
            send(&player, "POST", "/scenarios/1/replay", &json!({"speed": 2.0, "loop": true})).await;
        assert_eq!((status, &playback["state"], &playback["loop"]), (200, &json!("running"), &json!(true)));
        let iterations =
            || printed_moves(&player).windows(5).filter(|steps| *steps == [0, 1, 2, 3, 4]).count();
        // The overdue steps of the post itself may have been published too.
        let before = iterations();
        eventually("three iterations were published", async || iterations() >= before + 3).await;
        change_playback(&player, json!({"loop": false})).await;
        eventually("it ends", async || get_json(&player, "/timeline").await == json!([])).await;
        let after = printed_moves(&player).len();
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        assert_eq!(printed_moves(&player).len(), after);
        assert_eq!(send(&player, "DELETE", "/scenarios/1", &json!({})).await.0, 204);
    }))
    .await;
}

#[tokio::test]
async fn a_deleted_scenario_is_gone_together_with_its_upcoming_steps() {
    let servers = TestServers::start().await;
    join_all([true, false].map(async |redis| {
        let player = start_printing(redis.then_some(&servers.redis), &[]).await;
        post(&player, &walk("1", now_ms() + 300, 50, 100)).await;
        eventually("steps are published", async || printed_moves(&player).len() > 3).await;
        assert_eq!(send(&player, "DELETE", "/scenarios/1", &json!({})).await.0, 204);
        assert_eq!(get_json(&player, "/timeline").await, json!([]));
        assert_eq!(get_json(&player, "/scenarios").await, json!([]));
        for (method, path) in [
            ("GET", "/scenarios/1"),
            ("DELETE", "/scenarios/1"),
            ("POST", "/scenarios/1/replay"),
            ("PATCH", "/scenarios/1/playback"),
        ] {
            let (status, answer) = send(&player, method, path, &json!({})).await;
            assert_eq!(
                (status, &answer["detail"]),
                (404, &json!("no scenario of this customer is stored")),
                "{method}"
            );
        }
    }))
    .await;
}

#[tokio::test]
async fn a_change_through_one_instance_reaches_a_scenario_that_another_one_plays() {
    let servers = TestServers::start().await;
    let (one, two) =
        (start_printing(Some(&servers.redis), &[]).await, start_printing(Some(&servers.redis), &[]).await);
    for customer in 0..10 {
        post(&one, &walk(&customer.to_string(), now_ms() + 1500, 200, 50)).await;
    }
    let all_moves = || printed_moves(&one).len() + printed_moves(&two).len();
    eventually("both publish", async || printed_moves(&one).len() > 20 && printed_moves(&two).len() > 20)
        .await;
    for customer in 0..10 {
        let path = format!("/scenarios/{customer}/playback");
        assert_eq!(send(&two, "PATCH", &path, &json!({"paused": true})).await.0, 200);
    }
    assert_eq!(get_json(&one, "/timeline").await, json!([]));
    let moves_before = all_moves();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(all_moves(), moves_before, "no step is published while it is paused");
}

#[tokio::test]
async fn deleting_a_scenario_takes_the_steps_that_wait_for_the_broker_off_the_timeline() {
    let (redis, nobody) = (TestBackend::start().await, free_port());
    let port = nobody.to_string();
    let in_memory = [("MQTT_HOST", "127.0.0.1"), ("MQTT_PORT", &*port)];
    for player in [
        ServiceProcess::start(BINARY, &in_memory).await,
        start_player(redis.port(), nobody, &[("CONSUME_FROM", "earliest")]).await,
    ] {
        post(&player, &walk("kept", now_ms() - 5_000, 3, 1)).await;
        post(&player, &walk("deleted", now_ms() - 4_000, 5, 1)).await;
        assert_eq!(get_json(&player, "/timeline").await.as_array().unwrap().len(), 8);
        assert_eq!(send(&player, "DELETE", "/scenarios/deleted", &Value::Null).await.0, 204);
        let left = get_json(&player, "/timeline").await;
        let left: Vec<&Value> = left.as_array().unwrap().iter().map(|step| &step["customer_id"]).collect();
        assert_eq!(left, ["kept"; 3]);
    }
}

#[tokio::test]
async fn at_max_speed_an_hour_is_played_at_once_and_in_order() {
    let servers = TestServers::start().await;
    for redis in [false, true] {
        let player = start_printing(redis.then_some(&servers.redis), &[]).await;
        post(&player, &walk("1", now_ms() + 3_600_000, 3_000, 1_200)).await;
        let replay = json!({"speed": "max"});
        let (status, playback) = send(&player, "POST", "/scenarios/1/replay", &replay).await;
        assert_eq!((status, &playback["speed"]), (200, &json!("max")));
        eventually("all are published", async || printed_moves(&player).len() == 3_000).await;
        assert_eq!(printed_moves(&player), (0..3_000).collect::<Vec<_>>());
        assert_eq!(change_playback(&player, json!({"speed": 2})).await["speed"], 2.0);
        let (status, answer) =
            send(&player, "PATCH", "/scenarios/1/playback", &json!({"speed": "most"})).await;
        assert_eq!(status, 422, "{answer}");
    }
}

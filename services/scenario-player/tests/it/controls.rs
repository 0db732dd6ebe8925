//! Playing again, pausing, seeking, speed, loops, deleting: on both backends.

use serde_json::{Value, json};
use test_support::{ServiceProcess, eventually};

use crate::support::{World, alone, get_json, now_ms, post, send, walk};

/// An instance that prints, on either backend.
async fn printing(world: &World, redis: bool) -> ServiceProcess {
    let player = if redis { world.player(&[("TESTING_MOCK_MQTT", "true")]).await } else { alone(&[]).await };
    player.wait_until_ready().await;
    player
}

/// The `x` of the moves that were printed.
fn walked(player: &ServiceProcess) -> Vec<i64> {
    let moves = player.log();
    let payloads = moves.lines().filter_map(|line| line.strip_prefix("customer/move "));
    payloads.map(|json| serde_json::from_str::<Value>(json).unwrap()["x"].as_i64().unwrap()).collect()
}

async fn change(player: &ServiceProcess, change: Value) -> Value {
    let (status, playback) = send(player, "PATCH", "/scenarios/1/playback", &change).await;
    assert_eq!(status, 200, "{playback}");
    playback
}

#[tokio::test]
async fn a_walk_pauses_resumes_seeks_and_changes_its_speed() {
    let world = World::start().await;
    for redis in [true, false] {
        let player = printing(&world, redis).await;
        post(&player, &walk("1", now_ms() + 100, 100, 50)).await;
        eventually("it walks", async || walked(&player).len() > 5).await;

        let paused = change(&player, json!({"paused": true})).await;
        assert_eq!(paused["state"], "paused");
        let stood_at = get_json(&player, "/scenarios/1/playback").await["position_ms"].as_i64().unwrap();
        assert_eq!(get_json(&player, "/timeline").await, json!([]), "nothing is to come");
        let so_far = walked(&player).len();
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        assert_eq!(walked(&player).len(), so_far, "nobody moves");
        assert_eq!(get_json(&player, "/scenarios/1/playback").await["position_ms"], stood_at);

        assert_eq!(change(&player, json!({"paused": false})).await["state"], "running");
        eventually("it walks on", async || walked(&player).len() > so_far + 5).await;
        let walk = walked(&player);
        assert_eq!(walk, (0..).take(walk.len()).collect::<Vec<i64>>(), "no step was lost or repeated");

        let sought = change(&player, json!({"position_ms": 4000, "speed": 10})).await;
        assert_eq!((&sought["speed"], &sought["length_ms"]), (&json!(10.0), &json!(4950)));
        eventually("it has ended", async || {
            get_json(&player, "/scenarios/1/playback").await["state"] == "ended"
        })
        .await;
        eventually("the last step came", async || walked(&player).last() == Some(&99)).await;
        let tail: Vec<i64> = walked(&player).into_iter().filter(|x| *x >= 80).collect();
        assert_eq!(tail, (80..100).collect::<Vec<_>>());
        // The next backend uses the same customer.
        assert_eq!(send(&player, "DELETE", "/scenarios/1", &json!({})).await.0, 204);
    }
}

#[tokio::test]
async fn a_loop_begins_again_until_it_is_told_not_to() {
    let world = World::start().await;
    for redis in [true, false] {
        let player = printing(&world, redis).await;
        post(&player, &walk("1", now_ms() - 60_000, 5, 100)).await;
        let (status, playback) =
            send(&player, "POST", "/scenarios/1/replay", &json!({"speed": 2.0, "loop": true})).await;
        assert_eq!((status, &playback["state"], &playback["loop"]), (200, &json!("running"), &json!(true)));
        let rounds = || walked(&player).windows(5).filter(|steps| *steps == [0, 1, 2, 3, 4]).count();
        // The overdue steps of the post itself may have come as well.
        let before = rounds();
        eventually("three rounds were walked", async || rounds() >= before + 3).await;
        change(&player, json!({"loop": false})).await;
        eventually("it ends", async || get_json(&player, "/timeline").await == json!([])).await;
        let after = walked(&player).len();
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        assert_eq!(walked(&player).len(), after);
        assert_eq!(send(&player, "DELETE", "/scenarios/1", &json!({})).await.0, 204);
    }
}

#[tokio::test]
async fn a_deleted_scenario_is_gone_with_all_that_was_to_come() {
    let world = World::start().await;
    for redis in [true, false] {
        let player = printing(&world, redis).await;
        post(&player, &walk("1", now_ms() + 300, 50, 100)).await;
        eventually("it walks", async || walked(&player).len() > 3).await;
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
    }
}

#[tokio::test]
async fn controls_reach_a_walk_that_another_instance_plays() {
    let world = World::start().await;
    let (one, two) = (printing(&world, true).await, printing(&world, true).await);
    for customer in 0..10 {
        post(&one, &walk(&customer.to_string(), now_ms() + 1500, 200, 50)).await;
    }
    let both = || walked(&one).len() + walked(&two).len();
    eventually("both walk", async || walked(&one).len() > 20 && walked(&two).len() > 20).await;
    for customer in 0..10 {
        let path = format!("/scenarios/{customer}/playback");
        assert_eq!(send(&two, "PATCH", &path, &json!({"paused": true})).await.0, 200);
    }
    assert_eq!(get_json(&one, "/timeline").await, json!([]));
    let stood = both();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(both(), stood, "nobody moves");
}

//! The user that the README tells to make may do all that an instance does, and nothing else is needed.

use std::path::Path;

use futures_util::future::join_all;
use test_support::{TestMosquitto, TestRedis, redis_versions};

use crate::support::{Subscriber, get_json, now_ms, post, send, start_player, walk};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_of_the_readme_can_do_everything() {
    let versions = redis_versions();
    join_all(versions.iter().map(|(_, binary)| run_as_the_user(binary))).await;
}

async fn run_as_the_user(binary: &Path) {
    let redis = TestRedis::start_binary(binary, &[]).await;
    let readme = include_str!("../../README.md");
    let line = readme.lines().find(|line| line.starts_with("ACL SETUSER scenario-player ")).unwrap();
    redis.admin(line).await;
    redis.admin("ACL SETUSER default off").await;
    let mqtt = TestMosquitto::start().await;
    let subscriber = Subscriber::start(mqtt.port()).await;
    let user = [("REDIS_USERNAME", "scenario-player"), ("REDIS_PASSWORD", "SECRET")];
    let player = start_player(redis.port(), mqtt.port(), &user).await;
    player.wait_until_ready().await;
    post(&player, &walk("1", now_ms() + 500, 5, 100)).await;
    subscriber.wait_for_steps(5).await;
    get_json(&player, "/state").await;
    get_json(&player, "/scenarios").await;
    let replay = serde_json::json!({"loop": true});
    let (status, answer) = send(&player, "POST", "/scenarios/1/replay", &replay).await;
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = send(&player, "DELETE", "/scenarios/1", &replay).await;
    assert!(status < 300, "{status} {answer}");
    assert_eq!(player.get("/ready").await.0, 200);
    assert!(!player.log().contains("NOPERM"), "{}", player.log());
    assert!(!player.log().contains("CLIENT TRACKING"), "{}", player.log());
}
